//! Everything behind the engine's one lock.
//!
//! A unit of work (one command, one script, one transaction) begins with `begin`, which sets the time and removes what
//! has expired, and ends with `Core::settle` in `execute.rs`. Whatever changes a key goes through here, so that
//! memory, effects, watchers, trackers and waiters always agree.
//! Next: `core/keeping.rs` (what is kept), `core/volatile.rs` (what is not), `execute.rs` (units), `context.rs` (what a command sees), `keyspace/` (the
//! collections).

mod keeping;
mod volatile;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use keeping::Trouble;

use crate::blocked::{Blocked, Waiter};
use crate::client::{Clients, Message, Seat};
use crate::clock::Clock;
use crate::config::Config;
use crate::effect::Recorder;
use crate::inbox::Room;
use crate::journal::{Link, Sequence, Strays};
use crate::keyspace::{Database, Entry, NEVER, Trash, Value};
use crate::outside::Outside;
use crate::pubsub::PubSub;
use crate::reply::Reply;
use crate::scripts::Scripts;
use crate::stats::Stats;
use crate::tracking::Tracking;

/// Keys removed at the beginning of a unit because their time has come; the rest is hidden until its turn.
const EXPIRED_AT_ONCE: usize = 1_000;

/// The state of an engine.
#[derive(Debug)]
pub(crate) struct Core {
    databases: Vec<Database>,
    /// So many of them, from the first, may hold something: most programs use one alone, and much asks all of them.
    reached: usize,
    pub(crate) clients: Clients,
    pub(crate) blocked: Blocked,
    pub(crate) pubsub: PubSub,
    pub(crate) tracking: Tracking,
    /// For each watched key of each database, who watches it.
    pub(crate) watchers: HashMap<usize, HashMap<Box<[u8]>, Vec<Seat>>>,
    pub(crate) effects: Recorder,
    /// What keeps the effects, if anything does.
    journal: Option<Link>,
    /// Why the journal keeps nothing any more.
    trouble: Option<Trouble>,
    /// The last unit that changed something the journal keeps.
    sequence: Sequence,
    /// Bytes that units have changed and the journal has not gathered, about.
    unwritten: usize,
    /// Bytes given to write commands in this unit.
    unit_bytes: usize,
    /// Bytes of values that this unit has made or made ones that are kept.
    unit_made: usize,
    /// What the data took when the last unit ended.
    memory_before: usize,
    /// What the unit shows or changes are not volatile keys alone.
    is_wide: bool,
    /// The last unit that changed volatile keys and was wide.
    mixed: Sequence,
    /// What gets another name or database while an image is taken.
    pub(crate) strays: Strays,
    pub(crate) config: Config,
    pub(crate) stats: Stats,
    pub(crate) scripts: Scripts,
    /// What others may know without the lock.
    pub(crate) outside: Arc<Outside>,
    pub(crate) rng: fastrand::Rng,
    pub(crate) clock: Clock,
    /// Nanoseconds since 1970, as the unit sees them.
    now_nanos: u64,
    /// More keys are due than were removed.
    has_backlog: bool,
    /// Messages for other clients, sent when the unit ends.
    outgoing: Vec<(Seat, Message)>,
    /// Answers to commands that waited, given when the unit ends.
    answers: Vec<(Waiter, Reply)>,
    /// Bytes of messages for clients since the start.
    pub(crate) delivered: usize,
    next_entry: u64,
    next_database: u64,
    /// What is to be dropped without the lock.
    trash: Trash,
    /// Changes made in this unit.
    unit_changes: u64,
    /// Clients that see every command.
    pub(crate) monitors: usize,
    /// A script runs.
    pub(crate) is_in_script: bool,
    /// The client whose command runs watches a key that has changed.
    self_is_dirty: bool,
}

impl Core {
    pub(crate) fn new(config: Config, clock: Clock, effects: Recorder, seed: Option<u64>) -> Self {
        let databases: Vec<Database> = (0..config.databases.max(1)).map(Database::new).collect();
        let mut core = Self {
            next_database: databases.iter().map(Database::id).max().map_or(0, |id| id + 1),
            databases,
            reached: 0,
            clients: Clients::default(),
            blocked: Blocked::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            watchers: HashMap::new(),
            effects,
            journal: None,
            trouble: None,
            sequence: Sequence::NONE,
            unwritten: 0,
            unit_bytes: 0,
            unit_made: 0,
            memory_before: 0,
            is_wide: true,
            mixed: Sequence::NONE,
            strays: Strays::default(),
            config,
            stats: Stats::default(),
            scripts: Scripts::default(),
            outside: Arc::default(),
            rng: seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            clock,
            now_nanos: 0,
            has_backlog: false,
            outgoing: Vec::new(),
            answers: Vec::new(),
            delivered: 0,
            next_entry: 0,
            trash: Trash::default(),
            unit_changes: 0,
            monitors: 0,
            is_in_script: false,
            self_is_dirty: false,
        };
        core.outside.adopt(&core.config);
        core.now_nanos = core.clock.wall_nanos();
        core.stats.begin(core.now());
        core
    }

    /// Changes the settings.
    pub(crate) fn configure(&mut self, config: Config) {
        self.outside.adopt(&config);
        self.config = config;
    }

    /// Begins a unit: from here on time stands still, and what has expired is gone.
    pub(crate) fn begin(&mut self) {
        self.now_nanos = self.clock.wall_nanos();
        self.is_wide = true;
        self.remove_due(EXPIRED_AT_ONCE);
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.now_nanos / 1_000_000
    }

    /// Microseconds since 1970.
    pub(crate) fn now_micros(&self) -> u64 {
        self.now_nanos / 1_000
    }

    /// Nanoseconds since 1970.
    pub(crate) fn now_nanos(&self) -> u64 {
        self.now_nanos
    }

    /// How many databases there are.
    pub(crate) fn database_count(&self) -> usize {
        self.databases.len()
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "SELECT and its like have checked the number"
    )]
    pub(crate) fn database(&mut self, index: usize) -> &mut Database {
        self.reached = self.reached.max(index + 1);
        &mut self.databases[index]
    }

    pub(crate) fn databases(&self) -> &[Database] {
        &self.databases
    }

    fn in_use(&self) -> impl Iterator<Item = &Database> {
        self.databases.iter().take(self.reached)
    }

    /// Bytes of all keys and values.
    pub(crate) fn data_memory(&self) -> usize {
        self.in_use().map(Database::memory).sum()
    }

    /// The entry of a key, made by `empty` if there is none.
    pub(crate) fn entry_or_make(
        &mut self,
        db: usize,
        key: &[u8],
        empty: impl FnOnce(bool) -> Value,
    ) -> &mut Entry {
        let (now, id, track) = (self.now(), self.next_entry + 1, self.effects.tracks(key));
        #[allow(
            clippy::indexing_slicing,
            reason = "SELECT and its like have checked the number"
        )]
        let database = &mut self.databases[db];
        self.reached = self.reached.max(db + 1);
        let database_id = database.id();
        let (entry, is_new) = database.get_or_make(key, || Entry::new(id, empty(track), now));
        if is_new {
            self.next_entry = id;
            self.effects.made(id, database_id, key);
        } else {
            entry.access(now);
        }
        entry
    }

    /// Puts a value in the place of whatever the key held; a spent one removes the key.
    pub(crate) fn put(&mut self, db: usize, key: &[u8], mut value: Value, expires: u64, by: Seat) {
        if value.is_spent() {
            self.remove(db, key, by);
            return;
        }
        if !self.effects.volatile().is_empty() {
            // It may be the copy of one that is kept otherwise.
            value.track(self.effects.tracks(key));
        }
        self.note_made(value.memory());
        self.forget_if_due(db, key);
        let (new, now) = (self.next_entry + 1, self.now());
        let database = self.database(db);
        let database_id = database.id();
        let (id, old) = database.put(key, new, value, expires, now);
        self.next_entry = self.next_entry.max(id);
        self.effects.made(id, database_id, key);
        if let Some(old) = old {
            self.trash.put(old);
            self.blocked.overwritten(db, key);
            self.tell(db, key, Some(by));
        } else {
            self.announce(db, key, Some(by));
        }
        if expires <= now {
            // The rest of the unit must not see it either.
            self.expire(db, key);
        }
    }

    /// Large values nobody needs any more.
    pub(crate) fn take_trash(&mut self) -> Trash {
        std::mem::take(&mut self.trash)
    }

    /// Whether there is something to be dropped without the lock.
    pub(crate) fn has_trash(&self) -> bool {
        !self.trash.is_empty()
    }

    /// Gives a key another name or database, expiry and identity included, in the place of whatever is there; `from` and
    /// `to` differ.
    pub(crate) fn relocate(&mut self, from: (usize, &[u8]), to: (usize, &[u8]), by: Seat) {
        let ((old_db, old_name), (db, name)) = (from, to);
        let Some(mut entry) = self.database(old_db).remove(old_name) else {
            return;
        };
        self.announce(old_db, old_name, Some(by));
        if let Some(old) = self.database(db).remove(name) {
            self.effects.gone(old.id, name);
            self.trash.put(old.value);
        }
        let (old_database, database) = (self.database(old_db).id(), self.database(db).id());
        self.note_way(&mut entry, (old_database, old_name), (database, name));
        self.database(db).insert(name, entry);
        self.announce(db, name, Some(by));
    }

    pub(crate) fn remove(&mut self, db: usize, key: &[u8], by: Seat) -> bool {
        let Some(entry) = self.database(db).remove(key) else {
            return false;
        };
        self.effects.gone(entry.id, key);
        self.trash.put(entry.value);
        self.announce(db, key, Some(by));
        true
    }

    /// A value was changed in place.
    pub(crate) fn touched(&mut self, db: usize, key: &[u8], by: Seat) {
        let database = self.database(db);
        if database.recharge(key) {
            let database_id = database.id();
            self.effects.changed(database_id, key);
            self.announce(db, key, Some(by));
        } else {
            self.remove(db, key, by);
        }
    }

    /// These bytes of a string were changed in place, or came to be at its end.
    pub(crate) fn touched_bytes(&mut self, db: usize, key: &[u8], bytes: Range<usize>, by: Seat) {
        let database = self.database(db);
        database.recharge(key);
        let database_id = database.id();
        self.effects.changed_bytes(database_id, key, bytes);
        self.announce(db, key, Some(by));
    }

    /// Something changed in a value that nobody has to be told of.
    pub(crate) fn noted(&mut self, db: usize, key: &[u8]) {
        let database = self.database(db);
        let database_id = database.id();
        database.recharge(key);
        self.unit_changes += 1;
        self.effects.changed(database_id, key);
    }

    pub(crate) fn set_expiry(&mut self, db: usize, key: &[u8], at: u64, by: Seat) -> bool {
        let database = self.database(db);
        let database_id = database.id();
        let Some(id) = database.set_expiry(key, at) else {
            return false;
        };
        self.effects.placed(id, database_id, key);
        self.announce(db, key, Some(by));
        true
    }

    /// Empties a database.
    pub(crate) fn flush(&mut self, db: usize) {
        let id = self.next_database;
        self.next_database += 1;
        let old = self.database(db).take_all(id);
        self.effects.databases_changed();
        self.unit_changes += 1;
        let watched = self.watchers.get(&db).into_iter().flatten();
        let seats: Vec<Seat> = watched
            .filter(|(key, _)| old.contains(key))
            .flat_map(|(_, seats)| seats.iter().copied())
            .collect();
        self.mark_dirty(&seats);
        self.tracking.flushed();
        self.blocked.changed_all(db);
        self.trash.put_all(old);
    }

    /// Exchanges two databases.
    pub(crate) fn swap_databases(&mut self, first: usize, second: usize) {
        self.databases.swap(first, second);
        self.reached = self.reached.max(first + 1).max(second + 1);
        self.effects.databases_changed();
        self.unit_changes += 1;
        for (watched, other) in [(first, second), (second, first)] {
            let mut seats = Vec::new();
            for (key, watching) in self.watchers.get(&watched).into_iter().flatten() {
                if self
                    .databases()
                    .iter()
                    .enumerate()
                    .any(|(index, database)| (index == watched || index == other) && database.contains(key))
                {
                    seats.extend(watching.iter().copied());
                }
            }
            self.mark_dirty(&seats);
            self.blocked.changed_all(watched);
        }
    }

    /// Sends something to another client when the unit ends.
    pub(crate) fn deliver(&mut self, to: Seat, message: Message) {
        let bytes = message.size();
        let room = match (&message, self.clients.inbox(to)) {
            (Message::Push(_), Some(inbox)) => inbox.reserve(bytes),
            (Message::Push(_), None) => Room::Over,
            (Message::Close, _) => Room::Enough,
        };
        self.delivered = self.delivered.wrapping_add(bytes);
        match room {
            Room::Enough => self.outgoing.push((to, message)),
            Room::NoMore => {
                tracing::warn!(client = to.id, "dropped a client that is sent more than it reads");
                self.outgoing.push((to, Message::Close));
            }
            Room::Over => {}
        }
    }

    pub(crate) fn take_outgoing(&mut self) -> Vec<(Seat, Message)> {
        std::mem::take(&mut self.outgoing)
    }

    /// Answers a command that waited when the unit ends.
    pub(crate) fn answer_later(&mut self, waiter: Waiter, reply: Reply) {
        self.answers.push((waiter, reply));
    }

    pub(crate) fn take_answers(&mut self) -> Vec<(Waiter, Reply)> {
        std::mem::take(&mut self.answers)
    }

    /// Hides a key whose time has come although the backlog has not reached it.
    pub(crate) fn forget_if_due(&mut self, db: usize, key: &[u8]) {
        if !self.has_backlog {
            return;
        }
        let now = self.now();
        if self
            .database(db)
            .get(key)
            .is_some_and(|entry| entry.expires <= now)
        {
            self.expire(db, key);
        }
    }

    /// More keys are due than were removed: they are hidden until their turn.
    pub(crate) fn has_backlog(&self) -> bool {
        self.has_backlog
    }

    /// How many keys a database has, without those that are due.
    pub(crate) fn count_keys(&mut self, db: usize) -> usize {
        let (now, has_backlog) = (self.now(), self.has_backlog);
        let database = self.database(db);
        let due = if has_backlog { database.count_due(now) } else { 0 };
        database.len() - due
    }

    /// Finds a key for reading, and counts a hit or a miss.
    pub(crate) fn look_up(&mut self, db: usize, key: &[u8]) -> Option<&Entry> {
        self.forget_if_due(db, key);
        let now = self.now();
        let found = self
            .databases
            .get_mut(db)
            .and_then(|database| database.get_mut(key));
        let Some(entry) = found else {
            self.stats.misses += 1;
            return None;
        };
        self.stats.hits += 1;
        entry.access(now);
        Some(entry)
    }

    /// Removes keys whose time has come; true when some are left.
    pub(crate) fn remove_due(&mut self, limit: usize) -> bool {
        let now = self.now();
        let mut left = limit;
        self.has_backlog = false;
        for db in 0..self.reached {
            while let Some(key) = self.database(db).due(now) {
                if left == 0 {
                    self.has_backlog = true;
                    return true;
                }
                left -= 1;
                let key: Box<[u8]> = key.into();
                self.expire(db, &key);
            }
        }
        false
    }

    /// When something expires next; `NEVER` when nothing does.
    pub(crate) fn next_expiry(&self) -> u64 {
        self.in_use().map(Database::next_expiry).min().unwrap_or(NEVER)
    }

    /// Time since the engine's clock was made, for time-outs.
    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// How many changes the unit has made; from here on they are another's.
    pub(crate) fn take_changes(&mut self) -> u64 {
        std::mem::take(&mut self.unit_changes)
    }

    /// Charges what a search has added to a value, which is no change.
    pub(crate) fn recharge(&mut self, db: usize, key: &[u8]) {
        self.database(db).recharge(key);
    }

    /// Begins an image: what gets another name or database from here on is noted. Answers the number of the newest
    /// value.
    pub(crate) fn begin_walk(&mut self) -> u64 {
        self.strays.start(self.next_entry);
        self.next_entry
    }

    fn expire(&mut self, db: usize, key: &[u8]) {
        let Some(entry) = self.database(db).remove(key) else {
            return;
        };
        self.stats.expired += 1;
        self.effects.expired(entry.id, key);
        self.trash.put(entry.value);
        self.announce(db, key, None);
    }

    /// Tells everybody who cares that a key is not what it was.
    fn announce(&mut self, db: usize, key: &[u8], by: Option<Seat>) {
        if !self.blocked.is_empty() {
            self.blocked.changed(db, key);
        }
        self.tell(db, key, by);
    }

    /// Tells all but those who wait for the key.
    fn tell(&mut self, db: usize, key: &[u8], by: Option<Seat>) {
        self.unit_changes += 1;
        if !self.watchers.is_empty() {
            let watching = self.watchers.get(&db).and_then(|keys| keys.get(key)).cloned();
            self.mark_dirty(&watching.unwrap_or_default());
        }
        self.tracking.changed(key, by, self.is_in_script);
    }

    /// Whether the client whose command just ran has changed a key it watches.
    pub(crate) fn take_self_is_dirty(&mut self) -> bool {
        std::mem::take(&mut self.self_is_dirty)
    }

    /// The client itself is not in its seat while its command runs.
    fn mark_dirty(&mut self, seats: &[Seat]) {
        for seat in seats {
            match self.clients.get_mut(*seat) {
                Some(client) => client.is_dirty = true,
                None => self.self_is_dirty = true,
            }
        }
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
