//! What adding a job writes: hash, line, scores, marker and events, as BullMQ 6.7.0 writes them.

use std::collections::BTreeMap;
use std::time::Duration;

use oxherd::{Backoff, JobOptions, NewJob, Retention, Timestamp};
use serde_json::{Value, json};

use crate::scene::{Scene, on_every_store};

/// The hash of a job without its options, which are JSON whose key order is free.
async fn hash_and_options(scene: &Scene, key: &str) -> (BTreeMap<String, String>, Value) {
    let mut hash = scene.hash(key).await;
    let options = hash.remove("opts").expect("every job has opts");
    (hash, serde_json::from_str(&options).unwrap())
}

fn fields<const N: usize>(fields: [(&str, &str); N]) -> BTreeMap<String, String> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

on_every_store! {
    async fn a_standard_job_goes_to_the_back_of_the_line(scene: Scene) {
        let queue = scene.queue("q");
        let now = scene.now().as_millis().to_string();
        assert_eq!(queue.add("n", json!({"a": 1})).await.unwrap().id.as_str(), "1");
        queue.add("n", json!({"a": 2})).await.unwrap();

        let (hash, options) = hash_and_options(&scene, "bull:q:1").await;
        let expected =
            [("name", "n"), ("data", r#"{"a":1}"#), ("timestamp", &*now), ("delay", "0"), ("priority", "0")];
        assert_eq!(hash, fields(expected));
        assert_eq!(options, json!({"attempts": 0}));
        assert_eq!(scene.list("bull:q:wait").await, ["2", "1"]);
        assert_eq!(scene.scores("bull:q:marker").await, [("0".to_owned(), 0)]);
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:id"]).await, "2");
        assert_eq!(
            scene.events("q").await,
            ["added jobId 1 name n", "waiting jobId 1", "added jobId 2 name n", "waiting jobId 2"]
        );
    }
}

on_every_store! {
    async fn the_first_job_introduces_its_queue(scene: Scene) {
        scene.queue("q").add("n", ()).await.unwrap();
        let library = format!("oxherd:{}", env!("CARGO_PKG_VERSION"));
        let expected = [("version", "bullmq:6.7.0"), ("library", &*library), ("opts.maxLenEvents", "10000")];
        assert_eq!(scene.hash("bull:q:meta").await, fields(expected));
    }
}

on_every_store! {
    async fn a_queues_own_settings_are_left_alone(scene: Scene) {
        scene.tell("HSET bull:q:meta opts.maxLenEvents 55 concurrency 3").await;
        scene.queue("q").add("n", ()).await.unwrap();
        let meta = scene.hash("bull:q:meta").await;
        assert_eq!((&*meta["opts.maxLenEvents"], &*meta["concurrency"]), ("55", "3"));
    }
}

on_every_store! {
    async fn a_lifo_job_goes_to_the_front_of_the_line(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", ()).await.unwrap();
        queue.add("n", ()).lifo().await.unwrap();
        assert_eq!(scene.list("bull:q:wait").await, ["1", "2"]);
        let (_, options) = hash_and_options(&scene, "bull:q:2").await;
        assert_eq!(options, json!({"attempts": 0, "lifo": true}));
        assert_eq!(scene.events("q").await[2..], ["added jobId 2 name n", "waiting jobId 2"]);
    }
}

on_every_store! {
    async fn prioritized_jobs_are_scored_by_priority_and_then_by_order(scene: Scene) {
        let queue = scene.queue("q");
        for priority in [5, 2_097_151, 1, 5] {
            queue.add("n", ()).priority(priority).await.unwrap();
        }
        let score = |priority: u64, counter: u64| priority * (1 << 32) + counter;
        assert_eq!(
            scene.scores("bull:q:prioritized").await,
            [
                ("3".to_owned(), score(1, 3)),
                ("1".to_owned(), score(5, 1)),
                ("4".to_owned(), score(5, 4)),
                ("2".to_owned(), score(2_097_151, 2)),
            ]
        );
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:pc"]).await, "4");
        assert!(!scene.exists("bull:q:wait").await);
        assert_eq!(scene.scores("bull:q:marker").await, [("0".to_owned(), 0)]);
        let (hash, options) = hash_and_options(&scene, "bull:q:1").await;
        assert_eq!(hash["priority"], "5");
        assert_eq!(options, json!({"attempts": 0, "priority": 5}));
        assert_eq!(scene.events("q").await[..2], ["added jobId 1 name n", "waiting jobId 1"]);
    }
}

on_every_store! {
    async fn a_priority_of_zero_is_none(scene: Scene) {
        scene.queue("q").add("n", ()).priority(0).await.unwrap();
        assert_eq!(scene.list("bull:q:wait").await, ["1"]);
        let (_, options) = hash_and_options(&scene, "bull:q:1").await;
        assert_eq!(options, json!({"attempts": 0, "priority": 0}));
    }
}

on_every_store! {
    async fn delayed_jobs_of_one_millisecond_keep_their_order(scene: Scene) {
        let queue = scene.queue("q");
        let minute = Duration::from_secs(60);
        for _ in 0..3 {
            queue.add("n", ()).delay(minute).await.unwrap();
        }
        let due = scene.now().as_millis() + 60_000;
        assert_eq!(
            scene.scores("bull:q:delayed").await,
            [
                ("1".to_owned(), due * 4096),
                ("2".to_owned(), due * 4096 + 1),
                ("3".to_owned(), due * 4096 + 2)
            ]
        );
        assert_eq!(scene.scores("bull:q:marker").await, [("1".to_owned(), due)]);
        assert!(!scene.exists("bull:q:wait").await);
        let (hash, options) = hash_and_options(&scene, "bull:q:1").await;
        assert_eq!((&*hash["delay"], &*hash["priority"]), ("60000", "0"));
        assert_eq!(options, json!({"attempts": 0, "delay": 60_000}));
        assert_eq!(
            scene.events("q").await[..2],
            ["added jobId 1 name n".to_owned(), format!("delayed jobId 1 delay {due}")]
        );
    }
}

on_every_store! {
    async fn the_marker_names_the_earliest_delayed_job(scene: Scene) {
        let queue = scene.queue("q");
        let now = scene.now().as_millis();
        queue.add("n", ()).delay(Duration::from_secs(60)).await.unwrap();
        queue.add("n", ()).delay(Duration::from_secs(90)).await.unwrap();
        assert_eq!(scene.scores("bull:q:marker").await, [("1".to_owned(), now + 60_000)]);
        queue.add("n", ()).delay(Duration::from_secs(30)).await.unwrap();
        assert_eq!(scene.scores("bull:q:marker").await, [("1".to_owned(), now + 30_000)]);
    }
}

on_every_store! {
    async fn beyond_4096_delayed_jobs_of_one_millisecond_the_last_slot_is_shared(scene: Scene) {
        let queue = scene.queue("q");
        let options = JobOptions { delay: Some(Duration::from_secs(1)), ..JobOptions::default() };
        let jobs = (0..4098).map(|_| NewJob::new("n", &()).unwrap().with_options(options.clone())).collect();
        for added in queue.add_many(jobs).await.unwrap() {
            added.unwrap();
        }
        let due = scene.now().as_millis() + 1000;
        let scores = scene.scores("bull:q:delayed").await;
        assert_eq!(scores.len(), 4098);
        assert_eq!(scores.iter().filter(|(_, score)| *score == due * 4096 + 4095).count(), 3);
        assert!(scores.iter().all(|(_, score)| score / 4096 == due));
    }
}

on_every_store! {
    async fn a_delayed_job_remembers_its_priority(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", ()).delay(Duration::from_secs(60)).priority(7).await.unwrap();
        let (hash, options) = hash_and_options(&scene, "bull:q:1").await;
        assert_eq!((&*hash["delay"], &*hash["priority"]), ("60000", "7"));
        assert_eq!(options, json!({"attempts": 0, "delay": 60_000, "priority": 7}));
        assert!(!scene.exists("bull:q:prioritized").await);
        assert!(!scene.exists("bull:q:pc").await);
    }
}

on_every_store! {
    async fn a_job_keeps_the_id_its_producer_chose(scene: Scene) {
        let queue = scene.queue("q");
        assert_eq!(queue.add("n", ()).id("order-7").await.unwrap().id.as_str(), "order-7");
        assert_eq!(queue.add("n", ()).id("a:b:c").await.unwrap().id.as_str(), "a:b:c");
        // The counter goes on all the same, so that ids of the queue's own stay unique.
        assert_eq!(queue.add("n", ()).await.unwrap().id.as_str(), "3");
        let (_, options) = hash_and_options(&scene, "bull:q:order-7").await;
        assert_eq!(options, json!({"attempts": 0, "jobId": "order-7"}));
        assert_eq!(scene.list("bull:q:wait").await, ["3", "a:b:c", "order-7"]);
    }
}

on_every_store! {
    async fn adding_an_id_again_changes_nothing_but_the_counter(scene: Scene) {
        let queue = scene.queue("q");
        let first = queue.add("n", json!(1)).id("abc").await.unwrap();
        let before = scene.contents().await;
        let second = queue.add("other", json!(2)).id("abc").priority(3).attempts(9).await.unwrap();
        assert!(!first.already_there);
        assert!(second.already_there);
        assert_eq!(first.id, second.id);

        let mut after = scene.contents().await;
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:id"]).await, "2");
        assert_eq!(scene.events("q").await[2..], ["duplicated jobId abc"]);
        for changed in ["bull:q:id", "bull:q:events"] {
            after.insert(changed.to_owned(), before[changed].clone());
        }
        assert_eq!(after, before);
    }
}

on_every_store! {
    async fn a_timestamp_of_the_producers_own_counts(scene: Scene) {
        let queue = scene.queue("q");
        let created = 1_700_000_000_000;
        let delay = Duration::from_secs(60);
        queue.add("n", ()).timestamp(Timestamp::from_millis(created)).delay(delay).await.unwrap();
        let (hash, options) = hash_and_options(&scene, "bull:q:1").await;
        assert_eq!(hash["timestamp"], "1700000000000");
        assert_eq!(options, json!({"attempts": 0, "timestamp": created, "delay": 60_000}));
        assert_eq!(scene.scores("bull:q:delayed").await, [("1".to_owned(), (created + 60_000) * 4096)]);
        assert_eq!(scene.events("q").await[1], "delayed jobId 1 delay 1700000060000");
    }
}

on_every_store! {
    async fn every_option_is_stored_under_the_layouts_name(scene: Scene) {
        let queue = scene.queue("q");
        let add = || queue.add("n", ());
        let ten = Duration::from_millis(10);
        let kept = Retention::Keep { age: Some(Duration::from_secs(10)), count: Some(5), limit: Some(7) };
        let jittered = Backoff::Exponential { delay: Some(ten), jitter: 0.5 };
        let custom = Backoff::Custom { strategy: "tide".to_owned(), delay: Some(ten) };
        let cases = [
            (add().attempts(3), json!({"attempts": 3})),
            (add().backoff(Backoff::fixed(ten)), json!({"backoff": {"type": "fixed", "delay": 10}})),
            (
                add().backoff(jittered),
                json!({"backoff": {"type": "exponential", "delay": 10, "jitter": 0.5}}),
            ),
            (add().backoff(custom), json!({"backoff": {"type": "tide", "delay": 10}})),
            (add().backoff(Backoff::custom("tide")), json!({"backoff": {"type": "tide"}})),
            (add().remove_on_complete(Retention::Remove), json!({"removeOnComplete": true})),
            (add().remove_on_complete(Retention::KeepAll), json!({"removeOnComplete": false})),
            (add().remove_on_fail(Retention::KeepLatest(3)), json!({"removeOnFail": 3})),
            (add().remove_on_fail(kept), json!({"removeOnFail": {"age": 10, "count": 5, "limit": 7}})),
            (add().keep_logs(7), json!({"kl": 7})),
            (add().stack_trace_limit(0), json!({"stackTraceLimit": 0})),
            (add().size_limit(100), json!({"sizeLimit": 100})),
        ];
        for (add, mut expected) in cases {
            let key = format!("bull:q:{}", add.await.unwrap().id);
            if let Some(expected) = expected.as_object_mut() {
                expected.entry("attempts").or_insert(json!(0));
            }
            assert_eq!(hash_and_options(&scene, &key).await.1, expected);
        }
    }
}

on_every_store! {
    async fn options_in_json_are_stored_as_those_from_setters(scene: Scene) {
        let options = json!({
            "attempts": 3, "backoff": 1000, "delay": 5000, "priority": 7, "keepLogs": 9, "jobId": "abc",
            "removeOnComplete": true, "removeOnFail": {"age": 10, "count": 5}, "stackTraceLimit": 2,
            "sizeLimit": 100, "timestamp": 1_700_000_000_000_u64, "lifo": false,
        });
        let options = JobOptions::from_json(&options).unwrap();
        let queue = scene.queue("q");
        queue.add_job(NewJob::new("n", &()).unwrap().with_options(options)).await.unwrap();
        let (_, options) = hash_and_options(&scene, "bull:q:abc").await;
        assert_eq!(
            options,
            json!({
                "attempts": 3, "backoff": {"type": "fixed", "delay": 1000}, "delay": 5000, "priority": 7, "kl": 9,
                "jobId": "abc", "removeOnComplete": true, "removeOnFail": {"age": 10, "count": 5},
                "stackTraceLimit": 2, "sizeLimit": 100, "timestamp": 1_700_000_000_000_u64, "lifo": false,
            })
        );
    }
}

on_every_store! {
    async fn data_is_stored_as_the_producer_wrote_it(scene: Scene) {
        let queue = scene.queue("q");
        let long = format!(r#""{}""#, "x".repeat(1_000_000));
        for text in [
            r#"{ "b":1,  "a":[ ] }"#,
            "null",
            r#""text""#,
            "[]",
            r#"{"ü":"日本","slash":"a/b"}"#,
            "1e3",
            &long,
        ] {
            let job = NewJob::from_json("n", text).unwrap();
            let key = format!("bull:q:{}", queue.add_job(job).await.unwrap().id);
            assert_eq!(scene.hash(&key).await["data"], text);
        }
    }
}

on_every_store! {
    async fn names_and_queues_may_hold_any_text(scene: Scene) {
        let queue = scene.queue("e-mail & Grüße");
        let added = queue.add("send \"now\"\n日本", ()).await.unwrap();
        let stored = queue.job(&added.id).await.unwrap().unwrap();
        assert_eq!(stored.record.name, "send \"now\"\n日本");
        assert!(scene.exists("bull:e-mail & Grüße:1").await);
    }
}

on_every_store! {
    async fn a_paused_queue_takes_jobs_without_waking_workers(scene: Scene) {
        let queue = scene.queue("q");
        queue.pause().await.unwrap();
        queue.add("n", ()).await.unwrap();
        queue.add("n", ()).priority(1).await.unwrap();
        assert!(!scene.exists("bull:q:marker").await);
        assert_eq!(scene.list("bull:q:wait").await, ["1"]);
        assert_eq!(scene.scores("bull:q:prioritized").await.len(), 1);
        assert_eq!(scene.event_names("q").await, ["paused", "added", "waiting", "added", "waiting"]);
        // When something becomes due is true of a paused queue too.
        queue.add("n", ()).delay(Duration::from_secs(1)).await.unwrap();
        assert_eq!(scene.scores("bull:q:marker").await, [("1".to_owned(), scene.now().as_millis() + 1000)]);
    }
}

on_every_store! {
    async fn a_queue_at_its_global_concurrency_wakes_nobody(scene: Scene) {
        let queue = scene.queue("q");
        scene.tell("HSET bull:q:meta concurrency 1").await;
        scene.tell("LPUSH bull:q:active someone").await;
        queue.add("n", ()).await.unwrap();
        assert!(!scene.exists("bull:q:marker").await);
        assert_eq!(scene.list("bull:q:wait").await, ["1"]);
    }
}
