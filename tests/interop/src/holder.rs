//! The process of `bin/holder.rs`, as a test handles it.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

/// An Oxherd process that holds every job it gets; killed when dropped.
#[derive(Debug)]
pub struct Holder {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    /// Starts `program` (the path of the `holder` binary) on a queue.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(
        program: &str,
        redis_url: &str,
        queue: &str,
        concurrency: usize,
        lock: Duration,
        stalled_interval: Duration,
    ) -> Self {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let mut child = Command::new(program)
            .args([redis_url, queue, &concurrency.to_string()])
            .args([milliseconds(lock), milliseconds(stalled_interval)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Self { child, stdout }
    }

    /// Waits until the process holds `count` more jobs, and says which.
    ///
    /// # Panics
    /// When it does not take them within a minute.
    pub async fn held(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let line = timeout(DEADLINE, self.stdout.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("the holder took {ids:?} only, within {DEADLINE:?}"));
            let line = line.expect("stdout can be read").expect("the holder runs");
            ids.push(line.trim_start_matches("holding ").to_owned());
        }
        ids
    }

    /// Ends the process at once (SIGKILL), as a crash would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("cannot kill the holder");
    }
}
