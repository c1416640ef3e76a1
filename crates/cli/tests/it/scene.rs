//! A store, a directory, and the program.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use oxherd::{Queue, Store};
use oxherd_testkit::TestStore;
use redis::{Cmd, FromRedisValue};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

/// No command here takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The server program while it runs.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Serving {
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("the server runs").to_string();
        let sent = Command::new("kill").args([name, &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits for its end: exit code and what it logged.
    pub(crate) async fn end(self) -> (Option<i32>, String) {
        let output = tokio::time::timeout(DEADLINE, self.child.wait_with_output()).await;
        let output = output.expect("the server ends").unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// The whole answer to a GET.
    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// What a command wrote and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: ExitStatus,
}

impl Ended {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().expect("the program ended by itself")
    }

    /// What it wrote, after checking that it succeeded and had nothing to remark.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code(), 0, "{self:?}");
        assert_eq!(self.err, "");
        self.out
    }

    /// Its only line of JSON.
    pub(crate) fn json(self) -> Value {
        let out = self.done();
        assert_eq!(out.lines().count(), 1, "{out}");
        serde_json::from_str(&out).unwrap()
    }

    /// What it said on stderr, after checking its code and that stdout stayed empty.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code(), code, "{self:?}");
        assert_eq!(self.out, "");
        self.err
    }
}

/// The program in an empty directory, with or without a store.
pub(crate) struct Scene {
    pub(crate) directory: TempDir,
    /// This process's way into the store, from the first use to the end: commands find a directory held from then on,
    /// and go through the socket. Before, each holds it for itself.
    handle: OnceCell<Store>,
    store: Option<TestStore>,
}

impl Scene {
    pub(crate) fn start(store: impl Into<TestStore>) -> Self {
        Self {
            store: Some(store.into()),
            ..Self::without_store()
        }
    }

    pub(crate) fn without_store() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            handle: OnceCell::new(),
            store: None,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.store.as_ref().map(TestStore::url).unwrap_or_default()
    }

    pub(crate) fn store(&self) -> &TestStore {
        self.store.as_ref().expect("this scene has a store")
    }

    /// The command, not yet started; the store comes from the environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oxherd"));
        command
            .args(arguments)
            .current_dir(&self.directory)
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OXHERD_") {
                command.env_remove(name);
            }
        }
        command.env("OXHERD_STORE", self.url()).stdin(Stdio::null());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        end(self.command(arguments)).await
    }

    pub(crate) async fn run_with_stdin(&self, arguments: &[&str], stdin: &str) -> Ended {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(stdin.as_bytes()).await.unwrap();
        drop(pipe);
        let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await;
        of(output.expect("the program ends").unwrap())
    }

    /// Starts `oxherd serve` on a free port and returns once it listens.
    pub(crate) async fn serve(&self, more: &[&str]) -> Serving {
        let arguments = [&["serve", "--listen", "127.0.0.1:0", "--output", "json"], more].concat();
        let mut command = self.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(DEADLINE, lines.next_line()).await;
        let line = line
            .expect("the server starts")
            .unwrap()
            .expect("it tells where it listens");
        let told: Value = serde_json::from_str(&line).unwrap();
        Serving {
            child,
            address: told["address"].as_str().unwrap().to_owned(),
        }
    }

    /// The store through the library; a directory that nobody holds is held here from now on.
    pub(crate) async fn hold(&self) -> &Store {
        let opening = async || Store::open(&self.url()).await.unwrap();
        self.handle.get_or_init(opening).await
    }

    /// The same queue through the library.
    pub(crate) async fn queue(&self, name: &str) -> Queue {
        Queue::new(self.hold().await, name).unwrap()
    }

    /// Asks the store itself, past the library; a directory that nobody holds is visited for it.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut cmd = Cmd::new();
        command.iter().for_each(|word| {
            cmd.arg(*word);
        });
        let is_directory = self.store().directory().is_some();
        let visit = match self.handle.get() {
            None if is_directory => Some(Store::visit(self.url().parse().unwrap()).await.unwrap()),
            held => held.cloned(),
        };
        match visit.as_ref().and_then(Store::engine) {
            Some(engine) => cmd.query_async(&mut engine.connect()).await,
            None => cmd.query_async(&mut self.store().connection().await).await,
        }
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// As [`Self::ask`], for a command whose words hold no space and whose answer does not matter.
    pub(crate) async fn tell(&self, command: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        self.ask::<redis::Value>(&words).await;
    }

    /// Every key in the store.
    pub(crate) async fn keys(&self) -> Vec<String> {
        self.ask(&["KEYS", "*"]).await
    }
}

pub(crate) async fn end(mut command: Command) -> Ended {
    let output = tokio::time::timeout(DEADLINE, command.output()).await;
    of(output.expect("the program ends").unwrap())
}

fn of(output: std::process::Output) -> Ended {
    Ended {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        status: output.status,
    }
}
