//! A network whose every move a test decides, for deterministic simulations of processes on one store.
//!
//! Requests, replies and pushes are events that wait until the test plays them: a seed is a schedule. Each connection
//! keeps its order in both directions, as TCP does; a connection that is cut or falls silent takes everything behind that
//! point with it. A line is one process's way to the store and behaves as `link.rs` and `tracked.rs` do: it connects when it
//! is asked to, gives its connection up when a request or a ping was not answered in time, and tells its listener before any
//! later connection is used. No clock is involved: a deadline passes when the test says so.
//!
//! ```ignore
//! let network = Network::new(&engine, Turns::Long);
//! let store = Store::simulated(&network, 1);
//! // spawn tasks that use the store on a current_thread runtime, then:
//! network.settle().await;
//! while network.step(random()).is_some() {
//!     network.settle().await;
//! }
//! ```
//! Next: `simulated/state.rs` (what is on its way, and what each event does).

mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxherd_engine::Engine;
use redis::{Cmd, Pipeline, RedisResult, Value};
use state::{State, Work};
use tokio::sync::oneshot;

use super::tracked::{ChannelMode, Hears, Lacking, tracking};
use super::{Backend, ServerVersion, Store};

/// How often the tasks of a runtime get their turn before all of them can be said to wait for the network.
const TURNS_TO_SETTLE: usize = 24;

/// What may happen next. Lines and connections are numbered in the order of their making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A line without a connection gets as far as the server, which does all that the line's dressing asks for.
    Connect { line: usize },
    /// The next request reaches the server and is executed.
    Execute { connection: usize },
    /// The next reply or push reaches the client; or the news that it is connected, or cut off.
    Deliver { connection: usize },
    /// The next push reaches the client by its other way. Only with [`Channel::Beside`].
    DeliverBeside { connection: usize },
    /// The next reply reaches the client, but the task that waits for it does not run: others of its process overtake it.
    DeliverLate { connection: usize },
    /// A task that was overtaken has its reply. Numbered from the one that waits longest.
    Resume { late: usize },
    /// The server's turn ends: what was answered and pushed in it is sent. Only with [`Turns::Long`].
    EndTurn,
    /// The deadline of the oldest request that is not answered passes, or that of a ping if there is none.
    TimeOut { connection: usize },
    /// The deadline of the oldest request that waits for a connection passes.
    NeverSent { line: usize },
    /// Nothing that the client has sent, or will send, reaches the server any more.
    LoseRequests { connection: usize },
    /// Nothing that the server has sent, or will send, reaches the client any more.
    LoseReplies { connection: usize },
    /// The server closes the connection; what it has sent before arrives.
    Cut { connection: usize },
    /// The connection breaks, which the client sees at once: what was answered on it and has not arrived is lost.
    Break { connection: usize },
}

/// How the server sends what it has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turns {
    /// At once, as the engine.
    Short,
    /// As Redis: replies and pushes leave at the end of a turn, pushes after replies, and who has changed a key last in the
    /// turn does not hear that others had before.
    Long,
}

/// How listeners hear of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// By client tracking.
    Tracking,
    /// Tracking is refused: by what scripts announce.
    Announced,
    /// RESP3 is refused, too: the same by a connection of its own, so that replies and pushes have no common order.
    Beside,
}

impl Channel {
    const fn mode(self) -> ChannelMode {
        match self {
            Self::Tracking => ChannelMode::Tracking,
            Self::Announced | Self::Beside => ChannelMode::Announced,
        }
    }
}

/// What the server has sent to a listener, and how much of it has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) connection: usize,
    /// Replies and pushes, or pushes alone where they go beside the replies; the largest number when nothing arrives any more.
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
}

/// The network. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<State>>);

/// One process's way to the store. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Line {
    network: Network,
    number: usize,
    /// Held by the one that has more prefixes brought in force.
    watching: Arc<tokio::sync::Mutex<()>>,
}

impl Store {
    /// The store of one of the processes on a network.
    pub(crate) fn simulated(network: &Network, process: usize) -> Self {
        let server = ServerVersion {
            product: "oxherd-engine".to_owned(),
            version: oxherd_engine::VERSION.to_owned(),
            eviction_policy: "noeviction".to_owned(),
        };
        let backend = Backend::Simulated {
            network: network.clone(),
            process,
            shared: network.line(process),
        };
        Self::new(&"memory:".parse().unwrap(), server, backend)
    }
}

impl Network {
    pub(crate) fn new(engine: &Engine, turns: Turns) -> Self {
        Self::with_channel(engine, turns, Channel::Tracking)
    }

    pub(crate) fn with_channel(engine: &Engine, turns: Turns, channel: Channel) -> Self {
        Self(Arc::new(Mutex::new(State::new(engine.clone(), turns, channel))))
    }

    /// What happens next if nothing goes wrong, in a stable order. Empty: everybody waits for something else.
    pub(crate) fn pending(&self) -> Vec<Event> {
        self.state().pending()
    }

    /// Which tasks may be overtaken now, in a stable order.
    pub(crate) fn delays(&self) -> Vec<Event> {
        self.state().delays()
    }

    /// What may go wrong now, in a stable order.
    pub(crate) fn faults(&self) -> Vec<Event> {
        self.state().faults()
    }

    /// Plays one of the pending events; any number chooses one.
    pub(crate) fn step(&self, choice: usize) -> Option<Event> {
        let pending = self.pending();
        let event = *pending.get(choice.checked_rem(pending.len())?)?;
        self.play(event);
        Some(event)
    }

    /// Plays one of the faults; any number chooses one.
    pub(crate) fn fault(&self, choice: usize) -> Option<Event> {
        let faults = self.faults();
        let event = *faults.get(choice.checked_rem(faults.len())?)?;
        self.play(event);
        Some(event)
    }

    /// Plays an event; one that cannot happen (any more) is none.
    pub(crate) fn play(&self, event: Event) {
        let told = self.state().play(event);
        // Without the lock: a listener may look at the network.
        for one in told {
            one.tell();
        }
    }

    /// Lets every task of this thread's runtime go on until it waits.
    pub(crate) async fn settle(&self) {
        for _ in 0..TURNS_TO_SETTLE {
            tokio::task::yield_now().await;
        }
    }

    /// What an event would move, in words.
    pub(crate) fn describe(&self, event: Event) -> String {
        self.state().describe(event)
    }

    /// Posts what the engine has done by itself: expiry, which comes when its clock was moved.
    pub(crate) fn gather(&self) {
        self.state().gather();
    }

    /// A process is gone: nobody waits for what comes to it any more. What it has sent may still arrive unless it was `cut`.
    pub(crate) fn end_process(&self, process: usize, cut: bool) {
        self.state().end_process(process, cut);
    }

    /// How far the listener of a process has heard the server; `None` while it has no connection.
    pub(crate) fn heard(&self, process: usize) -> Option<Heard> {
        self.state().heard(process)
    }

    /// From now on, a script that is called by one SHA-1 is another one; the engine must have it.
    pub(crate) fn replace_script(&self, called: &str, executed: &str) {
        self.state().replace_script(called, executed);
    }

    /// The process that a line belongs to.
    pub(crate) fn process_of(&self, line: usize) -> Option<usize> {
        self.state().process_of(line)
    }

    /// Whether a process has a reply that the task which waits for it has not seen.
    pub(crate) fn is_late(&self, process: usize) -> bool {
        self.state().is_late(process)
    }

    /// The process whose task was overtaken.
    pub(crate) fn process_of_late(&self, late: usize) -> Option<usize> {
        self.state().process_of_late(late)
    }

    /// The line that a connection belongs to.
    pub(crate) fn line_of(&self, connection: usize) -> Option<usize> {
        self.state().line_of(connection)
    }

    pub(super) fn line(&self, process: usize) -> Line {
        self.line_of_process(process, None)
    }

    pub(super) fn hearing_line(&self, process: usize, hears: Hears) -> Line {
        self.line_of_process(process, Some(Arc::new(hears)))
    }

    fn line_of_process(&self, process: usize, hears: Option<Arc<Hears>>) -> Line {
        let number = self.state().add_line(process, hears);
        Line {
            network: self.clone(),
            number,
            watching: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    pub(super) async fn request(&self, cmd: &Cmd) -> RedisResult<Value> {
        let mut replies = self.ask(Work::One(cmd.clone())).await?;
        Ok(replies.pop().unwrap_or(Value::Nil))
    }

    pub(super) async fn request_all(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.ask(Work::Several(pipeline.clone(), offset, count)).await
    }

    pub(super) async fn watch(&self, prefixes: &[&[u8]]) -> RedisResult<()> {
        self.network.state().want(self.number, prefixes);
        let _end = GiveUpIfLacking(self);
        let _turn = self.watching.lock().await;
        loop {
            let (connection, lacking) = self.network.state().lacking(self.number);
            let new = match (connection, lacking) {
                (Some(_), Lacking::Nothing) => return Ok(()),
                (Some(_), Lacking::These(new)) => new,
                (Some(connection), Lacking::Anew) => {
                    let told = self.network.state().give_up(connection);
                    told.into_iter().for_each(state::Told::tell);
                    continue;
                }
                // The next connection brings everything.
                (None, _) => {
                    self.request(&redis::cmd("PING")).await?.extract_error()?;
                    continue;
                }
            };
            self.request(&tracking(&new)).await?.extract_error()?;
            self.network.state().told(self.number, connection, new);
        }
    }

    pub(super) fn mode(&self) -> Option<ChannelMode> {
        let state = self.network.state();
        let (connection, _) = state.lacking(self.number);
        connection.map(|_| state.channel.mode())
    }

    async fn ask(&self, work: Work) -> RedisResult<Vec<Value>> {
        let (answer, reply) = oneshot::channel();
        self.network.state().send(self.number, work, answer);
        reply.await.unwrap_or_else(|_dropped| Err(state::closed()))
    }
}

/// As in `tracked/channel.rs`.
struct GiveUpIfLacking<'a>(&'a Line);

impl Drop for GiveUpIfLacking<'_> {
    fn drop(&mut self) {
        let (connection, lacking) = self.0.network.state().lacking(self.0.number);
        if let Some(connection) = connection
            && lacking != Lacking::Nothing
        {
            let told = self.0.network.state().give_up(connection);
            told.into_iter().for_each(state::Told::tell);
        }
    }
}

#[cfg(test)]
mod tests;
