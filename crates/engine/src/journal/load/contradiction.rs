//! What effects cannot say unless something was lost or changed on the way.
//!
//! Next: `load.rs`.

use crate::journal::codec::Garbled;

/// Effects that no engine has written so, or not all of what it has written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Contradiction {
    #[error("value {id} has a number that is never given")]
    Number { id: u64 },
    #[error("database {database} has a number that is never given")]
    DatabaseNumber { database: u64 },
    #[error("value {id} has a name, and what it is was never said")]
    NoValue { id: u64 },
    #[error("value {id} is a collection without elements")]
    Empty { id: u64 },
    #[error("string {id} has {length} bytes")]
    Length { id: u64, length: u64 },
    #[error("chunk {chunk} of list {id} has {items} items")]
    Chunk { id: u64, chunk: i64, items: usize },
    #[error("sorted set {id} has a score that is not a number")]
    Score { id: u64 },
    #[error("values {id} and {other} have the same name")]
    SameName { id: u64, other: u64 },
    #[error("value {id} is in database {database}, which was emptied before")]
    NoDatabase { id: u64, database: u64 },
    #[error("database {database} stands at two places")]
    Order { database: u64 },
    #[error("{needed} databases hold something, and {configured} are configured")]
    TooFewDatabases { needed: usize, configured: usize },
}

/// Why a payload cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Garbled(#[from] Garbled),
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}
