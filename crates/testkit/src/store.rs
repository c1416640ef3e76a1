//! A store for one test: a real Redis, or a directory that Oxherd keeps by itself.
//!
//! `on_every_store!` runs one behaviour on both. What a test reads past Oxherd it reads through [`TestStore::connection`],
//! which speaks the same protocol to either; tests that are about Redis itself (a password, TLS, a server that is killed
//! or frozen) ask for [`TestStore::redis`].
//! Next: `server.rs` (the Redis).

use std::path::Path;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::server::{RedisServer, connect};

/// A store that nobody else uses; it ends with the value.
#[derive(Debug)]
pub struct TestStore(Kind);

#[derive(Debug)]
enum Kind {
    Redis(RedisServer),
    Directory(TempDir),
}

impl TestStore {
    /// A Redis of its own.
    pub async fn on_redis() -> Self {
        RedisServer::start().await.into()
    }

    /// An empty directory. Nobody holds it yet.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn on_disk() -> Self {
        Self(Kind::Directory(
            tempfile::tempdir().expect("cannot make a directory"),
        ))
    }

    /// Another one of the same kind, empty too.
    pub async fn another(&self) -> Self {
        match &self.0 {
            Kind::Redis(_) => Self::on_redis().await,
            Kind::Directory(_) => Self::on_disk(),
        }
    }

    /// What Oxherd opens.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.0 {
            Kind::Redis(server) => server.url(),
            Kind::Directory(directory) => format!("embedded:{}", directory.path().display()),
        }
    }

    /// The product's name as Oxherd tells it.
    #[must_use]
    pub fn product(&self) -> &'static str {
        match &self.0 {
            Kind::Redis(_) => "redis",
            Kind::Directory(_) => "oxherd-engine",
        }
    }

    /// The Redis behind it.
    ///
    /// # Panics
    /// When it is a directory.
    #[must_use]
    pub fn redis(&self) -> &RedisServer {
        match &self.0 {
            Kind::Redis(server) => server,
            Kind::Directory(_) => panic!("this test plays on a real Redis"),
        }
    }

    /// The directory, if it is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Redis(_) => None,
            Kind::Directory(directory) => Some(directory.path()),
        }
    }

    /// A new connection past Oxherd: to the Redis, or through the socket of the process that holds the directory.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn connection(&self) -> MultiplexedConnection {
        let url = match &self.0 {
            Kind::Redis(server) => server.url(),
            Kind::Directory(directory) => format!("unix:{}", directory.path().join("oxherd.sock").display()),
        };
        connect(&url)
            .await
            .unwrap_or_else(|error| panic!("cannot connect to the test's store at {url}: {error}"))
    }
}

impl From<RedisServer> for TestStore {
    fn from(server: RedisServer) -> Self {
        Self(Kind::Redis(server))
    }
}

/// Writes one behaviour as a test on a real Redis and one on a directory.
#[macro_export]
macro_rules! on_every_store {
    ($(#[$attribute:meta])* async fn $name:ident($store:ident: TestStore) $body:block) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of them")]
            use super::*;

            async fn behaviour($store: $crate::TestStore) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_redis() {
                behaviour($crate::TestStore::on_redis().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_disk() {
                behaviour($crate::TestStore::on_disk()).await;
            }
        }
    };
}
