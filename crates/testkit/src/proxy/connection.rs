//! One client of the proxy and its own connection to the server.
//!
//! Three loops share the connection: commands up, replies in, replies out. Replies wait in a queue with the moment
//! they are due, so a delay adds latency without lowering throughput. Whichever loop ends first ends them all.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};

use super::Switches;
use super::framing::Framing;

const READ_SIZE: usize = 64 * 1024;

pub(super) struct Connection<'a> {
    switches: &'a Switches,
    /// One entry per command whose reply has not come yet: shall that reply be lost?
    expected: Mutex<Expected>,
    /// Set when the black hole took bytes: what follows would not make sense to either side.
    is_mute: AtomicBool,
}

#[derive(Default)]
struct Expected {
    is_resp: bool,
    lose: VecDeque<bool>,
}

enum Delivery {
    Bytes(Instant, Bytes),
    LoseReply,
    ServerClosed,
}

impl<'a> Connection<'a> {
    pub(super) fn new(switches: &'a Switches) -> Self {
        Self {
            switches,
            expected: Mutex::default(),
            is_mute: AtomicBool::new(false),
        }
    }

    pub(super) async fn run(&self, mut client: TcpStream, mut upstream: TcpStream) -> io::Result<()> {
        let (client_read, client_write) = client.split();
        let (upstream_read, upstream_write) = upstream.split();
        let (queue, deliveries) = unbounded_channel();
        tokio::select! {
            result = self.carry_commands(client_read, upstream_write) => result,
            result = self.receive_replies(upstream_read, &queue) => result,
            result = self.deliver_replies(deliveries, client_write) => result,
        }
    }

    async fn carry_commands(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut framing = Framing::default();
        let mut chunk = vec![0; READ_SIZE];
        loop {
            let length = from.read(&mut chunk).await?;
            if length == 0 {
                return Ok(());
            }
            if self.swallows() {
                continue;
            }
            framing.push(&chunk[..length]);
            while let Some(command) = framing.next() {
                self.expect_reply(
                    framing.is_resp() == Some(true),
                    self.switches.losses.choose(&command),
                );
                to.write_all(&command).await?;
            }
        }
    }

    async fn receive_replies(
        &self,
        mut from: ReadHalf<'_>,
        queue: &UnboundedSender<Delivery>,
    ) -> io::Result<()> {
        let mut framing: Option<Framing> = None;
        let mut chunk = vec![0; READ_SIZE];
        loop {
            let length = from.read(&mut chunk).await?;
            if length == 0 {
                if !self.swallows() {
                    let _ = queue.send(Delivery::ServerClosed);
                }
                return std::future::pending().await;
            }
            if self.swallows() {
                continue;
            }
            let framing = framing.get_or_insert_with(|| Framing::of(self.expected().is_resp));
            framing.push(&chunk[..length]);
            let due = Instant::now() + Duration::from_micros(self.switches.delay_us.load(Ordering::SeqCst));
            loop {
                if framing.has_bytes() && self.is_to_be_lost(framing.kind()) {
                    // Sent through the queue, so that replies to earlier commands are delivered first.
                    let _ = queue.send(Delivery::LoseReply);
                    return std::future::pending().await;
                }
                let Some(reply) = framing.next() else { break };
                self.count_reply(reply.first().copied());
                let _ = queue.send(Delivery::Bytes(due, reply));
            }
        }
    }

    async fn deliver_replies(
        &self,
        mut deliveries: UnboundedReceiver<Delivery>,
        mut to: WriteHalf<'_>,
    ) -> io::Result<()> {
        while let Some(delivery) = deliveries.recv().await {
            let (due, bytes) = match delivery {
                Delivery::Bytes(due, bytes) => (due, bytes),
                Delivery::LoseReply => {
                    // Counted before the sockets close, so that a client that sees the end also sees the count.
                    self.switches.losses.note_lost();
                    self.switches.cut_connections.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                Delivery::ServerClosed => return Ok(()),
            };
            sleep_until(due).await;
            if !self.swallows() {
                to.write_all(&bytes).await?;
            }
        }
        Ok(())
    }

    /// Whether the black hole takes bytes that are about to be passed on; remembers that it did.
    fn swallows(&self) -> bool {
        if self.switches.blackhole.load(Ordering::SeqCst) {
            self.is_mute.store(true, Ordering::SeqCst);
        }
        self.is_mute.load(Ordering::SeqCst)
    }

    fn expect_reply(&self, is_resp: bool, lose: bool) {
        let mut expected = self.expected();
        expected.is_resp = is_resp;
        if is_resp || lose {
            expected.lose.push_back(lose);
        }
    }

    fn is_to_be_lost(&self, kind: Option<u8>) -> bool {
        // A push (RESP3) answers no command.
        kind != Some(b'>') && self.expected().lose.front() == Some(&true)
    }

    fn count_reply(&self, kind: Option<u8>) {
        if kind != Some(b'>') {
            self.expected().lose.pop_front();
        }
    }

    fn expected(&self) -> std::sync::MutexGuard<'_, Expected> {
        self.expected.lock().expect("no holder of this lock panics")
    }
}
