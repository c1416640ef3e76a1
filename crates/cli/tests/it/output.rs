//! Forms of the output that hold for every command.

use oxherd_testkit::on_every_store;
use serde_json::Value;

use crate::scene::{Scene, end};

fn error_of(stderr: &str) -> Value {
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let told: Value = serde_json::from_str(stderr).unwrap();
    told["error"].clone()
}

on_every_store! {
    async fn failures_are_json_when_the_output_is(store: TestStore) {
        let scene = Scene::start(store);
        for (arguments, code, name) in [
            (
                &["job", "show", "mail", "1", "--output", "json"][..],
                3,
                "not-found",
            ),
            (&["job", "show", "mail", "1", "--output=jsonl"], 3, "not-found"),
            (
                &["--output", "json", "job", "add", "mail", "x", "--data", "{"],
                2,
                "usage",
            ),
            (
                &["--output", "json", "job", "add", "mail", "x", "--frobnicate"],
                2,
                "usage",
            ),
            (&["frobnicate", "--output", "json"], 2, "usage"),
            (
                &["status", "--output", "json", "--store", "redis://127.0.0.1:1"],
                5,
                "store-unreachable",
            ),
        ] {
            let error = error_of(&scene.run(arguments).await.failed(code));
            assert_eq!(error["code"], name, "{arguments:?}");
            assert_eq!(error["exit"], code);
            assert!(
                error["message"]
                    .as_str()
                    .is_some_and(|message| !message.is_empty()),
                "{error}"
            );
        }
    }
}

on_every_store! {
    async fn a_reader_that_goes_away_is_no_failure(store: TestStore) {
        let scene = Scene::start(store);
        scene.run(&["job", "add", "mail", "welcome"]).await.done();
        for arguments in [
            &["queue", "list"][..],
            &["status", "--output", "json"],
            &["job", "show", "mail", "1"],
            &["bench", "queue", "--jobs", "5", "--output", "json"],
            &["version"],
            &["--help"],
        ] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut command = scene.command(arguments);
            // `output` would put a pipe of its own in place.
            let ended = command
                .stdout(writer)
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let ended = ended.wait_with_output().await.unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(
                (ended.status.code(), said.as_str()),
                (Some(0), ""),
                "{arguments:?}"
            );
        }
    }
}

on_every_store! {
    async fn there_is_no_colour_and_no_cutting_in_a_pipe(store: TestStore) {
        let scene = Scene::start(store);
        let name = "a-queue-with-a-name-that-is-longer-than-any-terminal-".repeat(5);
        scene.run(&["job", "add", &name, "welcome"]).await.done();
        let mut command = scene.command(&["queue", "list"]);
        command.env("CLICOLOR_FORCE", "1").env("COLUMNS", "40");
        let out = end(command).await.done();
        assert!(out.contains(&name), "{out}");
        assert!(!out.contains('\u{1b}'), "{out:?}");
    }
}

on_every_store! {
    async fn nothing_in_a_job_steers_the_terminal(store: TestStore) {
        let scene = Scene::start(store);
        scene
            .queue("mail")
            .await
            .add("welcome\u{1b}]0;owned\u{7}", "\u{9b}2J")
            .await
            .unwrap();
        let shown = scene.run(&["job", "show", "mail", "1"]).await.done();
        assert!(
            shown
                .chars()
                .all(|character| character == '\n' || !character.is_control()),
            "{shown:?}"
        );
        assert!(shown.contains("welcome\\u{1b}]0;owned\\u{7}"), "{shown}");
    }
}
