//! What a test may ask of its server.
//!
//! Settings are written to a `redis.conf` in the server's directory, so a restart has the same ones. Ports are
//! chosen at start and chosen anew when another process was quicker.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;

use super::process::{Layout, Process, StartError};
use super::program::Program;
use super::{RedisServer, certificates};
use crate::port::free_port;

/// How often a start may lose its port to another process.
const PORT_ATTEMPTS: usize = 5;

/// Settings of a [`RedisServer`] about to be started.
#[derive(Clone, Debug, Default)]
pub struct RedisServerBuilder {
    program: Program,
    password: Option<String>,
    unix_socket: bool,
    tls: bool,
    append_only: bool,
    directives: Vec<(String, String)>,
}

impl RedisServerBuilder {
    /// Starts a Valkey instead of a Redis: the one that `scripts/test.sh` installs, or the one that OXHERD_VALKEY_SERVER
    /// names.
    #[must_use]
    pub fn valkey(mut self) -> Self {
        self.program = Program::Valkey;
        self
    }

    /// Clients must authenticate with this password (default: none).
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Also listens on a Unix socket in the server's directory.
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Also listens on a TLS port, with a certificate for 127.0.0.1 and localhost.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Keeps every write in a synced append-only file, so that data outlives [`RedisServer::kill`].
    #[must_use]
    pub fn append_only(mut self) -> Self {
        self.append_only = true;
        self
    }

    /// Any directive of `redis.conf`, written after all others; quote a value as that file wants it.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.directives.push((key.into(), value.into()));
        self
    }

    /// Starts the server and returns once it answers.
    ///
    /// # Panics
    /// When it could not be started; see [`try_start`](Self::try_start).
    pub async fn start(self) -> RedisServer {
        self.try_start()
            .await
            .unwrap_or_else(|error| panic!("cannot start the server: {error}"))
    }

    /// Starts the server and returns once it answers.
    ///
    /// # Errors
    /// [`StartError::Missing`] without the program, [`StartError::WithoutTls`] when TLS was asked of a build
    /// that lacks it, [`StartError::Failed`] with the server's own words otherwise.
    pub async fn try_start(self) -> Result<RedisServer, StartError> {
        let directory = tempfile::Builder::new()
            .prefix("oxherd-redis-")
            .tempdir()
            .expect("cannot make a directory");
        if self.tls {
            certificates::write_into(directory.path());
        }
        let mut last = StartError::PortTaken;
        for _ in 0..PORT_ATTEMPTS {
            let layout = self.layout(&directory);
            std::fs::write(layout.configuration(), self.configuration(&layout))
                .expect("cannot write redis.conf");
            match Process::start(&layout).await {
                Ok(process) => {
                    return Ok(RedisServer {
                        process: Mutex::new(Some(process)),
                        layout,
                        _directory: directory,
                    });
                }
                Err(StartError::PortTaken) => last = StartError::PortTaken,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn layout(&self, directory: &TempDir) -> Layout {
        Layout {
            program: self.program,
            directory: directory.path().to_owned(),
            port: free_port(),
            tls_port: self.tls.then(free_port),
            unix_socket: self.unix_socket.then(|| directory.path().join("redis.sock")),
            password: self.password.clone(),
        }
    }

    fn configuration(&self, layout: &Layout) -> String {
        let mut text = format!(
            "bind 127.0.0.1\nport {}\ndir {}\nsave \"\"\ndaemonize no\n",
            layout.port,
            quoted(&layout.directory)
        );
        let mut directive = |line: String| writeln!(text, "{line}").expect("writing to a string cannot fail");
        if let Some(password) = &self.password {
            directive(format!(
                "requirepass \"{}\"",
                password.replace('\\', "\\\\").replace('"', "\\\"")
            ));
        }
        if let Some(path) = &layout.unix_socket {
            directive(format!("unixsocket {}", quoted(path)));
        }
        if let Some(port) = layout.tls_port {
            directive(format!("tls-port {port}"));
            directive(format!(
                "tls-cert-file {}",
                quoted(&layout.path(certificates::CERTIFICATE))
            ));
            directive(format!(
                "tls-key-file {}",
                quoted(&layout.path(certificates::KEY))
            ));
            directive(format!(
                "tls-ca-cert-file {}",
                quoted(&layout.path(certificates::AUTHORITY))
            ));
            directive("tls-auth-clients no".to_owned());
        }
        if self.append_only {
            directive("appendonly yes\nappendfsync always".to_owned());
        }
        for (key, value) in &self.directives {
            directive(format!("{key} {value}"));
        }
        text
    }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}
