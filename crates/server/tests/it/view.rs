//! Status and queues, as the API shows them.

use std::collections::BTreeMap;

use oxherd_testkit::{eventually, on_every_store};
use serde_json::json;

use crate::scene::{SOON, Scene};

on_every_store! {
    async fn the_status_tells_the_whole_system(store: TestStore) {
        let scene = Scene::with(store, "[queues.idle]\n[[webhooks]]\nqueues = ['hooks']").await;
        for body in [
            r#"{"name":"a"}"#,
            r#"{"name":"a","opts":{"priority":3}}"#,
            r#"{"name":"a","opts":{"delay":9999}}"#,
        ] {
            scene.client.post("/api/v1/queues/mail/jobs", body).await.ok(202);
        }
        let status = scene.client.get("/api/v1/status").await.ok(200);
        for (name, value) in [("connected", json!(false)), ("hits", json!(0)), ("misses", json!(0)), ("hitRate", json!(null))] {
            assert_eq!(status["cache"][name], value, "{name}");
        }
        assert_eq!(status["scheduler"], json!({"registeredJobs": 0, "nextRun": null}));
        assert_eq!(status["store"]["connected"], true);
        assert_eq!(status["store"]["product"], scene.store.product());
        assert_eq!(status["workers"][0]["queue"], "hooks");
        assert!(
            status["uptimeMs"].is_u64() && status["version"].is_string(),
            "{status}"
        );
        let names: Vec<_> = status["queues"]
            .as_array()
            .unwrap()
            .iter()
            .map(|queue| &queue["name"])
            .collect();
        assert_eq!(names, ["hooks", "idle", "mail"]);
        let mail = &status["queues"][2];
        for (field, count) in [
            ("waiting", 1),
            ("prioritized", 1),
            ("delayed", 1),
            ("active", 0),
            ("completed", 0),
            ("failed", 0),
        ] {
            assert_eq!(mail[field], count, "{field}: {mail}");
        }
        assert_eq!(
            (&mail["waitingChildren"], &mail["paused"]),
            (&json!(0), &json!(false))
        );
        assert!(mail["oldestWaitingAgeMs"].is_u64(), "{mail}");
    }
}

on_every_store! {
    async fn queues_of_other_programs_appear_and_one_can_be_asked_for(store: TestStore) {
        let scene = Scene::start(store).await;
        assert_eq!(
            scene.client.get("/api/v1/queues").await.ok(200),
            json!({"queues": []})
        );
        let other = scene.queue("other").await;
        other.add("a", ()).await.unwrap();
        other.pause().await.unwrap();
        let queue = scene.client.get("/api/v1/queues/other").await.ok(200);
        assert_eq!((&queue["waiting"], &queue["paused"]), (&json!(1), &json!(true)));
        eventually("the list has it", SOON, async || {
            scene.client.get("/api/v1/queues").await.ok(200)["queues"][0]["name"] == "other"
        })
        .await;
        scene.client.get("/api/v1/queues/none").await.problem(404);
    }
}

on_every_store! {
    async fn a_status_is_never_older_than_its_question(store: TestStore) {
        let scene = Scene::start(store).await;
        for n in 1..=20_u64 {
            scene
                .client
                .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
                .await
                .ok(202);
            let asked = (0..4).map(|_| scene.client.get("/api/v1/status"));
            for answer in futures_util::future::join_all(asked).await {
                assert_eq!(answer.ok(200)["queues"][0]["waiting"], n);
            }
        }
    }
}

on_every_store! {
    async fn many_queues_are_counted_at_once(store: TestStore) {
        let scene = Scene::start(store).await;
        for n in 0..40 {
            scene
                .client
                .post(&format!("/api/v1/queues/q{n:02}/jobs"), r#"{"name":"a"}"#)
                .await
                .ok(202);
        }
        let queues = scene.client.get("/api/v1/queues").await.ok(200);
        let counts: BTreeMap<String, u64> = queues["queues"]
            .as_array()
            .unwrap()
            .iter()
            .map(|queue| {
                (
                    queue["name"].as_str().unwrap().to_owned(),
                    queue["waiting"].as_u64().unwrap(),
                )
            })
            .collect();
        assert_eq!(counts.len(), 40);
        assert!(counts.values().all(|waiting| *waiting == 1), "{counts:?}");
    }
}
