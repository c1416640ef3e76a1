//! Errors that leave a script, worded as Redis words them.
//!
//! The handler runs where the error was raised, while the stack still tells the line; [`Failure::text`] adds SHA and
//! line.

use std::ffi::CStr;
use std::mem::zeroed;

use mlua_sys::{
    LUA_TBOOLEAN, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua_Debug, lua_State, lua_createtable,
    lua_getinfo, lua_getstack, lua_pushvalue, lua_rawget, lua_rawset, lua_settop, lua_toboolean,
    lua_topointer, lua_type,
};

use super::border::{Outcome, native};
use super::context::Context;
use super::stack::{c_text, push_bytes, text_at, type_name};

/// The chunk name of scripts; it appears in messages.
pub(super) const CHUNK_NAME: &CStr = c"@user_script";

/// A source and the line in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    source: String,
    line: i32,
}

native!(on_error => locate);

/// The message handler of a run: leaves `{err = …}` and notes the place.
unsafe fn locate(state: *mut lua_State, context: &Context) -> Outcome {
    lua_settop(state, 1);
    *context.place.borrow_mut() = place_of_error(state);
    if lua_type(state, 1) == LUA_TTABLE {
        return Ok(1);
    }
    let text = [b"ERR ", shown(state, 1).as_slice()].concat();
    lua_createtable(state, 0, 1);
    push_bytes(state, b"err");
    push_bytes(state, &text);
    lua_rawset(state, -3);
    Ok(1)
}

/// The function that raised the error, or its caller if it is a C function such as `error` or `redis.call`.
unsafe fn place_of_error(state: *mut lua_State) -> Option<Place> {
    let mut frame: lua_Debug = zeroed();
    for level in [1, 2] {
        if lua_getstack(state, level, &raw mut frame) == 0 {
            return None;
        }
        lua_getinfo(state, c"Sl".as_ptr(), &raw mut frame);
        if level == 2 || c_text(frame.what) != "C" {
            return Some(Place {
                source: c_text(frame.source),
                line: frame.currentline,
            });
        }
    }
    None
}

/// A value as `tostring` shows it, without metamethods.
unsafe fn shown(state: *mut lua_State, index: i32) -> Vec<u8> {
    match lua_type(state, index) {
        LUA_TSTRING => text_at(state, index).to_vec(),
        LUA_TNUMBER => {
            lua_pushvalue(state, index);
            let text = text_at(state, -1).to_vec();
            lua_settop(state, -2);
            text
        }
        LUA_TNIL => b"nil".to_vec(),
        LUA_TBOOLEAN if lua_toboolean(state, index) != 0 => b"true".to_vec(),
        LUA_TBOOLEAN => b"false".to_vec(),
        _ => format!("{}: {:p}", type_name(state, index), lua_topointer(state, index)).into_bytes(),
    }
}

/// The text for the error on top of the stack.
pub(super) unsafe fn text_of_error(state: *mut lua_State, context: &Context, sha: &str) -> String {
    let place = context.place.borrow_mut().take();
    let text = match lua_type(state, -1) {
        LUA_TTABLE => {
            push_bytes(state, b"err");
            lua_rawget(state, -2);
            match lua_type(state, -1) {
                LUA_TSTRING | LUA_TNUMBER => lossy(text_at(state, -1)),
                _ => "ERR unknown error".to_owned(),
            }
        }
        // Without the handler: memory ran out, or an error in handling an error.
        _ => format!("ERR {}", lossy(text_at(state, -1))),
    };
    // Redis carries the text as a C string.
    let text = text.split('\0').next().unwrap_or_default();
    match place {
        Some(Place { source, line }) => one_line(&format!("{text} script: {sha}, on {source}:{line}.")),
        None => one_line(&format!("{text} script: {sha}")),
    }
}

/// A text fit for an error reply: line ends become spaces, those at the end go.
pub(super) fn one_line(text: &str) -> String {
    text.trim_end_matches(['\r', '\n']).replace(['\r', '\n'], " ")
}

/// A text that Redis would send byte for byte; replies of this crate hold Unicode.
pub(super) fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
