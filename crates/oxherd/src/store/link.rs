//! A shared command connection that always comes back.
//!
//! One multiplexed connection for the whole process, with a deadline on every request. It is made when it is first
//! needed and made anew after a failure. A request that is never answered gives its connection up, because a server or
//! network that swallows requests leaves a socket that looks healthy for ever. The task that reads a connection gives it up
//! when it ends, so that a server which closes idle connections costs no request its answer.
//!
//! A link may have a [`Dressing`]: what must be in force on each new connection before anybody may use it, and somebody who
//! is told in one order when a connection is there and when it is gone. Its requests are in *haste*: queues wait for a store
//! that is away, but a cache has its source to ask, so once the store is known to be away they are answered at once.
//!
//! redis-rs's `ConnectionManager` does much of this, but does not tell a request that waited in vain for a connection
//! from one that was sent: the first certainly changed nothing, and producers must hear the difference.

mod down;

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, RedisFuture, RedisResult};
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::down::{Down, is_refusal};
use super::open;

/// Shortest and longest wait between two attempts to connect: work goes on within 2 s of the store's return.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);
/// How long one attempt to connect may take, handshake included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A request that got its connection late still has this long for its answer, or another deadline if that is less.
const SHORTEST_ANSWER: Duration = Duration::from_millis(200);
/// A dressed connection outlives a request that waited less than this in vain: its loss costs more than the request. A
/// little less than a ping may take, whose time begins before it has a connection.
const DOUBT: Duration = Duration::from_millis(950);

/// What each new connection of a link wears before anybody may use it, and who is told how it fares.
pub(super) trait Dressing: Send + Sync {
    /// Makes a connection with everything in force. Whoever sees its end calls the witness.
    fn connect<'a>(&'a self, client: &'a Client, witness: Witness) -> RedisFuture<'a, Dressed>;

    /// From now on requests go to the connection that was made last. `live` and `lost` are called in turn, under a lock:
    /// they must not call the link.
    fn live(&self);

    /// Whether all that is wanted by now is in force on this connection.
    fn is_complete(&self, number: u64) -> bool;

    /// It is gone. No request on a later connection has been answered yet.
    fn lost(&self);

    /// A request was not answered, or found no connection, in a time that is too short to conclude anything from.
    fn doubted(&self);
}

/// A connection that is ready for use.
pub(super) struct Dressed {
    pub(super) connection: MultiplexedConnection,
    /// What ends with it.
    pub(super) beside: Option<Arc<dyn Send + Sync>>,
}

/// Tells the link that one connection has ended.
#[derive(Clone)]
pub(super) struct Witness {
    shared: Weak<Shared>,
    number: u64,
    is_over: Arc<AtomicBool>,
}

impl Witness {
    /// The connection has ended; requests go to the next one.
    pub(super) fn over(&self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(shared) = self.shared.upgrade() {
            shared.give_up(self.number);
        }
    }

    /// To be held by a task beside the connection: its end, as that of the runtime they are on, is the connection's.
    pub(super) fn at_its_end(&self) -> Ending {
        Ending(self.clone())
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The link, as long as somebody else has it.
    pub(super) fn link(&self) -> WeakLink {
        WeakLink(Weak::clone(&self.shared))
    }
}

/// Whatever ends its holder ends a connection.
pub(super) struct Ending(Witness);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.over();
    }
}

/// A link that somebody else keeps.
pub(super) struct WeakLink(Weak<Shared>);

impl WeakLink {
    pub(super) fn upgrade(&self, deadline: Duration) -> Option<Link> {
        let shared = self.0.upgrade()?;
        // Whoever comes this way has nobody waiting.
        Some(Link {
            shared,
            deadline,
            is_in_haste: false,
        })
    }

    /// Requests go to the next connection, whichever this one is.
    pub(super) fn give_up(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.give_up_if(|_| true);
        }
    }
}

/// Whether the store answered lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkState {
    /// Since when requests fail, and why; `None` while they are answered.
    pub(crate) trouble: Option<(Instant, Arc<RedisError>)>,
}

#[derive(Clone)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    deadline: Duration,
    /// Waits for no store that is known to be away.
    is_in_haste: bool,
}

struct Shared {
    client: Client,
    dressing: Option<Arc<dyn Dressing>>,
    live: RwLock<Option<Live>>,
    /// Held by the one that connects; how many attempts there have been.
    connecting: Mutex<u64>,
    down: Down,
    /// Whether the next connection is made without asking for RESP3 first: with that the last one took too long.
    is_plain: AtomicBool,
    state: RwLock<LinkState>,
}

/// A connection, and the how many-eth attempt it was.
#[derive(Clone)]
struct Live {
    number: u64,
    connection: MultiplexedConnection,
    /// What it wears, if it is dressed.
    _beside: Option<Arc<dyn Send + Sync>>,
}

impl Link {
    pub(crate) fn new(client: Client, deadline: Duration) -> Self {
        Self::made_of(client, None, deadline)
    }

    pub(super) fn dressed(client: Client, dressing: Arc<dyn Dressing>, deadline: Duration) -> Self {
        Self::made_of(client, Some(dressing), deadline)
    }

    fn made_of(client: Client, dressing: Option<Arc<dyn Dressing>>, deadline: Duration) -> Self {
        let is_in_haste = dressing.is_some();
        let shared = Shared {
            client,
            dressing,
            live: RwLock::default(),
            connecting: Mutex::new(0),
            down: Down::default(),
            is_plain: AtomicBool::new(false),
            state: RwLock::default(),
        };
        Self {
            shared: Arc::new(shared),
            deadline,
            is_in_haste,
        }
    }

    /// The same connection with another deadline for each request.
    pub(crate) fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            deadline,
            is_in_haste: self.is_in_haste,
        }
    }

    pub(crate) fn state(&self) -> LinkState {
        self.shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sends through the live connection, or the next one. An error that [`RedisError::is_connection_refusal`] was
    /// never sent; any other I/O error may have been executed.
    pub(crate) async fn request<T, F>(&self, send: impl FnOnce(MultiplexedConnection) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        self.request_numbered(|_, connection| send(connection)).await
    }

    /// As [`Link::request`], for those who must know which connection it is.
    pub(super) async fn request_numbered<T, F>(
        &self,
        send: impl FnOnce(u64, MultiplexedConnection) -> F,
    ) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (live, left) = match self.shared.live() {
            // Mostly there is one, and the deadline needs to be looked at but once.
            Some(live) => (live, self.deadline),
            None => {
                let started = Instant::now();
                let live = self.next_connection().await?;
                let left = self.deadline.saturating_sub(started.elapsed());
                (live, left.max(SHORTEST_ANSWER.min(self.deadline)))
            }
        };
        let result = match timeout(left, send(live.number, live.connection)).await {
            Ok(result) => result,
            Err(_elapsed) => {
                if left < DOUBT
                    && let Some(dressing) = &self.shared.dressing
                {
                    dressing.doubted();
                    // Past `give_up` below: so short a silence costs a dressed connection nothing.
                    return Err(no_answer_within(self.deadline));
                }
                Err(no_answer_within(self.deadline))
            }
        };
        match &result {
            Err(error) if error.is_io_error() || error.is_unrecoverable_error() => {
                self.shared.give_up(live.number);
                self.shared.failed(error);
            }
            _ => self.shared.answered(),
        }
        result
    }

    /// Goes over to a new connection.
    pub(super) fn give_up(&self, number: u64) {
        self.shared.give_up(number);
    }

    /// Waits for the next connection. Whoever gets an error has sent nothing.
    async fn next_connection(&self) -> RedisResult<Live> {
        let patience = match self.is_in_haste {
            true => self.shared.down.left_of(self.deadline),
            false => self.deadline,
        };
        let next = if patience.is_zero() {
            timeout(self.deadline, self.shared.connected_at_once()).await
        } else {
            timeout(patience, self.shared.connected(self.is_in_haste)).await
        };
        match next {
            Ok(Ok(live)) => Ok(live),
            Ok(Err(error)) if is_refusal(&error) => Err(error),
            Ok(Err(error)) => Err(never_sent("not connected", &error)),
            Err(_elapsed) => {
                if let Some(dressing) = &self.shared.dressing {
                    dressing.doubted();
                }
                let waited = format!("not connected within {} ms", self.deadline.as_millis());
                Err(match self.state().trouble {
                    Some((_, last)) => never_sent(&waited, &last),
                    None => never_sent(&waited, &"no attempt succeeded"),
                })
            }
        }
    }
}

fn never_sent(what: &str, last: &dyn Display) -> RedisError {
    io::Error::new(io::ErrorKind::ConnectionRefused, format!("{what}: {last}")).into()
}

fn no_answer_within(deadline: Duration) -> RedisError {
    let reason = format!("no answer within {} ms", deadline.as_millis());
    io::Error::new(io::ErrorKind::TimedOut, reason).into()
}

impl Shared {
    /// The live connection, or a new one however long that takes. Those in haste do not wait for a server to change its mind.
    async fn connected(self: &Arc<Self>, is_in_haste: bool) -> RedisResult<Live> {
        if let Some(live) = self.live() {
            return Ok(live);
        }
        if is_in_haste && let Some(refusal) = self.down.refusal() {
            return Err(refusal);
        }
        // One caller connects, the others wait for it; when its time is up the next one goes on.
        let mut count = self.connecting.lock().await;
        let mut wait = FIRST_BACKOFF;
        loop {
            if let Some(live) = self.live() {
                return Ok(live);
            }
            if is_in_haste && let Some(refusal) = self.down.refusal() {
                return Err(refusal);
            }
            match self.try_to_connect(&mut count).await {
                Ok(live) => return Ok(live),
                Err(error) if is_in_haste && is_refusal(&error) => return Err(error),
                Err(_goes_on) => {}
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_BACKOFF);
        }
    }

    /// The live connection, or one attempt at a new one if nobody else is at it and it is time for one.
    async fn connected_at_once(self: &Arc<Self>) -> RedisResult<Live> {
        if let Ok(mut count) = self.connecting.try_lock() {
            if let Some(live) = self.live() {
                return Ok(live);
            }
            if self.down.is_due() {
                return self.try_to_connect(&mut count).await;
            }
        }
        if let Some(live) = self.live() {
            return Ok(live);
        }
        Err(self.down.refusal().unwrap_or_else(|| self.last_trouble()))
    }

    async fn try_to_connect(self: &Arc<Self>, count: &mut u64) -> RedisResult<Live> {
        loop {
            *count += 1;
            self.down.tries();
            match self.connect(count).await {
                Ok(Some(live)) => return Ok(live),
                Ok(None) => {}
                Err(error) => {
                    self.down.failed(&error);
                    self.failed(&error);
                    return Err(error);
                }
            }
        }
    }

    fn last_trouble(&self) -> RedisError {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &state.trouble {
            Some((_, error)) => RedisError::clone(error),
            None => io::Error::new(io::ErrorKind::NotConnected, "no attempt succeeded").into(),
        }
    }

    /// One attempt to connect. `None`: while it was made, more came to be wanted than it wears.
    async fn connect(self: &Arc<Self>, count: &mut u64) -> RedisResult<Option<Live>> {
        let is_plain = self.is_plain.swap(false, Ordering::AcqRel);
        let connected = timeout(CONNECT_TIMEOUT, self.new_connection(count, is_plain)).await;
        let (dressed, witness) = connected.unwrap_or_else(|_elapsed| {
            self.is_plain.store(!is_plain, Ordering::Release);
            Err(no_answer_within(CONNECT_TIMEOUT))
        })?;
        let live = Live {
            number: witness.number,
            connection: dressed.connection,
            _beside: dressed.beside,
        };
        let mut place = self.live.write().unwrap_or_else(PoisonError::into_inner);
        // Its witness found nothing to give up.
        if witness.is_over.load(Ordering::Acquire) {
            let reason = "the connection ended before it was used";
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, reason).into());
        }
        if let Some(dressing) = &self.dressing {
            // Who wants more from here on finds this connection, and tells it; who did before may have found none to tell.
            if !dressing.is_complete(live.number) {
                return Ok(None);
            }
            self.down.ends();
            *place = Some(live.clone());
            dressing.live();
        } else {
            self.down.ends();
            *place = Some(live.clone());
        }
        Ok(Some(live))
    }

    /// A connection with all it wears, and who sees its end.
    async fn new_connection(
        self: &Arc<Self>,
        count: &mut u64,
        is_plain: bool,
    ) -> RedisResult<(Dressed, Witness)> {
        let witness = self.witness(*count);
        if let Some(dressing) = &self.dressing {
            let dressed = dressing.connect(&self.client, witness.clone()).await?;
            return Ok((dressed, witness));
        }
        let watched = match is_plain {
            true => None,
            false => open::connect_watched(&self.client, CONNECT_TIMEOUT, witness.at_its_end()).await?,
        };
        let (connection, witness) = match watched {
            Some(connection) => (connection, witness),
            None => {
                // The end of the one before must not end this one, of whose end only a request that fails will tell.
                *count += 1;
                let connection = open::connect(&self.client, CONNECT_TIMEOUT).await?;
                (connection, self.witness(*count))
            }
        };
        let dressed = Dressed {
            connection,
            beside: None,
        };
        Ok((dressed, witness))
    }

    fn witness(self: &Arc<Self>, number: u64) -> Witness {
        Witness {
            shared: Arc::downgrade(self),
            number,
            is_over: Arc::default(),
        }
    }

    fn live(&self) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets this connection; a younger one is left alone.
    fn give_up(&self, number: u64) {
        self.give_up_if(|live| live.number == number);
    }

    fn give_up_if(&self, is_meant: impl FnOnce(&Live) -> bool) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let given_up = live.take_if(|live| is_meant(live));
        if given_up.is_some()
            && let Some(dressing) = &self.dressing
        {
            // Under the lock: who asks for the next connection finds it told.
            dressing.lost();
        }
        drop(live);
    }

    fn answered(&self) {
        if self
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .trouble
            .is_none()
        {
            return;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.trouble.take().is_some() {
            tracing::info!("the store answers again");
        }
    }

    fn failed(&self, error: &RedisError) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let error = Arc::new(error.clone());
        match &mut state.trouble {
            Some((_, last)) => *last = error,
            None => {
                if is_refusal(&error) {
                    tracing::warn!(%error, "the store refuses this client; trying again");
                } else {
                    tracing::warn!(%error, "the store does not answer; reconnecting");
                }
                state.trouble = Some((Instant::now(), error));
            }
        }
    }
}
