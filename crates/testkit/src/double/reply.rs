//! What a command answers, before it becomes a redis-rs value or a Lua value.
//!
//! The shapes are those of RESP2. Errors are handed to redis-rs through its own parser, so that they get the very
//! kinds they would get from a server.

use redis::Value;

/// One answer in the shapes of RESP2.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Nil,
    Integer(i64),
    Bulk(Vec<u8>),
    Status(String),
    Array(Vec<Reply>),
    Error(String),
}

/// Why a command was not carried out, worded as Redis words it (with the leading code).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal(pub(super) String);

pub(super) type Outcome = Result<Reply, Refusal>;

impl Refusal {
    /// A general error: `ERR` and the text.
    pub(super) fn err(text: impl AsRef<str>) -> Self {
        Self(format!("ERR {}", text.as_ref()))
    }

    pub(super) fn syntax() -> Self {
        Self::err("syntax error")
    }

    pub(super) fn not_an_integer() -> Self {
        Self::err("value is not an integer or out of range")
    }

    pub(super) fn wrong_type() -> Self {
        Self("WRONGTYPE Operation against a key holding the wrong kind of value".to_owned())
    }

    pub(super) fn wrong_arity(command: &str) -> Self {
        Self::err(format!(
            "wrong number of arguments for '{}' command",
            command.to_lowercase()
        ))
    }
}

impl Reply {
    pub(super) fn ok() -> Self {
        Self::Status("OK".to_owned())
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).expect("no collection is that long"))
    }

    pub(super) fn flag(is_so: bool) -> Self {
        Self::Integer(i64::from(is_so))
    }

    pub(super) fn bulk(text: impl Into<Vec<u8>>) -> Self {
        Self::Bulk(text.into())
    }

    pub(super) fn bulk_or_nil(text: Option<&Vec<u8>>) -> Self {
        text.map_or(Self::Nil, |text| Self::Bulk(text.clone()))
    }

    /// An array of bulk strings.
    pub(super) fn bulks<'a>(texts: impl IntoIterator<Item = &'a Vec<u8>>) -> Self {
        Self::Array(texts.into_iter().map(|text| Self::Bulk(text.clone())).collect())
    }

    pub(super) fn from_outcome(outcome: Outcome) -> Self {
        outcome.unwrap_or_else(|refusal| Self::Error(refusal.0))
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Integer(number) => Value::Int(number),
            Self::Bulk(bytes) => Value::BulkString(bytes),
            Self::Status(text) if text == "OK" => Value::Okay,
            Self::Status(text) => Value::SimpleString(text),
            Self::Array(items) => Value::Array(items.into_iter().map(Self::into_value).collect()),
            Self::Error(text) => {
                let line = text.replace(['\r', '\n'], " ");
                redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("an error line parses")
            }
        }
    }
}
