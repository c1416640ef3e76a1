//! Errors in scripts, worded as Redis words them.
//!
//! Two kinds are thrown by our functions: plain messages, which get the position of the calling line as Lua's own errors do,
//! and the error replies of commands, which scripts see as tables. What leaves a script carries its SHA and line.

use mlua::{Lua, Table, Value};

use crate::double::reply::Refusal;

/// The name under which scripts are compiled; it appears in messages.
pub(super) const CHUNK_NAME: &str = "@user_script";

/// What our own functions throw.
#[derive(Debug)]
pub(super) enum Fault {
    Message(String),
    Reply(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(text) | Self::Reply(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for Fault {}

/// A message with the position of the function that called ours.
pub(super) fn message(lua: &Lua, text: impl AsRef<str>) -> mlua::Error {
    let position = lua.inspect_stack(1, |frame| {
        let (source, line) = (frame.source(), frame.current_line());
        source
            .short_src
            .zip(line)
            .map(|(name, line)| format!("{name}:{line}: "))
    });
    let position = position.flatten().unwrap_or_default();
    mlua::Error::external(Fault::Message(format!("{position}{}", text.as_ref())))
}

/// The error reply of a command.
pub(super) fn reply(text: String) -> mlua::Error {
    mlua::Error::external(Fault::Reply(text))
}

/// What a script's own handler gets to see: a message as a string, an error reply as `{err=…}`.
pub(super) fn expose(lua: &Lua, thrown: Value) -> mlua::Result<Value> {
    let Value::Error(error) = &thrown else {
        return Ok(thrown);
    };
    match error.chain().find_map(|cause| cause.downcast_ref::<Fault>()) {
        Some(Fault::Reply(text)) => error_table(lua, text).map(Value::Table),
        Some(Fault::Message(text)) => lua.create_string(text).map(Value::String),
        None => lua.create_string(error.to_string()).map(Value::String),
    }
}

/// What `pcall` hands back: always a string where Redis hands back a string.
pub(super) fn describe(lua: &Lua, thrown: Value) -> mlua::Result<Value> {
    let exposed = expose(lua, thrown)?;
    if let Value::Table(table) = &exposed
        && let text @ Value::String(_) = table.raw_get::<Value>("err")?
    {
        return Ok(text);
    }
    Ok(exposed)
}

pub(super) fn error_table(lua: &Lua, text: &str) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set("err", lua.create_string(text)?)?;
    Ok(table)
}

/// Called where an error leaves the script, with its stack still in place: adds the line.
pub(super) fn locate(lua: &Lua, thrown: Value) -> mlua::Result<Value> {
    let table = match expose(lua, thrown)? {
        Value::Table(table) => table,
        other => error_table(lua, &format!("ERR {}", other.to_string()?))?,
    };
    let frames = (1..).map_while(|level| {
        lua.inspect_stack(level, |frame| {
            (frame.source().source.as_deref() == Some(CHUNK_NAME))
                .then(|| frame.current_line())
                .flatten()
        })
    });
    if let Some(line) = frames.flatten().next() {
        table.raw_set("line", line)?;
    }
    Ok(Value::Table(table))
}

/// The refusal for a script that ended with the table made by [`locate`].
pub(super) fn script_error(thrown: &Value, sha: &str) -> Refusal {
    let Value::Table(table) = thrown else {
        return Refusal::err("execution failure");
    };
    let text = table
        .raw_get::<mlua::LuaString>("err")
        .map(|text| text.to_string_lossy());
    let text = text.unwrap_or_else(|_| "ERR unknown error".to_owned());
    match table.raw_get::<Option<usize>>("line") {
        Ok(Some(line)) => Refusal(format!("{text} script: {sha}, on {CHUNK_NAME}:{line}.")),
        _ => Refusal(text),
    }
}

pub(super) fn compile_error(error: &mlua::Error) -> Refusal {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    Refusal::err(format!("Error compiling script (new function): {text}"))
}
