//! `oxherd serve`.

use oxherd_testkit::on_every_store;

use crate::scene::{Scene, end};

on_every_store! {
    async fn it_tells_where_it_listens_and_ends_in_good_order(store: TestStore) {
        let scene = Scene::start(store);
        let serving = scene.serve(&[]).await;
        let answer = serving.get("/health/ready").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

        scene.run(&["job", "add", "mail", "welcome"]).await.done();
        let answer = serving.get("/api/v1/queues/mail/jobs/1").await;
        assert!(
            answer.contains("\"name\":\"welcome\""),
            "server and command line see one store: {answer}"
        );

        serving.signal("-TERM").await;
        let (code, log) = serving.end().await;
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("listening") && log.contains("stopped"), "{log}");
        assert!(!log.contains('\u{1b}'), "no colour in a pipe: {log:?}");
    }
}

on_every_store! {
    async fn its_log_can_be_json(store: TestStore) {
        let scene = Scene::start(store);
        let serving = scene.serve(&["--log-format", "json", "--log", "info"]).await;
        serving.signal("-INT").await;
        let (code, log) = serving.end().await;
        assert_eq!(code, Some(0), "{log}");
        for line in log.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(event["message"].is_string(), "{line}");
        }
    }
}

on_every_store! {
    async fn people_are_told_the_url(store: TestStore) {
        let scene = Scene::start(store);
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let said = scene
            .run(&["serve", "--listen", &address, "--log", "off"])
            .await
            .failed(1);
        assert!(
            said.starts_with(&format!("error: cannot listen on {address}: ")),
            "{said}"
        );
        drop(taken);
        let mut command = scene.command(&["serve", "--listen", &address, "--log", "off"]);
        command.stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = tokio::io::BufReader::new(child.stdout.take().unwrap());
        tokio::io::AsyncBufReadExt::read_line(&mut out, &mut line)
            .await
            .unwrap();
        assert_eq!(line, format!("Oxherd listens on http://{address}\n"));
        child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn settings_are_printed_with_their_source_and_without_secrets() {
    let scene = Scene::without_store();
    std::fs::write(
        scene.directory.path().join("oxherd.toml"),
        "max_body = \"2MiB\"\n",
    )
    .unwrap();
    let mut command = scene.command(&["serve", "--print-config", "--listen", "127.0.0.1:8080"]);
    command
        .env("OXHERD_STORE", "redis://user:geheim@localhost")
        .env("OXHERD_TOKEN", "streng-geheim-und-lang");
    let printed = end(command).await.done();
    for (line, source) in [
        ("listen = \"127.0.0.1:8080\"", "# --listen"),
        ("max_body = 2097152", "# oxherd.toml:1"),
        ("token = \"***\"", "# OXHERD_TOKEN"),
        ("prefix = \"bull\"", "# default"),
    ] {
        assert!(
            printed
                .lines()
                .any(|printed| printed.starts_with(line) && printed.ends_with(source)),
            "{line} {source} in\n{printed}"
        );
    }
    assert!(!printed.contains("geheim"), "{printed}");
}

#[tokio::test]
async fn it_refuses_to_be_open_to_everybody() {
    let scene = Scene::without_store();
    let said = scene.run(&["serve", "--listen", "0.0.0.0:0"]).await.failed(2);
    assert!(said.contains("OXHERD_TOKEN"), "{said}");
    let said = scene.run(&["serve", "--listen", "nowhere"]).await.failed(2);
    assert!(said.contains("--listen"), "{said}");
}

#[tokio::test]
async fn without_a_store_it_does_not_start() {
    let scene = Scene::without_store();
    let said = scene
        .run(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "off",
            "--store",
            "redis://127.0.0.1:1",
        ])
        .await
        .failed(5);
    assert!(said.contains("cannot open store redis://127.0.0.1:1"), "{said}");
}
