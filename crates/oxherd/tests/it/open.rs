//! Opening a store: every way to fail has its own words, within five seconds.

use std::time::{Duration, Instant};

use oxherd::{Error, OpenProblem, Oxherd, Store};
use oxherd_testkit::RedisServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Opens what cannot be opened.
async fn problem(url: &str) -> (OpenProblem, String) {
    let started = Instant::now();
    let error = Store::open(url).await.expect_err(url);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    let Error::Open { problem, .. } = &error else {
        panic!("{error}: {error:?}");
    };
    assert!(error.is_store_unavailable());
    (*problem, error.to_string())
}

/// A server that answers each command as told, until it says nothing more.
async fn fake_server(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut clients = Vec::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut chunk = vec![0; 4096];
            while let Ok(length) = client.read(&mut chunk).await
                && length > 0
            {
                // Commands of a client that has just connected are short and come whole.
                let text = String::from_utf8_lossy(&chunk[..length]).into_owned();
                for command in text.split('*').skip(1) {
                    let Some(reply) = answer(command) else { break };
                    client.write_all(reply.as_bytes()).await.unwrap();
                }
            }
            clients.push(client);
        }
    });
    url
}

#[tokio::test]
async fn an_address_where_nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (problem, text) = problem(&format!("redis://:geheim@{address}")).await;
    assert_eq!(problem, OpenProblem::Unreachable);
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(!text.contains("geheim"), "{text}");
}

#[tokio::test]
async fn a_socket_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (problem, _) = problem(&format!("redis://{}", listener.local_addr().unwrap())).await;
    assert_eq!(problem, OpenProblem::Silent);
}

#[tokio::test]
async fn a_server_that_falls_silent_in_the_middle() {
    let url = fake_server(|command| (!command.contains("INFO\r\n")).then(|| "+OK\r\n".to_owned())).await;
    assert_eq!(problem(&url).await.0, OpenProblem::Silent);
}

#[tokio::test]
async fn a_web_server() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let url = fake_server(move |_| Some(answer.to_owned())).await;
    let (problem, text) = problem(&url).await;
    assert_eq!(problem, OpenProblem::NotRedis);
    assert!(text.contains("not a Redis"), "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            drop(client);
        }
    });
    let (problem, text) = problem(&url).await;
    assert_eq!(problem, OpenProblem::Cut, "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_up_in_the_middle() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let _ = client.read(&mut [0; 4096]).await;
            }
        });
        url
    };
    let (problem, text) = problem(&url).await;
    assert_eq!(problem, OpenProblem::Cut, "{text}");
}

#[tokio::test]
async fn a_database_that_the_server_does_not_have() {
    let server = RedisServer::start().await;
    let (problem, text) = problem(&format!("{}/99", server.url())).await;
    assert_eq!(problem, OpenProblem::Database, "{text}");
    assert!(text.contains("`databases`"), "{text}");
}

#[tokio::test]
async fn a_server_that_speaks_the_protocol_but_is_no_redis() {
    let url = fake_server(|_| Some("+OK\r\n".to_owned())).await;
    assert_eq!(problem(&url).await.0, OpenProblem::NotRedis);
}

#[tokio::test]
async fn a_server_that_is_too_old() {
    let url = fake_server(|command| {
        Some(if command.contains("INFO\r\n") {
            "$22\r\nredis_version:5.0.14\r\n\r\n".to_owned()
        } else {
            "+OK\r\n".to_owned()
        })
    })
    .await;
    let (problem, text) = problem(&url).await;
    assert_eq!(problem, OpenProblem::Unsupported);
    assert!(text.contains("6.2"), "{text}");
}

#[tokio::test]
async fn passwords_that_are_missing_wrong_or_right() {
    let server = RedisServer::builder().password("sesam öffne").start().await;
    let address = server.addr();
    for credentials in ["", ":geheim@", "nobody:geheim@"] {
        let (problem, text) = problem(&format!("redis://{credentials}{address}")).await;
        assert_eq!(problem, OpenProblem::Authentication, "{text}");
        assert!(!text.contains("geheim"), "{text}");
    }
    let store = Store::open(&server.url()).await.unwrap();
    assert!(
        !format!("{} {store:?}", store.name()).contains("sesam"),
        "{store:?}"
    );
    Oxherd::on(store).queue("q").unwrap().add("n", ()).await.unwrap();
}

#[tokio::test]
async fn a_password_the_server_does_not_want() {
    let server = RedisServer::start().await;
    let (problem, text) = problem(&format!("redis://:geheim@{}", server.addr())).await;
    assert_eq!(problem, OpenProblem::Authentication, "{text}");
}

#[tokio::test]
async fn a_user_who_may_not_ask_what_the_server_is() {
    let server = RedisServer::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER")
        .arg("app")
        .arg("on")
        .arg(">geheim")
        .arg("~*")
        .arg("+@all")
        .arg("-@dangerous");
    user.exec_async(&mut connection).await.unwrap();
    let (problem, text) = problem(&format!("redis://app:geheim@{}", server.addr())).await;
    assert_eq!(problem, OpenProblem::NotPermitted { command: "INFO" }, "{text}");
    assert!(text.contains("run INFO") && text.contains("+info"), "{text}");
    assert!(!text.contains("geheim"), "{text}");
}

#[tokio::test]
async fn a_user_who_may_not_choose_a_database() {
    let server = RedisServer::start().await;
    let mut connection = server.connection().await;
    let mut user = redis::cmd("ACL");
    user.arg(&["SETUSER", "app", "on", ">geheim", "~*", "+@all", "-select"]);
    user.exec_async(&mut connection).await.unwrap();
    let (problem, text) = problem(&format!("redis://app:geheim@{}/1", server.addr())).await;
    assert_eq!(problem, OpenProblem::NotPermitted { command: "SELECT" }, "{text}");
}

#[tokio::test]
async fn tls_with_and_without_the_right_authority() {
    let server = RedisServer::builder().tls().start().await;
    let authority = server.ca_pem_path();
    let store = Store::open(&format!("{}?tls_ca={}", server.tls_url(), authority.display())).await;
    Oxherd::on(store.unwrap())
        .queue("q")
        .unwrap()
        .add("n", ())
        .await
        .unwrap();

    let (problem_found, text) = problem(&server.tls_url()).await;
    assert_eq!(problem_found, OpenProblem::Tls, "{text}");
    assert!(text.contains("tls_ca"), "{text}");
    let stranger = RedisServer::builder().tls().start().await;
    let url = format!("{}?tls_ca={}", server.tls_url(), stranger.ca_pem_path().display());
    assert_eq!(problem(&url).await.0, OpenProblem::Tls);
}

#[tokio::test]
async fn tls_where_there_is_none_and_none_where_there_is_tls() {
    let server = RedisServer::builder().tls().start().await;
    let plain = server.url().replace("redis://", "rediss://");
    let (problem_found, text) = problem(&plain).await;
    assert_eq!(problem_found, OpenProblem::Tls, "{text}");
    let (problem_found, text) = problem(&server.tls_url().replace("rediss://", "redis://")).await;
    assert_eq!(problem_found, OpenProblem::Cut, "{text}");
    assert!(text.contains("rediss://"), "{text}");
}

#[tokio::test]
async fn an_authority_that_cannot_be_read() {
    let directory = std::env::temp_dir();
    for file in ["/nowhere/ca.pem", directory.to_str().unwrap()] {
        let error = Store::open(&format!("rediss://127.0.0.1:1?tls_ca={file}"))
            .await
            .unwrap_err();
        assert!(matches!(&error, Error::StoreUrl { .. }), "{error}");
        assert!(error.to_string().contains(file), "{error}");
    }
}

#[tokio::test]
async fn a_unix_socket() {
    let server = RedisServer::builder().unix_socket().start().await;
    let store = Store::open(&server.unix_url()).await.unwrap();
    Oxherd::on(store).queue("q").unwrap().add("n", ()).await.unwrap();
    let (problem, _) = problem("unix:/nowhere/redis.sock").await;
    assert_eq!(problem, OpenProblem::Unreachable);
}

#[tokio::test]
async fn a_prefix_keeps_two_programs_apart() {
    let server = RedisServer::start().await;
    let mut seen = Vec::new();
    for prefix in ["app", "{tag}:x", "Grüße", "bull"] {
        let store = Store::open(&format!("{}/1?prefix={prefix}", server.url()))
            .await
            .unwrap();
        assert_eq!(store.prefix(), prefix);
        let oxherd = Oxherd::on(store);
        let queue = oxherd.queue("q").unwrap();
        queue.add("n", ()).await.unwrap();
        assert_eq!(queue.counts().await.unwrap().waiting, 1);
        seen.extend(oxherd.store().queues().await.unwrap());
    }
    assert_eq!(seen.len(), 4, "each sees its own queue only");
    let mut raw = server.connection().await;
    redis::cmd("SELECT").arg(1).exec_async(&mut raw).await.unwrap();
    for prefix in ["app", "{tag}:x", "Grüße", "bull"] {
        let found: bool = redis::cmd("EXISTS")
            .arg(format!("{prefix}:q:wait"))
            .query_async(&mut raw)
            .await
            .unwrap();
        assert!(found, "{prefix}");
    }
}

#[tokio::test]
async fn what_the_server_said_of_itself_is_known() {
    let server = RedisServer::start().await;
    let store = Store::open(&server.url()).await.unwrap();
    assert!(
        ["redis", "valkey"].contains(&store.server().product.as_str()),
        "{:?}",
        store.server()
    );
    assert_eq!(store.server().eviction_policy, "noeviction");
    let health = store.health().await;
    assert!(health.round_trip.is_some() && health.problem.is_none());
    server.kill();
    let health = store.health().await;
    assert!(
        health.round_trip.is_none() && health.problem.is_some(),
        "{health:?}"
    );
}

pub(crate) mod logged {
    //! A subscriber that keeps the text of warnings.

    use std::fmt::{Debug, Write as _};
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::{Event, Level, Metadata, Subscriber, span};

    #[derive(Clone, Default)]
    pub(crate) struct Warnings(pub(crate) Arc<Mutex<String>>);

    impl Visit for Warnings {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
        }
    }

    impl Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= Level::WARN
        }

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }
}

#[tokio::test]
async fn a_server_that_may_evict_jobs_is_warned_of() {
    let warnings = logged::Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let safe = RedisServer::start().await;
    Store::open(&safe.url()).await.unwrap();
    assert_eq!(*warnings.0.lock().unwrap(), "");
    let unsafe_server = RedisServer::builder()
        .config("maxmemory-policy", "allkeys-lru")
        .start()
        .await;
    Store::open(&unsafe_server.url()).await.unwrap();
    let text = warnings.0.lock().unwrap().clone();
    assert!(
        text.contains("allkeys-lru") && text.contains("noeviction"),
        "{text}"
    );
}
