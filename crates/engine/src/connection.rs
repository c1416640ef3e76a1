//! redis-rs on the engine: `ConnectionLike` without a wire.
//!
//! A command runs on the caller's thread when its future is first polled, so an answer costs no task switch. Clones
//! are the same client. Dropping the future of a command that waits (BLPOP) takes it out of its queues: from then on it
//! takes nothing.
//! Next: `session.rs`.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, ErrorKind, Pipeline, PushInfo, PushKind, RedisError, RedisFuture, Value};
use smallvec::SmallVec;

use crate::client::{Arrival, Message, Protocol};
use crate::commands::{self, flag};
use crate::engine::{Busy, Engine};
use crate::inbox::{Inbox, Letter, Mail, inbox};
use crate::journal::{Lost, Progress, Reached, Sequence};
use crate::reply::{Fault, Reply};
use crate::session::{Batch, Served, Session};

/// Commands of a pipeline that run before others get a turn at the lock.
const COMMANDS_AT_ONCE: usize = 64;
/// Cheap commands that count as one of tokio's operations, which are meant to be reads of a socket.
const COMMANDS_A_TURN: u8 = 4;

type Words<'a> = SmallVec<[&'a [u8]; 12]>;

/// A client of an [`Engine`] in this process, for redis-rs: `redis::cmd("GET").arg("key").query_async(&mut connection)`.
///
/// Replies have the shapes of RESP2 until `HELLO 3` chooses the others.
#[derive(Clone)]
pub struct Connection {
    session: Arc<Session>,
    /// Cheap commands since the last one that was counted.
    uncounted: u8,
}

/// The pushes of one client: published messages and invalidations.
#[derive(Debug)]
pub struct Pushes {
    mail: Mail,
    progress: Option<Arc<Progress>>,
    /// What has come and may not leave yet.
    held: Option<(Message, Reached)>,
    /// Who was told to wait for the next one.
    waiter: Option<Waker>,
}

/// How what was served is to be handed over.
#[derive(Clone, Copy)]
struct Shape {
    protocol: Protocol,
    /// What the journal has to keep before.
    horizon: Sequence,
}

impl Shape {
    fn after(batch: &Batch<'_>) -> Self {
        Self {
            protocol: batch.protocol(),
            horizon: batch.horizon(),
        }
    }
}

impl Engine {
    /// A new client in this process.
    ///
    /// It is authenticated, speaks RESP2 and has database 0 selected. It takes no pushes, so it cannot subscribe; see [`Engine::connect_with_pushes`].
    pub fn connect(&self) -> Connection {
        self.connect_as(None)
    }

    /// A new client in this process, and what it will be sent beside replies.
    ///
    /// Pushes are kept in memory, without a bound, until they are received: whoever subscribes must read.
    pub fn connect_with_pushes(&self) -> (Connection, Pushes) {
        let (inbox, mail) = inbox(None);
        let pushes = Pushes {
            mail,
            progress: self.shared().progress().cloned(),
            held: None,
            waiter: None,
        };
        (self.connect_as(Some(inbox)), pushes)
    }

    fn connect_as(&self, inbox: Option<Inbox>) -> Connection {
        let arrival = Arrival {
            peer: "in-process".to_owned(),
            local: "in-process".to_owned(),
            // The password guards the endpoint; this process has the engine itself.
            is_authenticated: true,
            is_in_process: true,
            inbox,
        };
        Connection {
            session: Arc::new(self.session(arrival)),
            uncounted: 0,
        }
    }
}

impl Connection {
    async fn run(&mut self, words: &[&[u8]]) -> Value {
        self.give_way(words).await;
        self.wait_for_room(words).await;
        let (served, shape) = self.run_now(words);
        self.finish(served, shape).await
    }

    /// Lets other tasks have their turn: a loop of commands must not starve those beside it.
    async fn give_way(&mut self, words: &[&[u8]]) {
        let command = words.first().and_then(|name| commands::find(name));
        self.uncounted += 1;
        if self.uncounted >= COMMANDS_A_TURN || command.is_none_or(|command| !command.has(flag::FAST)) {
            self.uncounted = 0;
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Lets the journal write what was changed before, if that has become too much. Reads change nothing.
    async fn wait_for_room(&self, words: &[&[u8]]) {
        while let Some(room) = self.session.room() {
            let command = words.first().and_then(|name| commands::find(name));
            if command.is_some_and(|command| command.has(flag::READ_ONLY)) || room.await == Err(Lost) {
                return;
            }
        }
    }

    fn run_now(&self, words: &[&[u8]]) -> (Served, Shape) {
        match self.session.batch() {
            Ok(mut batch) => {
                let served = batch.run(words);
                (served, Shape::after(&batch))
            }
            Err(Busy) => self.run_aside(words),
        }
    }

    /// Without the lock, which a script keeps.
    fn run_aside(&self, words: &[&[u8]]) -> (Served, Shape) {
        let served = self.session.run_aside(words);
        let shape = Shape {
            protocol: self.session.standing().protocol(),
            // A refusal has seen nothing.
            horizon: Sequence::NONE,
        };
        (served, shape)
    }

    async fn run_pipeline(&self, commands: &[Words<'_>]) -> Vec<Value> {
        let mut values = Vec::with_capacity(commands.len());
        let mut left = commands;
        while !left.is_empty() {
            tokio::task::coop::consume_budget().await;
            self.wait_for_room(&[]).await;
            let (served, shape) = self.run_some(left);
            left = left.get(served.len()..).unwrap_or_default();
            for one in served {
                values.push(self.finish(one, shape).await);
            }
        }
        values
    }

    /// Runs some of the commands under one lock: up to a number, or up to one that must wait.
    fn run_some(&self, commands: &[Words<'_>]) -> (Vec<Served>, Shape) {
        let Ok(mut batch) = self.session.batch() else {
            let (served, shape) = self.run_aside(commands.first().map_or(&[], |words| words));
            return (vec![served], shape);
        };
        let mut served = Vec::new();
        for words in commands.iter().take(COMMANDS_AT_ONCE) {
            served.push(batch.run(words));
            if matches!(served.last(), Some(Served::Waiting(_))) || batch.is_full() {
                break;
            }
        }
        (served, Shape::after(&batch))
    }

    /// Runs a transaction under one lock; the value is EXEC's, or MULTI's if it was refused.
    async fn run_transaction(&self, commands: &[Words<'_>]) -> Value {
        tokio::task::coop::consume_budget().await;
        self.wait_for_room(&[]).await;
        let mut queued = Vec::with_capacity(commands.len());
        let executed = self.session.batch().map(|mut batch| {
            let begun = batch.run(&[b"MULTI"]);
            if matches!(begun, Served::Reply(Reply::Error(_))) {
                return (begun, Shape::after(&batch));
            }
            // Kept until the lock is given back: who has ended the transaction himself (DISCARD) may wait now, and a
            // wait that is dropped takes the lock.
            queued.extend(commands.iter().map(|words| batch.run(words)));
            let executed = batch.run(&[b"EXEC"]);
            (executed, Shape::after(&batch))
        });
        let (served, shape) = executed.unwrap_or_else(|Busy| self.run_aside(&[b"EXEC"]));
        drop(queued);
        self.finish(served, shape).await
    }

    /// The value of what was served, when it is there and may leave.
    async fn finish(&self, served: Served, shape: Shape) -> Value {
        if let Some(reached) = self.session.reached(shape.horizon)
            && reached.await == Err(Lost)
        {
            return error(Fault::LOST.text());
        }
        match served {
            Served::Reply(reply) => value(reply, shape.protocol),
            Served::Silent => Value::Nil,
            Served::Waiting(waiting) => value(waiting.await, shape.protocol),
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let encoded;
            let words = match words(cmd) {
                Some(words) => words,
                None => {
                    encoded = packed(cmd)?;
                    encoded.iter().map(Vec::as_slice).collect()
                }
            };
            Ok(self.run(&words).await)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let commands: Option<Vec<Words<'_>>> = pipeline.cmd_iter().map(words).collect();
            // Cursors are for iteration, which is no matter of pipelines.
            let commands = commands.ok_or_else(|| {
                RedisError::from((
                    ErrorKind::Client,
                    "a command with an open cursor cannot be in a pipeline",
                ))
            })?;
            if pipeline.is_transaction() {
                // On a wire offset and count would skip the replies to MULTI and the queued commands.
                return Ok(vec![self.run_transaction(&commands).await]);
            }
            let values = self.run_pipeline(&commands).await;
            Ok(values.into_iter().skip(offset).take(count).collect())
        })
    }

    fn get_db(&self) -> i64 {
        self.session.db()
    }
}

impl Pushes {
    /// The next push; `None` when the client is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<PushInfo> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`Pushes::next`], for those who share the pushes under a lock of their own.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<PushInfo>> {
        if self
            .waiter
            .as_ref()
            .is_none_or(|waiter| !waiter.will_wake(context.waker()))
        {
            self.waiter = Some(context.waker().clone());
        }
        loop {
            if let Some(message) = ready!(self.poll_held(context)) {
                if let Some(push) = push_of(message) {
                    return Poll::Ready(Some(push));
                }
                continue;
            }
            let Some(letter) = ready!(self.mail.poll_recv(context)) else {
                return Poll::Ready(None);
            };
            if let Some(push) = self.take_in(letter).and_then(push_of) {
                return Poll::Ready(Some(push));
            }
        }
    }

    /// The next push if it is there and may leave. What came of a command that was answered is there, and everything before
    /// it. Whoever waits for the next push goes on waiting.
    pub fn try_next(&mut self) -> Option<PushInfo> {
        loop {
            // The waiter, not this caller, must learn when what is held may leave.
            let waker = self.waiter.clone().unwrap_or_else(|| Waker::noop().clone());
            let message = match self.poll_held(&mut Context::from_waker(&waker)) {
                Poll::Pending => return None,
                Poll::Ready(Some(message)) => Some(message),
                // Taken without tokio's budget, which would have what is there seem absent.
                Poll::Ready(None) => {
                    let letter = self.mail.try_recv().ok()?;
                    self.take_in(letter)
                }
            };
            if let Some(push) = message.and_then(push_of) {
                return Some(push);
            }
        }
    }

    /// What is held, once it may leave. What speaks of something that was lost never does.
    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let Some((_, reached)) = &mut self.held else {
            return Poll::Ready(None);
        };
        let outcome = ready!(Pin::new(reached).poll(context));
        let message = self.held.take().map(|(message, _)| message);
        Poll::Ready(message.filter(|_| outcome.is_ok()))
    }

    /// The message if it may leave now; else it is held.
    fn take_in(&mut self, letter: Letter) -> Option<Message> {
        let Letter { message, horizon } = letter;
        let progress = self.progress.as_ref();
        match progress.and_then(|progress| progress.wait_for(horizon)) {
            Some(reached) => {
                self.held = Some((message, reached));
                None
            }
            None => Some(message),
        }
    }
}

fn push_of(message: Message) -> Option<PushInfo> {
    match message {
        Message::Push(Reply::Push(items)) => push_info(items),
        // What MONITOR shows is a line of text.
        Message::Push(line) => Some(PushInfo {
            kind: PushKind::Other("monitor".to_owned()),
            data: vec![value(line, Protocol::Resp3)],
        }),
        Message::Close => None,
    }
}

fn push_info(items: Vec<Reply>) -> Option<PushInfo> {
    let mut items = items.into_iter().map(|item| value(item, Protocol::Resp3));
    let Value::BulkString(kind) = items.next()? else {
        return None;
    };
    let kind = match kind.as_slice() {
        b"message" => PushKind::Message,
        b"pmessage" => PushKind::PMessage,
        b"invalidate" => PushKind::Invalidate,
        other => PushKind::Other(String::from_utf8_lossy(other).into_owned()),
    };
    Some(PushInfo {
        kind,
        data: items.collect(),
    })
}

/// The words of a command; `None` when it holds a cursor, which only the encoded command shows.
fn words(cmd: &Cmd) -> Option<Words<'_>> {
    cmd.args_iter()
        .map(|argument| match argument {
            Arg::Simple(bytes) => Some(bytes),
            _ => None,
        })
        .collect()
}

fn packed(cmd: &Cmd) -> Result<Vec<Vec<u8>>, RedisError> {
    let encoded = redis::parse_redis_value(&cmd.get_packed_command())?;
    Ok(redis::from_redis_value(encoded)?)
}

/// A reply as redis-rs has it.
fn value(reply: Reply, protocol: Protocol) -> Value {
    let each = |items: Vec<Reply>| {
        items
            .into_iter()
            .map(|item| value(item, protocol))
            .collect::<Vec<_>>()
    };
    let is_new = protocol == Protocol::Resp3;
    match reply {
        Reply::Simple(text) if text == "OK" => Value::Okay,
        Reply::Simple(text) => Value::SimpleString(text.into_owned()),
        Reply::Error(fault) => error(fault.text()),
        Reply::Int(number) => Value::Int(number),
        Reply::Bulk(bytes) => Value::BulkString(bytes),
        Reply::Nil | Reply::NilArray => Value::Nil,
        // Silenced by CLIENT REPLY.
        Reply::Several(items) if items.is_empty() => Value::Nil,
        Reply::Set(items) if is_new => Value::Set(each(items)),
        Reply::Array(items) | Reply::Set(items) | Reply::Several(items) | Reply::Push(items) => {
            Value::Array(each(items))
        }
        Reply::Map(pairs) if is_new => {
            let pairs = pairs
                .into_iter()
                .map(|(key, item)| (value(key, protocol), value(item, protocol)));
            Value::Map(pairs.collect())
        }
        Reply::Pairs(pairs) if is_new => {
            let pairs = pairs
                .into_iter()
                .map(|(key, item)| Value::Array(each(vec![key, item])));
            Value::Array(pairs.collect())
        }
        Reply::Map(pairs) | Reply::Pairs(pairs) => {
            let flat = pairs.into_iter().flat_map(|(key, item)| [key, item]);
            Value::Array(flat.map(|item| value(item, protocol)).collect())
        }
        Reply::Double(number) if is_new => Value::Double(number),
        Reply::Double(number) => Value::BulkString(crate::number::double(number).into_bytes()),
        Reply::Bool(is_so) if is_new => Value::Boolean(is_so),
        Reply::Bool(is_so) => Value::Int(i64::from(is_so)),
        Reply::BigNumber(digits) | Reply::Verbatim(digits) => Value::BulkString(digits.into_bytes()),
    }
}

/// An error gets its kind from redis-rs's own parser, as one from a server would.
fn error(text: &str) -> Value {
    let line = format!("-{}\r\n", text.replace(['\r', '\n'], " "));
    redis::parse_redis_value(line.as_bytes()).unwrap_or(Value::Nil)
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("client", &self.session.id())
            .finish()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
mod tests;
