//! The functions of Lua's base library that differ in scripts.
//!
//! `pcall` hands back the text of an error reply, as Redis does for the sake of old scripts; nothing that catches
//! errors catches a stop; nothing sees a read-only table as empty or changes it; no source is taken for bytecode;
//! the collector cannot be switched off. These are C functions that own nothing, because they call back into Lua.

use std::ffi::c_int;

use mlua_sys::{
    LUA_MULTRET, LUA_TFUNCTION, LUA_TNIL, LUA_TSTRING, LUA_TTABLE, lua_State, lua_call, lua_getfield_,
    lua_gettop, lua_insert, lua_isnoneornil, lua_isstring, lua_next, lua_pcall, lua_pushboolean,
    lua_pushcclosure, lua_pushnil, lua_pushnumber, lua_pushvalue, lua_remove, lua_replace, lua_settop,
    lua_toboolean, lua_tocfunction, lua_tolstring, lua_type, lua_upvalueindex, luaL_checkany,
    luaL_checkinteger, luaL_checklstring, luaL_checktype, luaL_loadbuffer, luaL_optinteger, luaL_optlstring,
};

use super::border::{complain, enter};
use super::context::Context;
use super::hook::pass_on_stop;
use super::readonly::{push_hidden, push_shown_metatable, refuse_stand_in};
use super::stack::{NO_LENGTH, push_bytes, string_at, until_nul};

/// More values than this never fit the stack of a C function (`LUAI_MAXCSTACK`).
const MOST_UNPACKED: c_int = 8000;
/// How bytecode begins.
const ESCAPE: u8 = 0x1b;
/// Begins like bytecode behind a space, so the compiler calls it a syntax error, as in Redis.
pub(super) const NO_BYTECODE: &[u8] = b" \x1b";

/// Calls the stock function that ours was wrapped around.
pub(super) unsafe fn call_stock(state: *mut lua_State) -> c_int {
    match lua_tocfunction(state, lua_upvalueindex(1)) {
        Some(stock) => stock(state),
        None => 0,
    }
}

pub(super) unsafe extern "C-unwind" fn pcall(state: *mut lua_State) -> c_int {
    let arguments = lua_gettop(state);
    if arguments == 0 {
        lua_pushboolean(state, 0);
        return 1;
    }
    lua_pushboolean(state, 1);
    lua_insert(state, 1);
    if lua_pcall(state, arguments - 1, LUA_MULTRET, 0) == 0 {
        return lua_gettop(state);
    }
    pass_on_stop(state);
    lua_remove(state, 1);
    if lua_type(state, -1) == LUA_TTABLE {
        lua_getfield_(state, -1, c"err".as_ptr());
        // Without a text the empty field stays, a third result as in Redis.
        if lua_isstring(state, -1) != 0 {
            lua_remove(state, -2);
        }
    }
    lua_pushboolean(state, 0);
    lua_insert(state, 1);
    lua_gettop(state)
}

pub(super) unsafe extern "C-unwind" fn xpcall(state: *mut lua_State) -> c_int {
    luaL_checkany(state, 2);
    lua_settop(state, 2);
    lua_pushcclosure(state, handle, 1);
    lua_insert(state, 1);
    let status = lua_pcall(state, 0, LUA_MULTRET, 1);
    pass_on_stop(state);
    lua_pushboolean(state, c_int::from(status == 0));
    lua_replace(state, 1);
    lua_gettop(state)
}

/// The script's handler, which a stop passes by: it would run where no hook can stop it.
unsafe extern "C-unwind" fn handle(state: *mut lua_State) -> c_int {
    if Context::of(state).clock.stopped.get().is_some() {
        return 1;
    }
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_insert(state, 1);
    lua_call(state, lua_gettop(state) - 1, 1);
    1
}

pub(super) unsafe extern "C-unwind" fn next(state: *mut lua_State) -> c_int {
    luaL_checktype(state, 1, LUA_TTABLE);
    lua_settop(state, 2);
    if push_hidden(state, 1) {
        lua_replace(state, 1);
    }
    if lua_next(state, 1) != 0 {
        return 2;
    }
    lua_pushnil(state);
    1
}

pub(super) unsafe extern "C-unwind" fn pairs(state: *mut lua_State) -> c_int {
    luaL_checktype(state, 1, LUA_TTABLE);
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_pushvalue(state, 1);
    lua_pushnil(state);
    3
}

pub(super) unsafe extern "C-unwind" fn rawget(state: *mut lua_State) -> c_int {
    if push_hidden(state, 1) {
        lua_replace(state, 1);
    }
    call_stock(state)
}

/// `rawset` and `setmetatable`.
pub(super) unsafe extern "C-unwind" fn change_table(state: *mut lua_State) -> c_int {
    refuse_stand_in(state);
    call_stock(state)
}

/// Its second upvalue is what it shows for strings.
pub(super) unsafe extern "C-unwind" fn getmetatable(state: *mut lua_State) -> c_int {
    luaL_checkany(state, 1);
    if lua_type(state, 1) == LUA_TSTRING {
        lua_pushvalue(state, lua_upvalueindex(2));
        return 1;
    }
    if push_shown_metatable(state, 1) {
        return 1;
    }
    if push_hidden(state, 1) {
        lua_pushnil(state);
        return 1;
    }
    call_stock(state)
}

pub(super) unsafe extern "C-unwind" fn loadstring(state: *mut lua_State) -> c_int {
    let mut length = 0;
    let source = luaL_checklstring(state, 1, &raw mut length);
    let name = luaL_optlstring(state, 2, source, NO_LENGTH);
    let status = if length > 0 && *source.cast::<u8>() == ESCAPE {
        luaL_loadbuffer(state, NO_BYTECODE.as_ptr().cast(), NO_BYTECODE.len(), name)
    } else {
        luaL_loadbuffer(state, source, length, name)
    };
    if status == 0 {
        return 1;
    }
    lua_pushnil(state);
    lua_insert(state, -2);
    2
}

pub(super) unsafe extern "C-unwind" fn load(state: *mut lua_State) -> c_int {
    luaL_checktype(state, 1, LUA_TFUNCTION);
    lua_pushvalue(state, 1);
    lua_pushboolean(state, 0);
    lua_pushcclosure(state, read_piece, 2);
    lua_replace(state, 1);
    let results = call_stock(state);
    pass_on_stop(state);
    results
}

/// The script's reader, its first piece looked at for bytecode. The second upvalue says that the first piece has
/// passed; the first is nil after the last.
///
/// The compiler of Lua 5.1 asks again after the end, and once it does so while it holds the chunk's name where the
/// collector does not see it. So no code of a script may run by then.
unsafe extern "C-unwind" fn read_piece(state: *mut lua_State) -> c_int {
    lua_settop(state, 0);
    lua_pushvalue(state, lua_upvalueindex(1));
    if lua_type(state, 1) == LUA_TNIL {
        return 1;
    }
    lua_call(state, 0, 1);
    if lua_type(state, 1) == LUA_TNIL || string_at(state, 1).is_some_and(<[u8]>::is_empty) {
        lua_pushnil(state);
        lua_replace(state, lua_upvalueindex(1));
        return 1;
    }
    if lua_toboolean(state, lua_upvalueindex(2)) == 0 {
        lua_pushboolean(state, 1);
        lua_replace(state, lua_upvalueindex(2));
        if string_at(state, 1).is_some_and(|piece| piece.first() == Some(&ESCAPE)) {
            lua_settop(state, 0);
            push_bytes(state, NO_BYTECODE);
        }
    }
    1
}

/// `unpack`, which refuses what cannot fit the stack. The original's own check counts in a C int that overflows, and
/// compilers take it away.
pub(super) unsafe extern "C-unwind" fn unpack(state: *mut lua_State) -> c_int {
    if lua_type(state, 1) == LUA_TTABLE && lua_isnoneornil(state, 3) == 0 {
        let first = luaL_optinteger(state, 2, 1) as c_int;
        let last = luaL_checkinteger(state, 3) as c_int;
        if last >= first && first.checked_sub(last).is_none_or(|less| less <= -MOST_UNPACKED) {
            enter(state, |state, _| {
                Err(complain(state, "too many results to unpack"))
            });
        }
    }
    call_stock(state)
}

/// `collectgarbage`: its switches answer as if they worked.
pub(super) unsafe extern "C-unwind" fn collectgarbage(state: *mut lua_State) -> c_int {
    // The original compares C strings.
    let answer = match string_at(state, 1).map(until_nul) {
        Some(b"stop" | b"restart") => 0.0,
        Some(b"setpause" | b"setstepmul") => 200.0,
        _ => return call_stock(state),
    };
    lua_pushnumber(state, answer);
    1
}

/// Compiles a script; its function or a message is on top afterwards.
pub(super) unsafe fn compile(state: *mut lua_State, source: &[u8], name: &std::ffi::CStr) -> bool {
    let source = if source.first() == Some(&ESCAPE) {
        NO_BYTECODE
    } else {
        source
    };
    luaL_loadbuffer(state, source.as_ptr().cast(), source.len(), name.as_ptr()) == 0
}

/// The text of a message that the compiler left on top of the stack.
pub(super) unsafe fn compiler_message(state: *mut lua_State) -> String {
    super::stack::c_text(lua_tolstring(state, -1, NO_LENGTH))
}
