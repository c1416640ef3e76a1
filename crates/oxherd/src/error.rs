//! The one error of this crate.
//!
//! Every variant says what was attempted on what, and names the remedy where there is one. A cause is kept in the field `source`. It is
//! told once: either [`std::error::Error::source`] has it, or the text ends with it and `source()` has what caused that.
//! The outcome of a job is not an error: see [`crate::Stop`].

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::job::JobState;

/// A cause, whatever it was.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Why opening a store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenProblem {
    /// Nothing listens there, or the network does not reach it.
    Unreachable,
    /// Something accepted the connection and did not answer in time.
    Silent,
    /// The server wants other credentials.
    Authentication,
    /// The TLS handshake failed.
    Tls,
    /// What answered does not speak Redis.
    NotRedis,
    /// The connection was accepted and cut before the server answered.
    Cut,
    /// The server refuses the database that the URL names.
    Database,
    /// The server is too old.
    Unsupported,
    /// Another process has the directory and lets nobody in.
    InUse,
    /// The directory cannot be used: the system refuses something.
    Directory,
    /// Files of the directory are not what was written.
    Damaged,
    /// Another version has written the directory.
    Format,
    /// The user may not run a command that opening a store needs.
    NotPermitted {
        /// The command.
        command: &'static str,
    },
}

impl fmt::Display for OpenProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "nothing answers there; is the server running and the address right?",
            Self::Silent => "the connection was accepted but nothing answered in time",
            Self::Authentication => "user name or password refused; put them in the URL: redis://user:password@host",
            Self::Tls => "the TLS handshake failed; check the certificate (?tls_ca=FILE names an own CA), or use redis:// for a server without TLS",
            Self::NotRedis => "what answered is not a Redis or Valkey server (or wants TLS: rediss://)",
            Self::Cut => "the connection was accepted and cut before an answer; is the server starting, or a proxy without it, or does it want TLS (rediss://)?",
            Self::Database => "the server refuses the database that the URL names; they are numbered from 0, up to 15 unless its `databases` says otherwise",
            Self::Unsupported => "the server is older than Redis 6.2; upgrade it",
            Self::InUse => "another process has the directory and does not answer on its socket",
            Self::Directory => "the directory cannot be used",
            Self::Damaged => "its files are damaged; nothing was changed",
            Self::Format => "its files have another format",
            Self::NotPermitted { command } => {
                let right = command.to_lowercase();
                return write!(
                    f,
                    "the server does not let this user run {command}; allow it: ACL SETUSER NAME +{right}"
                );
            }
        })
    }
}

/// Gives an error its texts, as `thiserror` does, and leaves `source()` to us: it would repeat the causes that are in the texts.
macro_rules! with_texts {
    ($(#[$about:meta])* pub enum $error:ident {
        $($(#[doc = $doc:literal])+ #[error($($text:tt)+)] $variant:ident {
            $($(#[$about_field:meta])+ $field:ident: $kind:ty,)+
        },)+
    }) => {
        $(#[$about])*
        pub enum $error {
            $($(#[doc = $doc])+ $variant { $($(#[$about_field])+ $field: $kind,)+ },)+
        }

        impl fmt::Display for $error {
            #[allow(unused_variables, reason = "not every field is in the text")]
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant { $($field),+ } => write!(f, $($text)+),)+
                }
            }
        }
    };
}

with_texts! {
/// Everything that can go wrong in this crate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The store URL cannot be used.
    #[error("invalid store URL: {reason}")]
    StoreUrl {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The store could not be opened. Answered within 5 s; a directory that is being read is waited for.
    #[error("cannot open store {store}: {problem}")]
    Open {
        /// The store's URL without secrets.
        store: String,
        /// The kind of failure.
        problem: OpenProblem,
        /// What the network or the server said.
        source: Option<Cause>,
    },
    /// The store did not answer; nothing was changed, or changing it again does no harm.
    #[error("cannot {operation}: the store does not answer")]
    StoreUnavailable {
        /// What was attempted.
        operation: String,
        /// What the network or the server said.
        source: Cause,
    },
    /// The reply was lost: the change may or may not have been made.
    #[error("outcome unknown: {operation} was sent, but its reply was lost; {remedy}")]
    OutcomeUnknown {
        /// What was attempted.
        operation: String,
        /// What to do before it is repeated.
        remedy: &'static str,
        /// What the network or the server said.
        source: Cause,
    },
    /// The store refused or failed the operation.
    #[error("cannot {operation}: {source}")]
    Store {
        /// What was attempted.
        operation: String,
        /// What the server said.
        source: Cause,
    },
    /// The store answered with something this version does not understand.
    #[error("cannot {operation}: unexpected reply from the store: {reason}")]
    Reply {
        /// What was attempted.
        operation: String,
        /// What was expected.
        reason: String,
    },
    /// A key of ours holds something of another type: another program uses our prefix.
    #[error(
        "cannot {operation}: key {key:?} holds a {found} where a {expected} belongs; another program uses this prefix, choose another with ?prefix= or remove the key"
    )]
    WrongKeyType {
        /// What was attempted.
        operation: String,
        /// The key.
        key: String,
        /// The type that belongs there.
        expected: &'static str,
        /// The type found.
        found: String,
    },
    /// The target of a copy or a load holds keys of that name already.
    #[error("cannot write key {key:?}: {store} holds {}", held(*count))]
    KeysExist {
        /// The target's URL without secrets.
        store: String,
        /// The first of the keys.
        key: String,
        /// How many are known.
        count: u64,
    },
    /// Both ends of a copy are the same store.
    #[error("cannot copy {store} onto itself: what is written to the target appears in the source")]
    SameStore {
        /// The target's URL without secrets.
        store: String,
    },
    /// A dump that cannot be read.
    #[error("invalid dump at {place}: {reason}")]
    Dump {
        /// The line, or the byte from the start.
        place: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A dump could not be read from its file, or written to it.
    #[error("cannot {operation}: {source}")]
    DumpFile {
        /// What was attempted.
        operation: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A copy, dump or load stopped before its end.
    #[error("{source}; {written} keys were written before")]
    TransferStopped {
        /// How many keys had been written whole; no key is written in part.
        written: u64,
        /// Why it stopped.
        source: Box<Error>,
    },
    /// A queue name that cannot be used.
    #[error("invalid queue name {name:?}: {reason}")]
    QueueName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A job id that cannot be used.
    #[error("invalid job id {id:?}: {reason}")]
    JobId {
        /// The id.
        id: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A job option out of its range.
    #[error("invalid option `{option}`: {reason}")]
    JobOption {
        /// The option by its public name.
        option: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Data that cannot become JSON, or is no JSON.
    #[error("invalid data of job {name:?}: {source}")]
    Data {
        /// The job's name.
        name: String,
        /// The serialiser's words.
        source: Cause,
    },
    /// Data larger than the job's own limit.
    #[error(
        "data of job {name:?} is {size} bytes, more than its limit of {limit}; store it elsewhere and pass a reference"
    )]
    DataTooLarge {
        /// The job's name.
        name: String,
        /// Bytes of JSON.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The queue holds as many waiting jobs as it may.
    #[error("queue {queue:?} is full: {limit} jobs wait already; try again in {} s", retry_after.as_secs().max(1))]
    QueueFull {
        /// The queue.
        queue: String,
        /// How many jobs may wait.
        limit: u64,
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// There is no such job.
    #[error("cannot {operation} job {id} in queue {queue:?}: there is no such job")]
    JobNotFound {
        /// What was attempted.
        operation: &'static str,
        /// The queue.
        queue: String,
        /// The job's id.
        id: String,
    },
    /// The job is in a state that does not allow this.
    #[error("cannot {operation} job {id} in queue {queue:?}: job is {state}")]
    JobState {
        /// What was attempted.
        operation: &'static str,
        /// The queue.
        queue: String,
        /// The job's id.
        id: String,
        /// The state it is in.
        state: JobState,
    },
    /// The job cannot be touched for another reason.
    #[error("cannot {operation} job {id} in queue {queue:?}: {reason}")]
    JobRefused {
        /// What was attempted.
        operation: &'static str,
        /// The queue.
        queue: String,
        /// The job's id.
        id: String,
        /// Why.
        reason: &'static str,
    },
    /// A position in an event stream that is none.
    #[error(
        "invalid position {position:?} in the events of queue {queue:?}: must be an entry's id, `<ms>` or `<ms>-<n>`"
    )]
    EventPosition {
        /// The queue.
        queue: String,
        /// What was given.
        position: String,
    },
    /// A worker was set up in a way that cannot work.
    #[error("invalid worker for queue {queue:?}: {reason}")]
    WorkerSetup {
        /// The queue.
        queue: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A value larger than its namespace takes.
    #[error(
        "cannot cache key {key:?} of namespace {namespace:?}: its value is {size} bytes, more than the limit of {limit}; cache less of it, or raise `max_value`"
    )]
    ValueTooLarge {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
        /// Bytes as the codec writes them, before compression.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value that cannot be serialised.
    #[error("cannot cache key {key:?} of namespace {namespace:?}: {source}")]
    CacheValue {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
        /// The serialiser's words.
        source: Cause,
    },
    /// A tag that cannot be used.
    #[error("invalid tag {tag:?}: {reason}")]
    CacheTag {
        /// The tag.
        tag: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// More tags than an entry may have.
    #[error(
        "cannot cache key {key:?} of namespace {namespace:?}: it has {count} tags, and may have {limit}; tag what is invalidated together"
    )]
    CacheTags {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A key to encrypt with that cannot be used. The key itself is not repeated.
    #[error("invalid encryption key: {reason}")]
    EncryptionKey {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A name of a namespace or tenant that cannot be used.
    #[error("invalid name of a cache's {what} {name:?}: {reason}")]
    CacheName {
        /// `namespace` or `tenant`.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A key or tag that cannot be used.
    #[error("invalid cache key: {reason}")]
    CacheKey {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A setting of a cache or namespace, or of one call, out of its range.
    #[error("invalid cache option `{option}`: {reason}")]
    CacheOption {
        /// The option by the name of its method.
        option: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The loader of a value failed, and nothing stale could be served instead. Everybody who waited for it has the same cause.
    #[error("cannot load {key} of cache namespace {namespace:?}: {source}")]
    Load {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
        /// What the loader said.
        source: LoadCause,
    },
    /// Nothing as new as the caller asked for, or as the fence of a removal or write asks for, could be had: the source is behind. Every time,
    /// of a source that is not: a version was told in another unit than the source's; `docs/cache.md` (fences) has the way out.
    #[error(
        "cannot read {key} of cache namespace {namespace:?} at version {wanted} or later: the source says {found}; is it a replica that lags, or a fence that is too high?"
    )]
    BehindVersion {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
        /// The version asked for.
        wanted: u64,
        /// The version that the last load had; 0 when it said none.
        found: u64,
    },
    /// A write was refused because something newer is there, or was invalidated.
    #[error("cannot write {key} of cache namespace {namespace:?}: {reason}")]
    CacheRefused {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
        /// Why.
        reason: &'static str,
    },
    /// There is no such value: the loader said so, now or a while ago.
    #[error("cannot read {key} of cache namespace {namespace:?}: its source has no such value")]
    Absent {
        /// The namespace.
        namespace: String,
        /// The key.
        key: String,
    },
    /// A breaker's option out of its range.
    #[error("invalid option `{option}` of breaker {breaker:?}: {reason}")]
    BreakerOption {
        /// The breaker.
        breaker: String,
        /// The option by its name.
        option: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A lock's name or an option of it that cannot be used.
    #[error("invalid `{option}` of lock {lock:?}: {reason}")]
    LockOption {
        /// The lock.
        lock: String,
        /// The option by its name.
        option: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Somebody else has held the lock for as long as one was to wait.
    #[error(
        "lock {lock:?} is held{} for {} ms more unless its holder goes on; try again, or wait longer with .wait()", held_by(owner), remaining.as_millis()
    )]
    LockBusy {
        /// The lock.
        lock: String,
        /// What its holder calls itself; empty if it does not.
        owner: String,
        /// When its present term ends.
        remaining: Duration,
    },
    /// The lock ended under its holder, who must not do any more what it protects.
    #[error("lock {lock:?} was lost: its term ended before it could be renewed, or somebody removed it")]
    LockLost {
        /// The lock.
        lock: String,
    },
    /// What is to be invalidated by hand is kept by each process to itself, and no process would hear of it.
    #[error(
        "cannot invalidate cache namespace {namespace:?} from outside: each process keeps it to itself (`Tiers::Local`) and hears of nothing; invalidate it in the program, let its TTL end, restart the processes, or open it with `Tiers::Both`"
    )]
    CacheOutOfReach {
        /// The namespace, with its version.
        namespace: String,
    },
}
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Open { source, .. } => source
                .as_ref()
                .map(|source| -> &(dyn StdError + 'static) { &**source }),
            Self::StoreUnavailable { source, .. } | Self::OutcomeUnknown { source, .. } => Some(&**source),
            // The text has told it; what comes next is its own cause.
            Self::Store { source, .. } | Self::Data { source, .. } | Self::CacheValue { source, .. } => {
                source.source()
            }
            Self::DumpFile { source, .. } => source.source(),
            Self::TransferStopped { source, .. } => source.source(),
            Self::Load { source, .. } => source.source(),
            _ => None,
        }
    }
}

/// What made a load fail, shared by everybody who waited for it.
#[derive(Clone, Debug)]
pub struct LoadCause(std::sync::Arc<dyn StdError + Send + Sync>);

impl LoadCause {
    pub(crate) fn new(cause: Cause) -> Self {
        Self(cause.into())
    }

    /// The loader's own error, if it is of this type.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Display for LoadCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for LoadCause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl Error {
    /// Whether the store is away and the same call may succeed later.
    #[must_use]
    pub fn is_store_unavailable(&self) -> bool {
        match self {
            Self::StoreUnavailable { .. } | Self::OutcomeUnknown { .. } | Self::Open { .. } => true,
            Self::TransferStopped { source, .. } => source.is_store_unavailable(),
            _ => false,
        }
    }
}

fn held_by(owner: &str) -> String {
    match owner {
        "" => String::new(),
        owner => format!(" by {owner:?}"),
    }
}

fn held(count: u64) -> String {
    match count {
        1 => "it already".to_owned(),
        count => format!("it and {} more already", count - 1),
    }
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// What the store, the system or a serialiser says, and why.
    #[derive(Debug, thiserror::Error)]
    #[error("the near cause")]
    struct Near(#[source] io::Error);

    fn near() -> Cause {
        Near(io::Error::other("the far cause")).into()
    }

    fn with_causes() -> Vec<Error> {
        let (name, key, namespace) = ("mail".to_owned(), "7".to_owned(), "products@1".to_owned());
        let operation = || "add a job".to_owned();
        let store = |source| Error::Store {
            operation: operation(),
            source,
        };
        let unavailable = || Error::StoreUnavailable {
            operation: operation(),
            source: near(),
        };
        let stopped = |source| Error::TransferStopped {
            written: 7,
            source: Box::new(source),
        };
        vec![
            Error::Open {
                store: "redis://localhost".to_owned(),
                problem: OpenProblem::Unreachable,
                source: Some(near()),
            },
            unavailable(),
            Error::OutcomeUnknown {
                operation: operation(),
                remedy: "look before repeating it",
                source: near(),
            },
            store(near()),
            Error::DumpFile {
                operation: "write the dump",
                source: io::Error::other(near()),
            },
            stopped(store(near())),
            stopped(unavailable()),
            Error::Data { name, source: near() },
            Error::CacheValue {
                namespace: namespace.clone(),
                key: key.clone(),
                source: near(),
            },
            Error::Load {
                namespace,
                key,
                source: LoadCause::new(near()),
            },
        ]
    }

    #[test]
    fn an_error_with_its_causes_tells_each_of_them_once() {
        for error in with_causes() {
            let mut told = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                told.push_str(&format!("\n{error}"));
                cause = error.source();
            }
            for cause in ["the near cause", "the far cause"] {
                assert_eq!(told.matches(cause).count(), 1, "{told}");
            }
        }
    }

    #[test]
    fn the_words_of_the_store_are_in_the_text_where_it_refused() {
        let error = Error::Store {
            operation: "write to the cache".to_owned(),
            source: "OOM command not allowed".into(),
        };
        assert_eq!(
            error.to_string(),
            "cannot write to the cache: OOM command not allowed"
        );
        assert!(error.source().is_none());
    }
}
