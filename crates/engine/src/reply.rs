//! What a command answers, before it is encoded for a wire, a script or redis-rs.
//!
//! The shapes are those of RESP3; each knows its RESP2 form (a map is a flat array there, a double a string). Errors
//! carry the exact text a server would send, code included.
//! Next: `resp/encode.rs`, `connection.rs`, `lua/convert.rs`.

use std::borrow::Cow;

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// A short status such as `OK`.
    Simple(Cow<'static, str>),
    /// A refusal.
    Error(Fault),
    /// A signed integer.
    Int(i64),
    /// A byte string.
    Bulk(Vec<u8>),
    /// No value: `$-1` in RESP2, `_` in RESP3.
    Nil,
    /// No array: `*-1` in RESP2, `_` in RESP3.
    NilArray,
    /// A list of replies.
    Array(Vec<Reply>),
    /// Keys and values: a flat array in RESP2.
    Map(Vec<(Reply, Reply)>),
    /// Distinct replies in no order: an array in RESP2.
    Set(Vec<Reply>),
    /// Pairs in order: a flat array in RESP2, an array of two-element arrays in RESP3.
    Pairs(Vec<(Reply, Reply)>),
    /// A floating-point number: a string in RESP2.
    Double(f64),
    /// Yes or no: 1 or 0 in RESP2.
    Bool(bool),
    /// An integer of any size, in decimal: a string in RESP2.
    BigNumber(String),
    /// A text to be shown as it is: a string in RESP2.
    Verbatim(String),
    /// A message that answers no command: an array in RESP2.
    Push(Vec<Reply>),
    /// Several replies to one command, one after the other (SUBSCRIBE of several channels).
    Several(Vec<Reply>),
}

/// Why a command was refused: the whole text, beginning with its code (`ERR syntax error`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(Cow<'static, str>);

/// What every command returns.
pub(crate) type Answer = Result<Reply, Fault>;

impl Reply {
    /// `OK`.
    pub(crate) const OK: Self = Self::Simple(Cow::Borrowed("OK"));

    /// A status that is known beforehand.
    pub(crate) const fn status(text: &'static str) -> Self {
        Self::Simple(Cow::Borrowed(text))
    }

    /// A number of things.
    pub(crate) fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// 1 or 0, as most commands say yes and no.
    pub(crate) fn flag(is_so: bool) -> Self {
        Self::Int(i64::from(is_so))
    }

    /// A byte string.
    pub(crate) fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    /// A byte string, or nothing.
    pub(crate) fn bulk_or_nil(bytes: Option<impl AsRef<[u8]>>) -> Self {
        bytes.map_or(Self::Nil, Self::bulk)
    }

    /// An array of byte strings.
    pub(crate) fn bulks<B: AsRef<[u8]>>(items: impl IntoIterator<Item = B>) -> Self {
        Self::Array(items.into_iter().map(Self::bulk).collect())
    }

    /// Whether this is a refusal.
    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        answer.unwrap_or_else(Self::Error)
    }
}

impl Fault {
    /// `ERR syntax error`.
    pub(crate) const SYNTAX: Self = Self::of("ERR syntax error");
    /// An argument that is no 64-bit integer.
    pub(crate) const NOT_AN_INTEGER: Self = Self::of("ERR value is not an integer or out of range");
    /// An argument that is no number.
    pub(crate) const NOT_A_FLOAT: Self = Self::of("ERR value is not a valid float");
    /// A key that holds another type.
    pub(crate) const WRONG_TYPE: Self =
        Self::of("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// The journal failed before it had kept what the answer had seen.
    pub(crate) const LOST: Self = Self::of(
        "MISCONF The journal failed before this was durable: nothing of it is kept. Look at the log for the reason.",
    );
    /// A source key that is not there.
    pub(crate) const NO_SUCH_KEY: Self = Self::of("ERR no such key");

    /// A fault whose text, with its code, is known beforehand.
    pub(crate) const fn of(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A fault with its code.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into()))
    }

    /// `ERR` and the text.
    pub(crate) fn err(text: impl AsRef<str>) -> Self {
        Self(Cow::Owned(format!("ERR {}", text.as_ref())))
    }

    /// Too few or too many arguments; `command` in lower case, a subcommand as `client|kill`.
    pub(crate) fn arity(command: &str) -> Self {
        Self::err(format!("wrong number of arguments for '{command}' command"))
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The code: the first word.
    pub(crate) fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}
