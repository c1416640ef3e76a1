//! The connection of a cache: commands, and what is told of changes, in one order.
//!
//! One RESP3 connection carries a cache's reads and writes and the pushes about what others changed. redis-rs reads it in
//! one task: a push goes to the [`AsyncPushSender`] within that task (`PipelineSink::send_result`) before the next reply
//! is read off the wire, and only then is that reply's caller woken. So whoever has a reply can be sure that its listener
//! has heard everything the server said before it. The engine in this process gives the same promise: see `ear.rs`.
//!
//! It always comes back. [`Listener::lost`] comes before any request is answered on a later connection, and a
//! later connection is used only when everything that is watched is in force on it.
//!
//! Pushes come at the end of a turn of the server's event loop, one for each key however often it changed in it. NOLOOP keeps
//! those of a client's own plain commands from it. Of what its own *scripts* wrote Redis 7.0, Valkey 9 and the engine tell it all the
//! same: such a push comes after the script's reply, and may stand for another process's change in that turn as well, so it is
//! believed like any other. Nothing relies on its coming: where NOLOOP applies it goes by who changed a key last in a turn, and who
//! writes a key after another process hears of neither. Scripts therefore answer what they overwrote, or overwrite nothing that
//! others must hear of.
//! Next: `tracked/channel.rs` (a server), `tracked/ear.rs` (the engine in this process), `tracked/prefixes.rs`.
//!
//! [`AsyncPushSender`]: redis::aio::AsyncPushSender

mod channel;
mod ear;
mod prefixes;

use std::sync::Arc;
use std::time::Duration;

use channel::Channel;
pub(crate) use ear::Ear;
#[cfg(test)]
pub(super) use prefixes::{Lacking, Prefixes, tracking};
use redis::{PushInfo, PushKind, RedisError, Value};

use super::connection::Connection;
use super::link::Link;
#[cfg(test)]
use super::simulated::Line;
use super::{Backend, DEADLINE, Store, keys, refused};
use crate::clock::Present;
use crate::error::Result;

/// Who hears what comes beside replies. Calls are short and never wait: they come from the task that reads the connection.
/// A listener does not own its [`Tracked`], which owns the listener.
pub(crate) trait Listener: Send + Sync {
    /// A watched key was changed, or ended, by somebody else.
    fn changed(&self, key: &[u8]);

    /// Everything was removed, or what changed cannot be told.
    fn flushed(&self);

    /// A message on the channel of wakes.
    fn woken(&self, payload: &[u8]);

    /// A message on the channel of changes: a watched key was changed, by anybody. Only in [`ChannelMode::Announced`].
    fn announced(&self, key: &[u8]);

    /// From now until `live`, nothing is heard. A push of the connection that was lost may still come.
    fn lost(&self);

    /// From now on everything is heard; what happened before is not. Comes again after each `lost`.
    fn live(&self, mode: ChannelMode);

    /// After [`Self::live`], where [signs of life](Self::heard_all) follow.
    fn signs_follow(&self, _at: Present) {}

    /// All that was changed before this moment has been told. Comes every second or so, as long as the tasks that listen are run.
    fn heard_all(&self, _at: Present) {}
}

/// How a process hears of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelMode {
    /// The server tells of every change of what is watched.
    Tracking,
    /// The server, or what stands before it, refuses to; scripts announce what they change. Changes by other
    /// tools, expiry and eviction are not heard of, and where RESP3 is refused too, replies and pushes have no common order.
    Announced,
}

/// A cache's connection. It ends, with all its tasks, with the last of its handles and connections.
#[derive(Clone)]
pub(crate) struct Tracked(Way);

#[derive(Clone)]
enum Way {
    Server {
        link: Link,
        channel: Arc<Channel>,
    },
    Engine(Arc<Ear>),
    #[cfg(test)]
    Simulated(Line),
}

impl Store {
    /// A connection of its own, on which everything a cache reads and writes goes, and its listener. Connects when it is
    /// first used.
    pub(crate) fn tracked(&self, listener: Arc<dyn Listener>) -> Tracked {
        let hears = Hears {
            listener,
            wakes: keys::cache_wakes(self.prefix()),
            changes: keys::cache_changes(self.prefix()),
        };
        Tracked(match &self.inner.backend {
            Backend::Redis { client, .. } => {
                let channel = Arc::new(Channel::new(hears));
                let link = Link::dressed(client.as_ref().clone(), Arc::<Channel>::clone(&channel), DEADLINE);
                Way::Server { link, channel }
            }
            Backend::Engine { holding, .. } => Way::Engine(Arc::new(Ear::new(holding.engine.clone(), hears))),
            #[cfg(test)]
            Backend::Simulated { network, process, .. } => {
                Way::Simulated(network.hearing_line(*process, hears))
            }
        })
    }
}

impl Tracked {
    /// The same with another deadline for each request, watching included.
    pub(crate) fn within(self, deadline: Duration) -> Self {
        Self(match self.0 {
            Way::Server { link, channel } => Way::Server {
                link: link.with_deadline(deadline),
                channel,
            },
            other => other,
        })
    }

    /// Why requests fail now, if they do.
    pub(crate) fn trouble(&self) -> Option<Arc<RedisError>> {
        match &self.0 {
            Way::Server { link, .. } => link.state().trouble.map(|(_, error)| error),
            _ => None,
        }
    }

    /// Where requests go.
    pub(crate) fn connection(&self) -> Connection {
        match &self.0 {
            Way::Server { link, .. } => Connection::Shared(link.clone()),
            Way::Engine(ear) => Connection::Hearing {
                ear: Arc::clone(ear),
                deadline: DEADLINE,
            },
            #[cfg(test)]
            Way::Simulated(line) => Connection::Simulated(line.clone()),
        }
    }

    /// Hears, from the answer on, of changes of keys that begin so; they are watched for good. One that begins with another
    /// is that one's matter.
    ///
    /// # Errors
    /// When the store is away. They are then watched from its return on, before anything else is asked of it; so they are when
    /// the caller does not wait for the answer.
    pub(crate) async fn watch(&self, prefixes: &[&[u8]]) -> Result<()> {
        let watched = match &self.0 {
            Way::Server { link, channel } => channel.watch(link, prefixes).await,
            Way::Engine(ear) => ear.watch(prefixes).await,
            #[cfg(test)]
            Way::Simulated(line) => line.watch(prefixes).await,
        };
        watched.map_err(|error| refused("watch for changes", error))
    }

    /// How it hears now; `None` while it does not.
    pub(crate) fn mode(&self) -> Option<ChannelMode> {
        match &self.0 {
            Way::Server { channel, .. } => channel.mode(),
            Way::Engine(ear) => ear.mode(),
            #[cfg(test)]
            Way::Simulated(line) => line.mode(),
        }
    }
}

impl std::fmt::Debug for Tracked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tracked")
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// A listener, and the channels whose messages are for it.
pub(super) struct Hears {
    pub(super) listener: Arc<dyn Listener>,
    pub(super) wakes: String,
    pub(super) changes: String,
}

impl Hears {
    /// Hands a push over.
    pub(super) fn hear(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Invalidate => self.invalidated(&push.data),
            PushKind::Message => {
                if let [Value::BulkString(channel), Value::BulkString(payload)] = push.data.as_slice() {
                    self.message(channel, payload);
                }
            }
            _ => {}
        }
    }

    fn invalidated(&self, data: &[Value]) {
        let Some(Value::Array(keys)) = data.first() else {
            return self.listener.flushed();
        };
        for key in keys {
            match key {
                Value::BulkString(key) => self.listener.changed(key),
                _ => self.listener.flushed(),
            }
        }
    }

    pub(super) fn message(&self, channel: &[u8], payload: &[u8]) {
        if channel == self.wakes.as_bytes() {
            self.listener.woken(payload);
        } else if channel == self.changes.as_bytes() {
            self.listener.announced(payload);
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
mod tests;
