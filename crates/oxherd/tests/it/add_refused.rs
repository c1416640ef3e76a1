//! What is refused before anything is sent, with words that name the field and the remedy.

use std::collections::HashMap;
use std::time::Duration;

use oxherd::{Backoff, Error, JobOptions, NewJob, Queue, Timestamp};
use serde_json::json;

use crate::scene::{Scene, on_every_store};

async fn is_empty(scene: &Scene) -> bool {
    scene.ask::<u64>(&["DBSIZE"]).await == 0
}

on_every_store! {
    async fn a_queue_needs_a_usable_name(scene: Scene) {
        for (name, word) in [("", "empty"), ("a:b", "`:`"), ("a\nb", "control")] {
            for error in
                [scene.oxherd.queue(name).unwrap_err(), Queue::new(scene.oxherd.store(), name).unwrap_err()]
            {
                assert!(matches!(&error, Error::QueueName { .. }), "{error}");
                assert!(error.to_string().contains(word), "{error}");
            }
        }
        assert!(is_empty(&scene).await);
    }
}

on_every_store! {
    async fn an_id_of_a_wrong_form_is_refused(scene: Scene) {
        let queue = scene.queue("q");
        for (id, word) in
            [("", "empty"), ("12", "whole numbers"), ("0", "whole numbers"), ("0:1", "`0:`"), ("a:b", "`:`")]
        {
            let error = queue.add("n", ()).id(id).await.unwrap_err();
            assert!(matches!(&error, Error::JobId { .. }), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(is_empty(&scene).await);
    }
}

on_every_store! {
    async fn an_id_that_is_a_key_of_the_queue_itself_is_refused(scene: Scene) {
        let queue = scene.queue("q");
        let own = [
            "wait",
            "active",
            "paused",
            "prioritized",
            "delayed",
            "waiting-children",
            "completed",
            "failed",
            "marker",
            "events",
            "meta",
            "id",
            "pc",
            "stalled",
            "stalled-check",
            "limiter",
            "repeat",
            "metrics:completed:data",
        ];
        for id in own {
            let error = queue.add("n", ()).id(id).await.expect_err(id);
            assert!(matches!(&error, Error::JobId { .. }), "{error}");
        }
        // A queue that may already be in use is as it was.
        assert!(queue.counts().await.is_ok());
        assert!(is_empty(&scene).await);
    }
}

on_every_store! {
    async fn options_out_of_range_are_refused_by_name(scene: Scene) {
        let queue = scene.queue("q");
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        let add = || queue.add("n", ());
        let cases = [
            (add().priority(2_097_152), "priority"),
            (add().priority(u32::MAX), "priority"),
            (add().delay(century), "delay"),
            (add().delay(Duration::MAX), "delay"),
            (add().backoff(Backoff::Fixed { delay: Some(Duration::ZERO), jitter: 1.5 }), "backoff"),
            (add().backoff(Backoff::Exponential { delay: Some(Duration::ZERO), jitter: -0.1 }), "backoff"),
            (add().backoff(Backoff::Fixed { delay: Some(Duration::ZERO), jitter: f64::NAN }), "backoff"),
        ];
        for (add, named) in cases {
            let error = add.await.unwrap_err();
            assert!(matches!(&error, Error::JobOption { option, .. } if option == named), "{named}: {error}");
        }
        assert!(is_empty(&scene).await);
    }
}

on_every_store! {
    async fn options_that_nobody_could_read_back_are_refused(scene: Scene) {
        let queue = scene.queue("q");
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        let add = || queue.add("n", ());
        let cases = [
            (add().backoff(Backoff::fixed(century)), "backoff"),
            (add().backoff(Backoff::exponential(Duration::MAX)), "backoff"),
            (add().backoff(Backoff::custom("")), "backoff"),
            (add().timestamp(Timestamp::from_millis(1 << 52)), "timestamp"),
        ];
        for (add, named) in cases {
            let error = add.await.expect_err(named);
            assert!(matches!(&error, Error::JobOption { option, .. } if option == named), "{named}: {error}");
        }
        assert!(is_empty(&scene).await);
    }
}

on_every_store! {
    async fn data_over_its_own_limit_is_refused(scene: Scene) {
        let queue = scene.queue("q");
        let error = queue.add("n", "äöü").size_limit(7).await.unwrap_err();
        assert!(matches!(&error, Error::DataTooLarge { size: 8, limit: 7, .. }), "{error}");
        assert!(is_empty(&scene).await);
        queue.add("n", "äöü").size_limit(8).await.unwrap();
    }
}

on_every_store! {
    async fn data_that_cannot_become_json_is_refused(scene: Scene) {
        let queue = scene.queue("q");
        let no_json = HashMap::from([((1, 2), 3)]);
        for error in [
            queue.add("n", no_json.clone()).await.unwrap_err(),
            // What is set afterwards does not hide it.
            queue.add("n", no_json).id("abc").attempts(3).await.unwrap_err(),
            NewJob::from_json("n", "{").unwrap_err(),
        ] {
            assert!(matches!(&error, Error::Data { name, .. } if name == "n"), "{error}");
        }
        assert!(is_empty(&scene).await);
    }
}

on_every_store! {
    async fn the_first_mistake_is_the_one_reported(scene: Scene) {
        let error = scene.queue("q").add("n", ()).id("12").id("fine").priority(u32::MAX).await.unwrap_err();
        assert!(matches!(&error, Error::JobId { .. }), "{error}");
        assert!(is_empty(&scene).await);
    }
}

#[test]
fn unknown_options_in_json_are_refused_by_name() {
    for (options, named) in [
        (json!({"retries": 3}), "`retries`"),
        (json!({"attempts": -1}), "`attempts`"),
        (json!({"attempts": 1.5}), "`attempts`"),
        (json!({"delay": "5"}), "`delay`"),
        (json!({"backoff": {"type": ""}}), "`backoff`"),
        (json!({"backoff": {"type": "fixed", "wait": 3}}), "`wait`"),
        (json!({"removeOnFail": -1}), "`removeOnFail`"),
        (json!({"removeOnComplete": {"age": "1"}}), "`age`"),
        (json!({"jobId": 7}), "`jobId`"),
        (json!({"keepLogs": null}), "`keepLogs`"),
        (json!("attempts"), "`opts`"),
    ] {
        let error = JobOptions::from_json(&options).unwrap_err();
        assert!(error.to_string().contains(named), "{options}: {error}");
    }
}
