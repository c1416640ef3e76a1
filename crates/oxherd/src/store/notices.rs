//! Hearing what is published: one subscription connection a store, that always comes back.
//!
//! The connection is made when somebody listens first and ends a while after nobody does. Published messages are
//! hints and can be lost, with the connection or in between; whenever that may have happened each listener gets a
//! [`Notice::Gap`] and must look for itself. Where order with replies counts, this is not the way.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use oxherd_engine::Engine;
use parking_lot::Mutex;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{PushKind, RedisError, RedisResult, Value};
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many messages may wait for a listener before it is told of a gap instead.
const MOST_WAITING: usize = 256;
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a silent connection is tried, and how long its answer may take.
const PING: Duration = Duration::from_secs(2);

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A message of the channel.
    Message(Bytes),
    /// The channel is heard from now on; what was published before may not have been.
    Gap,
}

/// Listens to one channel until it is dropped.
#[derive(Debug)]
pub(crate) struct Hearing {
    receiver: Option<broadcast::Receiver<Notice>>,
    shared: Arc<Shared>,
}

/// Where to subscribe.
#[derive(Clone)]
pub(super) enum Source {
    Redis(Box<redis::Client>),
    Engine(Engine),
    /// A network that loses every notice.
    #[cfg(test)]
    Silence,
}

/// The listeners of a store.
pub(super) struct Notices {
    shared: Arc<Shared>,
    /// The task ends with the store.
    end: CancellationToken,
    _end: DropGuard,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Somebody came or went.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    channels: HashMap<String, broadcast::Sender<Notice>>,
    task: Option<JoinHandle<()>>,
}

impl Default for Notices {
    fn default() -> Self {
        let end = CancellationToken::new();
        Self {
            shared: Arc::default(),
            _end: end.clone().drop_guard(),
            end,
        }
    }
}

impl Notices {
    pub(super) fn hear(&self, channel: &str, source: Source) -> Hearing {
        let mut state = self.shared.state.lock();
        let receiver = match state.channels.get(channel) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, receiver) = broadcast::channel(MOST_WAITING);
                state.channels.insert(channel.to_owned(), sender);
                receiver
            }
        };
        // One whose runtime has ended is finished, too.
        if state.task.as_ref().is_none_or(JoinHandle::is_finished) {
            let (shared, end) = (Arc::clone(&self.shared), self.end.clone());
            state.task = Some(tokio::spawn(async move {
                tokio::select! {
                    () = listen(&shared, &source) => {}
                    () = end.cancelled() => {}
                }
            }));
        }
        self.shared.changed.notify_one();
        Hearing {
            receiver: Some(receiver),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Hearing {
    /// The next notice. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Notice {
        let Some(receiver) = &mut self.receiver else {
            return std::future::pending().await;
        };
        match receiver.recv().await {
            Ok(notice) => notice,
            Err(broadcast::error::RecvError::Lagged(_)) => Notice::Gap,
            // Nobody will say anything any more: the store is gone.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.receiver = None;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn channels(&self) -> BTreeSet<String> {
        self.state.lock().channels.keys().cloned().collect()
    }

    fn tell(&self, channel: &str, notice: Notice) {
        if let Some(sender) = self.state.lock().channels.get(channel) {
            // Nobody may listen at the moment.
            let _ = sender.send(notice);
        }
    }

    fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.channels.values().all(|sender| sender.receiver_count() == 0)
    }

    /// Ends the task unless somebody listens.
    fn leave(&self) -> bool {
        let mut state = self.state.lock();
        let is_idle = state.channels.values().all(|sender| sender.receiver_count() == 0);
        if is_idle {
            state.channels.clear();
            state.task = None;
        }
        is_idle
    }
}

async fn listen(shared: &Shared, source: &Source) {
    let mut wait = FIRST_BACKOFF;
    loop {
        match Line::open(source).await {
            Ok(mut line) => {
                wait = FIRST_BACKOFF;
                match pass_on(shared, &mut line).await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "subscription lost; reconnecting"),
                }
            }
            Err(error) => tracing::debug!(%error, "cannot subscribe; trying again"),
        }
        if shared.is_idle() && shared.leave() {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_BACKOFF);
    }
}

/// Passes messages on until nobody listens any more.
async fn pass_on(shared: &Shared, line: &mut Line) -> RedisResult<()> {
    let mut subscribed = BTreeSet::new();
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_idle = false;
    loop {
        for channel in shared.channels() {
            if !subscribed.contains(&channel) {
                line.subscribe(&channel).await?;
                shared.tell(&channel, Notice::Gap);
                subscribed.insert(channel);
            }
        }
        tokio::select! {
            message = line.next() => {
                let (channel, payload) = message?;
                shared.tell(&channel, Notice::Message(payload));
            }
            () = shared.changed.notified() => {
                // The engine in this process must not outlive its store, and is soon found again.
                if line.is_here() && shared.is_idle() && shared.leave() {
                    return Ok(());
                }
            }
            _ = pings.tick() => {
                let is_idle = shared.is_idle();
                if is_idle && was_idle && shared.leave() {
                    return Ok(());
                }
                was_idle = is_idle;
                line.ping().await?;
            }
        }
    }
}

/// A connection that has subscribed.
enum Line {
    Redis {
        sink: PubSubSink,
        stream: PubSubStream,
    },
    Engine {
        connection: oxherd_engine::Connection,
        pushes: oxherd_engine::Pushes,
    },
}

impl Line {
    async fn open(source: &Source) -> RedisResult<Self> {
        match source {
            Source::Redis(client) => {
                let (sink, stream) = within(client.get_async_pubsub()).await?.split();
                Ok(Self::Redis { sink, stream })
            }
            Source::Engine(engine) => {
                let (connection, pushes) = engine.connect_with_pushes();
                Ok(Self::Engine { connection, pushes })
            }
            #[cfg(test)]
            Source::Silence => std::future::pending().await,
        }
    }

    fn is_here(&self) -> bool {
        matches!(self, Self::Engine { .. })
    }

    async fn subscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::Redis { sink, .. } => within(sink.subscribe(channel)).await,
            Self::Engine { connection, .. } => {
                redis::cmd("SUBSCRIBE").arg(channel).exec_async(connection).await
            }
        }
    }

    async fn ping(&mut self) -> RedisResult<()> {
        match self {
            Self::Redis { sink, .. } => within(sink.ping::<Value>()).await.map(drop),
            Self::Engine { .. } => Ok(()),
        }
    }

    /// The next message and its channel. Dropping the future loses nothing.
    async fn next(&mut self) -> RedisResult<(String, Bytes)> {
        match self {
            Self::Redis { stream, .. } => {
                let message = stream.next().await.ok_or_else(ended)?;
                let channel = message.get_channel_name().to_owned();
                Ok((channel, Bytes::copy_from_slice(message.get_payload_bytes())))
            }
            Self::Engine { pushes, .. } => loop {
                let push = pushes.next().await.ok_or_else(ended)?;
                if push.kind != PushKind::Message {
                    continue;
                }
                if let [Value::BulkString(channel), Value::BulkString(payload)] = push.data.as_slice() {
                    let channel = String::from_utf8_lossy(channel).into_owned();
                    return Ok((channel, Bytes::copy_from_slice(payload)));
                }
            },
        }
    }
}

fn ended() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "the connection ended").into()
}

async fn within<T>(request: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(CONNECT_TIMEOUT, request)
        .await
        .unwrap_or_else(|_elapsed| {
            let reason = format!("no answer within {} ms", CONNECT_TIMEOUT.as_millis());
            Err(std::io::Error::new(std::io::ErrorKind::TimedOut, reason).into())
        })
}
