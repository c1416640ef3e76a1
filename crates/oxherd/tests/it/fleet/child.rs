//! Another process: this very test binary, which does what it is told line by line and says what it did.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use oxherd::{Opening, Oxherd, Store, Worker};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::gate::Gate;
use crate::scene::PATIENCE;

/// The store's URL, for the child alone.
const STORE: &str = "OXHERD_FLEET_STORE";
/// Whether the child needs to hold it.
const NEEDS_TO_HOLD: &str = "OXHERD_FLEET_HOLD";
const QUEUE: &str = "q";

/// A process that has the store open.
pub(super) struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Jobs that it was told are added.
    added: Vec<String>,
}

impl Process {
    /// Starts a process and waits until it has opened the store; whether it holds it.
    pub(super) async fn start(directory: &Path, parameters: &str) -> Self {
        let command = Command::new(std::env::current_exe().unwrap());
        Self::start_by(command, directory, parameters).await
    }

    /// The same, in a process that needs to hold the directory itself.
    pub(super) async fn start_to_hold(directory: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(NEEDS_TO_HOLD, "1");
        Self::start_by(command, directory, "").await
    }

    /// The same, in a process whose files cannot grow beyond some dozen KiB.
    pub(super) async fn start_in_a_narrow_place(directory: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", r#"trap "" XFSZ; ulimit -f 64; exec "$0" "$@""#]);
        command.arg(std::env::current_exe().unwrap());
        Self::start_by(command, directory, "").await
    }

    async fn start_by(mut command: Command, directory: &Path, parameters: &str) -> Self {
        let mut child = command
            .args(["--exact", "fleet::child::the_other_process", "--nocapture"])
            .env(STORE, format!("embedded:{}{parameters}", directory.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self {
            child,
            orders,
            answers,
            added: Vec::new(),
        };
        process.until("open").await;
        process
    }

    pub(super) fn number(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(super) async fn tell(&mut self, order: &str) {
        let line = format!("{order}\n");
        self.orders.write_all(line.as_bytes()).await.unwrap();
    }

    /// Waits for an answer that begins so, and returns its rest.
    pub(super) async fn until(&mut self, wanted: &str) -> String {
        let waiting = async {
            while let Some(line) = self.answers.next_line().await.unwrap() {
                if let Some(id) = line.strip_prefix("added ") {
                    self.added.push(id.to_owned());
                }
                if let Some(rest) = line.strip_prefix(wanted) {
                    return rest.trim().to_owned();
                }
            }
            panic!("the other process ended before it said {wanted:?}");
        };
        let waited = tokio::time::timeout(2 * PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("the other process never said {wanted:?}"))
    }

    /// Waits until so many of its jobs more are acknowledged.
    pub(super) async fn adds(&mut self, count: usize) {
        for _ in 0..count {
            self.until("added").await;
        }
    }

    /// Ends it in good order; the jobs that it was told are added.
    pub(super) async fn leave(mut self) -> Vec<String> {
        self.tell("leave").await;
        self.until("left").await;
        assert!(self.child.wait().await.unwrap().success());
        self.added
    }

    /// Kills it; the jobs that it was told are added.
    pub(super) async fn kill(mut self) -> Vec<String> {
        self.child.kill().await.unwrap();
        // What it has said before is still in the pipe.
        while let Ok(Some(line)) = self.answers.next_line().await {
            if let Some(id) = line.strip_prefix("added ") {
                self.added.push(id.to_owned());
            }
        }
        self.added
    }

    /// Stops it, or lets it go on.
    pub(super) async fn signal(&self, signal: &str) {
        let number = self.number().to_string();
        let sent = Command::new("kill").args(["-s", signal, &number]).status().await;
        assert!(sent.unwrap().success());
    }
}

/// Not a test of its own: what the other process does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_process() {
    let Ok(url) = std::env::var(STORE) else {
        return;
    };
    let opening = if std::env::var_os(NEEDS_TO_HOLD).is_some() {
        Opening::new().needs_to_hold()
    } else {
        Opening::new()
    };
    let store = Store::connect_as(url.parse().unwrap(), opening).await.unwrap();
    let oxherd = Oxherd::on(store);
    println!("\nopen");
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut worker = None;
    let mut adding = None;
    // Ends with whoever started it, too.
    while let Ok(Some(order)) = orders.next_line().await {
        match order.as_str() {
            "work" => {
                let builder = Worker::on(&oxherd.queue(QUEUE).unwrap())
                    .concurrency(10)
                    // What a killed one leaves behind is taken up soon.
                    .lock_duration(Duration::from_secs(2))
                    .stalled_interval(Duration::from_secs(1))
                    .max_stalled(10);
                let gate = Gate::opened();
                worker = Some(builder.handle_any(gate.handler()).start().await.unwrap());
                println!("working");
            }
            "add" => adding = Some(tokio::spawn(add(oxherd.clone()))),
            "stop adding" => {
                if let Some(adding) = adding.take() {
                    adding.abort();
                    let _ = adding.await;
                }
                println!("stopped");
            }
            "leave" => break,
            "run for ever" => run_for_ever(&oxherd).await,
            other => panic!("{other:?} is no order"),
        }
    }
    if let Some(adding) = adding {
        adding.abort();
        let _ = adding.await;
    }
    if let Some(worker) = worker {
        worker.stop(PATIENCE).await;
    }
    if let Err(error) = oxherd.store().close().await {
        println!("not closed: {error}");
    }
    println!("left");
}

/// One job after the other; each that is acknowledged is said.
async fn add(oxherd: Oxherd) {
    let queue = oxherd.queue(QUEUE).unwrap();
    loop {
        match queue.add("n", ()).await {
            Ok(added) => println!("added {}", added.id),
            // Nobody was told that it is there.
            Err(error) if error.is_store_unavailable() => {
                println!("not added: {error}");
            }
            Err(error) => return println!("refused: {error}"),
        }
    }
}

/// Closes a store while a script of somebody else, who came in through the socket, has no end.
async fn run_for_ever(oxherd: &Oxherd) {
    let mut here = oxherd.store().engine().unwrap().connect();
    let configured = redis::cmd("CONFIG")
        .arg(&["SET", "busy-reply-threshold", "10"])
        .exec_async(&mut here)
        .await;
    configured.unwrap();
    let socket = oxherd.store().name().trim_start_matches("embedded:").to_owned() + "/oxherd.sock";
    let client = redis::Client::open(format!("unix:{socket}")).unwrap();
    let mut guest = client.get_multiplexed_async_connection().await.unwrap();
    tokio::spawn(async move {
        let script = "while true do redis.call('SET', 'key', 'value') end";
        let _ = redis::cmd("EVAL").arg(script).arg(0).exec_async(&mut guest).await;
    });
    while redis::cmd("PING").exec_async(&mut here).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    let closed = oxherd.store().close().await;
    println!("closed after {} ms: {closed:?}", began.elapsed().as_millis());
    std::process::exit(0);
}
