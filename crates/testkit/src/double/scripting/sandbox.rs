//! What a script can see and do.
//!
//! Scripts run with an empty table of globals that leads to the visible names; reading any other name and writing at all are
//! errors, as in Redis. Files, processes, modules and the debugger do not exist.

use mlua::{Function, Lua, MultiValue, Table, Value};

use super::{cjson, cmsgpack, fault, library};

const FUNCTIONS: [&str; 15] = [
    "assert",
    "error",
    "getmetatable",
    "ipairs",
    "loadstring",
    "next",
    "pairs",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setmetatable",
    "tonumber",
    "tostring",
    "unpack",
];
const LIBRARIES: [&str; 4] = ["coroutine", "math", "string", "table"];

/// `pcall` and `xpcall` that show a script its errors as Redis does, and the call that runs a script.
const PRELUDE: &str = r"
local locate, expose, describe = ...
local pcall, xpcall = pcall, xpcall
local function settle(ok, ...)
  if ok then return true, ... end
  return false, describe((...))
end
local function script_pcall(f, ...) return settle(pcall(f, ...)) end
local function script_xpcall(f, handler)
  return xpcall(f, function(thrown) return handler(expose(thrown)) end)
end
local function protected_call(f) return xpcall(f, locate) end
return script_pcall, script_xpcall, protected_call
";

/// Closes the state; returns the table of visible names and the function that runs scripts.
pub(super) fn build(lua: &Lua) -> mlua::Result<(Table, Function)> {
    let locate = lua.create_function(fault::locate)?;
    let expose = lua.create_function(fault::expose)?;
    let describe = lua.create_function(fault::describe)?;
    let (pcall, xpcall, protected_call): (Function, Function, Function) = lua
        .load(PRELUDE)
        .set_name("=prelude")
        .call((locate, expose, describe))?;

    let globals = lua.globals();
    let visible = lua.create_table()?;
    for name in FUNCTIONS.into_iter().chain(["type", "_VERSION"]) {
        visible.raw_set(name, globals.raw_get::<Value>(name)?)?;
    }
    visible.raw_set("pcall", pcall)?;
    visible.raw_set("xpcall", xpcall)?;
    for name in LIBRARIES {
        visible.raw_set(name, read_only(lua, &globals.raw_get(name)?)?)?;
    }
    visible.raw_set("redis", read_only(lua, &library::build(lua)?)?)?;
    visible.raw_set("cjson", read_only(lua, &cjson::build(lua)?)?)?;
    visible.raw_set("cmsgpack", read_only(lua, &cmsgpack::build(lua)?)?)?;
    visible.raw_set("_G", &globals)?;

    close(lua, &globals, &visible)?;
    Ok((visible, protected_call))
}

/// Empties the real globals and puts the visible names behind them.
fn close(lua: &Lua, globals: &Table, visible: &Table) -> mlua::Result<()> {
    globals.clear()?;
    let missing = lua.create_function(|lua, (_, name): (Value, Value)| -> mlua::Result<()> {
        let name = name.to_string()?;
        Err(fault::message(
            lua,
            format!("Script attempted to access nonexistent global variable '{name}'"),
        ))
    })?;
    let behind = lua.create_table()?;
    behind.raw_set("__index", missing)?;
    visible.set_metatable(Some(behind))?;
    globals.set_metatable(Some(guard(lua, visible)?))
}

/// An empty table that shows the names of another one and takes no new ones.
fn read_only(lua: &Lua, table: &Table) -> mlua::Result<Table> {
    let proxy = lua.create_table()?;
    proxy.set_metatable(Some(guard(lua, table)?))?;
    Ok(proxy)
}

fn guard(lua: &Lua, shown: &Table) -> mlua::Result<Table> {
    let refuse = lua.create_function(|lua, _: MultiValue| -> mlua::Result<()> {
        Err(fault::message(lua, "Attempt to modify a readonly table"))
    })?;
    let metatable = lua.create_table()?;
    metatable.raw_set("__index", shown)?;
    metatable.raw_set("__newindex", refuse)?;
    Ok(metatable)
}
