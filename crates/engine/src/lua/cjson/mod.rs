//! The library `cjson`: JSON as the library inside Redis 7.0 writes and reads it.
//!
//! Numbers have 14 digits, `/` is written `\/`, an empty table is `{}`, bytes above 127 pass as they are. Each table
//! of functions has its settings in a userdata that they share; `new` makes another table with settings of its own.
//! Next: `encode.rs`, `decode.rs`, `settings.rs`.

mod decode;
mod encode;
mod settings;
mod strtod;

use std::ffi::c_int;

use mlua_sys::{
    lua_CFunction, lua_State, lua_createtable, lua_insert, lua_newuserdata, lua_pushcclosure, lua_pushvalue,
    lua_rawset, lua_remove, lua_touserdata, lua_upvalueindex,
};

use super::sandbox::push_null;
use super::stack::push_bytes;
use settings::Settings;

const FUNCTIONS: [(&str, lua_CFunction); 10] = [
    ("encode", encode::encode),
    ("decode", decode::decode),
    ("encode_sparse_array", settings::encode_sparse_array),
    ("encode_max_depth", settings::encode_max_depth),
    ("decode_max_depth", settings::decode_max_depth),
    ("encode_number_precision", settings::encode_number_precision),
    ("encode_keep_buffer", settings::encode_keep_buffer),
    ("encode_invalid_numbers", settings::encode_invalid_numbers),
    ("decode_invalid_numbers", settings::decode_invalid_numbers),
    ("new", new),
];

/// Adds everything to the table on top of the stack.
pub(super) unsafe fn fill(state: *mut lua_State) {
    let settings = lua_newuserdata(state, size_of::<Settings>()).cast::<Settings>();
    settings.write(Settings::default());
    lua_insert(state, -2);
    for (name, function) in FUNCTIONS {
        push_bytes(state, name.as_bytes());
        lua_pushvalue(state, -3);
        lua_pushcclosure(state, function, 1);
        lua_rawset(state, -3);
    }
    push_bytes(state, b"null");
    push_null(state);
    lua_rawset(state, -3);
    for (name, text) in [("_NAME", "cjson"), ("_VERSION", "2.1.0")] {
        push_bytes(state, name.as_bytes());
        push_bytes(state, text.as_bytes());
        lua_rawset(state, -3);
    }
    lua_remove(state, -2);
}

/// `cjson.new`; owns nothing.
unsafe extern "C-unwind" fn new(state: *mut lua_State) -> c_int {
    lua_createtable(state, 0, 16);
    fill(state);
    1
}

/// The settings of the running function.
unsafe fn settings_of<'a>(state: *mut lua_State) -> &'a mut Settings {
    &mut *lua_touserdata(state, lua_upvalueindex(1)).cast::<Settings>()
}
