//! The library `cmsgpack`: MessagePack as the library inside Redis 7.0 writes and reads it.
//!
//! Numbers without a fraction are integers, a table whose keys are 1 to n is an array (an empty one too), and what
//! is nested deeper than 16 levels is packed as nil. Next: `pack.rs`, `unpack.rs`.

mod pack;
mod unpack;

use mlua_sys::{lua_State, lua_rawset};

use super::stack::{push_bytes, set_function};

const NAMES: [(&str, &str); 4] = [
    ("_NAME", "cmsgpack"),
    ("_VERSION", "lua-cmsgpack 0.4.0"),
    ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
    ("_DESCRIPTION", "MessagePack C implementation for Lua"),
];

/// Adds everything to the table on top of the stack.
pub(super) unsafe fn fill(state: *mut lua_State) {
    for (name, text) in NAMES {
        push_bytes(state, name.as_bytes());
        push_bytes(state, text.as_bytes());
        lua_rawset(state, -3);
    }
    set_function(state, "pack", pack::pack);
    set_function(state, "unpack", unpack::unpack);
    set_function(state, "unpack_one", unpack::unpack_one);
    set_function(state, "unpack_limit", unpack::unpack_limit);
}
