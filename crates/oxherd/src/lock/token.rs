//! Who holds a lease: sixteen random bytes, new for every attempt to take one.

use std::fmt;

use redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};

/// The token of a lease. Whoever sends it again is the same one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token([u8; 16]);

impl Token {
    /// One that nobody else has.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl ToRedisArgs for Token {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.write_arg(&self.0);
    }
}

impl ToSingleRedisArg for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:032x})", u128::from_be_bytes(self.0))
    }
}
