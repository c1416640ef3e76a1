//! The real server: every way to reach it, and every way to end it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code; helpers outside #[test] functions too"
)]

use std::time::{Duration, Instant};

use oxherd_testkit::{RedisServer, StartError, eventually};
use redis::aio::MultiplexedConnection;
use redis::{AsyncTypedCommands as _, Client, TlsCertificates};

async fn open(url: &str) -> redis::RedisResult<MultiplexedConnection> {
    Client::open(url)?.get_multiplexed_async_connection().await
}

#[tokio::test]
async fn a_started_server_answers() {
    let server = RedisServer::start().await;
    let mut connection = open(&server.url()).await.unwrap();
    connection.set("greeting", "hello").await.unwrap();
    assert_eq!(
        server
            .connection()
            .await
            .get("greeting")
            .await
            .unwrap()
            .as_deref(),
        Some("hello")
    );
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port()));
    assert_eq!(server.addr().port(), server.port());
}

#[tokio::test]
async fn two_servers_share_nothing() {
    let (one, two) = (RedisServer::start().await, RedisServer::start().await);
    one.connection().await.set("key", "one").await.unwrap();
    assert_eq!(two.connection().await.get("key").await.unwrap(), None);
}

#[tokio::test]
async fn a_password_is_demanded_and_part_of_the_url() {
    let server = RedisServer::builder()
        .password("s3cret/with \"odd\" @signs")
        .start()
        .await;
    let stranger = open(&format!("redis://127.0.0.1:{}", server.port())).await;
    let refused = match stranger {
        Ok(mut connection) => connection.ping().await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "a client without the password was let in");
    open(&server.url()).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_unix_socket_leads_to_the_same_data() {
    let server = RedisServer::builder().unix_socket().start().await;
    server.connection().await.set("key", "value").await.unwrap();
    let mut connection = open(&server.unix_url()).await.unwrap();
    assert_eq!(connection.get("key").await.unwrap().as_deref(), Some("value"));
}

#[tokio::test]
async fn tls_works_with_the_authority_and_not_without() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = RedisServer::builder().tls().start().await;
    server.connection().await.set("key", "value").await.unwrap();

    let root_cert = std::fs::read(server.ca_pem_path()).unwrap();
    let trusting = TlsCertificates {
        client_tls: None,
        root_cert: Some(root_cert),
    };
    let client = Client::build_with_tls(server.tls_url(), trusting).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    assert_eq!(connection.get("key").await.unwrap().as_deref(), Some("value"));

    assert!(
        open(&server.tls_url()).await.is_err(),
        "an unknown authority was trusted"
    );
}

#[tokio::test]
async fn an_append_only_server_keeps_its_data_over_a_kill() {
    let server = RedisServer::builder().append_only().start().await;
    server.connection().await.set("key", "value").await.unwrap();
    let port = server.port();
    server.kill();
    assert!(
        open(&server.url()).await.is_err(),
        "a killed server still answers"
    );
    server.restart().await;
    assert_eq!(server.port(), port);
    assert_eq!(
        server.connection().await.get("key").await.unwrap().as_deref(),
        Some("value")
    );
}

#[tokio::test]
async fn a_plain_server_forgets_over_a_stop() {
    let server = RedisServer::start().await;
    server.connection().await.set("key", "value").await.unwrap();
    server.stop();
    server.restart().await;
    assert_eq!(server.connection().await.get("key").await.unwrap(), None);
}

#[tokio::test]
async fn a_frozen_server_is_silent_until_thawed() {
    let server = RedisServer::start().await;
    let mut connection = server.connection().await;
    server.freeze();
    let silence = tokio::time::timeout(Duration::from_millis(150), connection.ping()).await;
    assert!(silence.is_err(), "a frozen server answered");
    server.thaw();
    eventually("the thawed server answers", Duration::from_secs(5), async || {
        connection.ping().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_directive_reaches_the_server() {
    let server = RedisServer::builder()
        .config("maxmemory-policy", "allkeys-lru")
        .config("databases", "3")
        .start()
        .await;
    let settings: Vec<String> = redis::cmd("CONFIG")
        .arg("GET")
        .arg("maxmemory-policy")
        .query_async(&mut server.connection().await)
        .await
        .unwrap();
    assert_eq!(settings, ["maxmemory-policy", "allkeys-lru"]);
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let error = RedisServer::builder()
        .config("no-such-directive", "1")
        .try_start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Failed(_)));
    assert!(error.to_string().contains("no-such-directive"), "{error}");
}

#[tokio::test]
async fn a_dropped_server_leaves_neither_process_nor_directory() {
    let server = RedisServer::builder().unix_socket().start().await;
    let info: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut server.connection().await)
        .await
        .unwrap();
    let id = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"))
        .unwrap()
        .trim()
        .to_owned();
    let socket = server.unix_url().trim_start_matches("unix:").to_owned();
    assert!(std::path::Path::new(&socket).exists());
    drop(server);
    assert!(!std::path::Path::new(&socket).exists());
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
}

#[tokio::test]
async fn eventually_returns_as_soon_as_the_condition_holds() {
    let start = Instant::now();
    let mut asked = 0;
    eventually("the third question", Duration::from_secs(30), async || {
        asked += 1;
        asked == 3
    })
    .await;
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
#[should_panic(expected = "the moon falls")]
async fn eventually_names_what_never_came() {
    eventually("the moon falls", Duration::from_millis(20), async || false).await;
}

#[tokio::test]
#[should_panic(expected = "a question that hangs")]
async fn eventually_ends_a_condition_that_hangs() {
    eventually(
        "a question that hangs",
        Duration::from_millis(20),
        std::future::pending::<bool>,
    )
    .await;
}

#[tokio::test]
async fn a_started_valkey_is_one() {
    let server = RedisServer::start_valkey().await;
    let mut connection = open(&server.url()).await.unwrap();
    let info: String = redis::cmd("INFO").query_async(&mut connection).await.unwrap();
    assert!(info.contains("valkey_version:9."), "{info}");
}
