//! A queue's event stream as the library reads it.

use oxherd::{Error, QueueEvents, Worker};
use serde_json::json;

use crate::scene::{PATIENCE, on_every_store, stop};

async fn next(events: &mut QueueEvents) -> oxherd::QueueEvent {
    let event = tokio::time::timeout(PATIENCE, events.next()).await;
    event.expect("another event").expect("the stream goes on")
}

on_every_store! {
    async fn events_are_heard_from_now_on(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("before", ()).await.unwrap();
        let mut events = queue.events(None).await.unwrap();
        queue.add("after", ()).await.unwrap();
        let added = next(&mut events).await;
        assert_eq!((added.event.as_str(), added.job_id.unwrap().as_str()), ("added", "2"));
        assert_eq!(added.fields.into_iter().collect::<Vec<_>>(), [("name".to_owned(), "after".to_owned())]);
        let waiting = next(&mut events).await;
        assert_eq!((waiting.event.as_str(), waiting.fields.len()), ("waiting", 0));
        assert!(waiting.id > added.id);
    }
}

on_every_store! {
    async fn what_happens_right_after_asking_is_heard(scene: Scene) {
        // Also on a queue that has no stream yet.
        for round in 0..20 {
            let queue = scene.queue(&format!("q{round}"));
            let mut events = queue.events(None).await.unwrap();
            queue.pause().await.unwrap();
            let paused = next(&mut events).await;
            assert_eq!((paused.event.as_str(), paused.job_id), ("paused", None));
        }
    }
}

on_every_store! {
    async fn events_are_heard_from_where_a_listener_left_off(scene: Scene) {
        let queue = scene.queue("q");
        for _ in 0..300 {
            queue.add("n", ()).await.unwrap();
        }
        let mut events = queue.events(Some("0-0")).await.unwrap();
        let mut last = String::new();
        for id in 1..=150 {
            let added = next(&mut events).await;
            assert_eq!((added.event.as_str(), added.job_id.unwrap().as_str()), ("added", &*id.to_string()));
            last = next(&mut events).await.id;
        }
        drop(events);
        let mut events = queue.events(Some(&last)).await.unwrap();
        for id in 151..=300 {
            assert_eq!(next(&mut events).await.job_id.unwrap().as_str(), id.to_string());
            assert_eq!(next(&mut events).await.event, "waiting");
        }
    }
}

on_every_store! {
    async fn a_jobs_whole_life_is_heard_with_all_fields(scene: Scene) {
        let queue = scene.queue("q");
        let mut events = queue.events(None).await.unwrap();
        let worker = Worker::on(&queue)
            .handle_any(async |data, context| {
                context.progress(&json!({"half": true})).await?;
                Ok(data)
            })
            .start()
            .await
            .unwrap();
        queue.add("n", json!({"a": 1})).await.unwrap();
        let expected = [
            ("added", vec![("name", "n")]),
            ("waiting", vec![]),
            ("active", vec![("prev", "waiting")]),
            ("progress", vec![("data", r#"{"half":true}"#)]),
            ("completed", vec![("prev", "active"), ("returnvalue", r#"{"a":1}"#)]),
            ("drained", vec![]),
        ];
        for (name, fields) in expected {
            let event = next(&mut events).await;
            assert_eq!(event.event, name);
            assert_eq!(event.job_id.is_some(), name != "drained");
            let found: Vec<_> =
                event.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, fields);
        }
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_stream_that_was_trimmed_is_read_from_its_first_entry(scene: Scene) {
        let queue = scene.queue("q");
        let mut events = queue.events(None).await.unwrap();
        queue.add("n", ()).await.unwrap();
        let first = next(&mut events).await.id;
        next(&mut events).await;
        for _ in 0..10 {
            queue.add("n", ()).await.unwrap();
        }
        scene.tell("XTRIM bull:q:events MAXLEN 2").await;
        // Who reads on from before the gap hears what is left, and goes on.
        let mut late = queue.events(Some(&first)).await.unwrap();
        assert_eq!(next(&mut late).await.job_id.unwrap().as_str(), "11");
        next(&mut late).await;
        scene.tell("XTRIM bull:q:events MAXLEN 0").await;
        queue.add("n", ()).await.unwrap();
        assert_eq!(next(&mut late).await.job_id.unwrap().as_str(), "12");
    }
}

on_every_store! {
    async fn a_stream_that_was_deleted_is_followed_again(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", ()).await.unwrap();
        let mut events = queue.events(None).await.unwrap();
        let latest: Vec<(String, Vec<String>)> = scene.ask(&["XREVRANGE", "bull:q:events", "+", "-"]).await;
        let latest: u64 = latest[0].0.split('-').next().unwrap().parse().unwrap();
        scene.tell("DEL bull:q:events").await;
        // Within the same millisecond the new stream would begin with the old one's ids.
        oxherd_testkit::eventually("the server's clock moves on", PATIENCE, async || {
            let (seconds, micros): (u64, u64) = scene.ask(&["TIME"]).await;
            seconds * 1000 + micros / 1000 > latest
        })
        .await;
        queue.add("n", ()).await.unwrap();
        assert_eq!(next(&mut events).await.job_id.unwrap().as_str(), "2");
    }
}

on_every_store! {
    async fn a_position_that_is_none_is_refused(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", ()).await.unwrap();
        for position in ["yesterday", "", "1-2-3", "-1", "5-x"] {
            let error = queue.events(Some(position)).await.expect_err(position);
            assert!(error.to_string().contains(position), "{error}");
        }
    }
}

on_every_store! {
    async fn a_key_that_is_no_stream_is_named(scene: Scene) {
        scene.tell("SET bull:q:events x").await;
        let error = scene.queue("q").events(None).await.unwrap_err();
        assert!(matches!(&error, Error::WrongKeyType { key, .. } if key == "bull:q:events"), "{error}");
    }
}

on_every_store! {
    async fn entries_of_other_programs_do_not_stop_the_reading(scene: Scene) {
        let queue = scene.queue("q");
        let mut events = queue.events(None).await.unwrap();
        for entry in [
            [&b"XADD"[..], b"bull:q:events", b"*", b"event", b"\xff", b"jobId", b"\xfe"].as_slice(),
            &[b"XADD", b"bull:q:events", b"*", b"\xff\xfe", b"value"],
            &[b"XADD", b"bull:q:events", b"*", b"no", b"event"],
            &[b"XADD", b"bull:q:events", b"*", b"event", b"custom", b"note", b"\xff"],
        ] {
            scene.try_ask::<String>(entry).await.unwrap();
        }
        queue.add("n", ()).await.unwrap();
        let mut seen = Vec::new();
        while seen.last().is_none_or(|event| event != "added") {
            seen.push(next(&mut events).await.event);
        }
        assert!(seen.contains(&"custom".to_owned()), "{seen:?}");
    }
}
