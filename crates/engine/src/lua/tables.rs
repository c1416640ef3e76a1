//! The functions of the table library that would not respect or not see a read-only table.

use std::ffi::c_int;

use mlua_sys::{lua_State, lua_replace};

use super::base::call_stock;
use super::readonly::{push_hidden, refuse_stand_in};

pub(super) unsafe extern "C-unwind" fn insert(state: *mut lua_State) -> c_int {
    refuse_stand_in(state);
    call_stock(state)
}

/// `foreach` shows keys and values alone, so it may walk the hidden table.
pub(super) unsafe extern "C-unwind" fn foreach(state: *mut lua_State) -> c_int {
    if push_hidden(state, 1) {
        lua_replace(state, 1);
    }
    call_stock(state)
}
