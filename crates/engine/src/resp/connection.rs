//! One client: its requests in, its replies and pushes out.
//!
//! All complete requests are run under one hold of the engine's lock, their replies leave in one write. A blocking
//! command suspends this client alone; meanwhile its socket is still read, so its leaving is noticed and takes the
//! command out of its queues. A long pipeline is run in parts, with everybody else in between.
//! Next: `request.rs`, `output.rs`, `../session.rs`.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Sleep};

use super::encode::encode;
use super::limits::Limits;
use super::output::Output;
use super::request::RequestBuffer;
use super::stop::Stop;
use super::stream::Stream;
use super::violation::Violation;
use crate::client::{Message, Protocol};
use crate::reply::Reply;
use crate::session::{Batch, Served, Session, Waiting};

/// Commands run before others get their turn.
const COMMANDS_AT_ONCE: usize = 128;
/// Bytes of replies gathered before they are sent and others get their turn.
const REPLIES_AT_ONCE: usize = 1024 * 1024;
/// How long replies may take to leave when the endpoint shuts down.
const PARTING_TIME: Duration = Duration::from_secs(5);

/// One connected client.
pub(super) struct Connection {
    stream: Stream,
    session: Session,
    inbox: UnboundedReceiver<Message>,
    requests: RequestBuffer,
    /// A request was found and not run yet.
    is_request_found: bool,
    output: Output,
    /// The command that suspends this client.
    waiting: Option<Waiting>,
    protocol: Protocol,
    is_authenticated: bool,
    /// Nothing is run any more: the connection ends when its output has left.
    is_closing: bool,
    limits: Limits,
    stop: Stop,
    active_at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The connection is over: left, refused or dropped.
struct Over;

/// Whether a client has more to run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Only its turn is over.
    Next,
    /// Nothing can be run before something happens.
    Idle,
}

impl Connection {
    pub(super) fn new(
        stream: Stream,
        session: Session,
        inbox: UnboundedReceiver<Message>,
        is_authenticated: bool,
        limits: Limits,
        stop: Stop,
    ) -> Self {
        Self {
            stream,
            session,
            inbox,
            requests: RequestBuffer::new(limits.request),
            is_request_found: false,
            output: Output::default(),
            waiting: None,
            protocol: Protocol::Resp2,
            is_authenticated,
            is_closing: false,
            limits,
            stop,
            active_at: Instant::now(),
            timer: None,
        }
    }

    /// Serves the client until it leaves, is closed, or the endpoint stops.
    pub(super) async fn serve(mut self) {
        // How it ended was logged where it mattered.
        let _ = self.converse().await;
    }

    async fn converse(&mut self) -> Result<(), Over> {
        loop {
            let turn = self.take_turn()?;
            std::future::poll_fn(|context| Poll::Ready(self.send(context))).await?;
            if self.is_closing && self.output.is_empty() {
                return Ok(());
            }
            match turn {
                Turn::Next => tokio::task::yield_now().await,
                Turn::Idle => std::future::poll_fn(|context| self.poll_event(context)).await?,
            }
        }
    }

    /// Runs what has arrived, within the bounds of one turn.
    fn take_turn(&mut self) -> Result<Turn, Over> {
        if self.is_closing || self.waiting.is_some() {
            return Ok(Turn::Idle);
        }
        match self.run_requests() {
            Ok(turn) => Ok(turn),
            Err(violation) => {
                tracing::debug!(client = self.session.id(), ?violation, "closing a client");
                violation.write(self.output.buffer());
                self.is_closing = true;
                Ok(Turn::Idle)
            }
        }
    }
}
