//! `oxherd queue …`.

use oxherd_testkit::{TestStore, on_every_store};
use serde_json::{Value, json};

use crate::scene::Scene;

async fn two_queues(store: TestStore) -> Scene {
    let scene = Scene::start(store);
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

on_every_store! {
    async fn queues_are_listed_as_a_table(store: TestStore) {
        let scene = two_queues(store).await;
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
}

on_every_store! {
    async fn queues_are_listed_as_json(store: TestStore) {
        let scene = two_queues(store).await;
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
}

on_every_store! {
    async fn a_store_without_queues_is_no_failure(store: TestStore) {
        let scene = Scene::start(store);
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
}

on_every_store! {
    async fn one_queue_is_shown(store: TestStore) {
        let scene = two_queues(store).await;
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
}

on_every_store! {
    async fn a_queue_is_paused_and_goes_on(store: TestStore) {
        let scene = two_queues(store).await;
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
}

on_every_store! {
    async fn a_misspelt_queue_is_not_made_by_pausing_it(store: TestStore) {
        let scene = two_queues(store).await;
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
}

on_every_store! {
    async fn a_queue_that_cannot_be_counted_says_why_beside_the_others(store: TestStore) {
        let scene = two_queues(store).await;
        scene.tell("SET bull:mail:wait x").await;
        let listed = scene.run(&["queue", "list"]).await.done();
        assert!(
            listed.contains("key \"bull:mail:wait\" holds a string"),
            "{listed}"
        );
        assert!(listed.contains("pictures of cats        0"), "{listed}");
    }
}
