//! Where the data lives, and how to reach it.
//!
//! A [`Store`] is opened once a process from a URL and cloned freely. It owns what redis-rs's `ConnectionLike` does
//! not cover: the shared command connection, a connection of its own for each blocking reader, scanning, health, and
//! the script calls. Nothing outside this module asks which store it talks to.
//! Next: `connection.rs` (the seam), `link.rs` (coming back after a failure), `tracked.rs` (hearing of changes),
//! `embedded.rs` (directories), `script.rs` (scripts), `transfer/` (copies and dumps of whole stores).

mod boot;
mod connection;
mod directory;
mod embedded;
mod health;
mod holder;
mod holding;
mod keys;
mod link;
mod notices;
mod open;
mod scan;
mod script;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a part of tests"
)]
pub(crate) mod simulated;
mod stats;
mod succession;
mod tracked;
mod transfer;
mod url;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxherd_engine::Engine;
use redis::{Cmd, FromRedisValue, Value};

pub use boot::{BootProgress, Opening};
pub(crate) use connection::Connection;
pub use health::{Health, Persistence, StoreMemory};
use holding::Holding;
pub(crate) use keys::{
    CacheKeyKind, CacheKeys, FleetKeys, LockKeys, QueueKeys, cache_changes, cache_key_in, cache_prefix,
    literal,
};
pub(crate) use notices::{Hearing, Notice};
pub use open::ServerVersion;
pub(crate) use scan::Pick;
pub(crate) use script::Script;
pub(crate) use script::*;
pub use stats::{DatabaseInfo, Held, KeyStats, StoreInfo};
pub(crate) use tracked::{ChannelMode, Listener, Tracked};
pub use transfer::{DumpFormat, Fault, Progress, Transfer, TransferReport};
use url::Place;
pub use url::StoreUrl;

use crate::error::{Error, Result};
use crate::queue::QueueName;

/// How long one call may take unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(5);

/// A Redis or Valkey server, or a store in this process, and a key prefix on it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    prefix: String,
    server: ServerVersion,
    backend: Backend,
    /// What the store said of its disk.
    last_said: Mutex<health::LastSaid>,
    notices: notices::Notices,
}

enum Backend {
    Redis {
        client: Box<redis::Client>,
        link: link::Link,
        /// For the holder of a directory, when it ends.
        succession: Option<succession::Succession>,
    },
    Engine {
        holding: Holding,
        shared: oxherd_engine::Connection,
    },
    #[cfg(test)]
    Simulated {
        network: simulated::Network,
        process: usize,
        shared: simulated::Line,
    },
}

impl Store {
    /// Opens the store of a URL: `redis://`, `rediss://`, `valkey://`, `valkeys://`, `unix:`,
    /// `embedded:DIRECTORY` for one kept on disk, or `memory:` for a new, empty one in this process that ends with its
    /// last handle.
    ///
    /// One process has a directory; the next ones are let in through its socket. When it ends, in whatever way, one of
    /// them takes the directory over, and the others go on with that one. Who comes while the holder still reads its data
    /// waits as long as it comes further.
    ///
    /// # Errors
    /// [`Error::StoreUrl`] for a URL that cannot be used, [`Error::Open`] within 5 s when the server is away, silent,
    /// refuses the credentials, fails the TLS handshake, is no Redis, or is too old; for a directory that another process
    /// has and lets nobody into, or that cannot be read. A directory that is read takes its time.
    pub async fn open(url: &str) -> Result<Self> {
        Self::connect(url.parse()?).await
    }

    /// Opens the store of a parsed URL.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn connect(url: StoreUrl) -> Result<Self> {
        Self::connect_as(url, Opening::new()).await
    }

    /// As [`Store::connect`], for a program that is done soon: while it holds a directory it lets no other process in,
    /// and others wait for it instead of depending on it. It takes no directory over.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn visit(url: StoreUrl) -> Result<Self> {
        Self::connect_as(url, Opening::new().visit()).await
    }

    /// Opens the store of a parsed URL in a way of one's own.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn connect_as(url: StoreUrl, opening: Opening) -> Result<Self> {
        match url.place() {
            Place::Memory => Ok(Self::on_engine(Engine::in_memory(), &url)),
            Place::Embedded(embedded) => match embedded::open(embedded, &opening).await? {
                embedded::Held::Here(holding) => Ok(Self::within(holding, &url)),
                embedded::Held::Elsewhere {
                    client,
                    server,
                    directory,
                } => {
                    let is_heir = !opening.is_visit;
                    let succession = is_heir.then(|| succession::Succession::begin(directory));
                    Ok(Self::behind(client, server, succession, &url))
                }
            },
            Place::Server(address) => {
                let client = Box::new(open::client(address)?);
                let server = open::probe(&client, address).await?;
                open::warn_of_settings(&server);
                Ok(Self::behind(client, server, None, &url))
            }
        }
    }

    fn behind(
        client: Box<redis::Client>,
        server: ServerVersion,
        succession: Option<succession::Succession>,
        url: &StoreUrl,
    ) -> Self {
        let link = link::Link::new(client.as_ref().clone(), DEADLINE);
        let backend = Backend::Redis {
            client,
            link,
            succession,
        };
        Self::new(url, server, backend)
    }

    /// A store on an engine that the program has already; handles on the same engine share the data. Of the URL, which
    /// must be one in this process, the prefix counts.
    #[must_use]
    pub fn on_engine(engine: Engine, url: &StoreUrl) -> Self {
        Self::within(Holding::of(engine, url.is_lazy()), url)
    }

    fn within(holding: Holding, url: &StoreUrl) -> Self {
        let server = ServerVersion {
            product: "oxherd-engine".to_owned(),
            version: oxherd_engine::VERSION.to_owned(),
            eviction_policy: "noeviction".to_owned(),
        };
        let shared = holding.engine.connect();
        Self::new(url, server, Backend::Engine { holding, shared })
    }

    fn new(url: &StoreUrl, server: ServerVersion, backend: Backend) -> Self {
        Self {
            inner: Arc::new(Inner {
                name: url.to_string(),
                prefix: url.prefix().to_owned(),
                server,
                backend,
                last_said: Mutex::default(),
                notices: notices::Notices::default(),
            }),
        }
    }

    /// The engine behind a store in this process, to share or to listen on; `None` for a server.
    #[must_use]
    pub fn engine(&self) -> Option<&Engine> {
        match &self.inner.backend {
            Backend::Redis { .. } => None,
            Backend::Engine { holding, .. } => Some(&holding.engine),
            #[cfg(test)]
            Backend::Simulated { .. } => None,
        }
    }

    /// The store's URL without secrets.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The first part of every key.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// What the server said of itself on opening.
    #[must_use]
    pub fn server(&self) -> &ServerVersion {
        &self.inner.server
    }

    /// The connection that the whole process shares for commands that do not block.
    pub(crate) fn shared(&self) -> Connection {
        match &self.inner.backend {
            Backend::Redis { link, .. } => Connection::Shared(link.clone()),
            Backend::Engine { shared, .. } => Connection::Engine {
                connection: shared.clone(),
                deadline: DEADLINE,
            },
            #[cfg(test)]
            Backend::Simulated { shared, .. } => Connection::Simulated(shared.clone()),
        }
    }

    /// A connection of its own for one blocking reader of `_key`, which on a cluster decides the node.
    /// Each request on it ends after `watchdog` at the latest.
    pub(crate) async fn dedicated(&self, _key: &str, watchdog: Duration) -> Result<Connection> {
        match &self.inner.backend {
            Backend::Redis { client, .. } => {
                let connection = open::connect(client, Duration::from_secs(1)).await;
                let connection = connection.map_err(|error| unavailable("open a connection", error))?;
                Ok(Connection::Dedicated { connection, watchdog })
            }
            Backend::Engine { holding, .. } => Ok(Connection::Engine {
                connection: holding.engine.connect(),
                deadline: watchdog,
            }),
            #[cfg(test)]
            Backend::Simulated { network, process, .. } => Ok(Connection::Simulated(network.line(*process))),
        }
    }

    /// Hears what is published in a channel, from the next [`Notice::Gap`] on at the latest.
    pub(crate) fn hear(&self, channel: &str) -> Hearing {
        let source = match &self.inner.backend {
            Backend::Redis { client, .. } => notices::Source::Redis(client.clone()),
            Backend::Engine { holding, .. } => notices::Source::Engine(holding.engine.clone()),
            #[cfg(test)]
            Backend::Simulated { .. } => notices::Source::Silence,
        };
        self.inner.notices.hear(channel, source)
    }

    /// Ends the work of this process on the store in good order: a directory that is held here lets nobody in any more,
    /// and everything is durable, whatever `fsync` says; one that is held elsewhere is not taken over any more, and what this
    /// process has taken over, or is about to, is let go of before the answer. Nothing to do for other stores. The
    /// directory is free for others when the last handle is gone, at the latest with the process. Ends within six seconds,
    /// also while a script goes on for ever or the disk hangs.
    ///
    /// # Errors
    /// [`Error::Store`] when the last changes cannot be written, or not in time, or the directory could not be let go of in
    /// time.
    pub async fn close(&self) -> Result<()> {
        match &self.inner.backend {
            Backend::Engine { holding, .. } => holding.close().await,
            Backend::Redis {
                succession: Some(succession),
                ..
            } => succession.close().await,
            Backend::Redis { .. } => Ok(()),
            #[cfg(test)]
            Backend::Simulated { .. } => Ok(()),
        }
    }

    /// The queues under this store's prefix, by name. Walks the keyspace: callers keep the answer for a while.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`] when the store is away.
    pub async fn queues(&self) -> Result<Vec<QueueName>> {
        let pattern = keys::queue_pattern(self.prefix());
        let pick = Pick {
            pattern: Some(pattern.as_bytes()),
            kind: Some("hash"),
        };
        let mut scan = self.scan(pick, "list the queues");
        let mut found = Vec::new();
        while let Some(page) = scan.next().await? {
            for key in page {
                let Ok(key) = String::from_utf8(key) else { continue };
                if let Some(Ok(name)) = keys::queue_in(self.prefix(), &key).map(str::parse) {
                    found.push(name);
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    pub(crate) fn lock_keys(&self, name: &str) -> LockKeys {
        LockKeys::new(self.prefix(), name)
    }

    pub(crate) fn keys(&self, queue: &QueueName) -> QueueKeys {
        QueueKeys::new(self.prefix(), queue)
    }

    /// Runs a script that only reads, or whose resend does no harm: a reply that was lost is asked for once more.
    pub(crate) async fn run_safe<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> Result<T> {
        let mut connection = self.shared();
        let mut reply = script.run(&mut connection, call).await;
        if matches!(&reply, Err(error) if is_cut_off(error)) {
            reply = script.run(&mut connection, call).await;
        }
        let reply = reply.map_err(|error| refused(&script.operation(), error))?;
        decode(&script.operation(), reply)
    }

    /// Runs a script whose resend would do its work twice: a lost reply is said to be one.
    pub(crate) async fn run_once<T: FromRedisValue>(&self, script: &Script, call: &Cmd) -> Result<T> {
        match script.run(&mut self.shared(), call).await {
            Ok(reply) => decode(&script.operation(), reply),
            Err(error) => Err(refused_once(&script.operation(), error)),
        }
    }

    /// Names the key that another program holds in a wrong type, for an error that says so.
    pub(crate) async fn explain(&self, error: Error, keys: &QueueKeys) -> Error {
        let Error::Store { operation, source } = error else {
            return error;
        };
        if !source.to_string().contains("WRONGTYPE") {
            return Error::Store { operation, source };
        }
        let (names, expected): (Vec<_>, Vec<_>) = keys.typed().unzip();
        let mut pipeline = redis::pipe();
        for name in &names {
            pipeline.cmd("TYPE").arg(name);
        }
        let found: Vec<String> = match pipeline.query_async(&mut self.shared()).await {
            Ok(found) => found,
            Err(_still_unknown) => return Error::Store { operation, source },
        };
        for ((key, expected), found) in names.into_iter().zip(expected).zip(found) {
            if found != "none" && found != expected {
                return Error::WrongKeyType {
                    operation,
                    key,
                    expected,
                    found,
                };
            }
        }
        Error::Store { operation, source }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("name", &self.inner.name)
            .field("prefix", &self.inner.prefix)
            .finish()
    }
}

/// A reply as the type the caller wants.
pub(crate) fn decode<T: FromRedisValue>(operation: &str, reply: Value) -> Result<T> {
    T::from_redis_value(reply).map_err(|error| Error::Reply {
        operation: operation.to_owned(),
        reason: error.to_string(),
    })
}

/// A connection that broke under a request: worth another try at once. One that timed out, or that waited in vain for a
/// connection, has used its time up.
pub(crate) fn is_cut_off(error: &redis::RedisError) -> bool {
    error.is_io_error() && !error.is_timeout() && !error.is_connection_refusal()
}

/// The error of a call that must not be repeated: it may have been executed.
pub(crate) fn refused_once(operation: &str, error: redis::RedisError) -> Error {
    if error.is_io_error() && !error.is_connection_refusal() {
        return Error::OutcomeUnknown {
            operation: operation.to_owned(),
            remedy: "it may have been done: look before repeating it",
            source: error.into(),
        };
    }
    refused(operation, error)
}

/// The error of a call whose repetition does no harm.
pub(crate) fn refused(operation: &str, error: redis::RedisError) -> Error {
    if error.is_io_error() {
        return unavailable(operation, error);
    }
    Error::Store {
        operation: operation.to_owned(),
        source: error.into(),
    }
}

pub(crate) fn unavailable(operation: &str, error: redis::RedisError) -> Error {
    Error::StoreUnavailable {
        operation: operation.to_owned(),
        source: error.into(),
    }
}
