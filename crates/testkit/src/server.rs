//! A real `redis-server` or `valkey-server` for one test.
//!
//! Each server has its own free loopback port and its own temporary directory, answers PING before `start`
//! returns, and is killed (by process id) when the value is dropped. A port that another process takes in the
//! meantime is noticed, because the answering process must be the one that was started.
//! Next: `server/builder.rs` (what can be asked for), `server/program.rs` (Redis or Valkey), `server/process.rs`
//! (starting and waiting), `server/certificates.rs` (TLS).

mod builder;
mod certificates;
mod process;
mod program;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

pub use builder::RedisServerBuilder;
pub use process::StartError;
pub(crate) use process::connect;
use process::{Layout, Process};

use crate::wait::eventually_some;

const RESTART_DEADLINE: Duration = Duration::from_secs(30);

/// A running (or, between [`kill`](Self::kill) and [`restart`](Self::restart), a dead) Redis server.
#[derive(Debug)]
pub struct RedisServer {
    // Declared before the directory: the process must be gone before its directory is removed.
    process: Mutex<Option<Process>>,
    layout: Layout,
    _directory: TempDir,
}

impl RedisServer {
    /// Starts a plain server: no password, no persistence.
    ///
    /// # Panics
    /// When no server could be started; the message says what to install or what the server wrote.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts a plain Valkey 9 in its place.
    ///
    /// # Panics
    /// When no server could be started; the message says what to install or what the server wrote.
    pub async fn start_valkey() -> Self {
        Self::builder().valkey().start().await
    }

    /// Settings for a server with a password, TLS, a Unix socket, an append-only file or anything else.
    #[must_use]
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// The plain TCP port on 127.0.0.1; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.layout.port
    }

    /// The plain TCP address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.layout.port))
    }

    /// `redis://127.0.0.1:port`, with the password when one is set.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "redis://{}127.0.0.1:{}",
            self.layout.credentials(),
            self.layout.port
        )
    }

    /// `rediss://127.0.0.1:port` of the TLS port; verify it with [`ca_pem_path`](Self::ca_pem_path).
    ///
    /// # Panics
    /// When the server was started without [`RedisServerBuilder::tls`].
    #[must_use]
    pub fn tls_url(&self) -> String {
        let port = self
            .layout
            .tls_port
            .expect("the server was started without .tls()");
        format!("rediss://{}127.0.0.1:{port}", self.layout.credentials())
    }

    /// The certificate (PEM) of the authority that signed the server's certificate.
    ///
    /// # Panics
    /// When the server was started without [`RedisServerBuilder::tls`].
    #[must_use]
    pub fn ca_pem_path(&self) -> PathBuf {
        assert!(
            self.layout.tls_port.is_some(),
            "the server was started without .tls()"
        );
        self.layout.path(certificates::AUTHORITY)
    }

    /// `unix:/path/to.sock`.
    ///
    /// # Panics
    /// When the server was started without [`RedisServerBuilder::unix_socket`].
    #[must_use]
    pub fn unix_url(&self) -> String {
        let path = self
            .layout
            .unix_socket
            .as_ref()
            .expect("the server was started without .unix_socket()");
        format!("unix:{}", path.display())
    }

    /// Ends the server at once (SIGKILL), as a crash would. Does nothing when it is down.
    pub fn kill(&self) {
        if let Some(process) = self.locked().take() {
            process.kill();
        }
    }

    /// Ends the server in good order (SIGTERM: data is saved if the server keeps any). Does nothing when it
    /// is down.
    pub fn stop(&self) {
        if let Some(process) = self.locked().take() {
            process.terminate();
        }
    }

    /// Starts the server again on the same port and directory, killing it first if it still runs.
    ///
    /// # Panics
    /// When it does not come up again.
    pub async fn restart(&self) {
        self.kill();
        let process = eventually_some(
            "restarting redis-server on its port",
            RESTART_DEADLINE,
            async || {
                match Process::start(&self.layout).await {
                    Ok(process) => Some(process),
                    // Somebody looking for a free port may hold ours for a moment.
                    Err(StartError::PortTaken) => None,
                    Err(error) => panic!("cannot restart redis-server: {error}"),
                }
            },
        )
        .await;
        *self.locked() = Some(process);
    }

    /// Stops the process without closing anything (SIGSTOP): connections stay open and nobody answers.
    ///
    /// # Panics
    /// When the server is down.
    pub fn freeze(&self) {
        self.locked()
            .as_ref()
            .expect("cannot freeze a dead server")
            .freeze();
    }

    /// Takes its directory away, so that it cannot keep its data: from now on it answers, and refuses all writes
    /// (`MISCONF`).
    ///
    /// # Panics
    /// When the server is down, or does not notice.
    pub async fn break_disk(&self) {
        let mut connection = self.connection().await;
        let mut configure = redis::cmd("CONFIG");
        configure.arg(&["SET", "save", "3600 1000000"]);
        let configured = configure.exec_async(&mut connection).await;
        configured.expect("snapshots can be switched on");
        let directory = redis::cmd("CONFIG")
            .arg(&["GET", "dir"])
            .query_async(&mut connection)
            .await;
        let (_, directory): (String, String) = directory.expect("the server says where its directory is");
        std::fs::remove_dir_all(directory).expect("the directory can be removed");
        let started = redis::cmd("BGSAVE").exec_async(&mut connection).await;
        started.expect("a snapshot can be asked for");
        crate::eventually("the server notices", RESTART_DEADLINE, async || {
            redis::cmd("PING").exec_async(&mut connection).await.is_err()
        })
        .await;
    }

    /// Closes its clients' connections but those that hear publications, as it would with idle ones under `timeout`; when
    /// this returns, it has none of them any more.
    ///
    /// # Panics
    /// When the server is down, or keeps one of them.
    pub async fn close_connections(&self) {
        let mut connection = self.connection().await;
        let before = clients(&mut connection).await;
        let mut close = redis::cmd("CLIENT");
        close.arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let closed = close.exec_async(&mut connection).await;
        closed.expect("connections can be closed");
        let own: String = redis::cmd("CLIENT")
            .arg("ID")
            .query_async::<u64>(&mut connection)
            .await
            .expect("a connection has a number")
            .to_string();
        crate::eventually("the connections are closed", RESTART_DEADLINE, async || {
            let left = clients(&mut connection).await;
            left.iter().all(|id| *id == own || !before.contains(id))
        })
        .await;
    }

    /// Lets a frozen server run on (SIGCONT).
    ///
    /// # Panics
    /// When the server is down.
    pub fn thaw(&self) {
        self.locked().as_ref().expect("cannot thaw a dead server").thaw();
    }

    /// A new connection of its own, for assertions; replies may take 10 s.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn connection(&self) -> MultiplexedConnection {
        connect(&self.url())
            .await
            .unwrap_or_else(|error| panic!("cannot connect to the test's redis-server: {error}"))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().expect("no holder of this lock panics")
    }
}

/// The numbers of the connections that ask.
async fn clients(connection: &mut MultiplexedConnection) -> Vec<String> {
    let mut list = redis::cmd("CLIENT");
    list.arg(&["LIST", "TYPE", "normal"]);
    let list: String = list
        .query_async(connection)
        .await
        .expect("the server lists its clients");
    let numbers = list
        .lines()
        .filter_map(|line| line.strip_prefix("id=")?.split(' ').next());
    numbers.map(str::to_owned).collect()
}
