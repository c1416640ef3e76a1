//! `oxherd status`, `oxherd version` and the help.

use oxherd_testkit::{RedisServer, on_every_store};
use serde_json::Value;

use crate::scene::Scene;

on_every_store! {
    async fn status_tells_of_the_store_and_its_queues(store: TestStore) {
        let scene = Scene::start(store);
        scene
            .run(&["job", "add", "mail", "welcome", "--delay", "1h"])
            .await
            .done();
        let shown = scene.run(&["status"]).await.done();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], format!("store       {}", scene.url()));
        assert_eq!(lines[1], "prefix      bull");
        assert!(lines[2].starts_with(&format!("server      {} ", scene.store().product())), "{shown}");
        assert!(lines[3].starts_with("connection  answers in "), "{shown}");
        let is_on_disk = scene.store().directory().is_some();
        let (disk, rest) = lines[4..].split_at(usize::from(is_on_disk));
        assert!(disk.iter().all(|line| line.starts_with("disk        log ")), "{shown}");
        assert_eq!(rest[..2], ["queues      1", ""]);
        assert!(
            rest[2].starts_with("QUEUE  WAITING") && rest[3].starts_with("mail "),
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
}

// A directory drops nothing.
#[tokio::test]
async fn a_store_that_may_drop_jobs_is_warned_of() {
    let server = RedisServer::builder()
        .config("maxmemory-policy", "allkeys-lru")
        .start()
        .await;
    let scene = Scene::start(server);
    let shown = scene.run(&["status"]).await.done();
    assert!(
        shown.contains("warning     maxmemory-policy is allkeys-lru"),
        "{shown}"
    );
}

on_every_store! {
    async fn the_version_names_the_layout_that_queues_have(store: TestStore) {
        let scene = Scene::start(store);
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
        let stored: String = scene.ask(&["HGET", "bull:mail:meta", "version"]).await;
        assert_eq!(stored, layout);
    }
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

on_every_store! {
    async fn the_examples_in_the_help_work(store: TestStore) {
        let scene = Scene::start(store);
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
