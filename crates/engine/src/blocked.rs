//! Clients that wait for a key.
//!
//! A blocking command that finds nothing leaves a waiter in the queue of each of its keys. When such a key changes,
//! waiters for what it holds now run their command again, first come first served, right after the command or script
//! that changed it, until it holds nothing for them any more. A waiter that is dropped leaves its queues at once.
//! Next: `execute.rs` (`serve`), `context.rs` (`block`).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::client::Seat;
use crate::journal::Sequence;
use crate::keyspace::Value;
use crate::reply::Reply;

/// Names one waiting command.
pub(crate) type WaiterId = u64;

/// What a waiting command takes from its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Awaited {
    List,
    SortedSet,
    Stream,
}

impl Awaited {
    /// What waiters a value is for.
    pub(crate) fn in_value(value: &Value) -> Option<Self> {
        match value {
            Value::List(_) => Some(Self::List),
            Value::SortedSet(_) => Some(Self::SortedSet),
            Value::Stream(_) => Some(Self::Stream),
            Value::String(_) | Value::Hash(_) | Value::Set(_) => None,
        }
    }
}

/// A blocking command that found nothing.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) awaited: Awaited,
    pub(crate) keys: Vec<Box<[u8]>>,
    /// How long it waits; `None` for ever.
    pub(crate) limit: Option<Duration>,
    /// What it answers when the time is over.
    pub(crate) on_timeout: Reply,
    /// The command as it shall run when a key has changed.
    pub(crate) command: Vec<Vec<u8>>,
}

/// A command in the queues.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) seat: Seat,
    pub(crate) db: usize,
    pub(crate) wait: Wait,
    deadline: Option<Duration>,
    answer: oneshot::Sender<(Reply, Sequence)>,
}

/// Commands that wait no more, and what they are answered. They hear of it when this is dropped, without the engine's lock.
#[derive(Debug, Default)]
pub(crate) struct Answered(Vec<(Waiter, Option<(Reply, Sequence)>)>);

impl Drop for Answered {
    fn drop(&mut self) {
        for (waiter, answer) in self.0.drain(..) {
            if let Some(answer) = answer {
                // Nobody may wait for it any more; what it took is gone with it, as with a client that leaves.
                let _ = waiter.answer.send(answer);
            }
        }
    }
}

impl Waiter {
    /// Whether somebody still waits for the answer.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }
}

/// A changed key that somebody waits for.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) db: usize,
    pub(crate) key: Box<[u8]>,
    /// It was only overwritten: as in Redis, that is news for readers of streams alone.
    pub(crate) is_overwritten: bool,
}

/// Who waits for one key.
#[derive(Debug, Default)]
struct Queue {
    /// In the order they came.
    waiters: BTreeSet<(Awaited, WaiterId)>,
    /// The key has changed (whether it was only overwritten) and nobody has looked at it since.
    news: Option<bool>,
}

/// All waiting commands.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    waiters: HashMap<WaiterId, Waiter>,
    /// For each database, the waiters of each key.
    queues: HashMap<usize, HashMap<Box<[u8]>, Queue>>,
    /// The waiters of each client, by its id.
    by_client: BTreeSet<(u64, WaiterId)>,
    deadlines: BTreeSet<(Duration, WaiterId)>,
    /// Keys that changed and have waiters, in the order they changed.
    ready: VecDeque<(usize, Box<[u8]>)>,
    last: WaiterId,
    /// Who is to be told.
    answered: Answered,
}

impl Blocked {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// How many clients wait.
    pub(crate) fn count(&self) -> usize {
        self.waiters.len()
    }

    /// When the next waiter gives up.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(crate) fn add(
        &mut self,
        seat: Seat,
        db: usize,
        wait: Wait,
        now: Duration,
    ) -> (WaiterId, oneshot::Receiver<(Reply, Sequence)>) {
        self.last += 1;
        let id = self.last;
        let queues = self.queues.entry(db).or_default();
        for key in &wait.keys {
            let queue = queues.entry(key.clone()).or_default();
            queue.waiters.insert((wait.awaited, id));
        }
        self.by_client.insert((seat.id, id));
        // A limit beyond what the clock can hold is no limit.
        let deadline = wait.limit.and_then(|limit| now.checked_add(limit));
        self.deadlines.extend(deadline.map(|at| (at, id)));
        let (answer, receiver) = oneshot::channel();
        let waiter = Waiter {
            seat,
            db,
            wait,
            deadline,
            answer,
        };
        self.waiters.insert(id, waiter);
        (id, receiver)
    }

    /// Takes a waiter out of all its queues.
    pub(crate) fn remove(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.waiters.remove(&id)?;
        self.by_client.remove(&(waiter.seat.id, id));
        if let Some(deadline) = waiter.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        let queues = self.queues.entry(waiter.db).or_default();
        for key in &waiter.wait.keys {
            let Some(queue) = queues.get_mut(key) else {
                continue;
            };
            queue.waiters.remove(&(waiter.wait.awaited, id));
            if queue.waiters.is_empty() {
                queues.remove(key);
            }
        }
        Some(waiter)
    }

    /// Takes a waiter out of all its queues, unanswered; false when it is in none.
    pub(crate) fn forget(&mut self, id: WaiterId) -> bool {
        let waiter = self.remove(id);
        let was_there = waiter.is_some();
        self.answered.0.extend(waiter.map(|waiter| (waiter, None)));
        was_there
    }

    /// Answers a command; the journal has to keep what the answer may have seen before it leaves the engine.
    pub(crate) fn answer(&mut self, waiter: Waiter, reply: Reply, horizon: Sequence) {
        self.answered.0.push((waiter, Some((reply, horizon))));
    }

    /// Who is to be told when the engine's lock has been given back.
    pub(crate) fn take_answered(&mut self) -> Answered {
        std::mem::take(&mut self.answered)
    }

    /// All waiters, taken out, in the order they came.
    pub(crate) fn take_all(&mut self) -> Vec<Waiter> {
        let mut ids: Vec<WaiterId> = self.waiters.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    pub(crate) fn get_mut(&mut self, id: WaiterId) -> Option<&mut Waiter> {
        self.waiters.get_mut(&id)
    }

    /// The waiters of a client.
    pub(crate) fn of(&self, seat: Seat) -> Vec<WaiterId> {
        let own = self
            .by_client
            .range((seat.id, WaiterId::MIN)..=(seat.id, WaiterId::MAX));
        own.map(|(_, id)| *id).collect()
    }

    /// Whether a client waits.
    pub(crate) fn has(&self, seat: Seat) -> bool {
        let mut own = self
            .by_client
            .range((seat.id, WaiterId::MIN)..=(seat.id, WaiterId::MAX));
        own.next().is_some()
    }

    /// Notes that a key has changed, if anybody waits for it.
    pub(crate) fn changed(&mut self, db: usize, key: &[u8]) {
        self.note(db, key, false);
    }

    /// Notes that a key has been overwritten as a whole, if anybody waits for it.
    pub(crate) fn overwritten(&mut self, db: usize, key: &[u8]) {
        self.note(db, key, true);
    }

    fn note(&mut self, db: usize, key: &[u8], is_overwritten: bool) {
        let queues = self.queues.get_mut(&db);
        let Some(queue) = queues.and_then(|queues| queues.get_mut(key)) else {
            return;
        };
        match &mut queue.news {
            Some(was_overwritten) => *was_overwritten &= is_overwritten,
            news => {
                *news = Some(is_overwritten);
                self.ready.push_back((db, key.into()));
            }
        }
    }

    /// Notes that every key of a database may have changed.
    pub(crate) fn changed_all(&mut self, db: usize) {
        let keys: Vec<_> = self
            .queues
            .get(&db)
            .into_iter()
            .flat_map(HashMap::keys)
            .cloned()
            .collect();
        for key in keys {
            self.changed(db, &key);
        }
    }

    /// The next changed key.
    pub(crate) fn next_ready(&mut self) -> Option<Ready> {
        while let Some((db, key)) = self.ready.pop_front() {
            let queues = self.queues.get_mut(&db);
            // Nothing is new to waiters who came after the others had gone.
            let Some(queue) = queues.and_then(|queues| queues.get_mut(&key)) else {
                continue;
            };
            if let Some(is_overwritten) = queue.news.take() {
                return Some(Ready {
                    db,
                    key,
                    is_overwritten,
                });
            }
        }
        None
    }

    /// Who waits next for something of a key, `after` somebody.
    pub(crate) fn next_waiter(
        &self,
        db: usize,
        key: &[u8],
        awaited: Awaited,
        after: WaiterId,
    ) -> Option<WaiterId> {
        let queue = self.queues.get(&db)?.get(key)?;
        let later = (
            Bound::Excluded((awaited, after)),
            Bound::Included((awaited, WaiterId::MAX)),
        );
        queue.waiters.range(later).next().map(|(_, id)| *id)
    }

    /// The waiters whose time is over, taken out.
    pub(crate) fn overdue(&mut self, now: Duration) -> Vec<Waiter> {
        let mut overdue = Vec::new();
        while let Some((_, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            overdue.extend(self.remove(id));
        }
        overdue
    }
}
