//! `oxherd job …`.

use std::time::Duration;

use oxherd::{JobContext, JobId, JobState, Stop, Worker};
use oxherd_testkit::{eventually, on_every_store};
use serde_json::{Value, json};

use crate::scene::Scene;

/// A job that failed for good, with a row in its log.
async fn fail_a_job(scene: &Scene) -> JobId {
    let queue = scene.queue("mail").await;
    let id = queue.add("welcome", json!({"user": 7})).await.unwrap().id;
    let worker = Worker::on(&queue)
        .name("post-office")
        .handle_any(async |_: Value, context: JobContext| {
            context.log("knocking\u{1b}[31m").await?;
            context.log("nobody home").await?;
            Err(Stop::fail("the letter box is full"))
        })
        .start()
        .await
        .unwrap();
    eventually("the job failed", Duration::from_secs(10), async || {
        queue
            .job(&id)
            .await
            .unwrap()
            .is_some_and(|job| job.state == JobState::Failed)
    })
    .await;
    worker.stop_now().await;
    id
}

on_every_store! {
    async fn a_job_is_added_and_shown(store: TestStore) {
        let scene = Scene::start(store);
        let added = scene
            .run(&[
                "job",
                "add",
                "mail",
                "welcome",
                "--data",
                r#"{"user": 7,"token":"x"}"#,
            ])
            .await;
        assert_eq!(added.done(), "added job 1 to queue \"mail\"\n");

        let stored = scene
            .queue("mail")
            .await
            .job(&JobId::existing("1"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            stored.record.data, r#"{"user": 7,"token":"x"}"#,
            "data is stored byte for byte"
        );

        let shown = scene
            .run(&["job", "show", "mail", "1", "--output", "json"])
            .await
            .json();
        assert_eq!(shown["id"], "1");
        assert_eq!(shown["name"], "welcome");
        assert_eq!(shown["state"], "waiting");
        assert_eq!(
            shown["data"],
            json!({"user": 7, "token": "***"}),
            "secrets are masked"
        );

        let shown = scene.run(&["job", "show", "mail", "1"]).await.done();
        let lines: Vec<_> = shown
            .lines()
            .filter(|line| !line.starts_with("created"))
            .collect();
        assert_eq!(
            lines,
            [
                "id        1",
                "name      welcome",
                "queue     mail",
                "state     waiting",
                "attempts  0 of 1 made",
                "data      {",
                "            \"user\": 7,",
                "            \"token\": \"***\"",
                "          }",
                "options   {",
                "            \"attempts\": 0",
                "          }",
            ]
        );
    }
}

on_every_store! {
    async fn the_outcome_of_adding_is_json_when_asked_for_and_the_bare_id_when_quiet(store: TestStore) {
        let scene = Scene::start(store);
        let added = scene
            .run(&["job", "add", "mail", "welcome", "--output", "json"])
            .await
            .json();
        assert_eq!(added, json!({"id": "1", "queue": "mail", "duplicate": false}));
        let added = scene
            .run(&["job", "add", "mail", "welcome", "--output", "jsonl"])
            .await
            .json();
        assert_eq!(added["id"], "2");
        assert_eq!(
            scene.run(&["job", "add", "mail", "welcome", "-q"]).await.done(),
            "3\n"
        );
    }
}

on_every_store! {
    async fn flags_and_options_reach_the_job(store: TestStore) {
        let scene = Scene::start(store);
        let opts = r#"{"attempts":9,"backoff":{"type":"exponential","delay":1000},"removeOnFail":true}"#;
        let arguments = [
            "job",
            "add",
            "mail",
            "welcome",
            "--opts",
            opts,
            "--attempts",
            "3",
            "--delay",
            "10m",
            "--priority",
            "5",
            "--lifo",
            "--id",
            "hello",
        ];
        scene.run(&arguments).await.done();
        let job = scene
            .queue("mail")
            .await
            .job(&JobId::existing("hello"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(job.state, JobState::Delayed);
        let options = job.record.options;
        assert_eq!(options.attempts, 3, "a flag comes before --opts");
        assert_eq!(options.delay, Some(Duration::from_secs(600)));
        assert_eq!(options.priority, Some(5));
        assert_eq!(options.lifo, Some(true));
        assert_eq!(options.remove_on_fail, Some(oxherd::Retention::Remove));
        assert!(options.backoff.is_some());
    }
}

on_every_store! {
    async fn data_comes_from_a_file_or_from_stdin(store: TestStore) {
        let scene = Scene::start(store);
        std::fs::write(scene.directory.path().join("data.json"), "[1, 2.50]\n").unwrap();
        scene
            .run(&["job", "add", "mail", "welcome", "--data", "@data.json"])
            .await
            .done();
        scene
            .run_with_stdin(&["job", "add", "mail", "welcome", "--data", "-"], "\"text\"")
            .await
            .done();
        scene
            .run(&["job", "add", "mail", "welcome", "--data", "-7"])
            .await
            .done();
        let queue = scene.queue("mail").await;
        let mut stored = Vec::new();
        for id in ["1", "2", "3"] {
            stored.push(
                queue
                    .job(&JobId::existing(id))
                    .await
                    .unwrap()
                    .unwrap()
                    .record
                    .data,
            );
        }
        assert_eq!(stored, ["[1, 2.50]", "\"text\"", "-7"]);
    }
}

on_every_store! {
    async fn adding_the_same_id_again_leaves_the_job_as_it_is(store: TestStore) {
        let scene = Scene::start(store);
        let add = |data: &'static str| ["job", "add", "mail", "welcome", "--id", "once", "--data", data];
        assert_eq!(
            scene.run(&add("1")).await.done(),
            "added job once to queue \"mail\"\n"
        );
        assert_eq!(
            scene.run(&add("2")).await.done(),
            "job once is in queue \"mail\" already; it was left as it is\n"
        );
        let mut arguments = add("3").to_vec();
        arguments.extend(["--output", "json"]);
        assert_eq!(scene.run(&arguments).await.json()["duplicate"], true);
        let job = scene
            .queue("mail")
            .await
            .job(&JobId::existing("once"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(job.record.data, "1");
    }
}

on_every_store! {
    async fn a_failed_job_shows_why_and_runs_again(store: TestStore) {
        let scene = Scene::start(store);
        let id = fail_a_job(&scene).await;

        let shown = scene.run(&["job", "show", "mail", id.as_str()]).await.done();
        for line in [
            "state          failed",
            "worker         post-office",
            "failed reason  the letter box is full",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line:?} in\n{shown}");
        }
        assert!(shown.contains("log            2 rows"), "{shown}");

        let retried = scene
            .run(&["job", "retry", "mail", id.as_str(), "--output", "json"])
            .await
            .json();
        assert_eq!(retried, json!({"id": "1", "queue": "mail", "retried": true}));
        let job = scene.queue("mail").await.job(&id).await.unwrap().unwrap();
        assert_eq!((job.state, job.record.attempts_made), (JobState::Waiting, 1));
    }
}

on_every_store! {
    async fn retrying_can_count_attempts_from_the_start(store: TestStore) {
        let scene = Scene::start(store);
        let id = fail_a_job(&scene).await;
        let retried = scene
            .run(&["job", "retry", "mail", id.as_str(), "--reset-attempts"])
            .await
            .done();
        assert_eq!(retried, "job 1 of queue \"mail\" runs again\n");
        let job = scene.queue("mail").await.job(&id).await.unwrap().unwrap();
        assert_eq!((job.state, job.record.attempts_made), (JobState::Waiting, 0));
    }
}

on_every_store! {
    async fn a_log_is_printed_row_by_row_and_harmless(store: TestStore) {
        let scene = Scene::start(store);
        fail_a_job(&scene).await;
        let log = |more: &[&str]| {
            let arguments: Vec<String> = ["job", "logs", "mail", "1"]
                .iter()
                .chain(more)
                .map(ToString::to_string)
                .collect();
            let scene = &scene;
            async move {
                scene
                    .run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
                    .await
            }
        };
        assert_eq!(log(&[]).await.done(), "knocking\\u{1b}[31m\nnobody home\n");
        assert_eq!(log(&["--offset", "1"]).await.done(), "nobody home\n");
        assert_eq!(log(&["--limit", "1"]).await.done(), "knocking\\u{1b}[31m\n");
        assert_eq!(
            log(&["--output", "json"]).await.json(),
            json!({"total": 2, "offset": 0, "limit": 2, "rows": ["knocking\u{1b}[31m", "nobody home"]})
        );
        assert_eq!(
            log(&["--output", "jsonl", "--offset", "1"]).await.json(),
            json!({"row": 1, "text": "nobody home"})
        );
    }
}

on_every_store! {
    async fn long_logs_are_read_page_by_page(store: TestStore) {
        let scene = Scene::start(store);
        scene.queue("mail").await.add("welcome", ()).await.unwrap();
        let rows: Vec<String> = (0..2500).map(|row| format!("row {row}")).collect();
        let push: Vec<&str> = ["RPUSH", "bull:mail:1:logs"]
            .into_iter()
            .chain(rows.iter().map(String::as_str))
            .collect();
        scene.ask::<u64>(&push).await;
        let out = scene.run(&["job", "logs", "mail", "1"]).await.done();
        assert_eq!(out.lines().collect::<Vec<_>>(), rows);
        let out = scene
            .run(&["job", "logs", "mail", "1", "--limit", "1500", "--offset", "700"])
            .await
            .done();
        assert_eq!(out.lines().collect::<Vec<_>>(), rows[700..2200]);
    }
}

on_every_store! {
    async fn a_job_is_removed(store: TestStore) {
        let scene = Scene::start(store);
        scene.run(&["job", "add", "mail", "welcome"]).await.done();
        scene
            .run(&["job", "add", "mail", "welcome", "--delay", "1h"])
            .await
            .done();
        let removed = scene.run(&["job", "remove", "mail", "1"]).await.done();
        assert_eq!(removed, "removed job 1 from queue \"mail\"; it was waiting\n");
        let removed = scene
            .run(&["job", "remove", "mail", "2", "--output", "json"])
            .await
            .json();
        assert_eq!(
            removed,
            json!({"id": "2", "queue": "mail", "removed": true, "state": "delayed"})
        );
        scene.run(&["job", "show", "mail", "2"]).await.failed(3);
    }
}
