//! `cjson.encode`, `cjson.decode` and `cjson.null`.
//!
//! The quirks are those of the library inside Redis: numbers with 14 digits, `/` as `\/`, an empty table as `{}`, bytes above
//! 127 as they are. Next: `cjson/encode.rs`, `cjson/decode.rs`.

mod decode;
mod encode;

use mlua::{Lua, MultiValue, Table, Value};

use super::convert::first_string;
use super::{fault, host_function};

pub(super) fn build(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("encode", host_function(lua, encode)?)?;
    table.raw_set("decode", host_function(lua, decode)?)?;
    table.raw_set("null", Value::NULL)?;
    Ok(table)
}

fn encode(lua: &Lua, arguments: &MultiValue) -> mlua::Result<mlua::LuaString> {
    let one_argument = || fault::message(lua, "bad argument #1 to 'encode' (expected 1 argument)");
    let value = arguments
        .front()
        .filter(|_| arguments.len() == 1)
        .ok_or_else(one_argument)?;
    let mut writer = encode::Writer::new(lua);
    writer.write(value)?;
    lua.create_string(writer.out)
}

fn decode(lua: &Lua, arguments: &MultiValue) -> mlua::Result<Value> {
    let one_argument = || fault::message(lua, "bad argument #1 to 'decode' (expected 1 argument)");
    if arguments.len() != 1 {
        return Err(one_argument());
    }
    let text = first_string(lua, arguments, "decode")?;
    decode::read(lua, &text.as_bytes()).map_err(|problem| fault::message(lua, problem))
}
