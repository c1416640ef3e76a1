//! How a command becomes a unit of work.
//!
//! `run` finds the command, checks who may call it and when, runs it, and settles: waiters are served, the batch of
//! effects is handed over, and only then waiters, trackers and subscribers are told, all before the lock is given back.
//! Next: `commands/mod.rs` (the table), `core.rs`, `blocked.rs`.

use tokio::sync::oneshot;

use crate::arguments::{Args, shown};
use crate::blocked::{Awaited, Ready, Wait, WaiterId};
use crate::client::{Client, Message, Protocol, Queued, ReplyMode, Seat};
use crate::commands::{self, Command, Keys, MOST_QUEUED, flag};
use crate::context::{Ctx, Origin};
use crate::core::Core;
use crate::journal::Sequence;
use crate::reply::{Answer, Fault, Reply};

/// What became of a command.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Reply),
    /// Nothing is to be answered (CLIENT REPLY OFF).
    Silent,
    /// It waits for a key; the answer comes later, unless CLIENT REPLY has silenced it.
    Waiting(WaiterId, oneshot::Receiver<(Reply, Sequence)>, IsSilent),
}

/// Whether CLIENT REPLY was used to silence a command.
pub(crate) type IsSilent = bool;

impl Core {
    /// Runs one command of a client as a unit of work.
    pub(crate) fn run(&mut self, seat: Seat, arguments: &[&[u8]]) -> Outcome {
        self.begin();
        let Some(mut client) = self.clients.take(seat) else {
            return Outcome::Reply(Reply::Error(Fault::of("ERR the connection is closed")));
        };
        let (reply, wait) = self.dispatch(&mut client, Args::new(arguments));
        if matches!(reply, Reply::Error(_)) {
            // It may be due to anything, such as how much memory there is.
            self.widen();
        }
        if self.take_self_is_dirty() {
            client.is_dirty = true;
        }
        let outcome = match wait {
            Some(wait) => {
                let (db, now) = (client.db, self.monotonic());
                let (id, receiver) = self.blocked.add(seat, db, wait, now);
                Outcome::Waiting(id, receiver, is_silenced(&mut client))
            }
            None => answer(&mut client, reply),
        };
        self.clients.put_back(client);
        self.settle();
        outcome
    }

    /// Does what time brings: expiry, and the end of waits.
    pub(crate) fn tick(&mut self) {
        self.begin();
        let now = self.monotonic();
        for waiter in self.blocked.overdue(now) {
            let reply = waiter.wait.on_timeout.clone();
            // Nobody waits any more: nothing was taken, so nothing is lost.
            self.answer_later(waiter, reply);
        }
        self.settle();
    }

    fn dispatch(&mut self, client: &mut Client, args: Args<'_>) -> (Reply, Option<Wait>) {
        client.active_at = self.now();
        client.commands += 1;
        self.stats.commands += 1;
        let command = match self.admit(client, args) {
            Ok(command) => command,
            Err(fault) => {
                let fault = self.rejected(client, args, fault);
                if let Some(queued) = &mut client.transaction {
                    queued.is_broken = true;
                }
                self.stats.failed(fault.code());
                if client.transaction.is_none() {
                    crate::tracking::end_caching(client);
                }
                if let Some(command) = commands::find(args.at(0)) {
                    self.stats.calls_of(command).rejected += 1;
                }
                return (Reply::Error(fault), None);
            }
        };
        client.last_command = command.name;
        self.narrow();
        if let Some(queued) = &mut client.transaction
            && !command.has(flag::NOT_QUEUED)
        {
            let fault = match enqueue(queued, command, args) {
                Ok(reply) => return (reply, None),
                Err(fault) => fault,
            };
            self.stats.failed(fault.code());
            return (Reply::Error(fault), None);
        }
        let done = self.call(client, Origin::Client, command, args);
        if command.name != "client" && client.transaction.is_none() {
            crate::tracking::end_caching(client);
        }
        done
    }

    /// EXEC that may not run ends the transaction.
    fn rejected(&mut self, client: &mut Client, args: Args<'_>, fault: Fault) -> Fault {
        if commands::find(args.at(0)).is_none_or(|command| command.name != "exec") {
            return fault;
        }
        client.transaction = None;
        self.unwatch(client);
        let reason = fault.text().strip_prefix("ERR ").unwrap_or(fault.text());
        Fault::new(format!("EXECABORT Transaction discarded because of: {reason}"))
    }

    /// Finds the command and checks whether this client may run it now.
    fn admit(&mut self, client: &Client, args: Args<'_>) -> Result<&'static Command, Fault> {
        let command = commands::find(args.at(0)).ok_or_else(|| unknown(args))?;
        command.check(args)?;
        if !client.is_authenticated && !command.has(flag::NO_AUTH) {
            return Err(Fault::of("NOAUTH Authentication required."));
        }
        if command.has(flag::NO_MULTI) && client.transaction.is_some() {
            return Err(Fault::of("ERR Command not allowed inside a transaction"));
        }
        if needs_memory(client, command) {
            self.check_memory()?;
        }
        self.check_journal(command, args)?;
        let is_limited = client.is_subscribed() && client.protocol == Protocol::Resp2;
        if is_limited && !is_allowed_while_subscribed(command.name) {
            return Err(Fault::err(format!(
                "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                command.full_name(args)
            )));
        }
        // Redis takes a client that monitors for a replica.
        if client.is_monitor && interacts_with_keys(command) {
            return Err(Fault::of("ERR Replica can't interact with the keyspace"));
        }
        Ok(command)
    }

    /// Refuses a command that needs memory when there is no more.
    pub(crate) fn check_memory(&self) -> Result<(), Fault> {
        let limit = self.config.max_memory;
        if limit > 0 && self.data_memory() > limit {
            return Err(Fault::of(
                "OOM command not allowed when used memory > 'maxmemory'.",
            ));
        }
        Ok(())
    }

    /// Runs a command that was found and admitted.
    pub(crate) fn call(
        &mut self,
        client: &mut Client,
        origin: Origin<'_>,
        command: &'static Command,
        args: Args<'_>,
    ) -> (Reply, Option<Wait>) {
        // Serving who waits is no call of its own: monitors and counters have had that one.
        let is_call = !matches!(origin, Origin::Serve { .. });
        if is_call {
            self.see(client, command, args);
        }
        if self.monitors > 0 && is_call && !command.has(flag::ADMIN | flag::NO_MONITOR) {
            crate::monitor::feed(self, client, origin, args);
        }
        if command.has(flag::WRITE) {
            self.note_writing(args.all());
        }
        // The unit's own time is near enough for its first command, and reading a clock is not free.
        let started = match origin {
            Origin::Client => self.now_nanos(),
            _ => self.clock.wall_nanos(),
        };
        let mut ctx = Ctx {
            core: self,
            client,
            origin,
            wait: None,
        };
        let answer = (command.run)(&mut ctx, args);
        let wait = ctx.wait.take();
        let elapsed = self.clock.wall_nanos().saturating_sub(started);
        let calls = self.stats.calls_of(command);
        calls.calls += u64::from(is_call);
        calls.nanos += elapsed;
        if let Err(fault) = &answer {
            calls.failed += 1;
            self.stats.failed(fault.code());
        }
        // What a client could not read it may have looked for: it is told of that too.
        if self.tracking.is_on() && is_call && command.has(flag::READ_ONLY) {
            match origin {
                // Redis takes the keys the script was called with, whichever of them it reads.
                Origin::Script => {
                    let keys = client.script_keys.iter();
                    self.tracking.read(client, keys, &self.clients, &mut self.rng);
                }
                _ => {
                    let keys = commands::keys_of(command, args);
                    self.tracking.read(client, keys, &self.clients, &mut self.rng);
                }
            }
        }
        (answer.into(), wait)
    }

    /// Ends a unit: serves who waits, hands over the batch, answers who was served, tells who tracks, sends what is for
    /// others. Nobody hears of a change before it was handed over.
    pub(crate) fn settle(&mut self) {
        self.see_off();
        if !self.blocked.is_empty() {
            self.serve();
        }
        let changes = self.take_changes();
        if changes > 0 {
            self.stats.changes += changes;
            let memory = self.data_memory();
            self.stats.peak_memory = self.stats.peak_memory.max(memory);
            self.note_memory(memory);
            self.commit();
        } else {
            self.forget_bytes();
        }
        let horizon = self.horizon(self.seen());
        for (waiter, reply) in self.take_answers() {
            self.blocked.answer(waiter, reply, horizon);
        }
        // These may speak of whatever has changed, and of keys whose time has come.
        let horizon = self.horizon(self.sequence());
        crate::tracking::flush(self);
        for (seat, message) in self.take_outgoing() {
            self.send(seat, message, horizon);
        }
    }

    fn send(&mut self, seat: Seat, message: Message, horizon: Sequence) {
        if matches!(message, Message::Close)
            && let Some(client) = self.clients.get_mut(seat)
        {
            client.should_close = true;
        }
        if self
            .clients
            .inbox(seat)
            .is_some_and(|inbox| !inbox.send(message, horizon))
        {
            // The connection is on its way out; it will leave its seat by itself.
            self.clients.set_inbox(seat, None);
        }
    }

    /// Runs the commands of waiters whose keys have changed, in the order in which they came.
    fn serve(&mut self) {
        while let Some(ready) = self.blocked.next_ready() {
            self.serve_readers(&ready);
            if !ready.is_overwritten {
                self.serve_takers(&ready);
            }
        }
    }

    /// Readers of streams hear of every change: a group's reader is refused when its stream is no more.
    fn serve_readers(&mut self, Ready { db, key, .. }: &Ready) {
        let mut last = 0;
        while let Some(id) = self.blocked.next_waiter(*db, key, Awaited::Stream, last) {
            last = id;
            self.serve_one(*db, key, id);
        }
    }

    /// Who takes elements is asked only as long as there are some.
    fn serve_takers(&mut self, Ready { db, key, .. }: &Ready) {
        let mut last = 0;
        loop {
            self.forget_if_due(*db, key);
            let entry = self.database(*db).get(key);
            let held = entry.and_then(|entry| Awaited::in_value(&entry.value));
            let Some(awaited) = held.filter(|held| *held != Awaited::Stream) else {
                return;
            };
            let Some(id) = self.blocked.next_waiter(*db, key, awaited, last) else {
                return;
            };
            last = id;
            self.serve_one(*db, key, id);
        }
    }

    fn serve_one(&mut self, db: usize, key: &[u8], id: WaiterId) {
        let Some(waiter) = self.blocked.get_mut(id) else {
            return;
        };
        if !waiter.is_wanted() {
            self.blocked.forget(id);
            return;
        }
        let (seat, volatile) = (waiter.seat, self.effects.volatile());
        let waits_for_volatile = waiter.wait.keys.iter().all(|key| volatile.covers(key));
        let Some(mut client) = self.clients.take(seat) else {
            self.blocked.forget(id);
            return;
        };
        if client.should_close {
            // It was killed and is about to leave: it must not take anything with it.
            self.clients.put_back(client);
            return;
        }
        let command = std::mem::take(&mut waiter.wait.command);
        let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        let args = Args::new(&words);
        // The client may have selected another database since (in process, where it need not wait for the answer).
        let selected = std::mem::replace(&mut client.db, db);
        let served = commands::find(args.at(0)).map(|command| {
            // What a reader of streams left behind does not name its keys as a command does.
            let keeps_to_volatile = waits_for_volatile
                && (command.keys == Keys::Streams || self.keeps_to_volatile(command, args));
            if !keeps_to_volatile {
                self.widen();
                if let Err(fault) = self.check_kept(command) {
                    return (Reply::Error(fault), None);
                }
            }
            self.call(&mut client, Origin::Serve { key }, command, args)
        });
        client.db = selected;
        if self.take_self_is_dirty() {
            client.is_dirty = true;
        }
        self.clients.put_back(client);
        let Some((reply, None)) = served else {
            if let Some(waiter) = self.blocked.get_mut(id) {
                waiter.wait.command = command;
            }
            return;
        };
        if let Some(waiter) = self.blocked.remove(id) {
            self.answer_later(waiter, reply);
        }
    }
}

/// Whether a command is refused when there is no more memory. To be queued takes some, whatever it is.
fn needs_memory(client: &Client, command: &Command) -> bool {
    match &client.transaction {
        None => command.has(flag::DENY_OOM),
        Some(queued) if command.name == "exec" => queued.is_growing,
        Some(_) => !matches!(command.name, "discard" | "quit" | "reset"),
    }
}

/// Keeps a command for EXEC.
fn enqueue(queued: &mut Queued, command: &Command, args: Args<'_>) -> Answer {
    queued.add(args.all());
    queued.is_growing |= command.has(flag::DENY_OOM);
    if queued.bytes > MOST_QUEUED {
        // It will never run, so nothing of it is kept.
        queued.commands = Vec::new();
        queued.bytes = 0;
        queued.is_broken = true;
        return Err(Fault::of("ERR the transaction is too large"));
    }
    Ok(Reply::status("QUEUED"))
}

/// What the client is to be answered, by its CLIENT REPLY mode.
fn answer(client: &mut Client, reply: Reply) -> Outcome {
    match (is_silenced(client), &reply) {
        // Pushes are no answers, not even those that confirm a subscription.
        (true, Reply::Push(_) | Reply::Several(_)) | (false, _) => Outcome::Reply(reply),
        (true, _) => Outcome::Silent,
    }
}

/// Whether the command that was just run is not to be answered.
fn is_silenced(client: &mut Client) -> IsSilent {
    let next = match client.reply_mode {
        ReplyMode::On => return false,
        ReplyMode::Off => ReplyMode::Off,
        ReplyMode::SkipNext => ReplyMode::Skip,
        ReplyMode::Skip => ReplyMode::On,
    };
    client.reply_mode = next;
    true
}

fn is_allowed_while_subscribed(name: &str) -> bool {
    matches!(
        name,
        "subscribe"
            | "unsubscribe"
            | "psubscribe"
            | "punsubscribe"
            | "ssubscribe"
            | "sunsubscribe"
            | "ping"
            | "quit"
            | "reset"
    )
}

fn interacts_with_keys(command: &Command) -> bool {
    command.has(flag::WRITE | flag::READ_ONLY) || matches!(command.name, "eval" | "evalsha" | "publish")
}

/// The refusal of an unknown command, with as much of its arguments as Redis shows.
///
/// Where Redis sends bytes that are no UTF-8, U+FFFD stands: a `Fault` is text.
pub(crate) fn unknown(args: Args<'_>) -> Fault {
    const SHOWN: usize = 128;
    let shorten = |bytes: &[u8], limit: usize| shown(bytes.get(..limit).unwrap_or(bytes));
    let mut beginning = String::new();
    for argument in args.tail(1) {
        if beginning.len() >= SHOWN {
            break;
        }
        let room = SHOWN - beginning.len();
        beginning.push_str(&format!("'{}' ", shorten(argument, room)));
    }
    let name = shorten(args.at(0), SHOWN);
    Fault::err(format!(
        "unknown command '{name}', with args beginning with: {beginning}"
    ))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
mod tests;
