//! The faulty network: each fault does what it says, to the connections it names, and stops when told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code; helpers outside #[test] functions too"
)]

use std::time::{Duration, Instant};

use oxherd_testkit::{FaultProxy, RedisServer, contains, eventually};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, AsyncTypedCommands as _, Client, RedisResult};

const DEADLINE: Duration = Duration::from_secs(10);

async fn open(proxy: &FaultProxy, patience: Duration) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    Client::open(proxy.url())?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

async fn scene() -> (RedisServer, FaultProxy, MultiplexedConnection) {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let connection = open(&proxy, DEADLINE).await.unwrap();
    (server, proxy, connection)
}

#[tokio::test]
async fn commands_and_large_replies_pass_through() {
    let (_server, proxy, mut connection) = scene().await;
    let large = "x".repeat(3_000_000);
    connection.set("large", &large).await.unwrap();
    assert_eq!(connection.get("large").await.unwrap(), Some(large));
    let replies: Vec<i64> = redis::pipe()
        .incr("n", 1)
        .incr("n", 1)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(replies, [1, 2]);
    assert_eq!(
        (proxy.accepted(), proxy.open_connections(), proxy.cuts()),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn cut_all_drops_live_connections_and_accepts_new_ones() {
    let (_server, proxy, mut connection) = scene().await;
    proxy.cut_all();
    eventually("the cut is noticed", DEADLINE, async || {
        connection.ping().await.is_err()
    })
    .await;
    eventually("the cut is counted", DEADLINE, async || proxy.cuts() == 1).await;
    open(&proxy, DEADLINE).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn refused_clients_get_in_later() {
    let (_server, proxy, mut connection) = scene().await;
    proxy.refuse(true);
    assert!(open(&proxy, DEADLINE).await.is_err());
    assert!(proxy.refused() >= 1);
    connection.ping().await.expect("live connections go on");
    proxy.refuse(false);
    open(&proxy, DEADLINE).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_black_hole_silences_live_and_new_connections() {
    let (server, proxy, mut busy) = scene().await;
    let mut idle = open(&proxy, DEADLINE).await.unwrap();
    idle.ping().await.unwrap();
    proxy.blackhole(true);
    let patience = Duration::from_millis(150);
    assert!(
        tokio::time::timeout(patience, busy.set("key", "lost"))
            .await
            .is_err()
    );
    assert!(open(&proxy, patience).await.is_err());
    proxy.blackhole(false);
    idle.ping().await.expect("a connection that lost nothing goes on");
    assert!(
        tokio::time::timeout(patience, busy.ping()).await.is_err(),
        "a forgotten connection spoke"
    );
    assert_eq!(server.connection().await.get("key").await.unwrap(), None);
}

#[tokio::test]
async fn a_delay_adds_latency_without_lowering_throughput() {
    let (_server, proxy, connection) = scene().await;
    proxy.delay(Duration::from_millis(100));
    let start = Instant::now();
    let calls = (0..20).map(|_| {
        let mut connection = connection.clone();
        tokio::spawn(async move { connection.ping().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let elapsed = start.elapsed();
    assert!(
        elapsed >= Duration::from_millis(100),
        "replies came after {elapsed:?}"
    );
    assert!(
        elapsed < Duration::from_millis(1_500),
        "delays added up to {elapsed:?}"
    );
}

#[tokio::test]
async fn a_lost_reply_leaves_its_effect_behind() {
    let (server, proxy, mut connection) = scene().await;
    proxy.lose_next_reply_where(contains("INCR"));
    connection.ping().await.expect("other commands are not affected");
    assert!(connection.incr("n", 1).await.is_err());
    assert_eq!(
        server.connection().await.get("n").await.unwrap().as_deref(),
        Some("1")
    );
    assert_eq!((proxy.lost_replies(), proxy.cuts()), (1, 1));
    let mut again = open(&proxy, DEADLINE).await.unwrap();
    assert_eq!(again.incr("n", 1).await.unwrap(), 2);
}

#[tokio::test]
async fn replies_before_the_lost_one_are_delivered() {
    let (server, proxy, connection) = scene().await;
    // The delay makes sure that all three commands are under way before the first reply is out.
    proxy.delay(Duration::from_millis(50));
    proxy.lose_next_reply_where(contains("second"));
    let call = |key: &'static str| {
        let mut connection = connection.clone();
        async move { connection.incr(key, 1).await }
    };
    let (first, second, third) = tokio::join!(call("first"), call("second"), call("third"));
    assert_eq!(first.unwrap(), 1);
    assert!(second.is_err() && third.is_err());
    assert_eq!(
        server.connection().await.get("second").await.unwrap().as_deref(),
        Some("1")
    );
}

#[tokio::test]
async fn a_lost_exec_reply_means_an_executed_transaction() {
    let (server, proxy, mut connection) = scene().await;
    proxy.lose_next_reply_where(contains("EXEC"));
    let outcome: RedisResult<()> = redis::pipe()
        .atomic()
        .incr("a", 1)
        .incr("b", 1)
        .query_async(&mut connection)
        .await;
    assert!(outcome.is_err());
    let values = server.connection().await.mget(&["a", "b"]).await.unwrap();
    assert_eq!(values, [Some("1".to_owned()), Some("1".to_owned())]);
}

#[tokio::test]
async fn random_losses_follow_their_seed() {
    let (_server, proxy, _) = scene().await;
    let mut patterns = Vec::new();
    for seed in [7, 7, 8] {
        proxy.lose_replies_where(0.5, seed, contains("INCR"));
        let mut pattern = Vec::new();
        for _ in 0..24 {
            let mut connection = open(&proxy, DEADLINE).await.unwrap();
            pattern.push(connection.incr("n", 1).await.is_err());
        }
        patterns.push(pattern);
    }
    assert_eq!(patterns[0], patterns[1]);
    assert_ne!(patterns[0], patterns[2]);
    let lost = patterns.iter().flatten().filter(|is_lost| **is_lost).count();
    assert_eq!(proxy.lost_replies(), lost as u64);
    proxy.stop_losing();
    let mut connection = open(&proxy, DEADLINE).await.unwrap();
    for _ in 0..24 {
        connection.incr("n", 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_dead_server_closes_the_client_and_a_restart_is_reached_again() {
    let (server, proxy, mut connection) = scene().await;
    server.kill();
    assert!(connection.ping().await.is_err());
    server.restart().await;
    open(&proxy, DEADLINE).await.unwrap().ping().await.unwrap();
    assert_eq!(proxy.cuts(), 0, "the proxy cut nothing itself");
}

#[tokio::test]
async fn tls_passes_through_and_can_lose_a_reply() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = RedisServer::builder().tls().start().await;
    let tls_port = server.tls_url().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = FaultProxy::start((std::net::Ipv4Addr::LOCALHOST, tls_port).into()).await;
    let root_cert = Some(std::fs::read(server.ca_pem_path()).unwrap());
    let certificates = redis::TlsCertificates {
        client_tls: None,
        root_cert,
    };
    let client = Client::build_with_tls(format!("rediss://{}", proxy.addr()), certificates).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    assert_eq!(connection.incr("n", 1).await.unwrap(), 1);
    proxy.lose_next_reply();
    assert!(connection.incr("n", 1).await.is_err());
    assert_eq!(
        server.connection().await.get("n").await.unwrap().as_deref(),
        Some("2")
    );
}
