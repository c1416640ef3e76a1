//! A TCP proxy that misbehaves on command.
//!
//! It stands between a client and a server and passes bytes through until told otherwise: cut connections, refuse
//! new ones, swallow everything, answer late, or lose the reply of a command that was executed. All switches
//! work while it runs and on connections that exist already; it ends with the value.
//! Next: `proxy/connection.rs` (one client), `proxy/framing.rs` (telling commands and replies apart),
//! `proxy/loss.rs` (which replies are lost).

mod connection;
mod framing;
mod loss;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use connection::Connection;
use loss::Losses;

/// A controllable proxy in front of one server.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    switches: Arc<Switches>,
    accepting: JoinHandle<()>,
}

/// What all connections of one proxy look at.
#[derive(Debug)]
struct Switches {
    upstream: SocketAddr,
    refuse: AtomicBool,
    blackhole: AtomicBool,
    delay_us: AtomicU64,
    losses: Losses,
    /// Rises with every [`FaultProxy::cut_all`]; each connection ends when it sees a change.
    cuts: watch::Sender<u64>,
    accepted: AtomicU64,
    open: AtomicU64,
    cut_connections: AtomicU64,
    refused: AtomicU64,
}

impl FaultProxy {
    /// Listens on a free loopback port and passes everything through to `upstream`.
    ///
    /// # Panics
    /// When no port can be opened.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("no free loopback port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let switches = Arc::new(Switches {
            upstream,
            refuse: AtomicBool::new(false),
            blackhole: AtomicBool::new(false),
            delay_us: AtomicU64::new(0),
            losses: Losses::default(),
            cuts: watch::Sender::new(0),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            cut_connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&switches)));
        Self {
            addr,
            switches,
            accepting,
        }
    }

    /// Where clients connect to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `redis://` and the proxy's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Closes every live connection, on both sides. New ones are accepted as before.
    pub fn cut_all(&self) {
        self.switches.cuts.send_modify(|generation| *generation += 1);
    }

    /// While true, a new connection is closed as soon as it is accepted. Live ones go on.
    pub fn refuse(&self, on: bool) {
        self.switches.refuse.store(on, Ordering::SeqCst);
    }

    /// While true, connections are accepted and read, and nothing is passed on in either direction.
    ///
    /// A connection that had bytes swallowed stays silent for good, as behind a firewall that forgot it; only
    /// those that were idle throughout go on after `blackhole(false)`.
    pub fn blackhole(&self, on: bool) {
        self.switches.blackhole.store(on, Ordering::SeqCst);
    }

    /// Holds back everything the server sends by this long (throughput stays). Zero ends it.
    pub fn delay(&self, delay: Duration) {
        let microseconds = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.switches.delay_us.store(microseconds, Ordering::SeqCst);
    }

    /// Loses the reply to the next command: it is executed, and when its reply begins to arrive, the connection
    /// is closed on both sides without delivering it. Replies to earlier commands are delivered.
    ///
    /// Commands and replies are told apart on plain RESP connections without RESP2 subscriptions; on any other
    /// protocol the next bytes of the server count as the reply.
    pub fn lose_next_reply(&self) {
        self.lose_next_reply_where(|_| true);
    }

    /// As [`lose_next_reply`](Self::lose_next_reply), for the next command whose encoded bytes satisfy
    /// `affects`. Calls add up: two calls lose two replies.
    pub fn lose_next_reply_where(&self, affects: impl Fn(&[u8]) -> bool + Send + Sync + 'static) {
        self.switches.losses.add_once(Box::new(affects));
    }

    /// From now on loses each reply with this probability (0 to 1); the same seed and the same order of commands
    /// lose the same replies.
    pub fn lose_replies(&self, probability: f64, seed: u64) {
        self.lose_replies_where(probability, seed, |_| true);
    }

    /// As [`lose_replies`](Self::lose_replies), for commands whose encoded bytes satisfy `affects`.
    pub fn lose_replies_where(
        &self,
        probability: f64,
        seed: u64,
        affects: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) {
        self.switches
            .losses
            .set_random(probability, seed, Box::new(affects));
    }

    /// Loses no more replies, asked for or random.
    pub fn stop_losing(&self) {
        self.switches.losses.clear();
    }

    /// How many replies were lost so far.
    #[must_use]
    pub fn lost_replies(&self) -> u64 {
        self.switches.losses.count()
    }

    /// How many connections this proxy has cut so far, by [`cut_all`](Self::cut_all) or with a lost reply.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.switches.cut_connections.load(Ordering::SeqCst)
    }

    /// How many new connections were refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.switches.refused.load(Ordering::SeqCst)
    }

    /// How many connections were accepted so far, refused ones not counted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.switches.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        self.switches.open.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_all();
    }
}

/// A predicate for the methods that choose commands: the encoded command contains these bytes.
pub fn contains(needle: impl Into<Vec<u8>>) -> impl Fn(&[u8]) -> bool + Send + Sync + 'static {
    let needle = needle.into();
    move |bytes| needle.is_empty() || bytes.windows(needle.len()).any(|window| window == needle)
}

async fn accept(listener: TcpListener, switches: Arc<Switches>) {
    loop {
        // An accept error concerns the one connection that vanished before it was taken.
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        if switches.refuse.load(Ordering::SeqCst) {
            switches.refused.fetch_add(1, Ordering::SeqCst);
            drop(client);
            continue;
        }
        switches.accepted.fetch_add(1, Ordering::SeqCst);
        // Subscribed before the task runs, so that a cut right after the accept reaches it.
        let cuts = switches.cuts.subscribe();
        tokio::spawn(serve(client, cuts, Arc::clone(&switches)));
    }
}

async fn serve(client: TcpStream, mut cuts: watch::Receiver<u64>, switches: Arc<Switches>) {
    switches.open.fetch_add(1, Ordering::SeqCst);
    tokio::select! {
        // An error is that of a side that went away: the connection ends like any other.
        _ = pass(client, &switches) => {}
        _ = cuts.changed() => {
            switches.cut_connections.fetch_add(1, Ordering::SeqCst);
        }
    }
    switches.open.fetch_sub(1, Ordering::SeqCst);
}

async fn pass(client: TcpStream, switches: &Switches) -> io::Result<()> {
    let upstream = TcpStream::connect(switches.upstream).await?;
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    Connection::new(switches).run(client, upstream).await
}
