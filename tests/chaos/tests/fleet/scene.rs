//! A directory, the processes on it, and the book of what they said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxherd::Store;
use oxherd_testkit::eventually_some;
use redis::{Cmd, FromRedisValue};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What processes said, killed ones included: a line is out before whatever it tells of is out of their hands.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Jobs that the store has acknowledged.
    pub(crate) added: BTreeSet<String>,
    /// How often each job ran.
    pub(crate) runs: BTreeMap<String, u32>,
    /// Where the server listens, while there is one.
    pub(crate) address: Option<String>,
    ready: usize,
    done: usize,
}

impl Book {
    fn hear(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("added", id)) => assert!(self.added.insert(id.to_owned()), "id {id} was given twice"),
            Some(("ran", id)) => *self.runs.entry(id.to_owned()).or_default() += 1,
            Some(("listens", address)) => {
                self.address = Some(address.to_owned());
                self.ready += 1;
            }
            None if line == "ready" => self.ready += 1,
            None if line == "done" => self.done += 1,
            _ => panic!("a process said {line:?}"),
        }
    }
}

/// How to start one of the processes.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    Serve(PathBuf),
    Work { queue: &'static str, lock: Duration },
    Add { queue: &'static str, count: u64 },
}

/// One process; killed when dropped.
pub(crate) struct Member {
    role: Role,
    child: Child,
    stdin: Option<ChildStdin>,
    hearing: JoinHandle<()>,
    complaining: JoinHandle<String>,
}

pub(crate) struct Fleet {
    pub(crate) book: Arc<Mutex<Book>>,
    members: Vec<Member>,
    // Last, since it goes with its data.
    pub(crate) directory: TempDir,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        Self {
            book: Arc::default(),
            members: Vec::new(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn store(&self) -> String {
        format!("embedded:{}", self.directory.path().join("data").display())
    }

    pub(crate) fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Starts a process, waits until it is at work, and says which it is.
    pub(crate) async fn start(&mut self, role: Role) -> usize {
        let member = self.spawn(role).await;
        self.members.push(member);
        self.members.len() - 1
    }

    async fn spawn(&self, role: Role) -> Member {
        let mut command = match &role {
            Role::Serve(file) => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_chaos-serve"));
                command.arg(file);
                command
            }
            Role::Work { queue, lock } => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_chaos-member"));
                let lock = lock.as_millis().to_string();
                command.args(["work", &self.store(), queue, &lock]);
                command
            }
            Role::Add { queue, count } => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_chaos-member"));
                command.args(["add", &self.store(), queue, &count.to_string()]);
                command
            }
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OXHERD_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).kill_on_drop(true);
        let ready = self.book().ready;
        let mut child = command.spawn().unwrap();
        let lines = child.stdout.take().unwrap();
        let member = Member {
            role,
            stdin: child.stdin.take(),
            hearing: tokio::spawn(hear(lines, Arc::clone(&self.book))),
            complaining: tokio::spawn(complaints(child.stderr.take().unwrap())),
            child,
        };
        self.until_ready(member, ready).await
    }

    async fn until_ready(&self, mut member: Member, before: usize) -> Member {
        let waiting = eventually_some("the process is at work", PATIENCE, async || {
            if self.book().ready > before {
                return Some(None);
            }
            Some(Some(member.child.try_wait().unwrap()?))
        });
        let Some(ended) = waiting.await else {
            return member;
        };
        let said = member.complaining.await.unwrap();
        panic!("{:?} ended ({ended}) before it was at work:\n{said}", member.role);
    }

    /// SIGKILL: no destructor, no farewell. Returns when the process is gone and all it said is in the book.
    pub(crate) async fn kill(&mut self, which: usize) {
        let member = &mut self.members[which];
        member.child.kill().await.unwrap();
        (&mut member.hearing).await.unwrap();
        if matches!(member.role, Role::Serve(_)) {
            self.book().address = None;
        }
    }

    /// Starts a killed process anew.
    pub(crate) async fn restart(&mut self, which: usize) {
        let role = self.members[which].role.clone();
        self.members[which] = self.spawn(role).await;
    }

    /// Lets a process end in good order.
    pub(crate) async fn end(&mut self, which: usize) {
        let member = &mut self.members[which];
        member.stdin = None;
        let ended = tokio::time::timeout(PATIENCE, member.child.wait()).await;
        assert!(
            ended
                .expect("a process ends when it is told to")
                .unwrap()
                .success()
        );
        (&mut member.hearing).await.unwrap();
    }

    /// Waits until a producer has added all it should.
    pub(crate) async fn until_done(&self) {
        eventually_some("the producer has added everything", PATIENCE, async || {
            (self.book().done > 0).then_some(())
        })
        .await;
    }

    /// The process that has the directory.
    pub(crate) async fn holder(&self) -> usize {
        let lock = self.directory.path().join("data/lock");
        eventually_some("a process has the directory", PATIENCE, async || {
            let process: u32 = std::fs::read_to_string(&lock).ok()?.trim().parse().ok()?;
            let is_holder = |member: &Member| member.child.id() == Some(process);
            self.members.iter().position(is_holder)
        })
        .await
    }

    /// Asks the store itself, past the library: through the socket, or as a visitor when nobody has the directory.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let visit = Store::visit(self.store().parse().unwrap()).await.unwrap();
        if let Some(engine) = visit.engine() {
            return command.query_async(&mut engine.connect()).await.unwrap();
        }
        let socket = self.directory.path().join("data/oxherd.sock");
        let client = redis::Client::open(format!("unix:{}", socket.display())).unwrap();
        let settings = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client.get_multiplexed_async_connection_with_config(&settings);
        command.query_async(&mut connection.await.unwrap()).await.unwrap()
    }
}

async fn hear(stdout: impl AsyncRead + Unpin, book: Arc<Mutex<Book>>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        book.lock().unwrap().hear(&line);
    }
}

async fn complaints(stderr: impl AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut said = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        said.push_str(&line);
        said.push('\n');
    }
    said
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
