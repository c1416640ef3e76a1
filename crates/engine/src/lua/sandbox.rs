//! What a script can see: the globals of a script in Redis 7.0.15, all of them read-only.
//!
//! The real table of globals is hidden behind an empty stand-in, and so is each library. Files, processes, modules,
//! environments and the debugger do not exist. Reading a global that is not there is an error.

use std::ffi::{CStr, c_int};

use mlua_sys::{
    LUA_GLOBALSINDEX, LUA_REGISTRYINDEX, LUA_TNUMBER, LUA_TSTRING, lua_CFunction, lua_State, lua_call,
    lua_createtable, lua_getfield_, lua_gettop, lua_insert, lua_pushcclosure, lua_pushlightuserdata,
    lua_pushvalue, lua_rawget, lua_rawset, lua_replace, lua_setfield, lua_setmetatable, lua_settop, lua_type,
    luaL_ref, luaopen_base, luaopen_math, luaopen_string, luaopen_table,
};

use super::border::{Outcome, complain, native};
use super::context::Context;
use super::failure::on_error;
use super::readonly::{hide, show_metatable};
use super::stack::{push_bytes, set_function, text_at};
use super::{base, bit, cjson, cmsgpack, coroutine, library, packing, patterns, random, tables};

const KEPT: [&str; 13] = [
    "assert", "error", "gcinfo", "ipairs", "rawequal", "select", "tonumber", "tostring", "type", "_VERSION",
    "string", "table", "math",
];
/// Replaced by a function that calls the original.
const WRAPPED: [(&str, lua_CFunction); 6] = [
    ("collectgarbage", base::collectgarbage),
    ("load", base::load),
    ("rawget", base::rawget),
    ("rawset", base::change_table),
    ("setmetatable", base::change_table),
    ("unpack", base::unpack),
];
const REPLACED: [(&str, lua_CFunction); 4] = [
    ("loadstring", base::loadstring),
    ("next", base::next),
    ("pcall", base::pcall),
    ("xpcall", base::xpcall),
];

/// Fills a new state; leaves a reference to the table of visible globals and one to the message handler. Owns
/// nothing, raises only if memory runs out.
pub(super) unsafe fn build(state: *mut lua_State) -> (c_int, c_int) {
    for (name, open) in [
        (c"", luaopen_base as lua_CFunction),
        (c"table", luaopen_table),
        (c"string", luaopen_string),
        (c"math", luaopen_math),
    ] {
        lua_pushcclosure(state, open, 0);
        push_bytes(state, name.to_bytes());
        lua_call(state, 1, 0);
    }
    adjust_libraries(state);
    lua_createtable(state, 0, 48);
    fill_visible(state);
    let visible = hide_globals(state);
    lua_pushcclosure(state, on_error, 0);
    let handler = luaL_ref(state, LUA_REGISTRYINDEX);
    lua_settop(state, 0);
    (visible, handler)
}

unsafe fn adjust_libraries(state: *mut lua_State) {
    lua_getfield_(state, LUA_GLOBALSINDEX, c"string".as_ptr());
    wrap_field(state, c"find", patterns::find);
    for name in [c"match", c"gmatch", c"gfind", c"gsub"] {
        wrap_field(state, name, patterns::bounded);
    }
    for name in [c"lower", c"upper", c"reverse"] {
        wrap_field(state, name, patterns::counted);
    }
    set_function(state, "rep", patterns::rep);
    lua_getfield_(state, LUA_GLOBALSINDEX, c"table".as_ptr());
    wrap_field(state, c"insert", tables::insert);
    wrap_field(state, c"foreach", tables::foreach);
    lua_getfield_(state, LUA_GLOBALSINDEX, c"math".as_ptr());
    set_function(state, "random", random::random);
    set_function(state, "randomseed", random::randomseed);
    lua_getfield_(state, LUA_GLOBALSINDEX, c"coroutine".as_ptr());
    wrap_field(state, c"create", coroutine::create);
    wrap_field(state, c"wrap", coroutine::create);
    wrap_field(state, c"resume", coroutine::resume);
    lua_settop(state, 0);
}

/// Puts `function` before the one that the table on top has under `name`.
unsafe fn wrap_field(state: *mut lua_State, name: &CStr, function: lua_CFunction) {
    lua_getfield_(state, -1, name.as_ptr());
    lua_pushcclosure(state, function, 1);
    lua_setfield(state, -2, name.as_ptr());
}

/// Fills the table on top of the stack.
unsafe fn fill_visible(state: *mut lua_State) {
    for name in KEPT {
        push_bytes(state, name.as_bytes());
        push_global(state, name);
        if matches!(name, "string" | "table" | "math") {
            hide(state);
        }
        lua_rawset(state, -3);
    }
    push_bytes(state, b"coroutine");
    push_global(state, "coroutine");
    hide(state);
    lua_rawset(state, -3);
    for (name, function) in WRAPPED {
        push_bytes(state, name.as_bytes());
        push_global(state, name);
        lua_pushcclosure(state, function, 1);
        lua_rawset(state, -3);
    }
    for (name, function) in REPLACED {
        set_function(state, name, function);
    }
    fill_pairs(state);
    fill_getmetatable(state);
    set_function(state, "__redis__err__handler", on_error);
    add_library(state, "redis", library::fill);
    add_library(state, "bit", bit::fill);
    add_library(state, "struct", packing::fill);
    add_library(state, "cmsgpack", cmsgpack::fill);
    add_library(state, "cjson", cjson::fill);
}

unsafe fn push_global(state: *mut lua_State, name: &str) {
    push_bytes(state, name.as_bytes());
    lua_rawget(state, LUA_GLOBALSINDEX);
}

unsafe fn add_library(state: *mut lua_State, name: &str, fill: unsafe fn(*mut lua_State)) {
    push_bytes(state, name.as_bytes());
    lua_createtable(state, 0, 24);
    fill(state);
    hide(state);
    lua_rawset(state, -3);
}

unsafe fn fill_pairs(state: *mut lua_State) {
    push_bytes(state, b"pairs");
    push_bytes(state, b"next");
    lua_rawget(state, -3);
    lua_pushcclosure(state, base::pairs, 1);
    lua_rawset(state, -3);
}

/// `getmetatable('')` shows `{__index = string}`.
unsafe fn fill_getmetatable(state: *mut lua_State) {
    push_bytes(state, b"getmetatable");
    push_global(state, "getmetatable");
    lua_createtable(state, 0, 1);
    push_bytes(state, b"__index");
    push_bytes(state, b"string");
    lua_rawget(state, -6);
    lua_rawset(state, -3);
    hide(state);
    lua_pushcclosure(state, base::getmetatable, 2);
    lua_rawset(state, -3);
}

/// Puts a stand-in for the table on top in the place of the globals; returns a reference to the table.
unsafe fn hide_globals(state: *mut lua_State) -> c_int {
    let visible = lua_gettop(state);
    lua_createtable(state, 0, 1);
    set_function(state, "__index", missing);
    lua_pushvalue(state, -1);
    lua_setmetatable(state, visible);
    hide(state);
    lua_pushvalue(state, visible);
    hide(state);
    lua_insert(state, -2);
    show_metatable(state);
    push_bytes(state, b"_G");
    lua_pushvalue(state, -2);
    lua_rawset(state, visible);
    lua_replace(state, LUA_GLOBALSINDEX);
    luaL_ref(state, LUA_REGISTRYINDEX)
}

native!(missing => refuse_missing);

/// `__index` of the globals. The name in the text is a C function's in Redis.
unsafe fn refuse_missing(state: *mut lua_State, _: &Context) -> Outcome {
    if lua_gettop(state) != 2 {
        return Err(complain(
            state,
            "Wrong number of arguments to luaProtectedTableError",
        ));
    }
    if !matches!(lua_type(state, 2), LUA_TSTRING | LUA_TNUMBER) {
        let text = "Second argument to luaProtectedTableError must be a string or number";
        return Err(complain(state, text));
    }
    let name = text_at(state, 2);
    let text = [
        b"Script attempted to access nonexistent global variable '",
        name,
        b"'",
    ]
    .concat();
    Err(complain(state, text))
}

/// Gives libraries their `null`.
pub(super) unsafe fn push_null(state: *mut lua_State) {
    lua_pushlightuserdata(state, std::ptr::null_mut());
}
