//! The table of all commands that work on the keyspace alone.
//!
//! Arity counts the command's name; a negative one is a minimum. Commands that need a client or Lua are in `machine.rs`.
//! One file per family follows.

mod hashes;
mod keys;
mod lists;
mod scan;
mod server;
mod sets;
mod sorted_sets;
mod streams;
mod strings;

pub(super) use streams::read::StreamRead;

use super::keyspace::Keyspace;
use super::reply::{Outcome, Refusal};

type Run = fn(&mut Keyspace, &[Vec<u8>]) -> Outcome;

/// One row of the table.
pub(super) struct Command {
    name: &'static str,
    arity: i8,
    run: Run,
}

impl Command {
    const fn new(name: &'static str, arity: i8, run: Run) -> Self {
        Self { name, arity, run }
    }

    /// Refuses a wrong number of arguments, as Redis does before it queues or runs a command.
    pub(super) fn check_arity(&self, arguments: &[Vec<u8>]) -> Result<(), Refusal> {
        if is_arity(self.arity, arguments.len()) {
            Ok(())
        } else {
            Err(Refusal::wrong_arity(self.name))
        }
    }

    pub(super) fn is_allowed_in_scripts(&self) -> bool {
        !matches!(self.name, "BZPOPMIN" | "CONFIG")
    }

    /// Runs it; the arity must have been checked.
    pub(super) fn run(&self, keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
        (self.run)(keyspace, arguments)
    }
}

pub(super) fn is_arity(arity: i8, count: usize) -> bool {
    let wanted = usize::from(arity.unsigned_abs());
    if arity < 0 {
        count >= wanted
    } else {
        count == wanted
    }
}

/// Finds a command by name, in any case.
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    TABLE
        .iter()
        .find(|command| name.eq_ignore_ascii_case(command.name.as_bytes()))
}

static TABLE: &[Command] = &[
    Command::new("PING", -1, server::ping),
    Command::new("ECHO", 2, server::echo),
    Command::new("SELECT", 2, server::select),
    Command::new("CONFIG", -2, server::config),
    Command::new("INFO", -1, super::clients::info),
    Command::new("TIME", 1, server::time),
    Command::new("FLUSHALL", -1, server::flush_all),
    Command::new("DBSIZE", 1, server::database_size),
    Command::new("EXISTS", -2, keys::exists),
    Command::new("DEL", -2, keys::delete),
    Command::new("UNLINK", -2, keys::delete),
    Command::new("TYPE", 2, keys::type_of),
    Command::new("RENAME", 3, keys::rename),
    Command::new("EXPIRE", -3, keys::expire),
    Command::new("PEXPIRE", -3, keys::pexpire),
    Command::new("PERSIST", 2, keys::persist),
    Command::new("TTL", 2, keys::ttl),
    Command::new("PTTL", 2, keys::pttl),
    Command::new("KEYS", 2, keys::keys),
    Command::new("SCAN", -2, scan::scan),
    Command::new("GET", 2, strings::get),
    Command::new("MGET", -2, strings::mget),
    Command::new("SET", -3, strings::set),
    Command::new("INCR", 2, strings::incr),
    Command::new("INCRBY", 3, strings::incr_by),
    Command::new("DECR", 2, strings::decr),
    Command::new("HSET", -4, hashes::hset),
    Command::new("HMSET", -4, hashes::hmset),
    Command::new("HGET", 3, hashes::hget),
    Command::new("HMGET", -3, hashes::hmget),
    Command::new("HGETALL", 2, hashes::hgetall),
    Command::new("HDEL", -3, hashes::hdel),
    Command::new("HEXISTS", 3, hashes::hexists),
    Command::new("HINCRBY", 4, hashes::hincrby),
    Command::new("HLEN", 2, hashes::hlen),
    Command::new("HSCAN", -3, scan::hscan),
    Command::new("LPUSH", -3, lists::lpush),
    Command::new("RPUSH", -3, lists::rpush),
    Command::new("LPOP", -2, lists::lpop),
    Command::new("RPOP", -2, lists::rpop),
    Command::new("RPOPLPUSH", 3, lists::rpoplpush),
    Command::new("LMOVE", 5, lists::lmove),
    Command::new("LLEN", 2, lists::llen),
    Command::new("LRANGE", 4, lists::lrange),
    Command::new("LREM", 4, lists::lrem),
    Command::new("LTRIM", 4, lists::ltrim),
    Command::new("LINDEX", 3, lists::lindex),
    Command::new("LSET", 4, lists::lset),
    Command::new("LPOS", -3, lists::lpos),
    Command::new("SADD", -3, sets::sadd),
    Command::new("SREM", -3, sets::srem),
    Command::new("SMEMBERS", 2, sets::smembers),
    Command::new("SCARD", 2, sets::scard),
    Command::new("SISMEMBER", 3, sets::sismember),
    Command::new("SSCAN", -3, scan::sscan),
    Command::new("ZADD", -4, sorted_sets::write::zadd),
    Command::new("ZREM", -3, sorted_sets::write::zrem),
    Command::new("ZSCORE", 3, sorted_sets::read::zscore),
    Command::new("ZMSCORE", -3, sorted_sets::read::zmscore),
    Command::new("ZCARD", 2, sorted_sets::read::zcard),
    Command::new("ZCOUNT", 4, sorted_sets::read::zcount),
    Command::new("ZRANGE", -4, sorted_sets::read::zrange),
    Command::new("ZREVRANGE", -4, sorted_sets::read::zrevrange),
    Command::new("ZRANGEBYSCORE", -4, sorted_sets::read::zrangebyscore),
    Command::new("ZREVRANGEBYSCORE", -4, sorted_sets::read::zrevrangebyscore),
    Command::new("ZREMRANGEBYSCORE", 4, sorted_sets::write::zremrangebyscore),
    Command::new("ZREMRANGEBYRANK", 4, sorted_sets::write::zremrangebyrank),
    Command::new("ZPOPMIN", -2, sorted_sets::write::zpopmin),
    Command::new("BZPOPMIN", -3, sorted_sets::write::bzpopmin),
    Command::new("XADD", -5, streams::write::xadd),
    Command::new("XTRIM", -4, streams::write::xtrim),
    Command::new("XLEN", 2, streams::read::xlen),
    Command::new("XRANGE", -4, streams::read::xrange),
    Command::new("XREVRANGE", -4, streams::read::xrevrange),
    Command::new("XREAD", -4, streams::read::xread),
];
