//! The table `redis`, apart from `call` and `pcall`.

use std::ffi::c_int;

use mlua_sys::{
    lua_State, lua_gettop, lua_isnumber, lua_pushboolean, lua_pushnumber, lua_rawset, lua_tonumber,
};

use super::border::{Outcome, Thrown, afford, native};
use super::call::{self, with_arguments};
use super::context::Context;
use super::convert::{push_error, push_field};
use super::stack::{push_bytes, set_function, string_at, text_at, truncated};

const VERSION: &str = "7.0.15";
const VERSION_NUMBER: f64 = 0x0007_000f as f64;

const NUMBERS: [(&str, f64); 10] = [
    ("LOG_DEBUG", 0.0),
    ("LOG_VERBOSE", 1.0),
    ("LOG_NOTICE", 2.0),
    ("LOG_WARNING", 3.0),
    ("REPL_NONE", 0.0),
    ("REPL_AOF", 1.0),
    ("REPL_SLAVE", 2.0),
    ("REPL_REPLICA", 2.0),
    ("REPL_ALL", 3.0),
    ("REDIS_VERSION_NUM", VERSION_NUMBER),
];

/// Adds everything to the table on top of the stack.
pub(super) unsafe fn fill(state: *mut lua_State) {
    for (name, number) in NUMBERS {
        push_bytes(state, name.as_bytes());
        lua_pushnumber(state, number);
        lua_rawset(state, -3);
    }
    push_bytes(state, b"REDIS_VERSION");
    push_bytes(state, VERSION.as_bytes());
    lua_rawset(state, -3);
    set_function(state, "call", call::call);
    set_function(state, "pcall", call::pcall);
    set_function(state, "error_reply", error_reply);
    set_function(state, "status_reply", status_reply);
    set_function(state, "sha1hex", sha1hex);
    set_function(state, "log", log);
    set_function(state, "setresp", setresp);
    set_function(state, "set_repl", set_repl);
    set_function(state, "replicate_commands", replicate_commands);
    set_function(state, "breakpoint", breakpoint);
    set_function(state, "debug", debug);
    set_function(state, "acl_check_cmd", acl_check_cmd);
}

/// Leaves an error table to raise.
unsafe fn refuse(state: *mut lua_State, text: &str) -> Outcome {
    push_error(state, text.as_bytes());
    Err(Thrown::Plain)
}

native!(error_reply => make_error);

unsafe fn make_error(state: *mut lua_State, _: &Context) -> Outcome {
    let Some(text) = single_string(state) else {
        push_error(state, b"ERR wrong number or type of arguments");
        return Ok(1);
    };
    let text = text.strip_prefix(b"-").unwrap_or(text);
    // A first word that is the only one is not taken for a code.
    if text.contains(&b' ') {
        push_error(state, text);
    } else {
        push_error(state, &[b"ERR ", text].concat());
    }
    Ok(1)
}

native!(status_reply => make_status);

unsafe fn make_status(state: *mut lua_State, _: &Context) -> Outcome {
    match single_string(state) {
        Some(text) => push_field(state, b"ok", text),
        None => push_error(state, b"ERR wrong number or type of arguments"),
    }
    Ok(1)
}

unsafe fn single_string<'a>(state: *mut lua_State) -> Option<&'a [u8]> {
    if lua_gettop(state) == 1 {
        string_at(state, 1)
    } else {
        None
    }
}

native!(sha1hex => digest);

unsafe fn digest(state: *mut lua_State, _: &Context) -> Outcome {
    if lua_gettop(state) != 1 {
        return refuse(state, "ERR wrong number of arguments");
    }
    let digest = sha1_smol::Sha1::from(text_at(state, 1)).hexdigest();
    push_bytes(state, digest.as_bytes());
    Ok(1)
}

native!(log => write_log);

unsafe fn write_log(state: *mut lua_State, context: &Context) -> Outcome {
    let count = lua_gettop(state);
    if count < 2 {
        return refuse(state, "ERR redis.log() requires two arguments or more.");
    }
    if lua_isnumber(state, 1) == 0 {
        return refuse(state, "ERR First argument must be a number (log level).");
    }
    let level = truncated(lua_tonumber(state, 1));
    if !(0..=3).contains(&level) {
        return refuse(state, "ERR Invalid debug level.");
    }
    let words: Vec<&[u8]> = (2..=count)
        .map(|index| text_at(state, index))
        .filter(|text| !text.is_empty())
        .collect();
    afford(state, context, words.iter().map(|word| word.len()).sum())?;
    if let Some(host) = context.host() {
        host.log(level, &words.join(&b' '));
    }
    Ok(0)
}

native!(setresp => set_protocol);

unsafe fn set_protocol(state: *mut lua_State, context: &Context) -> Outcome {
    if lua_gettop(state) != 1 {
        return refuse(state, "ERR redis.setresp() requires one argument.");
    }
    let version = match truncated(lua_tonumber(state, 1)) {
        2 => 2,
        3 => 3,
        _ => return refuse(state, "ERR RESP version must be 2 or 3."),
    };
    context.protocol.set(version);
    if let Some(host) = context.host() {
        host.set_resp(version);
    }
    Ok(0)
}

native!(set_repl => choose_replication);

/// Effects are always kept here; the choice is checked and forgotten.
unsafe fn choose_replication(state: *mut lua_State, _: &Context) -> Outcome {
    if lua_gettop(state) != 1 {
        return refuse(state, "ERR redis.set_repl() requires two arguments.");
    }
    if !(0..=3).contains(&truncated(lua_tonumber(state, 1))) {
        return refuse(
            state,
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        );
    }
    Ok(0)
}

native!(replicate_commands => say_yes);
native!(breakpoint => say_no);
native!(debug => say_nothing);

unsafe fn say_yes(state: *mut lua_State, _: &Context) -> Outcome {
    lua_pushboolean(state, 1);
    Ok(1)
}

unsafe fn say_no(state: *mut lua_State, _: &Context) -> Outcome {
    lua_pushboolean(state, 0);
    Ok(1)
}

unsafe fn say_nothing(_: *mut lua_State, _: &Context) -> Outcome {
    Ok(0)
}

native!(acl_check_cmd => check_command);

unsafe fn check_command(state: *mut lua_State, context: &Context) -> Outcome {
    let answer = with_arguments(state, |args| context.host().and_then(|host| host.may_run(args)));
    match answer {
        Err(()) => Err(Thrown::Plain),
        Ok(None) => refuse(state, "ERR Invalid command passed to redis.acl_check_cmd()"),
        Ok(Some(may_run)) => {
            lua_pushboolean(state, c_int::from(may_run));
            Ok(1)
        }
    }
}
