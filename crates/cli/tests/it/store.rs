//! `oxherd store …`: two stores of either kind, and files between them.

use std::process::Stdio;

use oxherd_testkit::{TestStore, on_every_store};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::scene::{Scene, end};

/// An empty store of the kind that `store` is not.
async fn other_than(store: &TestStore) -> Scene {
    Scene::start(match store.directory() {
        Some(_) => TestStore::on_redis().await,
        None => TestStore::on_disk(),
    })
}

/// A store with a queue and a little else.
async fn filled(store: TestStore) -> Scene {
    let scene = Scene::start(store);
    for number in 0..3 {
        let data = format!("{{\"n\":{number}}}");
        scene
            .run(&["job", "add", "mail", "welcome", "--data", &data])
            .await
            .done();
    }
    scene.tell("SET other v PXAT 9999999999999").await;
    scene.tell("ZADD scores inf a 0.1 b").await;
    scene
}

/// The store's keys with their values, as `store dump` writes them; hashes in any order, and without the time of a
/// delivery, which is known to a few milliseconds.
async fn contents(scene: &Scene) -> Vec<Value> {
    let dumped = scene
        .run(&["store", "dump", "--format", "jsonl", "--quiet"])
        .await
        .done();
    let mut lines: Vec<Value> = dumped
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in lines.iter_mut().filter(|line| line["type"] == "hash") {
        line["value"]
            .as_array_mut()
            .unwrap()
            .sort_by_key(ToString::to_string);
    }
    for line in lines.iter_mut().filter(|line| line["type"] == "stream") {
        for group in line["value"]["groups"].as_array_mut().unwrap() {
            for pending in group["pending"].as_array_mut().unwrap() {
                pending[2] = Value::Null;
            }
        }
    }
    lines
}

on_every_store! {
    async fn a_store_is_copied_and_its_queue_goes_on(store: TestStore) {
        let from = filled(store).await;
        for to in [TestStore::on_redis().await, TestStore::on_disk()] {
            let to = Scene::start(to);
            let (from_url, to_url) = (from.url(), to.url());
            let copy = ["store", "copy", "--from", &from_url, "--to", &to_url];
            let told = from
                .run(&[&copy[..], &["--output", "json"]].concat())
                .await
                .json();
            assert_eq!(told["keys"], 10);
            assert_eq!(
                told["by_type"],
                json!({"hash": 4, "list": 1, "stream": 1, "string": 2, "zset": 2})
            );
            assert_eq!(told["changed"], json!([]));
            assert_eq!(contents(&to).await, contents(&from).await);
            let jobs = to
                .run(&["queue", "show", "mail", "--output", "json"])
                .await
                .json();
            assert_eq!(jobs["waiting"], 3);
            assert_eq!(
                to.run(&["job", "add", "mail", "welcome"]).await.done(),
                "added job 4 to queue \"mail\"\n"
            );

            let again = from.run(&copy).await.failed(4);
            assert!(again.contains("help: --replace replaces them"), "{again}");
            let replaced = from.run(&[&copy[..], &["--replace"]].concat()).await.done();
            assert!(replaced.starts_with("copied  10 keys, "), "{replaced}");
            assert!(replaced.contains("\nhash    4\n"), "{replaced}");
        }
    }
}

on_every_store! {
    async fn only_keys_that_match_are_copied(store: TestStore) {
        let (to, from) = (other_than(&store).await, filled(store).await);
        let (from_url, to_url) = (from.url(), to.url());
        from.run(&[
            "store",
            "copy",
            "--from",
            &from_url,
            "--to",
            &to_url,
            "--match",
            "bull:mail:[0-9]",
        ])
        .await
        .done();
        let mut keys = to.keys().await;
        keys.sort();
        assert_eq!(keys, ["bull:mail:1", "bull:mail:2", "bull:mail:3"]);
    }
}

on_every_store! {
    async fn a_source_in_use_is_a_failure_unless_it_may_be(store: TestStore) {
        let (to, from) = (other_than(&store).await, filled(store).await);
        let (from_url, to_url) = (from.url(), to.url());
        from.hold().await;
        let mut connection = from.store().connection().await;
        let busy = tokio::spawn(async move {
            loop {
                let mut add = redis::cmd("XADD");
                add.arg("bull:mail:events").arg("*").arg("event").arg("drained");
                add.exec_async(&mut connection).await.unwrap();
            }
        });
        // On a busy machine a copy may be done between two of these.
        let overtaken = async |arguments: &[&str]| {
            let mut told = from.run(arguments).await;
            for _ in 0..20 {
                if !told.err.is_empty() {
                    break;
                }
                told = from.run(arguments).await;
            }
            told
        };
        let copy = ["store", "copy", "--replace", "--from", &from_url, "--to", &to_url];
        let told = overtaken(&copy).await;
        assert_eq!(told.code(), 1, "{told:?}");
        assert!(told.out.starts_with("copied  10 keys, "), "{told:?}");
        let fault = "1 keys changed in the source meanwhile: \"bull:mail:events\" was changed\n";
        assert!(told.err.starts_with(&format!("error: {fault}")), "{told:?}");
        let told = overtaken(&[&copy[..], &["--live"]].concat()).await;
        busy.abort();
        assert_eq!((told.code(), told.err), (0, format!("warning: {fault}")));
    }
}

#[tokio::test]
async fn copies_that_make_no_sense_are_refused() {
    let scene = filled(TestStore::on_redis().await).await;
    let url = scene.url();
    let other_name = url.replace("127.0.0.1", "localhost");
    let told = scene
        .run(&["store", "copy", "--from", &url, "--to", &other_name, "--replace"])
        .await
        .failed(4);
    assert!(told.contains("onto itself"), "{told}");
    let with_prefix = format!("{url}?prefix=app");
    for (arguments, fault) in [
        (["--from", &with_prefix, "--to", &url], "--match 'app:*'"),
        (
            ["--from", "memory:", "--to", &url],
            "memory: is a store inside one process",
        ),
        (
            ["--from", "tcp://host", "--to", &url],
            "--from: invalid store URL",
        ),
    ] {
        let told = scene
            .run(&[&["store", "copy"][..], &arguments].concat())
            .await
            .failed(2);
        assert!(told.contains(fault), "{told}");
    }
    let told = scene
        .run(&[
            "store",
            "copy",
            "--from",
            &url,
            "--to",
            &other_name,
            "--store",
            &url,
        ])
        .await
        .failed(2);
    assert!(told.contains("neither --store nor --prefix"), "{told}");
    // Another database of the same server is another store.
    let second = format!("{url}/2");
    let told = scene
        .run(&["store", "copy", "--from", &url, "--to", &second])
        .await
        .done();
    assert!(told.starts_with("copied  10 keys, "), "{told}");
}

on_every_store! {
    async fn a_dump_goes_through_files_in_both_forms(store: TestStore) {
        let from = filled(store).await;
        from.tell("XGROUP CREATE bull:mail:events readers 0").await;
        from.tell("XREADGROUP GROUP readers ann COUNT 1 STREAMS bull:mail:events >").await;
        for form in ["resp", "jsonl"] {
            let dumped = from.run(&["store", "dump", "--format", form]).await;
            assert_eq!(dumped.code(), 0);
            assert!(dumped.err.starts_with("dumped  10 keys, "), "{}", dumped.err);
            let to = Scene::start(TestStore::on_disk());
            let loaded = to.run_with_stdin(&["store", "load"], &dumped.out).await.done();
            assert!(loaded.starts_with("loaded  10 keys, "), "{loaded}");
            let again = to.run_with_stdin(&["store", "load"], &dumped.out).await.failed(4);
            assert!(again.contains("0 keys were written before"), "{again}");
            to.run_with_stdin(&["store", "load", "--format", form, "--replace"], &dumped.out)
                .await
                .done();
            assert_eq!(to.keys().await.len(), 10);
            assert_eq!(contents(&to).await, contents(&from).await);
        }
    }
}

on_every_store! {
    async fn redis_cli_takes_a_dump(store: TestStore) {
        let (to, from) = (other_than(&store).await, filled(store).await);
        let file = from.directory.path().join("store.resp");
        let mut dump = from.command(&["store", "dump"]);
        dump.stdout(Stdio::from(std::fs::File::create(&file).unwrap()));
        assert!(dump.status().await.unwrap().success());
        // Twice: what it writes first is replaced by itself.
        for _ in 0..2 {
            let mut pipe = Command::new("redis-cli");
            match to.store().directory() {
                Some(directory) => {
                    to.hold().await;
                    pipe.arg("-s").arg(directory.join("oxherd.sock"))
                }
                None => pipe.args(["-p", &to.store().redis().port().to_string()]),
            };
            pipe.arg("--pipe")
                .stdin(Stdio::from(std::fs::File::open(&file).unwrap()));
            let piped = end(pipe).await;
            assert_eq!(piped.code(), 0, "{piped:?}");
            assert!(piped.out.contains("errors: 0"), "{piped:?}");
            assert_eq!(contents(&to).await, contents(&from).await);
        }
    }
}

on_every_store! {
    async fn a_dump_that_is_none_is_refused_by_place(store: TestStore) {
        let scene = Scene::start(store);
        let load = async |input: &str| scene.run_with_stdin(&["store", "load"], input).await;
        let told = load("{\"key\":\"a\",\"type\":\"string\",\"value\":\"v\"}\n{\"key\":7}\n")
            .await
            .failed(2);
        assert!(told.starts_with("error: invalid dump at line 2: "), "{told}");
        assert!(told.contains("1 keys were written before"), "{told}");
        let told = load("*1\r\n$8\r\nFLUSHALL\r\n").await.failed(2);
        assert!(told.contains("byte 0: FLUSHALL"), "{told}");
        assert_eq!(scene.keys().await, ["a"]);
        let line = "{\"key\":\"a\",\"type\":\"string\",\"value\":\"new\"}\n";
        assert!(load(line).await.failed(4).contains("\"a\""));
        let loaded = scene
            .run_with_stdin(&["store", "load", "--partial", "--replace"], line)
            .await
            .done();
        assert!(loaded.starts_with("loaded  1 keys"), "{loaded}");
    }
}
