//! Tables that scripts can read but not change.
//!
//! Redis patches its Lua for this; here a script gets an empty stand-in whose metatable leads to the hidden table
//! and refuses assignments. What looks at tables past their metatables (`next`, `rawget`, `rawset`, …) recognises a
//! stand-in by a key that no script can name, and sees through it.

use std::ffi::{c_int, c_void};

use mlua_sys::{
    LUA_TTABLE, lua_State, lua_createtable, lua_getmetatable, lua_insert, lua_pushcclosure,
    lua_pushlightuserdata, lua_pushvalue, lua_rawget, lua_rawset, lua_remove, lua_setmetatable, lua_settop,
    lua_type,
};

use super::border::{Outcome, complain, complain_plainly, enter, native};
use super::context::Context;
use super::stack::push_bytes;

static HIDDEN: u8 = 0;
static METATABLE: u8 = 1;

const REFUSAL: &str = "Attempt to modify a readonly table";

fn address(mark: &'static u8) -> *mut c_void {
    std::ptr::from_ref(mark).cast_mut().cast()
}

/// Replaces the table on top of the stack by its stand-in.
pub(super) unsafe fn hide(state: *mut lua_State) {
    lua_createtable(state, 0, 0);
    lua_insert(state, -2);
    lua_createtable(state, 0, 3);
    push_bytes(state, b"__index");
    lua_pushvalue(state, -3);
    lua_rawset(state, -3);
    push_bytes(state, b"__newindex");
    lua_pushcclosure(state, refuse, 0);
    lua_rawset(state, -3);
    lua_pushlightuserdata(state, address(&HIDDEN));
    lua_pushvalue(state, -3);
    lua_rawset(state, -3);
    lua_remove(state, -2);
    lua_setmetatable(state, -2);
}

/// Takes the table on top of the stack: `getmetatable` of the stand-in below shall show it.
pub(super) unsafe fn show_metatable(state: *mut lua_State) {
    lua_getmetatable(state, -2);
    lua_pushlightuserdata(state, address(&METATABLE));
    lua_pushvalue(state, -3);
    lua_rawset(state, -3);
    lua_settop(state, -3);
}

native!(refuse => refuse_assignment);

unsafe fn refuse_assignment(state: *mut lua_State, _: &Context) -> Outcome {
    Err(complain(state, REFUSAL))
}

/// Pushes the table behind a stand-in; pushes nothing for anything else.
pub(super) unsafe fn push_hidden(state: *mut lua_State, index: c_int) -> bool {
    lua_type(state, index) == LUA_TTABLE && push_marked(state, index, &HIDDEN)
}

/// Pushes what `getmetatable` shows for a stand-in; pushes nothing if it shows none.
pub(super) unsafe fn push_shown_metatable(state: *mut lua_State, index: c_int) -> bool {
    push_marked(state, index, &METATABLE)
}

unsafe fn push_marked(state: *mut lua_State, index: c_int, mark: &'static u8) -> bool {
    if lua_getmetatable(state, index) == 0 {
        return false;
    }
    lua_pushlightuserdata(state, address(mark));
    lua_rawget(state, -2);
    if lua_type(state, -1) == LUA_TTABLE {
        lua_remove(state, -2);
        return true;
    }
    lua_settop(state, -3);
    false
}

/// Raises if the first argument is a stand-in. Owns nothing.
pub(super) unsafe fn refuse_stand_in(state: *mut lua_State) {
    if push_hidden(state, 1) {
        enter(state, |state, _| Err(complain_plainly(state, REFUSAL)));
    }
}
