//! The functions of the table library that would not respect or not see a read-only table, or not end.

use std::ffi::c_int;

use mlua_sys::{
    LUA_TTABLE, lua_State, lua_gettop, lua_isnumber, lua_objlen, lua_replace, lua_tonumber, lua_type,
};

use super::base::call_stock;
use super::border::{complain_of, enter};
use super::hook::spend;
use super::readonly::{push_hidden, refuse_stand_in};
use super::stack::truncated;

/// Nanoseconds in which `insert` moves an item.
const WORK: usize = 20;
/// It moves items up to places before the first, an item at a time and never stopped. So far before is a mistake.
const FARTHEST_BEFORE: i64 = -1000;

pub(super) unsafe extern "C-unwind" fn insert(state: *mut lua_State) -> c_int {
    refuse_stand_in(state);
    if lua_gettop(state) == 3 && lua_type(state, 1) == LUA_TTABLE && lua_isnumber(state, 2) != 0 {
        enter(state, |state, context| {
            let place = i64::from(truncated(lua_tonumber(state, 2)) as i32);
            if place < FARTHEST_BEFORE {
                return Err(complain_of(state, 2, "position out of bounds"));
            }
            let moved = usize::try_from(lua_objlen(state, 1) as i64 - place).unwrap_or(0);
            spend(state, context, moved.saturating_mul(WORK)).map(|()| 0)
        });
    }
    call_stock(state)
}

/// `foreach` shows keys and values alone, so it may walk the hidden table.
pub(super) unsafe extern "C-unwind" fn foreach(state: *mut lua_State) -> c_int {
    if push_hidden(state, 1) {
        lua_replace(state, 1);
    }
    call_stock(state)
}
