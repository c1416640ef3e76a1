//! One `redis-server` process: starting it, knowing that it is ours, and ending it.
//!
//! A server counts as started when the process that answers on the port has the id of the child; otherwise two
//! tests that picked the same port would share one server. Signals go to that one id. A guardian process ends the
//! server when the test dies without running its destructors.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};

use super::program::Program;

const START_DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// Where a server lives; unchanged over restarts.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) program: Program,
    pub(super) directory: PathBuf,
    pub(super) port: u16,
    pub(super) tls_port: Option<u16>,
    pub(super) unix_socket: Option<PathBuf>,
    pub(super) password: Option<String>,
}

impl Layout {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.path("redis.conf")
    }

    /// `:password@` for a URL, percent-encoded; empty without a password.
    pub(super) fn credentials(&self) -> String {
        let Some(password) = &self.password else {
            return String::new();
        };
        let mut encoded = String::from(":");
        for byte in password.bytes() {
            if byte.is_ascii_alphanumeric() {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
        encoded.push('@');
        encoded
    }

    fn log(&self) -> PathBuf {
        self.path("redis.log")
    }
}

/// Why a server did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The program was not found; the text names the remedy.
    Missing(String),
    /// TLS was asked for, but this build of the server has none.
    WithoutTls,
    /// Another process took the port first, again and again.
    PortTaken,
    /// The server ended or stayed silent; its own output follows.
    Failed(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(remedy) => formatter.write_str(remedy),
            Self::WithoutTls => {
                formatter.write_str("this redis-server was built without TLS (BUILD_TLS=yes)")
            }
            Self::PortTaken => formatter.write_str("its port was taken by another process"),
            Self::Failed(output) => write!(formatter, "it did not come up; it wrote:\n{output}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Waits for the end of its input, which comes when the test is gone, and then ends the server.
const GUARDIAN: &str = "while read -r _; do :; done; kill -9 \"$1\"";

/// A live child process; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    guardian: Child,
}

impl Process {
    pub(super) async fn start(layout: &Layout) -> Result<Self, StartError> {
        let program = layout
            .program
            .path()
            .ok_or_else(|| StartError::Missing(layout.program.remedy()))?;
        let log = File::create(layout.log()).expect("cannot create the server's log file");
        let errors = log.try_clone().expect("cannot share the server's log file");
        let child = Command::new(&program)
            .arg(layout.configuration())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => StartError::Missing(layout.program.remedy()),
                _ => StartError::Failed(format!("cannot run `{}`: {error}", program.display())),
            })?;
        let guardian = watch_over(&child);
        let mut process = Self { child, guardian };
        process.wait_until_it_answers(layout).await?;
        Ok(process)
    }

    async fn wait_until_it_answers(&mut self, layout: &Layout) -> Result<(), StartError> {
        let url = format!("redis://{}127.0.0.1:{}", layout.credentials(), layout.port);
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if self
                .child
                .try_wait()
                .expect("cannot ask for the server's state")
                .is_some()
            {
                return Err(explain(&layout.log()));
            }
            match answering_process(&url).await {
                Some(id) if id == self.child.id() => return Ok(()),
                _ if Instant::now() >= deadline => return Err(explain(&layout.log())),
                _ => sleep(POLL).await,
            }
        }
    }

    pub(super) fn kill(self) {
        drop(self);
    }

    pub(super) fn terminate(mut self) {
        self.signal("TERM");
        self.child.wait().expect("cannot wait for the server's end");
    }

    pub(super) fn freeze(&self) {
        self.signal("STOP");
        // The signal takes effect a moment after `kill` returned; a test relies on it having done so. Where there
        // is no /proc, that moment cannot be seen.
        let stat = format!("/proc/{}/stat", self.child.id());
        let deadline = Instant::now() + START_DEADLINE;
        while std::fs::read_to_string(&stat).is_ok_and(|line| !line.contains(") T ")) {
            assert!(
                Instant::now() < deadline,
                "redis-server {} does not stop",
                self.child.id()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Through the shell, whose built-in `kill` exists wherever a shell does.
    fn signal(&self, name: &str) {
        let status = Command::new("/bin/sh")
            .args([
                "-c",
                "kill -\"$1\" \"$2\"",
                "sh",
                name,
                &self.child.id().to_string(),
            ])
            .status()
            .expect("cannot run /bin/sh");
        assert!(
            status.success(),
            "cannot send SIG{name} to redis-server {}",
            self.child.id()
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guardian goes first, lest it signal an id that has passed to another process. An error here means that
        // a process has ended already.
        for process in [&mut self.guardian, &mut self.child] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn watch_over(server: &Child) -> Child {
    Command::new("/bin/sh")
        .args(["-c", GUARDIAN, "sh", &server.id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("cannot run /bin/sh")
}

/// A connection whose replies may take 10 s, for a loaded machine.
pub(crate) async fn connect(url: &str) -> redis::RedisResult<MultiplexedConnection> {
    let patience = Duration::from_secs(10);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    redis::Client::open(url)?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// The process id of whoever answers PING on this address, if anybody does.
async fn answering_process(url: &str) -> Option<u32> {
    let mut connection = connect(url).await.ok()?;
    redis::cmd("PING").exec_async(&mut connection).await.ok()?;
    let section: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut connection)
        .await
        .ok()?;
    section
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"))?
        .trim()
        .parse()
        .ok()
}

fn explain(log: &Path) -> StartError {
    let output = std::fs::read_to_string(log).unwrap_or_default();
    if output.contains("Address already in use") {
        StartError::PortTaken
    } else if output.contains("Failed finding TLS support")
        || output.contains("tls-") && output.contains("Bad directive")
    {
        StartError::WithoutTls
    } else {
        StartError::Failed(output)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Layout, Process, Program};
    use crate::port::free_port;
    use crate::wait::eventually;

    #[tokio::test]
    async fn a_server_does_not_outlive_a_test_that_dies() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout {
            program: Program::Redis,
            directory: directory.path().to_owned(),
            port: free_port(),
            tls_port: None,
            unix_socket: None,
            password: None,
        };
        let text = format!("port {}\nbind 127.0.0.1\nsave \"\"\n", layout.port);
        std::fs::write(layout.configuration(), text).unwrap();
        let mut process = Process::start(&layout).await.unwrap();
        // The death of a process closes its pipes.
        drop(process.guardian.stdin.take());
        eventually("the server is gone", Duration::from_secs(10), async || {
            process.child.try_wait().unwrap().is_some()
        })
        .await;
    }
}
