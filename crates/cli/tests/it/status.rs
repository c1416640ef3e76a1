//! `oxherd status`, `oxherd version` and the help.

use serde_json::Value;

use crate::scene::Scene;

#[tokio::test]
async fn status_tells_of_the_store_and_its_queues() {
    let scene = Scene::start().await;
    scene
        .run(&["job", "add", "mail", "welcome", "--delay", "1h"])
        .await
        .done();
    let shown = scene.run(&["status"]).await.done();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], format!("store       {}", scene.url()));
    assert_eq!(lines[1], "prefix      bull");
    assert!(lines[2].starts_with("server      redis 7"), "{shown}");
    assert!(lines[3].starts_with("connection  answers in "), "{shown}");
    assert_eq!(lines[4..6], ["queues      1", ""]);
    assert!(
        lines[6].starts_with("QUEUE  WAITING") && lines[7].starts_with("mail "),
        "{shown}"
    );

    for form in ["json", "jsonl"] {
        let status = scene.run(&["status", "--output", form]).await.json();
        assert_eq!(status["store"]["connected"], true);
        assert_eq!(status["queues"][0]["name"], "mail");
        assert_eq!(status["queues"][0]["delayed"], 1);
        assert_eq!(status["cache"]["connected"], false);
    }
}

#[tokio::test]
async fn a_store_that_may_drop_jobs_is_warned_of() {
    let scene = Scene {
        server: Some(
            oxherd_testkit::RedisServer::builder()
                .config("maxmemory-policy", "allkeys-lru")
                .start()
                .await,
        ),
        ..Scene::without_store()
    };
    let shown = scene.run(&["status"]).await.done();
    assert!(
        shown.contains("warning     maxmemory-policy is allkeys-lru"),
        "{shown}"
    );
}

#[tokio::test]
async fn the_version_names_the_layout_that_queues_have() {
    let scene = Scene::start().await;
    let version = env!("CARGO_PKG_VERSION");
    let told = scene.run(&["version", "--output", "json"]).await.json();
    assert_eq!(told["version"], version);
    assert_eq!(
        scene.run(&["version", "--quiet"]).await.done(),
        format!("{version}\n")
    );
    assert_eq!(
        scene.run(&["--version"]).await.done(),
        format!("oxherd {version}\n")
    );
    let layout = told["layout"].as_str().unwrap();
    assert_eq!(
        scene.run(&["version"]).await.done(),
        format!("oxherd {version} ({layout})\n")
    );

    scene.run(&["job", "add", "mail", "welcome"]).await.done();
    let mut connection = scene.server.as_ref().unwrap().connection().await;
    let mut read = redis::cmd("HGET");
    let stored: String = read
        .arg("bull:mail:meta")
        .arg("version")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(stored, layout);
}

#[tokio::test]
async fn without_arguments_there_is_help() {
    let scene = Scene::without_store();
    let help = scene.run(&[]).await.done();
    for part in [
        "Usage: oxherd",
        "serve",
        "status",
        "job",
        "queue",
        "bench",
        "version",
        "--store",
        "Exit codes:",
    ] {
        assert!(help.contains(part), "{part} in\n{help}");
    }
    assert_eq!(scene.run(&["--help"]).await.done(), help);
    assert_eq!(
        scene.run(&["job"]).await.code(),
        2,
        "half a command is a wrong call"
    );
}

#[tokio::test]
async fn the_examples_in_the_help_work() {
    let scene = Scene::start().await;
    std::fs::write(scene.directory.path().join("welcome.json"), "{}").unwrap();
    let help = scene.run(&["job", "add", "--help"]).await.done();
    let examples: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("oxherd "))
        .collect();
    assert_eq!(examples.len(), 3, "{help}");
    for example in examples {
        let arguments = words(example);
        let arguments: Vec<&str> = arguments
            .iter()
            .map(String::as_str)
            .chain(["--output", "json"])
            .collect();
        let added: Value = scene.run(&arguments).await.json();
        assert_eq!(added["duplicate"], false, "{example}");
    }
}

/// As a shell splits them, single quotes only.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words
}
