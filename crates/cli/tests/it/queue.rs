//! `oxherd queue …`.

use serde_json::{Value, json};

use crate::scene::Scene;

async fn two_queues() -> Scene {
    let scene = Scene::start().await;
    scene
        .run(&["job", "add", "mail", "welcome", "--delay", "1h"])
        .await
        .done();
    scene
        .run(&["job", "add", "pictures of cats", "resize", "--delay", "1h"])
        .await
        .done();
    scene
}

#[tokio::test]
async fn queues_are_listed_as_a_table() {
    let scene = two_queues().await;
    assert_eq!(
        scene.run(&["queue", "list"]).await.done(),
        "\
QUEUE             WAITING  PRIORITIZED  DELAYED  CHILDREN  ACTIVE  COMPLETED  FAILED  OLDEST  STATE
mail                    0            0        1         0       0          0       0       -  open
pictures of cats        0            0        1         0       0          0       0       -  open
"
    );
    let quiet = scene.run(&["queue", "list", "--quiet"]).await.done();
    assert!(quiet.starts_with("mail "), "{quiet}");
}

#[tokio::test]
async fn queues_are_listed_as_json() {
    let scene = two_queues().await;
    let list = scene.run(&["queue", "list", "--output", "json"]).await.json();
    assert_eq!(list[0]["name"], "mail");
    assert_eq!(list[1]["delayed"], 1);
    let lines = scene.run(&["queue", "list", "--output", "jsonl"]).await.done();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json!(lines), list);
}

#[tokio::test]
async fn a_store_without_queues_is_no_failure() {
    let scene = Scene::start().await;
    let listed = scene.run(&["queue", "list"]).await;
    assert_eq!(
        (listed.code(), listed.err.as_str()),
        (0, "no queues under prefix \"bull\" yet\n")
    );
    assert_eq!(
        scene.run(&["queue", "list", "--output", "json"]).await.json(),
        json!([])
    );
    assert_eq!(
        scene.run(&["queue", "list", "--output", "jsonl"]).await.done(),
        ""
    );
}

#[tokio::test]
async fn one_queue_is_shown() {
    let scene = two_queues().await;
    assert_eq!(
        scene.run(&["queue", "show", "mail"]).await.done(),
        "\
queue             mail
state             open
waiting           0
prioritized       0
delayed           1
waiting-children  0
active            0
completed         0
failed            0
"
    );
    let shown = scene
        .run(&["queue", "show", "mail", "--output", "json"])
        .await
        .json();
    assert_eq!(
        (&shown["name"], &shown["delayed"], &shown["paused"]),
        (&json!("mail"), &json!(1), &json!(false))
    );
}

#[tokio::test]
async fn a_queue_is_paused_and_goes_on() {
    let scene = two_queues().await;
    assert_eq!(
        scene.run(&["queue", "pause", "mail"]).await.done(),
        "queue \"mail\" is paused\n"
    );
    assert!(scene.queue("mail").await.counts().await.unwrap().paused);
    assert_eq!(
        scene
            .run(&["queue", "pause", "mail", "--output", "json"])
            .await
            .json(),
        json!({"queue": "mail", "paused": true}),
        "pausing twice is no failure"
    );
    let listed = scene.run(&["queue", "list", "-q"]).await.done();
    assert!(listed.lines().next().unwrap().ends_with("paused"), "{listed}");

    assert_eq!(
        scene.run(&["queue", "resume", "mail"]).await.done(),
        "queue \"mail\" goes on\n"
    );
    assert!(!scene.queue("mail").await.counts().await.unwrap().paused);
    assert_eq!(
        scene.run(&["queue", "resume", "mail", "--quiet"]).await.done(),
        ""
    );
}

#[tokio::test]
async fn a_misspelt_queue_is_not_made_by_pausing_it() {
    let scene = two_queues().await;
    let before = scene.keys().await.len();
    for verb in ["show", "pause", "resume"] {
        let said = scene.run(&["queue", verb, "mial"]).await.failed(3);
        assert!(
            said.starts_with("error: there is no queue \"mial\"\n  help: "),
            "{said}"
        );
    }
    assert_eq!(scene.keys().await.len(), before);
}

#[tokio::test]
async fn a_queue_that_cannot_be_counted_says_why_beside_the_others() {
    let scene = two_queues().await;
    let mut connection = scene.server.as_ref().unwrap().connection().await;
    redis::cmd("SET")
        .arg("bull:mail:wait")
        .arg("x")
        .exec_async(&mut connection)
        .await
        .unwrap();
    let listed = scene.run(&["queue", "list"]).await.done();
    assert!(
        listed.contains("key \"bull:mail:wait\" holds a string"),
        "{listed}"
    );
    assert!(listed.contains("pictures of cats        0"), "{listed}");
}
