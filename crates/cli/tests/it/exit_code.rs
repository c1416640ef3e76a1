//! What each exit code means, and that its error says what was tried and what to do.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use oxherd::{JobContext, Worker};
use oxherd_testkit::{FaultProxy, RedisServer, on_every_store};
use serde_json::Value;
use tokio::sync::Notify;

use crate::scene::Scene;

#[tokio::test]
async fn broken_data_is_a_wrong_call() {
    let scene = Scene::without_store();
    let add = ["job", "add", "mail", "welcome", "--data"];
    let said = scene.run(&[&add[..], &["{oops"]].concat()).await.failed(2);
    assert!(
        said.starts_with("error: cannot add the job: `data` is no valid JSON: "),
        "{said}"
    );
    assert!(said.contains("line 1 column 2\n  help: "), "{said}");
    let said = scene.run(&[&add[..], &["@absent.json"]].concat()).await.failed(2);
    assert!(
        said.contains("cannot read `data` from file \"absent.json\" (--data)"),
        "{said}"
    );
    assert!(said.contains("because: No such file"), "{said}");
    let said = scene
        .run_with_stdin(&[&add[..], &["-"]].concat(), "\n")
        .await
        .failed(2);
    assert!(said.contains("`data` is empty"), "{said}");
}

#[tokio::test]
async fn wrong_options_are_named() {
    let scene = Scene::without_store();
    for (arguments, named) in [
        (&["--opts", r#"{"retries":3}"#][..], "`opts.retries`"),
        (&["--opts", r#"{"attempts":-1}"#], "`opts.attempts`"),
        (&["--opts", "[]"], "`opts` is no JSON object"),
        (&["--opts", "{"], "`opts` is no JSON object"),
        (&["--priority", "2097152"], "`opts.priority`"),
        (&["--priority", "high"], "--priority"),
        (&["--delay", "soon"], "--delay"),
        (&["--delay", "4000d"], "`opts.delay`"),
        (&["--id", "7"], "`opts.jobId`"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let arguments = [&["job", "add", "mail", "welcome"], arguments].concat();
        let said = scene.run(&arguments).await.failed(2);
        assert!(
            said.starts_with("error: ") && said.contains(named),
            "{arguments:?}: {said}"
        );
    }
    let said = scene.run(&["job", "add", "a:b", "welcome"]).await.failed(2);
    assert!(said.contains("must not contain `:`"), "{said}");
    scene.run(&["frobnicate"]).await.failed(2);
    scene.run(&["queue", "list", "--output", "xml"]).await.failed(2);
}

#[tokio::test]
async fn a_wrong_store_url_is_a_wrong_call() {
    let scene = Scene::without_store();
    let said = scene
        .run(&["status", "--store", "mysql://localhost"])
        .await
        .failed(2);
    assert!(
        said.contains("--store: ") && said.contains("unknown scheme \"mysql\""),
        "{said}"
    );
}

on_every_store! {
    async fn an_unknown_job_is_not_found(store: TestStore) {
        let scene = Scene::start(store);
        scene.run(&["job", "add", "mail", "welcome"]).await.done();
        for verb in ["show", "retry", "remove", "logs"] {
            let said = scene.run(&["job", verb, "mail", "99"]).await.failed(3);
            assert!(
                said.contains("job 99 in queue \"mail\": there is no such job\n  help: "),
                "{verb}: {said}"
            );
        }
        scene.run(&["job", "show", "mial", "1"]).await.failed(3);
    }
}

on_every_store! {
    async fn a_job_in_the_wrong_state_is_refused(store: TestStore) {
        let scene = Scene::start(store);
        scene.run(&["job", "add", "mail", "welcome"]).await.done();
        let said = scene.run(&["job", "retry", "mail", "1"]).await.failed(4);
        assert!(
            said.starts_with("error: cannot retry job 1 in queue \"mail\": job is waiting\n"),
            "{said}"
        );
    }
}

on_every_store! {
    async fn a_job_that_runs_is_not_removed(store: TestStore) {
        let scene = Scene::start(store);
        let queue = scene.queue("mail").await;
        let runs = std::sync::Arc::new(Notify::new());
        let told = runs.clone();
        let worker = Worker::on(&queue)
            .handle_any(move |_: Value, context: JobContext| {
                told.notify_one();
                async move {
                    context.cancelled().await;
                    Ok(Value::Null)
                }
            })
            .start()
            .await
            .unwrap();
        queue.add("welcome", ()).await.unwrap();
        runs.notified().await;
        let said = scene.run(&["job", "remove", "mail", "1"]).await.failed(4);
        assert!(
            said.starts_with("error: cannot remove job 1 in queue \"mail\": it is being processed\n"),
            "{said}"
        );
        worker.stop_now().await;
    }
}

on_every_store! {
    async fn a_full_queue_refuses(store: TestStore) {
        let scene = Scene::start(store);
        std::fs::write(
            scene.directory.path().join("oxherd.toml"),
            "[queues.mail]\nmax_waiting = 1\n",
        )
        .unwrap();
        scene.run(&["job", "add", "mail", "welcome"]).await.done();
        let said = scene.run(&["job", "add", "mail", "welcome"]).await.failed(4);
        assert!(
            said.contains("queue \"mail\" is full: 1 jobs wait already; try again"),
            "{said}"
        );
    }
}

on_every_store! {
    async fn a_key_of_another_program_is_a_failure_that_names_it(store: TestStore) {
        let scene = Scene::start(store);
        scene.tell("SET bull:mail:wait x").await;
        let said = scene.run(&["job", "add", "mail", "welcome"]).await.failed(1);
        assert!(said.contains("\"bull:mail:wait\" holds a string"), "{said}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_told_soon() {
    let scene = Scene::without_store();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = format!("redis://user:geheim@{}", listener.local_addr().unwrap());
    drop(listener);
    for command in [
        &["status"][..],
        &["job", "add", "mail", "welcome"],
        &["queue", "list"],
        &["bench", "queue", "--jobs", "1"],
    ] {
        let arguments = [command, &["--store", &closed]].concat();
        let started = Instant::now();
        let said = scene.run(&arguments).await.failed(5);
        assert!(started.elapsed() < Duration::from_secs(5), "{command:?}");
        assert!(
            said.contains("cannot open store") && said.contains("because: Connection refused"),
            "{said}"
        );
        assert!(said.contains("help: check --store"), "{said}");
        assert!(!said.contains("geheim"), "no secret in {said}");
    }
}

#[tokio::test]
async fn a_silent_store_is_given_up_within_five_seconds() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    proxy.blackhole(true);
    let scene = Scene::without_store();
    let started = Instant::now();
    let said = scene
        .run(&["queue", "list", "--store", &proxy.url()])
        .await
        .failed(5);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert!(said.contains("nothing answered in time"), "{said}");
}

#[tokio::test]
async fn refused_credentials_are_told_apart() {
    let scene = Scene::start(RedisServer::builder().password("geheim").start().await);
    scene.run(&["status"]).await.done();
    let url = format!("redis://{}", scene.store().redis().addr());
    let said = scene.run(&["status", "--store", &url]).await.failed(5);
    assert!(said.contains("user name or password refused"), "{said}");
}
