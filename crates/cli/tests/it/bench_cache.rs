//! `oxherd bench cache`.

use std::process::Stdio;
use std::time::Duration;

use oxherd_testkit::{RedisServer, eventually, on_every_store};
use serde_json::Value;

use crate::scene::Scene;

const SMALL: [&str; 6] = ["bench", "cache", "--calls", "20", "--entries", "200"];

async fn bench(scene: &Scene) -> Vec<Value> {
    let out = scene
        .run(&[&SMALL[..], &["--output", "json"]].concat())
        .await
        .done();
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The figures of a bench, by a field that tells them apart.
fn of<'a>(lines: &'a [Value], bench: &str, field: &str) -> Vec<&'a Value> {
    lines
        .iter()
        .filter(|line| line["bench"] == bench)
        .map(|line| &line[field])
        .collect()
}

on_every_store! {
    async fn each_figure_of_the_cache_is_one_line_of_json_and_leaves_no_key(store: TestStore) {
        let scene = Scene::start(store);
        let lines = bench(&scene).await;
        for line in &lines {
            for field in ["ns", "per_second", "calls"] {
                assert!(line[field].as_f64().is_some_and(|figure| figure > 0.0), "{field} in {line}");
            }
        }
        for hit in ["l1_get", "get_or_load_hit"] {
            assert_eq!(of(&lines, hit, "threads"), [1, 4], "{hit}");
        }
        let values = ["row", "row", "page", "page", "page", "page"];
        let codecs = ["json", "json", "json", "json", "postcard", "postcard"];
        for (read, count) in [("l2_get", 6), ("bare_get", 6), ("get_and_decode", 4)] {
            assert_eq!(of(&lines, read, "value"), values[..count], "{read}");
            assert_eq!(of(&lines, read, "codec"), codecs[..count], "{read}");
            assert_eq!(of(&lines, read, "in_flight"), [1, 100, 1, 100, 1, 100][..count], "{read}");
        }
        assert!(of(&lines, "l2_get", "ratio").iter().all(|ratio| ratio.as_f64() > Some(0.0)));
        assert_eq!(of(&lines, "tag_check", "tags"), [0, 1, 4, 16, 0, 1, 4]);
        for write in ["set", "remove", "get_or_load_miss", "increment"] {
            assert_eq!(of(&lines, write, "calls"), [20], "{write}");
        }
        assert_eq!(of(&lines, "invalidate_tag", "entries"), [200]);
        assert_eq!(of(&lines, "encode", "codec").len(), 6);
        assert_eq!(of(&lines, "decode", "codec").len(), 6);
        // Whoever asks while it is loaded waits for that load.
        assert_eq!(of(&lines, "stampede", "loads"), [1]);
        assert_eq!(scene.keys().await, Vec::<String>::new());
    }
}

on_every_store! {
    async fn people_get_a_table_of_the_cache_and_others_see_nothing_of_it(store: TestStore) {
        let scene = Scene::start(store);
        scene
            .run(&["job", "add", "mail", "welcome", "--prefix", "b*"])
            .await
            .done();
        scene
            .run(&["job", "add", "mail", "welcome", "--prefix", "bull"])
            .await
            .done();
        let mut before = scene.keys().await;
        let out = scene.run(&[&SMALL[..], &["--prefix", "b*"]].concat()).await.done();
        let lines: Vec<_> = out.lines().collect();
        assert!(lines[0].starts_with("BENCH             OF "), "{out}");
        assert!(lines[1].starts_with("l1_get            threads=1 "), "{out}");
        let mut after = scene.keys().await;
        before.sort();
        after.sort();
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn the_cache_is_measured_in_this_process_alone_too() {
    let scene = Scene::without_store();
    let arguments = [&SMALL[..], &["--store", "memory:"]].concat();
    let out = scene.run(&arguments).await.done();
    assert!(out.contains("stampede          in_flight=2500 loads=1"), "{out}");
}

#[tokio::test]
async fn the_cache_is_measured_behind_a_password_and_a_prefix() {
    let scene = Scene::without_store();
    let server = RedisServer::builder().password("ge:heim@").start().await;
    let url = format!("{}?prefix=mine", server.url());
    let out = scene.run(&[&SMALL[..], &["--store", &url]].concat()).await.done();
    assert!(out.contains("invalidate_tag    entries=200"), "{out}");
}

on_every_store! {
    async fn an_interrupted_bench_of_the_cache_cleans_up(store: TestStore) {
        let scene = Scene::start(store);
        // So that this test can look at a directory while the bench works in it.
        scene.hold().await;
        for (bench, namespace, signal) in [
            ("l2_get", "{row-json@1}", "-INT"),
            ("writes", "{counts@1}", "-TERM"),
            ("invalidate_tag", "{carriers@1}", "-INT"),
        ] {
            let arguments = ["bench", "cache", "--calls", "100", "--entries", "1000000", "--output", "json"];
            let mut command = scene.command(&arguments);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = command.spawn().unwrap();
            let pid = child.id().unwrap().to_string();
            eventually(&format!("{bench} began"), Duration::from_secs(60), async || {
                scene.keys().await.iter().any(|key| key.contains(namespace))
            })
            .await;
            let sent = tokio::process::Command::new("kill")
                .args([signal, &pid])
                .status()
                .await
                .unwrap();
            assert!(sent.success());
            let ended = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await;
            let ended = ended.expect("an interrupted bench ends").unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(1), "{said}");
            assert!(said.contains(&format!("interrupted during {bench}")), "{said}");
            assert_eq!(scene.keys().await, Vec::<String>::new());
        }
    }
}
