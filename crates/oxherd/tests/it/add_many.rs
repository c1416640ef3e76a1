//! Adding many jobs: in order, in few calls, and no more than the queue may hold.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use oxherd::{Error, JobOptions, NewJob};
use serde_json::json;

use crate::scene::{Scene, on_every_store};

fn job(number: u32) -> NewJob {
    NewJob::new("n", &json!({"number": number})).unwrap()
}

on_every_store! {
    async fn many_jobs_keep_their_order(scene: Scene) {
        let queue = scene.queue("q");
        let added = queue.add_many((0..2500).map(job).collect()).await.unwrap();
        for (position, added) in added.into_iter().enumerate() {
            assert_eq!(added.unwrap().id.as_str(), (position + 1).to_string());
        }
        let mut line = scene.list("bull:q:wait").await;
        line.reverse();
        assert_eq!(line, (1..=2500).map(|id| id.to_string()).collect::<Vec<_>>());
        for id in [1, 50, 51, 1000, 1001, 2500] {
            let data = &scene.hash(&format!("bull:q:{id}")).await["data"];
            assert_eq!(*data, format!(r#"{{"number":{}}}"#, id - 1));
        }
    }
}

on_every_store! {
    async fn jobs_of_every_kind_go_together(scene: Scene) {
        let queue = scene.queue("q");
        let with = |options| job(0).with_options(options);
        let jobs = vec![
            job(0),
            with(JobOptions { priority: Some(3), ..JobOptions::default() }),
            with(JobOptions { delay: Some(Duration::from_secs(60)), ..JobOptions::default() }),
            with(JobOptions { job_id: Some("abc".parse().unwrap()), ..JobOptions::default() }),
            with(JobOptions { job_id: Some("abc".parse().unwrap()), ..JobOptions::default() }),
            with(JobOptions { lifo: Some(true), ..JobOptions::default() }),
        ];
        let added = queue.add_many(jobs).await.unwrap();
        let added: Vec<_> = added.into_iter().map(Result::unwrap).collect();
        let ids: Vec<_> = added.iter().map(|added| added.id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "3", "abc", "abc", "6"]);
        let known: Vec<_> = added.iter().map(|added| added.already_there).collect();
        assert_eq!(known, [false, false, false, false, true, false]);
        assert_eq!(scene.list("bull:q:wait").await, ["abc", "1", "6"]);
        assert_eq!(scene.scores("bull:q:prioritized").await.len(), 1);
        assert_eq!(scene.scores("bull:q:delayed").await.len(), 1);
    }
}

on_every_store! {
    async fn nothing_to_add_is_no_error(scene: Scene) {
        assert!(scene.queue("q").add_many(Vec::new()).await.unwrap().is_empty());
        assert!(!scene.exists("bull:q:id").await);
    }
}

on_every_store! {
    async fn an_invalid_job_keeps_the_whole_batch_from_being_sent(scene: Scene) {
        let too_low = JobOptions { priority: Some(2_097_152), ..JobOptions::default() };
        let jobs = vec![job(0), job(1).with_options(too_low), job(2)];
        let error = scene.queue("q").add_many(jobs).await.unwrap_err();
        assert!(matches!(&error, Error::JobOption { option, .. } if option == "priority"), "{error}");
        assert_eq!(scene.ask::<u64>(&["DBSIZE"]).await, 0);
    }
}

on_every_store! {
    async fn concurrent_adds_each_have_their_own_id(scene: Scene) {
        let queue = scene.queue("q");
        let adds = (0..100).map(|number| queue.add("n", json!({"number": number})).into_future());
        let ids: BTreeSet<_> = join_all(adds).await.into_iter().map(|added| added.unwrap().id).collect();
        assert_eq!(ids.len(), 100);
        // Each caller got the id of its own job.
        let add = |number: u32| {
            let queue = queue.clone();
            async move { (number, queue.add("n", json!({"number": number})).await.unwrap().id) }
        };
        for (number, id) in join_all((100..200).map(add)).await {
            let data = &scene.hash(&format!("bull:q:{id}")).await["data"];
            assert_eq!(*data, format!(r#"{{"number":{number}}}"#));
        }
        assert_eq!(scene.list("bull:q:wait").await.len(), 200);
    }
}

/// How often Redis ran scripts so far.
async fn script_calls(scene: &Scene) -> u64 {
    let stats: String = scene.ask(&["INFO", "commandstats"]).await;
    let line = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_adds_share_calls() {
    let scene = Scene::on_redis().await;
    let queue = scene.queue("q");
    queue.add("warm up", ()).await.unwrap();
    let before = script_calls(&scene).await;
    let adds = (0..1000).map(|_| queue.add("n", ()).into_future());
    for added in join_all(adds).await {
        added.unwrap();
    }
    let calls = script_calls(&scene).await - before;
    assert!(calls <= 100, "1000 jobs took {calls} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adding_many_takes_one_call_for_fifty_jobs() {
    let scene = Scene::on_redis().await;
    let queue = scene.queue("q");
    queue.add("warm up", ()).await.unwrap();
    let before = script_calls(&scene).await;
    queue.add_many((0..2500).map(job).collect()).await.unwrap();
    assert_eq!(script_calls(&scene).await - before, 50);
}

on_every_store! {
    async fn a_full_queue_refuses_what_is_too_much_and_keeps_the_rest(scene: Scene) {
        let queue = scene.queue("q").with_max_waiting(120);
        queue.add("n", ()).delay(Duration::from_secs(60)).await.unwrap();
        queue.add("n", ()).priority(1).await.unwrap();
        let added = queue.add_many((0..200).map(job).collect()).await.unwrap();
        for (position, added) in added.into_iter().enumerate() {
            match added {
                Ok(_) => assert!(position < 118, "job {position} was taken"),
                Err(Error::QueueFull { queue, limit, retry_after }) => {
                    assert!(position >= 118, "job {position} was refused");
                    assert_eq!((queue.as_str(), limit), ("q", 120));
                    assert!(retry_after > Duration::ZERO);
                }
                Err(error) => panic!("{error}"),
            }
        }
        let counts = queue.counts().await.unwrap();
        assert_eq!((counts.waiting, counts.prioritized, counts.delayed), (118, 1, 1));
        // A refused job leaves no trace, not even a used number.
        assert_eq!(scene.ask::<u64>(&["GET", "bull:q:id"]).await, 120);
        assert_eq!(scene.ask::<Vec<String>>(&["KEYS", "bull:q:1??"]).await.len(), 21);
    }
}

on_every_store! {
    async fn concurrent_adds_to_a_full_queue_lose_and_exceed_nothing(scene: Scene) {
        let queue = scene.queue("q").with_max_waiting(50);
        let results = join_all((0..100).map(|_| queue.add("n", ()).into_future())).await;
        let taken = results.iter().filter(|result| result.is_ok()).count();
        let full = results.iter().filter(|result| matches!(result, Err(Error::QueueFull { .. }))).count();
        assert_eq!((taken, full), (50, 50));
        assert_eq!(scene.list("bull:q:wait").await.len(), 50);
    }
}

on_every_store! {
    async fn a_job_that_is_there_already_needs_no_room(scene: Scene) {
        let queue = scene.queue("q").with_max_waiting(1);
        queue.add("n", ()).id("abc").await.unwrap();
        assert!(queue.add("n", ()).id("abc").await.unwrap().already_there);
        let error = queue.add("n", ()).id("def").await.unwrap_err();
        assert!(matches!(error, Error::QueueFull { .. }), "{error}");
        assert!(error.to_string().contains("1 jobs wait already; try again in 1 s"), "{error}");
    }
}

on_every_store! {
    async fn the_limit_is_the_producers_own(scene: Scene) {
        let bounded = scene.queue("q").with_max_waiting(1);
        bounded.add("n", ()).await.unwrap();
        scene.queue("q").add("n", ()).await.unwrap();
        assert!(bounded.add("n", ()).await.is_err());
        assert_eq!(scene.list("bull:q:wait").await.len(), 2);
    }
}
