//! Stand-in for the engine's replies.
use std::borrow::Cow;
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault(pub(crate) Cow<'static, str>);
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Simple(Cow<'static, str>),
    Error(Fault),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    NilArray,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    Pairs(Vec<(Reply, Reply)>),
    Double(f64),
    Bool(bool),
    BigNumber(String),
    Verbatim(String),
    Push(Vec<Reply>),
}
