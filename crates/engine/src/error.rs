//! The one error of this crate.
//!
//! Commands do not fail with it: their refusals are replies (`reply.rs`). It is for what the program that holds the
//! engine asked for. Next: `resp/endpoint.rs`.

use std::error::Error as StdError;
use std::fmt;

/// Something asked of the engine could not be done.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Somebody else listens there, or another file is in the way.
    AddressInUse,
    /// The address can be reached from other machines and the engine has no password.
    PasswordRequired,
    /// Listening failed for another reason.
    Listen,
    /// Another process has the directory.
    DirectoryInUse,
    /// What the disk holds is not what was written: the message names file and offset.
    Damaged,
    /// The directory was written by a version of this crate that keeps its files in another format.
    Format,
    /// The system refused to read or to write.
    Storage,
    /// An option cannot be what it was set to: the message names it.
    Option,
    /// A backup is not whole: the message names the offset.
    Backup,
    /// Something is where a backup, or what was in one, was to be written.
    Exists,
    /// The directory holds nothing.
    NoStore,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            message: message.into(),
            source: Some(Box::new(source)),
        }
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
