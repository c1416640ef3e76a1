//! The table `redis` that scripts use.
//!
//! `call` throws the error of a command, `pcall` returns it. Both run under the lock of the script's own EVAL.

use mlua::{Lua, MultiValue, Table, Value};

use super::{convert, fault, host_function};
use crate::double::commands::{self, StreamRead, is_arity};
use crate::double::keyspace::Keyspace;
use crate::double::machine::find_own;
use crate::double::reply::{Outcome, Refusal, Reply};

/// The levels of `redis.log`, which goes nowhere.
const LOG_LEVELS: [(&str, i64); 4] = [
    ("LOG_DEBUG", 0),
    ("LOG_VERBOSE", 1),
    ("LOG_NOTICE", 2),
    ("LOG_WARNING", 3),
];

pub(super) fn build(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("call", host_function(lua, call)?)?;
    table.raw_set("pcall", host_function(lua, pcall)?)?;
    table.raw_set("error_reply", host_function(lua, error_reply)?)?;
    table.raw_set("status_reply", host_function(lua, status_reply)?)?;
    table.raw_set("sha1hex", host_function(lua, sha1hex)?)?;
    table.raw_set("log", host_function(lua, log)?)?;
    for (name, level) in LOG_LEVELS {
        table.raw_set(name, level)?;
    }
    Ok(table)
}

fn call(lua: &Lua, arguments: &MultiValue) -> mlua::Result<Value> {
    match run(lua, arguments) {
        Ok(reply) => convert::to_lua(lua, &reply),
        Err(refusal) => Err(fault::reply(refusal.0)),
    }
}

fn pcall(lua: &Lua, arguments: &MultiValue) -> mlua::Result<Value> {
    convert::to_lua(lua, &Reply::from_outcome(run(lua, arguments)))
}

fn run(lua: &Lua, arguments: &MultiValue) -> Outcome {
    if arguments.is_empty() {
        return Err(Refusal::err(
            "Please specify at least one argument for this redis lib call",
        ));
    }
    let arguments: Option<Vec<_>> = arguments.iter().map(convert::to_argument).collect();
    let arguments = arguments
        .ok_or_else(|| Refusal::err("Lua redis lib command arguments must be strings or integers"))?;
    let wrong_arity = || Refusal::err("Wrong number of args calling Redis command from script");
    let not_allowed = || Refusal::err("This Redis command is not allowed from script");

    let Some(command) = commands::find(&arguments[0]) else {
        return Err(match find_own(&arguments[0]) {
            None => Refusal::err("Unknown Redis command called from script"),
            Some((_, arity)) if !is_arity(arity, arguments.len()) => wrong_arity(),
            Some(_) => not_allowed(),
        });
    };
    command.check_arity(&arguments).map_err(|_| wrong_arity())?;
    if !command.is_allowed_in_scripts() {
        return Err(not_allowed());
    }
    if arguments[0].eq_ignore_ascii_case(b"XREAD") && StreamRead::parse(&arguments)?.block_ms.is_some() {
        let name = String::from_utf8_lossy(&arguments[0]);
        let text = format!("{name} command is not allowed with BLOCK option from scripts");
        return Err(Refusal::err(text));
    }
    let mut keyspace = lua
        .app_data_mut::<Keyspace>()
        .expect("the keyspace is lent to a running script");
    command.run(&mut keyspace, &arguments)
}

fn error_reply(lua: &Lua, arguments: &MultiValue) -> mlua::Result<Table> {
    let text = single_string(arguments);
    // A first word that is the only one is not taken for a code.
    let text = match text {
        None => "ERR wrong number or type of arguments".to_owned(),
        Some(text) => {
            let text = text.strip_prefix('-').unwrap_or(&text);
            if text.contains(' ') {
                text.to_owned()
            } else {
                format!("ERR {text}")
            }
        }
    };
    fault::error_table(lua, &text)
}

fn status_reply(lua: &Lua, arguments: &MultiValue) -> mlua::Result<Table> {
    match single_string(arguments) {
        None => fault::error_table(lua, "ERR wrong number or type of arguments"),
        Some(text) => {
            let table = lua.create_table_with_capacity(0, 1)?;
            table.raw_set("ok", text)?;
            Ok(table)
        }
    }
}

fn single_string(arguments: &MultiValue) -> Option<String> {
    match arguments.iter().collect::<Vec<_>>().as_slice() {
        [Value::String(text)] => Some(text.to_string_lossy()),
        _ => None,
    }
}

fn sha1hex(lua: &Lua, arguments: &MultiValue) -> mlua::Result<String> {
    if arguments.len() != 1 {
        return Err(fault::reply("ERR wrong number of arguments".to_owned()));
    }
    let text = lua
        .coerce_string(arguments[0].clone())?
        .map(|text| text.as_bytes().to_vec());
    let digest = sha1_smol::Sha1::from(text.unwrap_or_default());
    Ok(digest.hexdigest())
}

fn log(_: &Lua, arguments: &MultiValue) -> mlua::Result<()> {
    if arguments.len() < 2 {
        return Err(fault::reply(
            "ERR redis.log() requires two arguments or more.".to_owned(),
        ));
    }
    match arguments.front().and_then(convert::as_number) {
        Some(level) if (0.0..=3.0).contains(&level) => Ok(()),
        Some(_) => Err(fault::reply("ERR Invalid debug level.".to_owned())),
        None => Err(fault::reply(
            "ERR First argument must be a number (log level).".to_owned(),
        )),
    }
}
