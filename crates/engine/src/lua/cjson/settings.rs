//! What scripts can set on `cjson`, for all scripts or for a table of `cjson.new`.
//!
//! These are C functions that own nothing, because Lua's own checks of arguments raise.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use mlua_sys::{
    LUA_TBOOLEAN, LUA_TNIL, lua_State, lua_gettop, lua_pushboolean, lua_pushnil, lua_pushnumber,
    lua_pushstring_, lua_toboolean, lua_type, luaL_argerror, luaL_checkinteger, luaL_checkoption,
};

use super::settings_of;

/// Settings of one table of functions; plain data, for it lives in Lua's memory.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) sparse_to_object: bool,
    /// Beyond the safe index, one index in this many must be used; 0 allows any hole.
    pub(super) sparse_ratio: c_int,
    pub(super) sparse_safe: c_int,
    pub(super) encode_depth: c_int,
    pub(super) decode_depth: c_int,
    pub(super) precision: c_int,
    pub(super) keep_buffer: bool,
    pub(super) encode_invalid: Invalid,
    pub(super) decode_invalid: bool,
}

/// What becomes of NaN and infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Invalid {
    Refused,
    Written,
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sparse_to_object: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
        }
    }
}

pub(super) unsafe extern "C-unwind" fn encode_sparse_array(state: *mut lua_State) -> c_int {
    let settings = settings_of(state);
    expect_at_most(state, 3);
    settings.sparse_to_object = switch(state, 1, settings.sparse_to_object);
    settings.sparse_ratio = number(state, 2, settings.sparse_ratio, 0, SMALLEST_0);
    settings.sparse_safe = number(state, 3, settings.sparse_safe, 0, SMALLEST_0);
    lua_pushboolean(state, c_int::from(settings.sparse_to_object));
    lua_pushnumber(state, f64::from(settings.sparse_ratio));
    lua_pushnumber(state, f64::from(settings.sparse_safe));
    3
}

pub(super) unsafe extern "C-unwind" fn encode_max_depth(state: *mut lua_State) -> c_int {
    let settings = settings_of(state);
    expect_at_most(state, 1);
    settings.encode_depth = number(state, 1, settings.encode_depth, 1, SMALLEST_1);
    lua_pushnumber(state, f64::from(settings.encode_depth));
    1
}

pub(super) unsafe extern "C-unwind" fn decode_max_depth(state: *mut lua_State) -> c_int {
    let settings = settings_of(state);
    expect_at_most(state, 1);
    settings.decode_depth = number(state, 1, settings.decode_depth, 1, SMALLEST_1);
    lua_pushnumber(state, f64::from(settings.decode_depth));
    1
}

pub(super) unsafe extern "C-unwind" fn encode_number_precision(state: *mut lua_State) -> c_int {
    let settings = settings_of(state);
    expect_at_most(state, 1);
    let precision = number(state, 1, settings.precision, 1, PRECISION);
    if precision > 14 {
        luaL_argerror(state, 1, PRECISION.as_ptr());
    }
    settings.precision = precision;
    lua_pushnumber(state, f64::from(precision));
    1
}

pub(super) unsafe extern "C-unwind" fn encode_keep_buffer(state: *mut lua_State) -> c_int {
    let settings = settings_of(state);
    expect_at_most(state, 1);
    settings.keep_buffer = switch(state, 1, settings.keep_buffer);
    lua_pushboolean(state, c_int::from(settings.keep_buffer));
    1
}

pub(super) unsafe extern "C-unwind" fn encode_invalid_numbers(state: *mut lua_State) -> c_int {
    let settings = settings_of(state);
    expect_at_most(state, 1);
    let names = [c"off".as_ptr(), c"on".as_ptr(), c"null".as_ptr(), ptr::null()];
    settings.encode_invalid = match lua_type(state, 1) {
        LUA_TNIL => settings.encode_invalid,
        LUA_TBOOLEAN if lua_toboolean(state, 1) != 0 => Invalid::Written,
        LUA_TBOOLEAN => Invalid::Refused,
        _ => match luaL_checkoption(state, 1, ptr::null(), names.as_ptr()) {
            0 => Invalid::Refused,
            1 => Invalid::Written,
            _ => Invalid::Null,
        },
    };
    match settings.encode_invalid {
        Invalid::Null => lua_pushstring_(state, c"null".as_ptr()),
        other => lua_pushboolean(state, c_int::from(other == Invalid::Written)),
    }
    1
}

pub(super) unsafe extern "C-unwind" fn decode_invalid_numbers(state: *mut lua_State) -> c_int {
    let settings = settings_of(state);
    expect_at_most(state, 1);
    settings.decode_invalid = switch(state, 1, settings.decode_invalid);
    lua_pushboolean(state, c_int::from(settings.decode_invalid));
    1
}

const SMALLEST_0: &CStr = c"expected integer between 0 and 2147483647";
const SMALLEST_1: &CStr = c"expected integer between 1 and 2147483647";
const PRECISION: &CStr = c"expected integer between 1 and 14";

/// Fills missing arguments with nil.
unsafe fn expect_at_most(state: *mut lua_State, count: c_int) {
    if lua_gettop(state) > count {
        luaL_argerror(state, count + 1, c"found too many arguments".as_ptr());
    }
    while lua_gettop(state) < count {
        lua_pushnil(state);
    }
}

/// A number, or `before` for nil.
unsafe fn number(
    state: *mut lua_State,
    argument: c_int,
    before: c_int,
    smallest: c_int,
    complaint: &CStr,
) -> c_int {
    if lua_type(state, argument) == LUA_TNIL {
        return before;
    }
    let number = luaL_checkinteger(state, argument) as c_int;
    if number < smallest {
        // The library names the first argument whichever it was.
        luaL_argerror(state, 1, complaint.as_ptr());
    }
    number
}

/// A boolean, "on" or "off", or `before` for nil.
unsafe fn switch(state: *mut lua_State, argument: c_int, before: bool) -> bool {
    let names: [*const c_char; 3] = [c"off".as_ptr(), c"on".as_ptr(), ptr::null()];
    match lua_type(state, argument) {
        LUA_TNIL => before,
        LUA_TBOOLEAN => lua_toboolean(state, argument) != 0,
        _ => luaL_checkoption(state, argument, ptr::null(), names.as_ptr()) == 1,
    }
}
