//! One client: its requests in, its replies and pushes out.
//!
//! All complete requests are run under one hold of the engine's lock, their replies leave in one write. A blocking
//! command suspends this client alone; meanwhile its socket is still read, so its leaving is noticed and takes the
//! command out of its queues. A long pipeline is run in parts, with everybody else in between.
//! While a script keeps the runtime's thread, another thread answers in this one's place (`stand_in`).
//! Next: `request.rs`, `output.rs`, `standby.rs`, `../session.rs`.

use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::answer::{Arguments, is_web_request, receive_early, take_answer};
use super::encode::encode;
use super::gate::Gate;
use super::limits::{Limits, MAX_UNREAD_UNAUTHENTICATED};
use super::output::Output;
use super::request::RequestBuffer;
use super::stop::Stop;
use super::stream::Stream;
use super::violation::Violation;
use crate::aside::Standing;
use crate::client::{Message, Protocol};
use crate::engine::Busy;
use crate::inbox::Mail;
use crate::journal::{Lost, Reached};
use crate::session::{Session, Waiting};

/// Commands run before others get their turn.
const COMMANDS_AT_ONCE: usize = 128;
/// Bytes of replies gathered before they are sent and others get their turn.
const REPLIES_AT_ONCE: usize = 1024 * 1024;
/// Bytes of replies that may wait for the journal while more requests are run.
const HELD_AT_MOST: usize = 1024 * 1024;
/// How long the last replies may take to leave.
const PARTING_TIME: Duration = Duration::from_secs(5);
/// When a client is looked at again about which nothing can be done now.
const LATER: Duration = Duration::from_millis(50);

/// One connected client.
pub(super) struct Connection {
    // First, so that whoever sees the socket closed knows that the client has left.
    session: Session,
    stream: Stream,
    inbox: Mail,
    requests: RequestBuffer,
    /// A request was found and not run yet.
    is_request_found: bool,
    output: Output,
    /// The command that suspends this client.
    waiting: Option<Waiting>,
    protocol: Protocol,
    is_authenticated: bool,
    /// It has not yet shown the password: nobody knows who it is.
    is_stranger: bool,
    /// Nothing is run any more: the connection ends when its output has left.
    is_closing: bool,
    /// When it ends even if its output has not left.
    parts_at: Option<Instant>,
    /// When it is asked again whether the waiting command of a closed client has been given something.
    looks_again_at: Option<Instant>,
    limits: Limits,
    stop: Stop,
    is_subscribed: bool,
    active_at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Wakes the task that serves the client.
    waker: Option<Waker>,
    /// Somebody else has worked on the client: the task has to look at everything.
    is_disturbed: bool,
    /// The wait of the output for the journal.
    gate: Gate,
    /// Nothing is run until the journal has kept more.
    is_held_back: bool,
    /// Nothing is run until the journal has written what was changed before.
    room: Option<Reached>,
}

/// What a visit of the stand-by has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// Nothing: there is something to do when more arrives.
    Done,
    /// More to do, now or later.
    More(Duration),
    /// The client is none of the stand-by's business any more.
    Over,
}

/// The connection is over: left, refused or dropped.
pub(super) struct Over;

/// Why nothing more is run.
enum Ending {
    Over,
    /// It is answered before the connection is over.
    Breach(Violation),
}

impl From<Over> for Ending {
    fn from(_: Over) -> Self {
        Self::Over
    }
}

impl From<Violation> for Ending {
    fn from(violation: Violation) -> Self {
        Self::Breach(violation)
    }
}

/// Whether a client has more to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Only its turn is over.
    Next,
    /// Nothing can be run before something happens.
    Idle,
}

impl Connection {
    pub(super) fn new(
        stream: Stream,
        session: Session,
        inbox: Mail,
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
            is_stranger: !is_authenticated,
            is_closing: false,
            parts_at: None,
            looks_again_at: None,
            limits,
            stop,
            is_subscribed: false,
            active_at: Instant::now(),
            timer: None,
            waker: None,
            is_disturbed: false,
            gate: Gate::default(),
            is_held_back: false,
            room: None,
        }
    }

    /// Has its turn, and sends what the socket takes. `None` when the connection is over.
    pub(super) fn poll_turn(&mut self, context: &mut Context<'_>) -> Option<Turn> {
        let mut turn = self.take_turn().ok()?;
        self.send(context).ok()?;
        if turn == Turn::Next && self.stop.poll_requested(context) {
            // What it has sent and nobody has run may take long.
            self.close();
            turn = Turn::Idle;
        }
        (!self.is_finished()).then_some(turn)
    }

    /// Everything that is to leave before the end has left.
    fn is_finished(&self) -> bool {
        self.is_closing && self.output.is_empty() && self.waiting.is_none()
    }

    /// A copy of the socket for the stand-by.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Makes the client's own task look at it, if there is something it cannot know of.
    pub(super) fn call_back(&mut self) {
        if self.session.is_behind() || self.is_request_found || !self.output.is_empty() {
            self.disturb();
        }
    }

    fn disturb(&mut self) {
        self.is_disturbed = true;
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Answers what has arrived, for the time a script keeps the engine, on the stand-by's thread.
    ///
    /// `socket` is a duplicate: what the runtime knows of the socket may be old, since its own thread may be kept too.
    pub(super) fn stand_in(&mut self, socket: &TcpStream) -> Visit {
        let is_silent = self.session.standing().has(Standing::SILENT);
        if self.is_closing || self.waiting.is_some() || is_silent {
            return Visit::More(LATER);
        }
        if let Some(progress) = self.session.progress() {
            self.output.held_by(progress);
        }
        if self.output.held() > HELD_AT_MOST {
            return Visit::More(LATER);
        }
        let visit = match self.answer_aside(socket) {
            Ok(visit) => visit,
            Err(Ending::Over) => Visit::Over,
            Err(Ending::Breach(violation)) => {
                self.refuse(violation);
                Visit::Over
            }
        };
        if let Some(progress) = self.session.progress() {
            self.output.held_by(progress);
        }
        let is_gone = self.output.send_now(socket).is_err() || self.check_output().is_err();
        if is_gone {
            // The task sees the end as if the client had left.
            self.stream.shut();
        }
        self.disturb();
        match visit {
            _ if is_gone || self.is_closing => Visit::Over,
            visit => visit,
        }
    }

    fn answer_aside(&mut self, socket: &TcpStream) -> Result<Visit, Ending> {
        let mut room = [0; 4096];
        for _ in 0..COMMANDS_AT_ONCE {
            if self.find_request()? {
                self.run_while_busy()?;
                if self.is_closing {
                    return Ok(Visit::Over);
                }
                continue;
            }
            let space = self.requests.space()?;
            match socket.try_read(&mut room) {
                Ok(0) => return Ok(Visit::Over),
                Ok(read) => space.extend(room.iter().take(read)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Visit::Done),
                Err(_gone) => return Ok(Visit::Over),
            }
        }
        Ok(Visit::More(Duration::ZERO))
    }

    /// Runs what has arrived, within the bounds of one turn.
    fn take_turn(&mut self) -> Result<Turn, Over> {
        if self.session.is_behind() {
            self.session.catch_up();
        }
        if self.is_closing || self.waiting.is_some() {
            return Ok(Turn::Idle);
        }
        if let Some(progress) = self.session.progress() {
            self.output.held_by(progress);
        }
        self.is_held_back = self.output.held() > HELD_AT_MOST;
        if self.is_held_back {
            return Ok(Turn::Idle);
        }
        self.room = self.session.room();
        if self.room.is_some() {
            return Ok(Turn::Idle);
        }
        let turn = match self.run_requests() {
            Ok(turn) => turn,
            Err(Ending::Over) => return Err(Over),
            Err(Ending::Breach(violation)) => {
                self.refuse(violation);
                Turn::Idle
            }
        };
        if !self.output.is_empty() {
            self.note_activity();
        }
        self.check_output()?;
        Ok(turn)
    }

    /// Answers a breach of the protocol; after it nobody knows where the next request starts.
    fn refuse(&mut self, violation: Violation) {
        tracing::debug!(
            client = self.session.id(),
            ?violation,
            "a client broke the protocol"
        );
        violation.write(self.output.buffer());
        self.close();
    }

    fn close(&mut self) {
        self.waiting = None;
        self.part();
    }

    /// As `close`, but what the client's waiting command has been given is still to leave.
    fn part(&mut self) {
        self.is_closing = true;
        self.is_held_back = false;
        self.room = None;
        self.parts_at = Instant::now().checked_add(PARTING_TIME);
    }

    /// Ends the wait of a client that is closed, unless it has been given something: nobody else would get that.
    fn end_wait(&mut self) {
        self.looks_again_at = None;
        match self.waiting.as_mut().map(Waiting::withdraw) {
            Some(Ok(false)) => self.waiting = None,
            Some(Err(Busy)) => self.looks_again_at = Instant::now().checked_add(LATER),
            Some(Ok(true)) | None => {}
        }
    }

    fn find_request(&mut self) -> Result<bool, Violation> {
        if !self.is_request_found {
            self.is_request_found = self.requests.next(self.is_authenticated)?;
        }
        Ok(self.is_request_found)
    }

    fn run_requests(&mut self) -> Result<Turn, Ending> {
        // Without the lock: often only a part of a request has arrived.
        if !self.find_request()? {
            return Ok(Turn::Idle);
        }
        let Ok(mut batch) = self.session.batch() else {
            self.run_while_busy()?;
            return Ok(Turn::Next);
        };
        if batch.should_close() {
            // Killed by somebody who was told so: nothing of it may run any more.
            return Err(Over.into());
        }
        let before = self.output.waiting();
        for _ in 0..COMMANDS_AT_ONCE {
            let arguments: Arguments<'_> = self.requests.arguments().collect();
            if is_web_request(&arguments) {
                drop(batch);
                return Err(self.drop_web_request().into());
            }
            let from = self.output.position();
            let served = batch.run(&arguments);
            drop(arguments);
            self.is_request_found = false;
            self.protocol = batch.protocol();
            self.is_authenticated = batch.is_authenticated();
            self.is_stranger &= !self.is_authenticated;
            self.is_subscribed = batch.is_subscribed();
            if !self.inbox.is_empty() {
                batch.see_all();
            }
            let late = receive_early(&mut self.inbox, &mut self.output, self.protocol);
            self.waiting = take_answer(served, self.protocol, &mut self.output);
            for message in late {
                self.output.push(&message, self.protocol);
            }
            self.output.hold(from, batch.horizon());
            if batch.should_close() {
                drop(batch);
                self.close();
                return Ok(Turn::Idle);
            }
            if self.waiting.is_some() {
                break;
            }
            if batch.queued_bytes() > self.limits.request.max_buffered {
                let client = self.session.id();
                tracing::warn!(client, "dropped a client whose transaction takes too much memory");
                drop(batch);
                return Err(Over.into());
            }
            let is_much = self.output.waiting() > before + REPLIES_AT_ONCE;
            if is_much || batch.is_long() || batch.is_full() {
                return Ok(Turn::Next);
            }
            self.is_request_found = self.requests.next(self.is_authenticated)?;
            if !self.is_request_found {
                break;
            }
        }
        Ok(if self.is_request_found {
            Turn::Next
        } else {
            Turn::Idle
        })
    }

    /// One request while a script keeps the engine.
    fn run_while_busy(&mut self) -> Result<(), Over> {
        let arguments: Arguments<'_> = self.requests.arguments().collect();
        if is_web_request(&arguments) {
            return Err(self.drop_web_request());
        }
        let served = self.session.run_aside(&arguments);
        drop(arguments);
        self.is_request_found = false;
        let standing = self.session.standing();
        self.protocol = standing.protocol();
        self.is_authenticated = standing.has(Standing::AUTHENTICATED);
        self.is_stranger &= !self.is_authenticated;
        take_answer(served, self.protocol, &mut self.output);
        if standing.has(Standing::LEAVING) {
            self.close();
        }
        Ok(())
    }

    /// A web page must not be able to make a browser talk to the engine.
    fn drop_web_request(&self) -> Over {
        tracing::warn!(client = self.session.id(), "dropped a client that speaks HTTP");
        Over
    }

    /// Sends what may leave and the socket takes at once.
    fn send(&mut self, context: &mut Context<'_>) -> Result<(), Over> {
        if let Some(progress) = self.session.progress()
            && self.gate.open(progress, &mut self.output, context) == Err(Lost)
        {
            // Its replies were written already; an end without them says that the outcome is not known.
            let client = self.session.id();
            tracing::warn!(client, "dropped a client whose writes the journal could not keep");
            return Err(Over);
        }
        match self.output.poll_send(&mut self.stream, context) {
            Poll::Ready(Err(_gone)) => Err(Over),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    fn check_output(&mut self) -> Result<(), Over> {
        let is_strangers = self.is_stranger && self.output.waiting() > MAX_UNREAD_UNAUTHENTICATED;
        if !self.output.is_too_much(&self.limits.output) && !is_strangers {
            return Ok(());
        }
        let (client, unread) = (self.session.id(), self.output.waiting());
        tracing::warn!(client, unread, "dropped a client that does not read");
        Err(Over)
    }

    /// Waits until there is something to run or to send.
    pub(super) fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            self.waker = Some(context.waker().clone());
        }
        if std::mem::take(&mut self.is_disturbed) {
            return Poll::Ready(Ok(()));
        }
        if !self.output.is_empty() {
            self.send(context)?;
            if self.is_finished() {
                return Poll::Ready(Ok(()));
            }
        }
        if self.is_held_back && self.output.held() <= HELD_AT_MOST {
            return Poll::Ready(Ok(()));
        }
        if let Some(room) = &mut self.room
            && Pin::new(room).poll(context).is_ready()
        {
            self.room = None;
            return Poll::Ready(Ok(()));
        }
        if !self.is_closing && self.stop.poll_requested(context) {
            self.part();
        }
        if self.is_closing {
            self.end_wait();
            if self.is_finished() {
                return Poll::Ready(Ok(()));
            }
        }
        if self.poll_answer(context) | self.poll_pushes(context)? {
            return Poll::Ready(self.check_output());
        }
        if !self.is_closing
            && !self.is_held_back
            && self.room.is_none()
            && let Poll::Ready(read) = self.poll_read(context)
        {
            return Poll::Ready(read);
        }
        self.poll_timer(context)
    }

    /// The answer to the command that suspended the client.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> bool {
        let Some(waiting) = &mut self.waiting else {
            return false;
        };
        let Poll::Ready(reply) = Pin::new(waiting).poll(context) else {
            return false;
        };
        self.waiting = None;
        self.note_activity();
        encode(&reply, self.protocol, self.output.buffer());
        true
    }

    /// What others have sent to this client.
    fn poll_pushes(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        let mut is_any = false;
        let before = self.output.waiting();
        // What the inbox keeps it counts; what is held here is not.
        while self.output.held() <= HELD_AT_MOST
            && let Poll::Ready(Some(letter)) = self.inbox.poll_recv(context)
        {
            match letter.message {
                Message::Push(message) => {
                    let from = self.output.position();
                    self.output.push(&message, self.protocol);
                    self.output.hold(from, letter.horizon);
                }
                // Somebody else's CLIENT KILL: what is left to say does not matter.
                Message::Close => return Err(Over),
            }
            is_any = true;
            if self.output.waiting() > before + REPLIES_AT_ONCE {
                break;
            }
        }
        Ok(is_any)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let Ok(space) = self.requests.space() else {
            let client = self.session.id();
            tracing::warn!(client, "dropped a client whose requests take too much memory");
            return Poll::Ready(Err(Over));
        };
        let read = pin!(self.stream.read_buf(space)).poll(context);
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Over)),
            Poll::Ready(Ok(_)) => {
                self.note_activity();
                Poll::Ready(Ok(()))
            }
        }
    }

    /// From now on it counts as idle.
    fn note_activity(&mut self) {
        if self.limits.idle.is_some() {
            self.active_at = Instant::now();
        }
    }

    /// The time-outs, which only few clients have.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        // It may have read since that was looked at.
        if let Err(over) = self.check_output() {
            return Poll::Ready(Err(over));
        }
        let is_idle = self.waiting.is_none() && !self.is_subscribed;
        let idles_at = self
            .limits
            .idle
            .filter(|_| is_idle)
            .and_then(|time| self.active_at.checked_add(time));
        let unread_at = self.output.deadline(&self.limits.output);
        let ends_at = [self.parts_at, idles_at, unread_at].into_iter().flatten().min();
        let Some(deadline) = [ends_at, self.looks_again_at].into_iter().flatten().min() else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context).map(|()| {
            if ends_at.is_none_or(|at| Instant::now() < at) {
                return Ok(());
            }
            tracing::debug!(client = self.session.id(), "a client's time is over");
            Err(Over)
        })
    }
}
