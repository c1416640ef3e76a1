//! The rows that are cached, with a version each: a server that is never down. Next: `src/cache/source.rs` (who asks).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::now;

/// Of how many writes a row's replica can lag.
const HISTORY: usize = 64;

/// A write as the source has it.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) space: String,
    pub(crate) key: u64,
    pub(crate) version: u64,
    pub(crate) at: u64,
    /// Whether it came while its announcement stood.
    pub(crate) is_in_time: bool,
}

pub(crate) struct Source {
    address: String,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// The last versions of a row, and when each was written.
type Row = VecDeque<(u64, u64)>;

struct Shared {
    /// By namespace and key.
    rows: Mutex<HashMap<(String, u64), Row>>,
    commits: Mutex<Vec<Commit>>,
    /// Which processes have loaded in the namespace `stampede`, in order.
    loads: watch::Sender<Vec<usize>>,
    /// Of which loads there are answers.
    answered: watch::Sender<usize>,
}

impl Source {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            rows: Mutex::default(),
            commits: Mutex::default(),
            loads: watch::Sender::new(Vec::new()),
            answered: watch::Sender::new(0),
        });
        let serving = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&serving);
                // A process that is killed leaves a connection that fails.
                tokio::spawn(async move { drop(shared.serve(stream).await) });
            }
        });
        Self {
            address,
            shared,
            listening,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What was written since this was asked last.
    pub(crate) fn commits(&self) -> Vec<Commit> {
        std::mem::take(&mut self.shared.commits.lock().unwrap())
    }

    /// The processes that have loaded, once there are so many loads.
    pub(crate) async fn loads(&self, least: usize) -> Vec<usize> {
        let mut loads = self.shared.loads.subscribe();
        loads
            .wait_for(|loads| loads.len() >= least)
            .await
            .unwrap()
            .clone()
    }

    /// From now on so many loads, in their order, are answered.
    pub(crate) fn answer(&self, loads: usize) {
        self.shared.answered.send_replace(loads);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Shared {
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            let answer = match words[0] {
                "read" if words[1] == "stampede" => self.load(usize::try_from(number(4)).unwrap()).await,
                "read" => self.read(words[1], number(2), number(3)),
                "write" => self.write(words[1], number(2), number(3)),
                other => panic!("a process asked to {other:?}"),
            };
            stream
                .get_mut()
                .write_all(format!("{answer}\n").as_bytes())
                .await?;
            line.clear();
        }
        Ok(())
    }

    async fn load(&self, process: usize) -> u64 {
        let mut number = 0;
        self.loads.send_modify(|loads| {
            loads.push(process);
            number = loads.len();
        });
        let mut answered = self.answered.subscribe();
        answered.wait_for(|answered| *answered >= number).await.unwrap();
        1
    }

    fn read(&self, space: &str, key: u64, lag_ms: u64) -> u64 {
        let rows = self.rows.lock().unwrap();
        let Some(row) = rows.get(&(space.to_owned(), key)) else {
            return 1;
        };
        if lag_ms == 0 {
            return row.back().unwrap().1;
        }
        let then = now() - lag_ms * 1_000_000;
        row.iter()
            .rev()
            .find(|(at, _)| *at <= then)
            .map_or(row[0].1, |(_, version)| *version)
    }

    fn write(&self, space: &str, key: u64, marked_until: u64) -> u64 {
        let mut rows = self.rows.lock().unwrap();
        let row = rows
            .entry((space.to_owned(), key))
            .or_insert_with(|| VecDeque::from([(0, 1)]));
        let (version, at) = (row.back().unwrap().1 + 1, now());
        row.push_back((at, version));
        if row.len() > HISTORY {
            row.pop_front();
        }
        drop(rows);
        self.commits.lock().unwrap().push(Commit {
            space: space.to_owned(),
            key,
            version,
            at,
            is_in_time: at < marked_until,
        });
        version
    }
}
