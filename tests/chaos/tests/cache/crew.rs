//! The processes with a cache. Next: `src/cache/main.rs` (what they do and say).

use std::process::Stdio;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::PATIENCE;

/// What is done with every line a process says, besides `ready`.
pub(crate) type Hear = Arc<dyn Fn(usize, &str) + Send + Sync>;

/// One process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    hearing: JoinHandle<()>,
    complaining: JoinHandle<String>,
}

impl Process {
    /// Starts `chaos-cache ARGUMENTS[0] ARGUMENTS[1..3] NUMBER ARGUMENTS[3..]` and returns when it is ready.
    pub(crate) async fn start(number: usize, arguments: &[&str], hear: Hear) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos-cache"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OXHERD_") {
                command.env_remove(name);
            }
        }
        let (first, rest) = arguments.split_at(3);
        command.args(first).arg(number.to_string()).args(rest);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut complaints = BufReader::new(child.stderr.take().unwrap()).lines();
        let (ready, mut is_ready) = watch::channel(false);
        let hearing = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if line == "ready" {
                    ready.send_replace(true);
                } else {
                    hear(number, &line);
                }
            }
        });
        let complaining = tokio::spawn(async move {
            let mut said = String::new();
            while let Ok(Some(line)) = complaints.next_line().await {
                if said.len() < 20_000 {
                    said.push_str(&line);
                    said.push('\n');
                }
            }
            said
        });
        let waiting = tokio::time::timeout(PATIENCE, is_ready.wait_for(|ready| *ready)).await;
        let is_up = matches!(waiting, Ok(Ok(_)));
        let mut process = Self {
            stdin: child.stdin.take(),
            child,
            hearing,
            complaining,
        };
        if !is_up {
            process.child.kill().await.unwrap();
            panic!(
                "process {number} is not ready:\n{}",
                process.complaining.await.unwrap()
            );
        }
        process
    }

    /// The number the system has given it, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL. Returns when it is gone and all it said was heard.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
        (&mut self.hearing).await.unwrap();
    }

    /// SIGSTOP, or SIGCONT.
    pub(crate) fn stop(&self, is_stopped: bool) {
        let process = self
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).unwrap()))
            .unwrap();
        kill_process(process, if is_stopped { Signal::STOP } else { Signal::CONT }).unwrap();
    }

    /// Lets it begin, or end: its stdin is closed.
    pub(crate) fn go(&mut self) {
        self.stdin = None;
    }

    /// What it complained of, once it has ended.
    pub(crate) async fn complaints(&mut self) -> String {
        self.child.kill().await.unwrap();
        (&mut self.complaining).await.unwrap()
    }
}
