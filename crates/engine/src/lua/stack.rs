//! Small words for Lua's stack.
//!
//! Nothing here raises while memory is reserved (see `border.rs`). Slices point into Lua's strings and stay valid as
//! long as the value is on the stack.

use std::ffi::{CStr, c_int};
use std::ptr::{null_mut, slice_from_raw_parts};

use mlua_sys::{
    LUA_TNUMBER, LUA_TSTRING, lua_CFunction, lua_State, lua_isnumber, lua_pushcclosure, lua_pushlstring_,
    lua_rawset, lua_tolstring, lua_tonumber, lua_type, lua_typename,
};

use super::border::{Thrown, complain_of};

/// Pushes a byte string.
#[inline]
pub(super) unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    lua_pushlstring_(state, bytes.as_ptr().cast(), bytes.len());
}

/// Sets `table[name] = function`; the table is on top of the stack.
pub(super) unsafe fn set_function(state: *mut lua_State, name: &str, function: lua_CFunction) {
    push_bytes(state, name.as_bytes());
    lua_pushcclosure(state, function, 0);
    lua_rawset(state, -3);
}

/// The bytes of a string; nothing for any other type, numbers included.
#[inline]
pub(super) unsafe fn string_at<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    (lua_type(state, index) == LUA_TSTRING).then(|| text_at(state, index))
}

/// The bytes of a string, or of a number, which becomes a string in place.
#[inline]
pub(super) unsafe fn text_at<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    let mut length = 0;
    let start = lua_tolstring(state, index, &raw mut length);
    if start.is_null() {
        return &[];
    }
    &*slice_from_raw_parts(start.cast(), length)
}

/// An argument that must be a string or a number.
pub(super) unsafe fn expect_text<'a>(state: *mut lua_State, argument: c_int) -> Result<&'a [u8], Thrown> {
    match lua_type(state, argument) {
        LUA_TSTRING | LUA_TNUMBER => Ok(text_at(state, argument)),
        _ => Err(wrong_type(state, argument, "string")),
    }
}

/// An argument that must be a number or look like one.
pub(super) unsafe fn expect_number(state: *mut lua_State, argument: c_int) -> Result<f64, Thrown> {
    if lua_isnumber(state, argument) == 0 {
        return Err(wrong_type(state, argument, "number"));
    }
    Ok(lua_tonumber(state, argument))
}

#[cold]
unsafe fn wrong_type(state: *mut lua_State, argument: c_int, expected: &str) -> Thrown {
    let found = type_name(state, argument);
    complain_of(state, argument, format!("{expected} expected, got {found}"))
}

/// The name of a value's type; "no value" beyond the arguments.
pub(super) unsafe fn type_name(state: *mut lua_State, index: c_int) -> String {
    let name = CStr::from_ptr(lua_typename(state, lua_type(state, index)));
    name.to_string_lossy().into_owned()
}

/// The text up to the first NUL, as C functions read it.
pub(super) fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The C string at `start`, or nothing.
pub(super) unsafe fn c_text(start: *const std::ffi::c_char) -> String {
    if start.is_null() {
        return String::new();
    }
    CStr::from_ptr(start).to_string_lossy().into_owned()
}

/// C's conversion to `long` on x86-64 and, for what fits, everywhere: the fraction goes, what does not fit is the
/// minimum.
pub(super) fn truncated(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// An absent length pointer.
pub(super) const NO_LENGTH: *mut usize = null_mut();
