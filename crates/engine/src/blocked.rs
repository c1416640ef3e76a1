//! Clients that wait for a key.
//!
//! A blocking command that finds nothing leaves a waiter in the queue of each of its keys. When such a key changes,
//! the waiters of that key run their command again, first come first served, right after the command or script that
//! changed it; the first that finds something takes it. A waiter that is dropped leaves its queues at once.
//! Next: `execute.rs` (`serve`), `context.rs` (`block`).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::client::Seat;
use crate::reply::Reply;

/// Names one waiting command.
pub(crate) type WaiterId = u64;

/// A blocking command that found nothing.
#[derive(Debug)]
pub(crate) struct Wait {
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
    answer: oneshot::Sender<Reply>,
}

impl Waiter {
    /// Answers the command. False when nobody waits for the answer any more.
    pub(crate) fn answer(self, reply: Reply) -> bool {
        self.answer.send(reply).is_ok()
    }

    /// Whether somebody still waits for the answer.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }
}

/// A changed key that somebody waits for.
#[derive(Debug)]
struct Ready {
    db: usize,
    key: Box<[u8]>,
    /// It was only overwritten: as in Redis, that is news for readers of streams alone.
    is_overwritten: bool,
}

/// All waiting commands.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    waiters: HashMap<WaiterId, Waiter>,
    /// For each database, the waiters of each key in the order they came.
    queues: HashMap<usize, HashMap<Box<[u8]>, VecDeque<WaiterId>>>,
    deadlines: BTreeSet<(Duration, WaiterId)>,
    /// Keys that changed and have waiters, in the order they changed.
    ready: VecDeque<Ready>,
    last: WaiterId,
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
    ) -> (WaiterId, oneshot::Receiver<Reply>) {
        self.last += 1;
        let id = self.last;
        let queues = self.queues.entry(db).or_default();
        for key in &wait.keys {
            queues.entry(key.clone()).or_default().push_back(id);
        }
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
        if let Some(deadline) = waiter.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        let queues = self.queues.entry(waiter.db).or_default();
        for key in &waiter.wait.keys {
            let Some(queue) = queues.get_mut(key) else {
                continue;
            };
            queue.retain(|other| *other != id);
            if queue.is_empty() {
                queues.remove(key);
            }
        }
        Some(waiter)
    }

    pub(crate) fn get(&self, id: WaiterId) -> Option<&Waiter> {
        self.waiters.get(&id)
    }

    /// The waiters of a client.
    pub(crate) fn of(&self, seat: Seat) -> Vec<WaiterId> {
        let own = self.waiters.iter().filter(|(_, waiter)| waiter.seat == seat);
        own.map(|(id, _)| *id).collect()
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
        let has_waiters = self
            .queues
            .get(&db)
            .is_some_and(|queues| queues.contains_key(key));
        if !has_waiters {
            return;
        }
        let known = self
            .ready
            .iter_mut()
            .find(|ready| ready.db == db && *ready.key == *key);
        match known {
            Some(ready) => ready.is_overwritten &= is_overwritten,
            None => self.ready.push_back(Ready {
                db,
                key: key.into(),
                is_overwritten,
            }),
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

    /// The next changed key and its waiters, first come first.
    pub(crate) fn next_ready(&mut self) -> Option<(usize, Box<[u8]>, Vec<WaiterId>)> {
        let Ready {
            db,
            key,
            is_overwritten,
        } = self.ready.pop_front()?;
        let queue = self.queues.get(&db).and_then(|queues| queues.get(&key));
        let reads_streams = |id: &WaiterId| {
            let name = self
                .waiters
                .get(id)
                .and_then(|waiter| waiter.wait.command.first());
            name.is_some_and(|name| {
                name.first()
                    .is_some_and(|letter| letter.eq_ignore_ascii_case(&b'x'))
            })
        };
        let waiters = queue
            .into_iter()
            .flatten()
            .filter(|id| !is_overwritten || reads_streams(id))
            .copied()
            .collect();
        Some((db, key, waiters))
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
