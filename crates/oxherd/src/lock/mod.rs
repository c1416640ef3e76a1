//! Locks for processes that share a store, with fencing numbers.
//!
//! **What is promised.** At most one holder at a time, while the store does not lose what it acknowledged, clocks advance
//! at the same rate (to within 1 %), and the holder stops when the lock is lost. After a failover of Redis or Valkey to a
//! replica that had not heard of the lock there may be two holders until the older one's term ends; a store in a
//! directory has no such window with `fsync=always`. The fencing number strictly increases with every holder as long as
//! its counter lives: a resource that refuses numbers below the highest it has seen is safe in every case. Use a lock
//! to avoid doing work twice; where twice would be wrong, check the number at the resource.
//!
//! ```no_run
//! # use std::time::Duration;
//! # async fn write_report(fence: u64) {}
//! # async fn example(oxherd: oxherd::Oxherd) -> oxherd::Result<()> {
//! let lock = oxherd.lock("reports:daily").term(Duration::from_secs(30));
//! if let Some(held) = lock.try_acquire().await? {
//!     held.run(write_report(held.fence())).await?;
//!     held.release().await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Next: `guard.rs` (a lock that is held), `renewal.rs` (how long it is), `pulse.rs` (beside code that blocks), `lua/lock/`, `lua/include/lease.lua`.

mod guard;
mod pulse;
mod renewal;
mod token;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use guard::Claim;
pub use guard::LockGuard;
use redis::{Cmd, RedisResult, Value};
pub(crate) use renewal::{Hold, keep_in_turn, let_begin};
pub(crate) use token::Token;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};
pub(crate) use turns::Turns;

use crate::clock::millis;
use crate::error::{Error, Result};
use crate::store::{Hearing, LOCK_ACQUIRE, Notice, Script, Store, decode, is_cut_off, refused};

const SHORTEST_TERM: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const LONGEST_NAME: usize = 200;
const LONGEST_OWNER: usize = 100;
/// A counter that nobody used for so long is forgotten; the next one goes on from the time.
const FENCE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Notices can be lost, so those who wait look for themselves from time to time.
const LONGEST_POLL: Duration = Duration::from_secs(1);
const SHORTEST_POLL: Duration = Duration::from_millis(5);

/// A lock by its name, with its options. Nothing is asked of the store before it is acquired.
///
/// | Option | Default | Range |
/// |---|---|---|
/// | name | | 1 to 200 of `A-Z a-z 0-9 _ . : / @ -` |
/// | [`term`](Self::term) | 30 s | 100 ms to 24 h |
/// | [`wait`](Self::wait) | 30 s | 0 to 24 h |
/// | [`owner`](Self::owner) | none | to 100 bytes without control characters |
#[derive(Clone, Debug)]
#[must_use = "a lock is taken by .acquire() or .try_acquire()"]
pub struct Lock {
    store: Store,
    turns: Turns,
    name: Arc<str>,
    term: Duration,
    wait: Duration,
    owner: String,
}

/// What became of one attempt.
enum Attempt {
    Taken(LockGuard),
    Busy(Busy),
}

/// Who has it.
struct Busy {
    remaining: Duration,
    owner: String,
}

impl Lock {
    pub(crate) fn on(store: Store, turns: Turns, name: &str) -> Self {
        Self {
            store,
            turns,
            name: name.into(),
            term: Duration::from_secs(30),
            wait: Duration::from_secs(30),
            owner: String::new(),
        }
    }

    /// How long the lock outlives its last renewal: after a crash others wait so long at the most. It is renewed every
    /// third of this. Default 30 s; from 100 ms to 24 h.
    pub fn term(mut self, term: Duration) -> Self {
        self.term = term;
        self
    }

    /// How long [`Lock::acquire`] waits at the most. Default 30 s; up to 24 h.
    pub fn wait(mut self, longest: Duration) -> Self {
        self.wait = longest;
        self
    }

    /// What the holder calls itself, for those who find the lock taken: a host, a task. By default nothing.
    pub fn owner(mut self, label: impl Into<String>) -> Self {
        self.owner = label.into();
        self
    }

    /// Takes the lock as soon as it is free. Those of one process who wait do so in line; among processes any one may be
    /// next. Dropping the future gives up, and lets go of what may have been taken.
    ///
    /// # Errors
    /// [`Error::LockBusy`] when it did not become free in time, [`Error::LockOption`] for a name or option that cannot be
    /// used, [`Error::StoreUnavailable`] when the store is away.
    pub async fn acquire(&self) -> Result<LockGuard> {
        self.check()?;
        let claim = self.claim();
        let began = Instant::now();
        let busy = match self.attempt(&claim, false).await? {
            Attempt::Taken(guard) => return Ok(guard),
            Attempt::Busy(busy) => busy,
        };
        let left = self.wait.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(self.busy(busy));
        }
        let place = self.turns.stand_in_line(&self.name);
        // Who is not the first in line when the time is up has not asked again.
        let Ok(_turn) = timeout(left, place.turn()).await else {
            return Err(self.busy(busy));
        };
        // What was published before is not heard, so that the first look comes after.
        let mut hearing = self.store.hear(&claim.keys.wake);
        loop {
            let busy = match self.attempt(&claim, true).await? {
                Attempt::Taken(guard) => return Ok(guard),
                Attempt::Busy(busy) => busy,
            };
            let left = self.wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(self.busy(busy));
            }
            let pause = busy.remaining.clamp(SHORTEST_POLL, LONGEST_POLL);
            // Not all processes at the same moment, and after the end.
            let pause = pause.mul_f64(rand::random_range(1.0..1.1)).min(left);
            tokio::select! {
                () = sleep(pause) => {}
                () = released(&mut hearing, &claim.keys.lease) => {}
            }
        }
    }

    /// Takes the lock if it is free now.
    ///
    /// # Errors
    /// As [`Lock::acquire`], except that a lock that is held is `None`.
    pub async fn try_acquire(&self) -> Result<Option<LockGuard>> {
        self.check()?;
        match self.attempt(&self.claim(), false).await? {
            Attempt::Taken(guard) => Ok(Some(guard)),
            Attempt::Busy(_) => Ok(None),
        }
    }

    fn claim(&self) -> Claim {
        Claim {
            store: self.store.clone(),
            keys: Arc::new(self.store.lock_keys(&self.name)),
            token: Token::random(),
            name: Arc::clone(&self.name),
            term: self.term,
        }
    }

    async fn attempt(&self, claim: &Claim, waits: bool) -> Result<Attempt> {
        let mut call = LOCK_ACQUIRE.call_on(&[&claim.keys.lease, &claim.keys.fence]);
        call.arg(claim.token)
            .arg(millis(self.term))
            .arg(millis(FENCE_LIFE.max(self.term)))
            .arg(&self.owner)
            .arg(u8::from(waits));
        let mut doubt = Doubt::begin(claim);
        let asked = Instant::now();
        let (reply, _is_resent) = ask(&self.store, &LOCK_ACQUIRE, &call).await;
        let reply = reply.map_err(|error| {
            // An error that is an answer, or that came before the request was sent, leaves nothing behind.
            if !error.is_io_error() || error.is_connection_refusal() {
                doubt.end();
            }
            refused("acquire the lock", error)
        })?;
        let (is_taken, number, owner): (u8, u64, String) = decode("acquire the lock", reply)?;
        doubt.end();
        if is_taken == 1 {
            let hold = Hold::new(asked, self.term);
            return Ok(Attempt::Taken(LockGuard::new(claim.clone(), number, hold).await));
        }
        Ok(Attempt::Busy(Busy {
            remaining: Duration::from_millis(number),
            owner,
        }))
    }

    fn busy(&self, busy: Busy) -> Error {
        Error::LockBusy {
            lock: self.name.to_string(),
            owner: busy.owner,
            remaining: busy.remaining,
        }
    }

    fn check(&self) -> Result<()> {
        let refuse = |option, reason: String| {
            Err(Error::LockOption {
                lock: self.name.to_string(),
                option,
                reason,
            })
        };
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/@-".contains(&byte);
        if self.name.is_empty() || self.name.len() > LONGEST_NAME || !self.name.bytes().all(is_allowed) {
            return refuse(
                "name",
                format!("must be 1 to {LONGEST_NAME} of the letters a-z, A-Z, digits, and _ . : / @ -"),
            );
        }
        if !(SHORTEST_TERM..=LONGEST).contains(&self.term) {
            return refuse("term", format!("{:?} is not from 100 ms to 24 h", self.term));
        }
        if self.wait > LONGEST {
            return refuse("wait", format!("{:?} is more than 24 h", self.wait));
        }
        if self.owner.len() > LONGEST_OWNER || self.owner.chars().any(char::is_control) {
            return refuse(
                "owner",
                format!("must be up to {LONGEST_OWNER} bytes without control characters"),
            );
        }
        Ok(())
    }
}

/// Until the holder of this lease is said to have released it, or may have without being heard.
async fn released(hearing: &mut Hearing, lease: &str) {
    loop {
        match hearing.next().await {
            Notice::Gap => return,
            Notice::Message(key) if key == lease.as_bytes() => return,
            Notice::Message(_other) => {}
        }
    }
}

/// Sends a call whose resend does no harm, and says whether it was sent twice.
async fn ask(store: &Store, script: &Script, call: &Cmd) -> (RedisResult<Value>, bool) {
    let mut connection = store.shared();
    match script.run(&mut connection, call).await {
        Err(error) if is_cut_off(&error) => (script.run(&mut connection, call).await, true),
        reply => (reply, false),
    }
}

/// A request whose answer nobody has heard: if it stays so, what it took is let go of.
struct Doubt {
    claim: Option<Claim>,
    runtime: Option<Handle>,
}

impl Doubt {
    fn begin(claim: &Claim) -> Self {
        Self {
            claim: Some(claim.clone()),
            runtime: Handle::try_current().ok(),
        }
    }

    fn end(&mut self) {
        self.claim = None;
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        if let (Some(claim), Some(runtime)) = (self.claim.take(), &self.runtime) {
            claim.release_in_background(runtime);
        }
    }
}
