//! Where C calls Rust: every function a script can call enters here.
//!
//! [`native!`] makes a C function of a Rust one. The Rust function may own values, because it never raises: it
//! leaves a message on the Lua stack and returns [`Thrown`]; once all it owned is dropped, the outer frame raises.
//! Functions that own nothing and call stock functions of Lua are written as C functions directly and say so.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua_sys::{
    lua_State, lua_concat, lua_error, lua_insert, lua_settop, lua_tolstring, luaL_argerror, luaL_where,
};

use super::context::Context;
use super::stack::push_bytes;

/// How many results a function left on the stack, or that it left a message to raise.
pub(super) type Outcome = Result<c_int, Thrown>;

/// How the message on top of the stack is raised.
#[derive(Clone, Copy, Debug)]
pub(super) enum Thrown {
    /// As it is.
    Plain,
    /// Behind the position of the caller, as most library functions do.
    Positioned,
    /// As the complaint about an argument.
    Argument(c_int),
}

/// A C function out of `unsafe fn(*mut lua_State, &Context) -> Outcome`.
macro_rules! native {
    ($name:ident => $body:path) => {
        pub(super) unsafe extern "C-unwind" fn $name(state: *mut mlua_sys::lua_State) -> std::ffi::c_int {
            // SAFETY: Lua calls this with a live state of ours.
            unsafe { $crate::lua::border::enter(state, |state, context| $body(state, context)) }
        }
    };
}
pub(super) use native;

/// Runs a function and raises what it threw, owning nothing itself by then.
#[inline(always)]
pub(super) unsafe fn enter(
    state: *mut lua_State,
    body: impl FnOnce(*mut lua_State, &Context) -> Outcome,
) -> c_int {
    match shielded(state, body) {
        Ok(results) => results,
        Err(thrown) => raise(state, thrown),
    }
}

#[inline(always)]
unsafe fn shielded(state: *mut lua_State, body: impl FnOnce(*mut lua_State, &Context) -> Outcome) -> Outcome {
    let context = Context::of(state);
    let _reserved = context.memory.reserve();
    catch_unwind(AssertUnwindSafe(|| body(state, context))).unwrap_or_else(|_| {
        push_bytes(state, b"an internal error of the engine");
        Err(Thrown::Plain)
    })
}

#[cold]
unsafe fn raise(state: *mut lua_State, thrown: Thrown) -> ! {
    match thrown {
        Thrown::Plain => {}
        Thrown::Positioned => {
            make_room(state);
            luaL_where(state, 1);
            lua_insert(state, -2);
            lua_concat(state, 2);
        }
        Thrown::Argument(number) => {
            make_room(state);
            luaL_argerror(state, number, lua_tolstring(state, -1, std::ptr::null_mut()));
        }
    }
    lua_error(state)
}

/// Keeps the message alone: what a function has left may fill its part of the stack. Not in a hook, which works on
/// the stack of the function it interrupts.
unsafe fn make_room(state: *mut lua_State) {
    lua_insert(state, 1);
    lua_settop(state, 1);
}

/// Leaves a message for [`Thrown::Positioned`].
#[cold]
pub(super) unsafe fn complain(state: *mut lua_State, message: impl AsRef<[u8]>) -> Thrown {
    push_bytes(state, message.as_ref());
    Thrown::Positioned
}

/// Leaves a message for [`Thrown::Plain`].
#[cold]
pub(super) unsafe fn complain_plainly(state: *mut lua_State, message: impl AsRef<[u8]>) -> Thrown {
    push_bytes(state, message.as_ref());
    Thrown::Plain
}

/// Leaves a message for [`Thrown::Argument`].
#[cold]
pub(super) unsafe fn complain_of(state: *mut lua_State, number: c_int, message: impl AsRef<[u8]>) -> Thrown {
    push_bytes(state, message.as_ref());
    Thrown::Argument(number)
}

/// Leaves a message for [`Thrown::Plain`] if `more` bytes would be more than the script may hold. What Rust builds
/// for it does not go through Lua's allocator.
#[inline]
pub(super) unsafe fn afford(state: *mut lua_State, context: &Context, more: usize) -> Result<(), Thrown> {
    if context.memory.is_exhausted(more) {
        return Err(complain_plainly(state, "not enough memory"));
    }
    Ok(())
}
