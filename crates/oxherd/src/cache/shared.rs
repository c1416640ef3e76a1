//! What all namespaces of a cache have in common: the store, the channel, the tier in this process, the breaker.
//!
//! Every call of the store goes through [`Shared::ask`]: a deadline, a breaker, and a word in the log when the store
//! begins or ceases to answer. Next: `abandoned.rs` (callers who do not wait so long), `space.rs` (a namespace), `listener.rs` (what the channel says).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use redis::aio::ConnectionLike as _;
use redis::{Cmd, RedisResult, Value};

use super::abandoned::{Abandoned, Asking};
use super::local::{Local, NamespaceNumber};
use super::report::Reporting;
use super::space::Space;
use super::waits::Waits;
use crate::breaker::Breaker;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::store::{ChannelMode, Connection, Script, Store, Tracked, is_cut_off, refused, refused_once};

/// What a cache is made of.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) local: Arc<Local>,
    pub(crate) tracked: Tracked,
    pub(crate) breaker: Breaker,
    pub(crate) abandoned: Abandoned,
    /// What keys and channels of the cache start with.
    pub(crate) prefix: String,
    pub(crate) waits: Waits,
    pub(crate) deadline: Duration,
    pub(crate) spaces: RwLock<HashMap<Box<str>, Arc<Space>>>,
    pub(crate) numbers: AtomicU32,
    /// How the channel hears of changes; `None` while it is down.
    pub(crate) channel: RwLock<Option<ChannelMode>>,
    /// Tells others what this process counts.
    pub(crate) reporting: OnceLock<Reporting>,
}

/// Why the store did not answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It was not asked: it failed too often lately.
    Skipped { retry_after: Duration },
    /// It did not answer, or refused.
    Failed(Error),
}

/// What the store is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question<'a> {
    Command(&'a Cmd),
    /// A call of the script.
    Script(&'static Script, &'a Cmd),
}

impl Question<'_> {
    async fn send(self, connection: &mut Connection) -> RedisResult<Value> {
        match self {
            Self::Command(command) => connection.req_packed_command(command).await?.extract_error(),
            Self::Script(script, call) => script.run(connection, call).await,
        }
    }
}

/// What comes of asking a second time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repeated {
    /// Nothing, or the same: done if the connection breaks under the question.
    Harmless,
    /// The work is done twice: never done, and a lost answer is said to be.
    Harmful,
}

impl Repeated {
    pub(super) fn refused(self, operation: &str, error: redis::RedisError) -> Error {
        match self {
            Self::Harmless => refused(operation, error),
            Self::Harmful => refused_once(operation, error),
        }
    }
}

impl Trouble {
    /// Whether asking once more would be in vain: the time is used up, or the store is left alone.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Skipped { .. } => true,
            Self::Failed(Error::StoreUnavailable { source, .. }) => source
                .downcast_ref::<redis::RedisError>()
                .is_none_or(|error| !is_cut_off(error)),
            Self::Failed(_) => false,
        }
    }

    /// As the error of a call that cannot do without the store.
    pub(crate) fn into_error(self, operation: &str) -> Error {
        match self {
            Self::Failed(mut error) => {
                // What the caller wanted, not the name of a script.
                if let Error::StoreUnavailable { operation: asked, .. }
                | Error::OutcomeUnknown { operation: asked, .. }
                | Error::Store { operation: asked, .. } = &mut error
                {
                    operation.clone_into(asked);
                }
                error
            }
            Self::Skipped { retry_after } => Error::StoreUnavailable {
                operation: operation.to_owned(),
                source: format!(
                    "it failed too often lately and is left alone for {} ms",
                    retry_after.as_millis()
                )
                .into(),
            },
        }
    }
}

impl Shared {
    /// The number of a namespace that is opened.
    pub(crate) fn next_number(&self) -> NamespaceNumber {
        NamespaceNumber(self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn is_live(&self) -> bool {
        self.channel.read().is_some()
    }

    /// Asks the store, unless it is known not to answer.
    pub(crate) async fn ask(
        &self,
        operation: &str,
        question: Question<'_>,
        repeated: Repeated,
    ) -> Result<Value, Trouble> {
        let asking = self.asking()?;
        let answer = self.send(question, repeated).await;
        asking.judge(operation, repeated, answer)
    }

    /// Sends a question, within the deadline, whatever is known of the store: who calls this has [asked](Self::asking) before.
    pub(crate) async fn send(&self, question: Question<'_>, repeated: Repeated) -> RedisResult<Value> {
        let mut connection = self.tracked.connection().with_deadline(self.deadline);
        let answer = question.send(&mut connection).await;
        match (repeated, &answer) {
            (Repeated::Harmless, Err(error)) if is_cut_off(error) => question.send(&mut connection).await,
            _ => answer,
        }
    }

    /// Hears, from now on, of changes of keys that begin so.
    ///
    /// Whether the store answered: if it is away, they are heard of from its return on, before anything else is asked of it.
    pub(crate) async fn watch(&self, prefixes: &[&[u8]]) -> bool {
        let told = self.tracked.watch(prefixes).await;
        !matches!(
            told,
            Err(Error::StoreUnavailable { .. } | Error::OutcomeUnknown { .. })
        )
    }

    /// Something that several callers may wait for together, and that says whether the store answered: each of them waits no longer than
    /// one question may take, and not at all while the store is left alone.
    pub(crate) async fn within_deadline(
        &self,
        operation: &str,
        work: impl Future<Output = bool>,
    ) -> Result<(), Trouble> {
        let asking = self.asking()?;
        let Ok(does_answer) = tokio::time::timeout(self.deadline, work).await else {
            asking.ends(false);
            return Err(Trouble::Failed(Error::StoreUnavailable {
                operation: operation.to_owned(),
                source: self.silence().into(),
            }));
        };
        asking.ends(does_answer);
        Ok(())
    }

    fn silence(&self) -> String {
        let silence = format!("no answer within {} ms", self.deadline.as_millis());
        match self.tracked.trouble() {
            Some(last) => format!("{silence}: {last}"),
            None => silence,
        }
    }

    /// Leave to ask the store, unless it is known not to answer.
    pub(crate) fn asking(&self) -> Result<Asking<'_>, Trouble> {
        let permit = self.breaker.permit().map_err(|open| Trouble::Skipped {
            retry_after: open.retry_after,
        })?;
        Ok(Asking::new(self, permit))
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("store", &self.store)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}
