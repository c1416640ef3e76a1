//! Between replies and Lua values, by Redis's rules.
//!
//! To Lua: nil becomes false, statuses and errors become tables. From Lua: numbers lose their fraction, false is nil, a table
//! is an array up to its first nil.

use mlua::{Lua, LuaString, MultiValue, Table, Value};

use super::fault;
use crate::double::number::general;
use crate::double::reply::{Outcome, Refusal, Reply};

/// Deeper values are refused everywhere. Redis goes further, but redis-rs reads no reply deeper than 100.
pub(super) const DEEPEST: usize = 128;

/// A reply as `redis.call` returns it.
pub(super) fn to_lua(lua: &Lua, reply: &Reply) -> mlua::Result<Value> {
    match reply {
        Reply::Nil => Ok(Value::Boolean(false)),
        // Lua 5.1 has no integers; large ones lose digits here, as in Redis.
        #[allow(clippy::cast_precision_loss, reason = "Redis has the same loss")]
        Reply::Integer(number) => Ok(Value::Number(*number as f64)),
        Reply::Bulk(bytes) => lua.create_string(bytes).map(Value::String),
        Reply::Status(text) => {
            let table = lua.create_table_with_capacity(0, 1)?;
            table.raw_set("ok", lua.create_string(text)?)?;
            Ok(Value::Table(table))
        }
        Reply::Error(text) => fault::error_table(lua, text).map(Value::Table),
        Reply::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items {
                table.raw_push(to_lua(lua, item)?)?;
            }
            Ok(Value::Table(table))
        }
    }
}

/// What a script returned, as a reply.
pub(super) fn to_reply(value: &Value) -> Outcome {
    nested_reply(value, 0)
}

fn nested_reply(value: &Value, depth: usize) -> Outcome {
    if depth > DEEPEST {
        return Err(Refusal::err("reached lua stack limit"));
    }
    Ok(match value {
        Value::String(text) => Reply::bulk(text.as_bytes().to_vec()),
        Value::Integer(number) => Reply::Integer(*number),
        Value::Number(number) => Reply::Integer(truncated(*number)),
        Value::Boolean(true) => Reply::Integer(1),
        Value::Table(table) => return table_reply(table, depth),
        _ => Reply::Nil,
    })
}

fn table_reply(table: &Table, depth: usize) -> Outcome {
    let field = |name: &str| table.raw_get::<Value>(name).ok();
    if let Some(Value::String(text)) = field("err") {
        return Ok(Reply::Error(text.to_string_lossy()));
    }
    if let Some(Value::String(text)) = field("ok") {
        return Ok(Reply::Status(text.to_string_lossy()));
    }
    if let Some(number) = field("double").as_ref().and_then(as_number) {
        return Ok(Reply::bulk(general(number, 17)));
    }
    let mut items = Vec::new();
    for index in 1.. {
        match table.raw_get::<Value>(index) {
            Ok(Value::Nil) | Err(_) => break,
            Ok(item) => items.push(nested_reply(&item, depth + 1)?),
        }
    }
    Ok(Reply::Array(items))
}

/// C's conversion on the machines Redis runs on: what does not fit becomes the smallest integer.
fn truncated(number: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
    if number.abs() < 9_223_372_036_854_775_808.0 {
        number as i64
    } else {
        i64::MIN
    }
}

/// A Lua number, however mlua presents it.
#[allow(clippy::cast_precision_loss, reason = "the value was a double in Lua")]
pub(super) fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// A string or number as an argument of a command.
pub(super) fn to_argument(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        other => as_number(other).map(|number| general(number, 17).into_bytes()),
    }
}

/// The first argument of `function` as a string; a number is taken as Lua prints it.
pub(super) fn first_string(lua: &Lua, arguments: &MultiValue, function: &str) -> mlua::Result<LuaString> {
    let found = match arguments.front() {
        Some(text @ (Value::String(_) | Value::Integer(_) | Value::Number(_))) => {
            let text = lua.coerce_string(text.clone())?;
            return Ok(text.expect("strings and numbers become strings"));
        }
        Some(other) => other.type_name(),
        None => "no value",
    };
    Err(fault::message(
        lua,
        format!("bad argument #1 to '{function}' (string expected, got {found})"),
    ))
}
