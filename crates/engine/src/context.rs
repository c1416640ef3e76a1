//! What a command sees: the client it runs for and the keys of the selected database.
//!
//! Keys are reached by type: `read` and `write` find a value, `create` makes one, and each refuses a key that holds
//! another type. After a change a command calls `touched`, which removes a spent collection, charges memory, wakes
//! waiters and tells whoever watches or tracks the key.
//! Next: `core.rs` (the state), `execute.rs` (who makes a context).

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use crate::arguments::Args;
use crate::blocked::{Awaited, Wait};
use crate::client::{Client, Protocol};
use crate::core::Core;
use crate::keyspace::{Database, Entry, Kind, NEVER, Value};
use crate::long_double;
use crate::number;
use crate::reply::{Answer, Fault, Reply};

/// Why a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin<'a> {
    /// A client asked for it.
    Client,
    /// EXEC runs it.
    Transaction,
    /// A script called it.
    Script,
    /// It waited, and this key has changed.
    Serve { key: &'a [u8] },
}

/// The surroundings of one command.
#[derive(Debug)]
pub(crate) struct Ctx<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) client: &'a mut Client,
    pub(crate) origin: Origin<'a>,
    /// Set by a blocking command that found nothing.
    pub(crate) wait: Option<Wait>,
}

impl Ctx<'_> {
    /// Milliseconds since 1970; stands still during a command, a script and a transaction.
    pub(crate) fn now(&self) -> u64 {
        self.core.now()
    }

    /// Whether the client (or the script) has asked for the newer shapes of replies.
    pub(crate) fn is_resp3(&self) -> bool {
        self.client.protocol == Protocol::Resp3
    }

    /// The number of the selected database.
    pub(crate) fn db_index(&self) -> usize {
        self.client.db
    }

    pub(crate) fn db(&mut self) -> &mut Database {
        self.core.database(self.client.db)
    }

    /// The value of a key, to be read.
    pub(crate) fn read<T: Kind>(&mut self, key: &[u8]) -> Result<Option<&T>, Fault> {
        let entry = self.entry(key);
        entry
            .map(|entry| T::of(&entry.value).ok_or(Fault::WRONG_TYPE))
            .transpose()
    }

    /// The value of a key, to be changed; say `touched` afterwards.
    pub(crate) fn write<T: Kind>(&mut self, key: &[u8]) -> Result<Option<&mut T>, Fault> {
        let now = self.core.now();
        self.core.forget_if_due(self.client.db, key);
        let Some(entry) = self.core.database(self.client.db).get_mut(key) else {
            return Ok(None);
        };
        entry.access(now);
        T::of_mut(&mut entry.value).map(Some).ok_or(Fault::WRONG_TYPE)
    }

    /// The value of a key, to be changed, made empty if the key is not there; say `touched` afterwards.
    pub(crate) fn create<T: Kind>(&mut self, key: &[u8]) -> Result<&mut T, Fault> {
        self.core.forget_if_due(self.client.db, key);
        let entry = self.core.entry_or_make(self.client.db, key, T::empty);
        T::of_mut(&mut entry.value).ok_or(Fault::WRONG_TYPE)
    }

    /// Refuses a key that holds another type than this.
    pub(crate) fn expect<T: Kind>(&mut self, key: &[u8]) -> Result<(), Fault> {
        self.read::<T>(key).map(|_| ())
    }

    /// Any key's entry, counted as a read (a hit or a miss).
    pub(crate) fn entry(&mut self, key: &[u8]) -> Option<&Entry> {
        self.core.look_up(self.client.db, key)
    }

    /// Any key's entry, without a trace in the statistics or the key's access time.
    pub(crate) fn peek(&mut self, key: &[u8]) -> Option<&Entry> {
        self.core.forget_if_due(self.client.db, key);
        self.core.database(self.client.db).get(key)
    }

    pub(crate) fn exists(&mut self, key: &[u8]) -> bool {
        self.peek(key).is_some()
    }

    /// Puts a value in the place of whatever the key held; the key then does not expire.
    ///
    /// A spent collection removes the key. There is no need to say `touched`.
    pub(crate) fn put(&mut self, key: &[u8], value: Value) {
        self.core.put(self.client.db, key, value, NEVER, self.client.seat);
    }

    /// As `put`, with an absolute expiry in milliseconds since 1970 (`NEVER` for none).
    pub(crate) fn put_until(&mut self, key: &[u8], value: Value, expires: u64) {
        self.core
            .put(self.client.db, key, value, expires, self.client.seat);
    }

    /// Removes a key; false when there is none. There is no need to say `touched`.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        self.core.forget_if_due(self.client.db, key);
        self.core.remove(self.client.db, key, self.client.seat)
    }

    /// Says that the value of a key was changed through `write` or `create`; a spent collection goes.
    pub(crate) fn touched(&mut self, key: &[u8]) {
        self.core.touched(self.client.db, key, self.client.seat);
    }

    /// Says that these bytes of a string were changed through `write` or `create`, or came to be at its end.
    pub(crate) fn touched_bytes(&mut self, key: &[u8], bytes: Range<usize>) {
        self.core
            .touched_bytes(self.client.db, key, bytes, self.client.seat);
    }

    /// Says that something changed in a value that its readers do not see (who has read how far in a stream): it is
    /// charged and recorded, but nobody who watches, tracks or waits is told.
    pub(crate) fn noted(&mut self, key: &[u8]) {
        self.core.noted(self.client.db, key);
    }

    /// Says that a value was searched through `write`: what it keeps to search faster is charged.
    pub(crate) fn searched(&mut self, key: &[u8]) {
        self.core.recharge(self.client.db, key);
    }

    /// Sets when a key expires (`NEVER` for not at all); false when there is no such key.
    pub(crate) fn set_expiry(&mut self, key: &[u8], at: u64) -> bool {
        self.core.set_expiry(self.client.db, key, at, self.client.seat)
    }

    /// Whether new collections must remember what changes in them.
    pub(crate) fn tracks_changes(&self) -> bool {
        self.core.effects.is_on()
    }

    /// Random numbers.
    pub(crate) fn rng(&mut self) -> &mut fastrand::Rng {
        &mut self.core.rng
    }

    /// Whether this run may take from a key: always, except that a waiter that is being served looks only at the key
    /// that has changed, and only while it holds the type the waiter wants.
    pub(crate) fn may_serve<T: Kind>(&mut self, key: &[u8]) -> bool {
        match self.origin {
            Origin::Serve { key: changed } => {
                changed == key && self.peek(key).is_some_and(|entry| T::of(&entry.value).is_some())
            }
            _ => true,
        }
    }

    /// Waits until one of the keys holds something of the awaited kind, then runs the same command again.
    ///
    /// Inside a transaction or a script nothing waits: the answer is `on_timeout` at once. The returned answer is to
    /// be passed on.
    pub(crate) fn block(
        &mut self,
        args: Args<'_>,
        awaited: Awaited,
        keys: &[&[u8]],
        limit: Option<Duration>,
        on_timeout: Reply,
    ) -> Answer {
        if matches!(self.origin, Origin::Transaction | Origin::Script) {
            return Ok(on_timeout);
        }
        self.core.check_waiting(keys)?;
        let mut wait = Wait {
            awaited,
            keys: Vec::new(),
            limit,
            on_timeout,
            command: Vec::new(),
        };
        // Whoever is being served is in the queues already.
        if !matches!(self.origin, Origin::Serve { .. }) {
            let mut known = HashSet::with_capacity(keys.len());
            let distinct = keys.iter().filter(|key| known.insert(**key));
            wait.keys = distinct.map(|key| (*key).into()).collect();
            wait.command = args.all().iter().map(|argument| argument.to_vec()).collect();
        }
        self.wait = Some(wait);
        Ok(Reply::Nil)
    }
}

/// A time-out in seconds, possibly fractional, as BLPOP takes it; 0 is for ever.
pub(crate) fn timeout_seconds(argument: &[u8]) -> Result<Option<Duration>, Fault> {
    let seconds = match number::parse_float(argument) {
        Some(seconds) => seconds,
        // Redis reads a longer type, which holds it.
        None if is_beyond_double(argument) => f64::INFINITY,
        None => return Err(Fault::of("ERR timeout is not a float or out of range")),
    };
    // Redis computes in milliseconds and rounds up, so that a tiny time-out is not taken for none.
    let millis = (seconds * 1000.0).ceil();
    // It converts to 64 bits unchecked: what is too large comes out negative.
    if !(0.0..9_223_372_036_854_775_808.0).contains(&millis) {
        return Err(Fault::of("ERR timeout is negative"));
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    let millis = millis as u64;
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}

/// Whether this is a number too large for a double.
fn is_beyond_double(argument: &[u8]) -> bool {
    let text = std::str::from_utf8(argument).unwrap_or_default();
    text.parse::<f64>().is_ok_and(f64::is_infinite) && long_double::LongDouble::parse(argument).is_some()
}

/// A time-out in whole milliseconds, as XREAD takes it; 0 is for ever.
pub(crate) fn timeout_millis(argument: &[u8]) -> Result<Option<Duration>, Fault> {
    let millis =
        number::parse_int(argument).ok_or(Fault::of("ERR timeout is not an integer or out of range"))?;
    let millis = u64::try_from(millis).map_err(|_| Fault::of("ERR timeout is negative"))?;
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}
