//! `oxherd bench queue`.

use std::process::Stdio;
use std::time::Duration;

use oxherd_testkit::{RedisServer, TestStore, eventually, on_every_store};
use serde_json::Value;

use crate::scene::Scene;

fn check(line: &Value, has_server_time: bool) {
    for field in ["per_second", "p50_ms", "p99_ms"] {
        assert!(
            line[field].as_f64().is_some_and(|figure| figure > 0.0),
            "{field} in {line}"
        );
    }
    assert!(line["p50_ms"].as_f64() <= line["p99_ms"].as_f64(), "{line}");
    assert_eq!(line["concurrency"], 7);
    assert_eq!(
        line["server_us_per_job"].as_f64().is_some_and(|time| time > 0.0),
        has_server_time,
        "{line}"
    );
}

async fn bench(scene: &Scene, more: &[&str]) -> Vec<Value> {
    let arguments = [
        &[
            "bench",
            "queue",
            "--jobs",
            "1200",
            "--concurrency",
            "7",
            "--output",
            "json",
        ],
        more,
    ]
    .concat();
    let out = scene.run(&arguments).await.done();
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

on_every_store! {
    async fn each_bench_is_one_line_of_json_and_leaves_no_key(store: TestStore) {
        let scene = Scene::start(store);
        let lines = bench(&scene, &[]).await;
        let names: Vec<_> = lines
            .iter()
            .map(|line| (line["bench"].as_str().unwrap(), line["jobs"].as_u64()))
            .collect();
        assert_eq!(
            names,
            [
                ("bulk_add", Some(1200)),
                ("add", Some(1200)),
                ("process", Some(1200)),
                ("pickup", Some(1000))
            ]
        );
        lines.iter().for_each(|line| check(line, false));
        assert_eq!(scene.keys().await, Vec::<String>::new());
    }
}

on_every_store! {
    async fn the_servers_time_is_told_when_asked_for(store: TestStore) {
        let scene = Scene::start(store);
        let lines = bench(&scene, &["--server-stats"]).await;
        lines.iter().for_each(|line| check(line, true));
    }
}

on_every_store! {
    async fn people_get_a_table_and_other_queues_are_left_alone(store: TestStore) {
        let scene = Scene::start(store);
        // A prefix that would be a pattern, beside keys that the pattern would match.
        scene
            .run(&["job", "add", "mail", "welcome", "--prefix", "b*"])
            .await
            .done();
        scene
            .run(&["job", "add", "mail", "welcome", "--prefix", "bull"])
            .await
            .done();
        let before = scene.keys().await.len();
        let out = scene
            .run(&["bench", "queue", "--jobs", "10", "--prefix", "b*"])
            .await
            .done();
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 5, "{out}");
        assert!(
            lines[0].starts_with("BENCH     JOBS  CONCURRENCY  PER SECOND"),
            "{out}"
        );
        assert!(lines[4].starts_with("pickup      10           50"), "{out}");
        assert_eq!(scene.keys().await.len(), before);
    }
}

#[tokio::test]
async fn it_reaches_stores_with_tls_a_password_and_a_socket() {
    let scene = Scene::without_store();
    let server = RedisServer::builder()
        .password("ge:heim@")
        .tls()
        .unix_socket()
        .start()
        .await;
    let tls = format!(
        "{}?tls_ca={}&prefix=mine",
        server.tls_url(),
        server.ca_pem_path().display()
    );
    // A Unix socket takes its password as a parameter.
    for url in [
        server.url(),
        tls,
        format!("{}?pass=ge%3Aheim%40", server.unix_url()),
    ] {
        let out = scene
            .run(&["bench", "queue", "--jobs", "3", "--store", &url])
            .await
            .done();
        assert_eq!(out.lines().count(), 5, "{url}");
    }
}

on_every_store! {
    async fn the_store_may_come_from_the_file(store: TestStore) {
        let scene = Scene::start(store);
        std::fs::write(
            scene.directory.path().join("oxherd.toml"),
            format!("store = \"{}\"\n", scene.url()),
        )
        .unwrap();
        let mut command = scene.command(&["bench", "queue", "--jobs", "3"]);
        command.env_remove("OXHERD_STORE");
        crate::scene::end(command).await.done();
        assert_eq!(scene.keys().await, Vec::<String>::new());
    }
}

on_every_store! {
    async fn an_interrupted_bench_cleans_up(store: TestStore) {
        let scene = Scene::start(store);
        // So that this test can look at a directory while the bench works in it.
        scene.hold().await;
        for (bench, signal) in [("bulk_add", "-INT"), ("process", "-TERM")] {
            let mut command = scene.command(&["bench", "queue", "--jobs", "20000", "--output", "json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = command.spawn().unwrap();
            let pid = child.id().unwrap().to_string();
            eventually(&format!("{bench} began"), Duration::from_secs(60), async || {
                let beginning = format!("bull:oxherd-bench-{bench}-");
                scene.keys().await.iter().any(|key| key.starts_with(&beginning))
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
            assert_eq!(ended.status.code(), Some(1));
            let said = String::from_utf8(ended.stderr).unwrap();
            assert!(said.contains(&format!("interrupted during {bench}")), "{said}");
            assert_eq!(scene.keys().await, Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn a_store_that_goes_away_ends_the_bench() {
    let scene = Scene::start(TestStore::on_redis().await);
    let mut command = scene.command(&["bench", "queue", "--jobs", "500000", "--output", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    eventually("the bench began", Duration::from_secs(60), async || {
        !scene.keys().await.is_empty()
    })
    .await;
    scene.store().redis().kill();
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await;
    let ended = ended.expect("the bench ends").unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(5), "{said}");
    assert!(said.contains("could not be removed"), "{said}");
}
