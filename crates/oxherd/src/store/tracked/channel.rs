//! A cache's connection to a server: what each new one wears, and how its end is noticed.
//!
//! Each is asked to track what is wanted and to subscribe before anybody may use it. A server (or a proxy) that refuses to
//! track is subscribed to what scripts announce instead; one that refuses RESP3 too gets a second connection for that. Every
//! second a PING goes out; one that is not answered within a second ends the connection, and so does a request that waits
//! that long in vain. The end of the runtime that a connection or its PINGs are on ends it too, for nobody reads it any more.
//! Next: `link.rs` (who connects, and when).

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{Client, Msg, PushInfo, PushKind, RedisFuture, RedisResult};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, unconstrained};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::prefixes::{Lacking, Prefixes, tracking};
use super::{ChannelMode, Hears};
use crate::clock::Present;
use crate::store::link::{CONNECT_TIMEOUT, Dressed, Dressing, Link, WeakLink, Witness};
use crate::store::open;

/// How often a connection is asked whether it still lives.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How long it may think about that.
const PING_ANSWER: Duration = Duration::from_secs(1);

/// One cache's way to hear of changes on a server.
pub(super) struct Channel {
    hears: Arc<Hears>,
    state: Mutex<State>,
    /// Held by the one that has more prefixes brought in force.
    watching: tokio::sync::Mutex<()>,
    pulse: Mutex<Option<(Task, Arc<AtomicBool>)>>,
    doubt: Arc<Notify>,
    /// Of the connection that hears by another one beside it: its own answers say nothing of what was heard.
    apart: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    prefixes: Prefixes,
    /// The connection that was made last, and how it hears.
    connection: Option<(u64, ChannelMode)>,
    is_live: bool,
    /// Whether somebody pings.
    is_beating: Arc<AtomicBool>,
    /// Whether it was said that tracking is refused.
    has_warned: bool,
}

/// At its end no connection that lacks something stays in use.
struct GiveUpIfLacking<'a> {
    channel: &'a Channel,
    link: &'a Link,
}

impl Drop for GiveUpIfLacking<'_> {
    fn drop(&mut self) {
        let number = self.channel.state().connection.map(|(number, _)| number);
        if let Some(number) = number
            && self.channel.lacking(number) != Lacking::Nothing
        {
            self.link.give_up(number);
        }
    }
}

/// Held by the task that pings: when that ends, as with the runtime it is on, nobody would notice the end of a connection.
struct Pulse {
    link: WeakLink,
    hears: Arc<Hears>,
    apart: Arc<AtomicU64>,
    is_beating: Arc<AtomicBool>,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        // First, so that the one who connects next has another.
        self.is_beating.store(false, Ordering::Release);
        self.link.give_up();
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Channel {
    pub(super) fn new(hears: Hears) -> Self {
        Self {
            hears: Arc::new(hears),
            state: Mutex::default(),
            watching: tokio::sync::Mutex::default(),
            pulse: Mutex::default(),
            doubt: Arc::default(),
            apart: Arc::default(),
        }
    }

    pub(super) fn mode(&self) -> Option<ChannelMode> {
        let state = self.state();
        let (_, mode) = state.connection?;
        state.is_live.then_some(mode)
    }

    /// Whatever ends it early, an error or a caller that goes away: nothing more is asked of a connection that lacks
    /// something.
    pub(super) async fn watch(&self, link: &Link, prefixes: &[&[u8]]) -> RedisResult<()> {
        self.state().prefixes.want(prefixes);
        let _end = GiveUpIfLacking { channel: self, link };
        // A prefix that is told twice is refused.
        let _turn = self.watching.lock().await;
        loop {
            let is_done = link.request_numbered(async |number, connection| {
                self.bring_in_force(link, number, connection).await
            });
            if is_done.await? {
                return Ok(());
            }
        }
    }

    /// What a connection lacks; of one that is not the last, everything.
    fn lacking(&self, number: u64) -> Lacking {
        let state = self.state();
        match state.connection {
            Some((current, ChannelMode::Tracking)) if current == number => state.prefixes.lacking(),
            Some((current, ChannelMode::Announced)) if current == number => Lacking::Nothing,
            _ => Lacking::Anew,
        }
    }

    /// Whether everything is in force; if not, the next connection will see to it.
    async fn bring_in_force(
        &self,
        link: &Link,
        number: u64,
        mut connection: MultiplexedConnection,
    ) -> RedisResult<bool> {
        let new = match self.lacking(number) {
            Lacking::Nothing => return Ok(true),
            Lacking::These(new) => new,
            Lacking::Anew => {
                link.give_up(number);
                return Ok(false);
            }
        };
        match tracking(&new).exec_async(&mut connection).await {
            Ok(()) => {}
            // Only a new connection can be told everything anew, or go without.
            Err(error) if is_refusal(&error) => {
                link.give_up(number);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let mut state = self.state();
        if !matches!(state.connection, Some((current, _)) if current == number) {
            return Ok(false);
        }
        state.prefixes.told(new);
        Ok(true)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that somebody pings.
    fn keep_pinging(&self, link: WeakLink) {
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        let is_beating = pulse
            .as_ref()
            .is_some_and(|(_, is_beating)| is_beating.load(Ordering::Acquire));
        if !is_beating {
            let is_beating = Arc::new(AtomicBool::new(true));
            self.state().is_beating = Arc::clone(&is_beating);
            let beats = Pulse {
                link,
                hears: Arc::clone(&self.hears),
                apart: Arc::clone(&self.apart),
                is_beating: Arc::clone(&is_beating),
            };
            *pulse = Some((Task::spawn(ping(beats, Arc::clone(&self.doubt))), is_beating));
        }
    }

    /// A RESP3 connection with everything in force, and how it hears; `None` where RESP3 is refused.
    async fn dress(&self, client: &Client, witness: &Witness) -> RedisResult<Option<(Dressed, ChannelMode)>> {
        let client = open::speaking_resp3(client)?;
        let (hears, seen_by) = (Arc::clone(&self.hears), witness.clone());
        let hear = move |push: PushInfo| -> Result<(), ()> {
            match push.kind {
                PushKind::Disconnection => seen_by.over(),
                _ => hears.hear(&push),
            }
            Ok(())
        };
        let mut connection = match open::connect_hearing(&client, CONNECT_TIMEOUT, hear).await {
            Ok(connection) => connection,
            Err(error) if is_hello_refused(&error) => {
                self.warn_once(&error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mode = self.track(&mut connection).await?;
        match mode {
            ChannelMode::Tracking => connection.subscribe(&self.hears.wakes).await?,
            ChannelMode::Announced => connection.subscribe(&self.channels()[..]).await?,
        }
        let ending = witness.at_its_end();
        let sentinel = Task::spawn(async move {
            // redis-rs reads in a task of the same runtime, and of that one's end nobody is told.
            let _ending = ending;
            pending::<()>().await;
        });
        let dressed = Dressed {
            connection,
            beside: Some(Arc::new(sentinel)),
        };
        Ok(Some((dressed, mode)))
    }

    async fn track(&self, connection: &mut MultiplexedConnection) -> RedisResult<ChannelMode> {
        let prefixes = self.state().prefixes.wanted();
        if !prefixes.is_empty() {
            match tracking(&prefixes).exec_async(connection).await {
                Ok(()) => {}
                Err(error) if is_refusal(&error) => {
                    self.warn_once(&error);
                    return Ok(ChannelMode::Announced);
                }
                Err(error) => return Err(error),
            }
        }
        self.state().prefixes.begin(prefixes);
        Ok(ChannelMode::Tracking)
    }

    /// The same for a server that knows RESP2 only: a second connection hears.
    async fn dress_in_two(&self, client: &Client, witness: &Witness) -> RedisResult<Dressed> {
        let (mut sink, messages) = client.get_async_pubsub().await?.split();
        sink.subscribe(&self.channels()[..]).await?;
        let listening = Task::spawn(listen_beside(
            sink,
            messages,
            witness.clone(),
            Arc::clone(&self.hears),
        ));
        let connection = open::connect(client, CONNECT_TIMEOUT).await?;
        Ok(Dressed {
            connection,
            beside: Some(Arc::new(listening)),
        })
    }

    fn channels(&self) -> [&str; 2] {
        [&self.hears.wakes, &self.hears.changes]
    }

    fn warn_once(&self, error: &redis::RedisError) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.has_warned, true) {
            tracing::warn!(
                %error,
                "the server does not track changes for this client; caches hear of what other processes announce, and of \
                 nothing else"
            );
        }
    }
}

impl Dressing for Channel {
    fn connect<'a>(&'a self, client: &'a Client, witness: Witness) -> RedisFuture<'a, Dressed> {
        Box::pin(async move {
            self.keep_pinging(witness.link());
            let (dressed, mode) = match self.dress(client, &witness).await? {
                Some(dressed) => dressed,
                None => {
                    self.apart.store(witness.number(), Ordering::Release);
                    (self.dress_in_two(client, &witness).await?, ChannelMode::Announced)
                }
            };
            self.state().connection = Some((witness.number(), mode));
            Ok(dressed)
        })
    }

    fn is_complete(&self, number: u64) -> bool {
        // Whoever pinged when it was begun may have ended meanwhile, with the runtime that was on.
        let is_beating = self.state().is_beating.load(Ordering::Acquire);
        is_beating && self.lacking(number) == Lacking::Nothing
    }

    fn live(&self) {
        let mode = {
            let mut state = self.state();
            state.is_live = true;
            state.connection.map(|(_, mode)| mode)
        };
        if let Some(mode) = mode {
            let began = Present::of_machine();
            self.hears.listener.live(mode);
            self.hears.listener.signs_follow(began);
        }
    }

    fn lost(&self) {
        self.state().is_live = false;
        self.hears.listener.lost();
    }

    fn doubted(&self) {
        self.doubt.notify_one();
    }
}

/// Asks for a sign of life until the link is gone, and has one made anew that is lost.
async fn ping(pulse: Pulse, doubt: Arc<Notify>) {
    let mut interval = interval(PING_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.tick().await;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = doubt.notified() => {}
        }
        let Some(link) = pulse.link.upgrade(PING_ANSWER) else {
            return;
        };
        let began = Present::of_machine();
        let asked = link.request_numbered(async |number, mut connection| {
            match redis::cmd("PING").exec_async(&mut connection).await {
                // A refusal is an answer too, behind all that came before it; not so one for now: in the middle of a busy script a
                // server answers that it is, and does not tell of changes.
                Err(error) if !is_refusal(&error) => Err(error),
                _ => Ok(number),
            }
        });
        // The link has drawn its conclusion from whatever came.
        if let Ok(number) = asked.await
            && number != pulse.apart.load(Ordering::Acquire)
        {
            // Pushes that came before the answer are through.
            pulse.hears.listener.heard_all(began);
        }
    }
}

/// The same for a connection that only hears, and what it hears.
async fn listen_beside(
    mut sink: PubSubSink,
    mut messages: PubSubStream,
    witness: Witness,
    hears: Arc<Hears>,
) {
    let _ending = witness.at_its_end();
    let hear =
        |message: Msg| hears.message(message.get_channel_name().as_bytes(), message.get_payload_bytes());
    let mut interval = interval(PING_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => hear(message),
                None => return,
            },
            _ = interval.tick() => {
                let began = Present::of_machine();
                let is_answered = {
                    let mut answer = pin!(timeout(PING_ANSWER, sink.ping::<redis::Value>()));
                    loop {
                        tokio::select! {
                            Some(message) = messages.next() => hear(message),
                            answer = &mut answer => break matches!(answer, Ok(Ok(_))),
                        }
                    }
                };
                // What came before the answer lies here; none of it waits for this task's next turn.
                unconstrained(async {
                    while let Some(Some(message)) = messages.next().now_or_never() {
                        hear(message);
                    }
                })
                .await;
                if !is_answered {
                    return;
                }
                hears.listener.heard_all(began);
            }
        }
    }
}

/// The server said no, and will say no again; a server that is busy or still reads its data says so.
fn is_refusal(error: &redis::RedisError) -> bool {
    const FOR_NOW: [&str; 6] = [
        "BUSY",
        "LOADING",
        "MASTERDOWN",
        "TRYAGAIN",
        "CLUSTERDOWN",
        "NOAUTH",
    ];
    let is_of_the_wire = error.is_io_error() || error.is_unrecoverable_error();
    !is_of_the_wire && error.code().is_none_or(|code| !FOR_NOW.contains(&code))
}

/// Whether an error on connecting may be one of HELLO 3 alone; if it is not, RESP2 will fail in the same way.
fn is_hello_refused(error: &redis::RedisError) -> bool {
    is_refusal(error) && !matches!(error.code(), Some("WRONGPASS" | "NOPERM"))
}
