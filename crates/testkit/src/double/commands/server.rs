//! Commands about the server itself.

use crate::double::arguments::{Arguments, integer, is};
use crate::double::glob;
use crate::double::keyspace::Keyspace;
use crate::double::reply::{Outcome, Refusal, Reply};

/// What `CONFIG GET` knows; the values are those of a server without persistence.
const SETTINGS: [(&str, &str); 6] = [
    ("appendonly", "no"),
    ("databases", "1"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("save", ""),
    ("stream-node-max-entries", "100"),
];

pub(super) fn ping(_: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    match arguments {
        [_] => Ok(Reply::Status("PONG".to_owned())),
        [_, text] => Ok(Reply::bulk(text.clone())),
        _ => Err(Refusal::wrong_arity("ping")),
    }
}

pub(super) fn echo(_: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::bulk(arguments[1].clone()))
}

/// There is one database only.
pub(super) fn select(_: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    match integer(&arguments[1])? {
        0 => Ok(Reply::ok()),
        _ => Err(Refusal::err("DB index is out of range")),
    }
}

pub(super) fn config(_: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    if !is(&arguments[1], "GET") {
        let subcommand = String::from_utf8_lossy(&arguments[1]);
        return Err(Refusal::err(format!(
            "unknown subcommand '{subcommand}'. Try CONFIG HELP."
        )));
    }
    if arguments.len() < 3 {
        return Err(Refusal::wrong_arity("config|get"));
    }
    let is_asked = |name: &str| {
        arguments[2..]
            .iter()
            .any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let asked = SETTINGS.iter().filter(|(name, _)| is_asked(name));
    Ok(Reply::Array(
        asked
            .flat_map(|(name, value)| [Reply::bulk(*name), Reply::bulk(*value)])
            .collect(),
    ))
}

pub(super) fn time(keyspace: &mut Keyspace, _: &[Vec<u8>]) -> Outcome {
    let now = keyspace.now_ms();
    let seconds = now.div_euclid(1_000).to_string();
    let microseconds = (now.rem_euclid(1_000) * 1_000).to_string();
    Ok(Reply::Array(vec![
        Reply::bulk(seconds),
        Reply::bulk(microseconds),
    ]))
}

pub(super) fn flush_all(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut options = Arguments::of(arguments);
    let is_known = options.take("ASYNC") || options.take("SYNC") || options.is_empty();
    if !is_known || !options.is_empty() {
        return Err(Refusal::syntax());
    }
    keyspace.clear();
    Ok(Reply::ok())
}

pub(super) fn database_size(keyspace: &mut Keyspace, _: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(keyspace.live().count()))
}
