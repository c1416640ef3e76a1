//! The real npm bullmq in a process of its own, driven by lines of JSON.
//!
//! A command is answered within its deadline or the test fails with what the process wrote to stderr. The process
//! ends with the value, whatever the test does. Operations and their arguments are described in `node/ops/*.mjs`.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio::time::timeout;

use crate::notifications::Notifications;

/// The release whose layout Oxherd writes.
const BULLMQ: &str = "6.7.0";
const START_DEADLINE: Duration = Duration::from_secs(60);
/// What the slowest honest command needs on a busy machine.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);
/// Lines of stderr kept for a panic's message.
const LAST_WORDS: usize = 40;

/// A command that Node refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerError {
    /// The error's message.
    pub message: String,
    /// The error's class.
    pub name: String,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

impl std::error::Error for PeerError {}

/// A running `peer.mjs`; killed when dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    stdin: AsyncMutex<ChildStdin>,
    shared: Arc<Shared>,
    next_id: AtomicU64,
}

/// Commands under way, and who waits for their answers.
type Waiting = HashMap<u64, oneshot::Sender<Result<Value, PeerError>>>;

#[derive(Debug, Default)]
struct Shared {
    /// `None` once the process has ended.
    waiting: Mutex<Option<Waiting>>,
    listeners: Mutex<Vec<mpsc::UnboundedSender<Value>>>,
    stderr: Mutex<VecDeque<String>>,
}

impl Peer {
    /// Starts a peer on the Redis at this URL.
    ///
    /// # Panics
    /// Without Node, without the packages of `tests/interop/node`, or when the process does not come up.
    pub async fn start(redis_url: &str) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
        require_packages(&directory).unwrap_or_else(|problem| panic!("{problem}"));
        let mut child = Command::new("node")
            .arg("peer.mjs")
            .current_dir(&directory)
            .env("REDIS_URL", redis_url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot run `node` ({error}): install Node 20 or newer, then run `npm ci` in tests/interop/node")
            });
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Some(HashMap::new())),
            ..Shared::default()
        });
        let mut notifications = shared.listen();
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        tokio::spawn(read_answers(stdout, Arc::clone(&shared)));
        tokio::spawn(keep_last_words(BufReader::new(stderr), Arc::clone(&shared)));

        let ready = timeout(START_DEADLINE, notifications.next()).await.ok().flatten();
        let Some(ready) = ready else {
            panic!("peer.mjs did not come up; it wrote:\n{}", shared.last_words());
        };
        assert_eq!(ready["event"], "ready", "the first line of peer.mjs: {ready}");
        assert_eq!(
            ready["bullmq"], BULLMQ,
            "wrong bullmq: run `npm ci` in tests/interop/node"
        );
        Self {
            child,
            stdin: AsyncMutex::new(stdin),
            shared,
            next_id: AtomicU64::new(1),
        }
    }

    /// The answer to a command.
    ///
    /// # Panics
    /// When Node refuses it, does not answer within a minute, or has ended.
    pub async fn call(&self, op: &str, arguments: Value) -> Value {
        let shown = arguments.to_string();
        self.try_call(op, arguments)
            .await
            .unwrap_or_else(|error| panic!("node: {op} {shown:.400}: {error}"))
    }

    /// The answer to a command that may be refused.
    ///
    /// # Errors
    /// What Node threw.
    ///
    /// # Panics
    /// When Node does not answer within a minute, or has ended.
    pub async fn try_call(&self, op: &str, arguments: Value) -> Result<Value, PeerError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut command = arguments;
        command["id"] = json!(id);
        command["op"] = json!(op);
        let (send, answer) = oneshot::channel();
        match self.shared.waiting().as_mut() {
            Some(waiting) => waiting.insert(id, send),
            None => panic!(
                "node: {op}: the peer has ended; it wrote:\n{}",
                self.shared.last_words()
            ),
        };
        let sent = self
            .stdin
            .lock()
            .await
            .write_all(format!("{command}\n").as_bytes())
            .await;
        if let Err(error) = sent {
            panic!(
                "node: {op}: cannot be sent ({error}); the peer wrote:\n{}",
                self.shared.last_words()
            );
        }
        match timeout(COMMAND_DEADLINE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => panic!(
                "node: {op}: the peer ended; it wrote:\n{}",
                self.shared.last_words()
            ),
            Err(_) => {
                panic!(
                    "node: {op}: no answer within {COMMAND_DEADLINE:?}; it wrote:\n{}",
                    self.shared.last_words()
                )
            }
        }
    }

    /// What the peer says of its own accord, from now on: worker and queue events it was asked to report.
    #[must_use]
    pub fn notifications(&self) -> Notifications {
        self.shared.listen()
    }

    /// Ends the process at once (SIGKILL), as a crash would.
    ///
    /// # Panics
    /// When the process cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("cannot kill the peer");
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) -> Notifications {
        let (send, received) = mpsc::unbounded_channel();
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(send);
        Notifications::new(received)
    }

    fn hear(&self, line: &str) {
        let Ok(mut message) = serde_json::from_str::<Value>(line) else {
            self.note(format!("(on stdout) {line}"));
            return;
        };
        if message.get("event").is_some() {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain(|listener| listener.send(message.clone()).is_ok());
            return;
        }
        let asked = message["id"]
            .as_u64()
            .and_then(|id| self.waiting().as_mut()?.remove(&id));
        let answer = if message["ok"] == true {
            Ok(message["value"].take())
        } else {
            Err(refusal(&message))
        };
        match asked {
            // Whoever asked may have given up.
            Some(asked) => drop(asked.send(answer)),
            None => self.note(format!("(answer to nobody) {line}")),
        }
    }

    fn note(&self, line: String) {
        let mut stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        if stderr.len() == LAST_WORDS {
            stderr.pop_front();
        }
        stderr.push_back(line);
    }

    fn last_words(&self) -> String {
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        stderr.iter().map(|line| format!("  {line}\n")).collect()
    }
}

fn refusal(message: &Value) -> PeerError {
    let text = |field: &str| message[field].as_str().unwrap_or("(none)").to_owned();
    PeerError {
        message: text("error"),
        name: text("name"),
    }
}

async fn read_answers(stdout: ChildStdout, shared: Arc<Shared>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        shared.hear(&line);
    }
    // Everybody who still waits learns that no answer comes.
    shared.waiting().take();
    shared
        .listeners
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

async fn keep_last_words(stderr: BufReader<tokio::process::ChildStderr>, shared: Arc<Shared>) {
    let mut lines = stderr.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        shared.note(line);
    }
}

/// Whether the packages that `peer.mjs` imports are there.
pub(crate) fn require_packages(directory: &Path) -> Result<(), String> {
    let package: PathBuf = directory.join("node_modules").join("bullmq").join("package.json");
    if package.is_file() {
        return Ok(());
    }
    Err(
        "npm bullmq is not installed, and these tests run against it: run `npm ci` in tests/interop/node"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::{Path, require_packages};

    #[test]
    fn missing_packages_are_named_with_the_remedy() {
        let problem = require_packages(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();
        assert!(
            problem.contains("run `npm ci` in tests/interop/node"),
            "{problem}"
        );
    }
}
