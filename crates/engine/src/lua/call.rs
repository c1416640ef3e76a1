//! `redis.call` and `redis.pcall`.
//!
//! Arguments are slices of Lua's own strings; a number is written as C's `%.17g` writes it. An error reply is raised
//! by `call` and returned by `pcall`, in both as the table `{err = …}`.

use std::ffi::c_int;

use mlua_sys::{LUA_TNUMBER, LUA_TSTRING, lua_State, lua_gettop, lua_settop, lua_tonumber, lua_type};
use smallvec::SmallVec;

use super::border::{Outcome, Thrown, native};
use super::context::Context;
use super::convert::{push_error, push_reply};
use super::hook::spend;
use super::stack::text_at;
use crate::number::general;
use crate::reply::Reply;

pub(super) type Arguments<'a> = SmallVec<[&'a [u8]; 16]>;

const NO_ARGUMENTS: &str = "ERR Please specify at least one argument for this redis lib call";
const WRONG_ARGUMENTS: &str = "ERR Lua redis lib command arguments must be strings or integers";

native!(call => raising);
native!(pcall => returning);

/// A command may take long; the clock is read at every sixteenth.
const WORK: usize = 65_536;

unsafe fn raising(state: *mut lua_State, context: &Context) -> Outcome {
    spend(state, context, WORK)?;
    match perform(state, context) {
        Ok(false) => Ok(1),
        Ok(true) | Err(()) => Err(Thrown::Plain),
    }
}

unsafe fn returning(state: *mut lua_State, context: &Context) -> Outcome {
    spend(state, context, WORK)?;
    let _ = perform(state, context);
    Ok(1)
}

/// Leaves one value, or an error table; says whether the command failed, or that there was none to run.
unsafe fn perform(state: *mut lua_State, context: &Context) -> Result<bool, ()> {
    let reply = with_arguments(state, |args| {
        // A run always has a host; functions cannot outlive it.
        context.host().map_or(Reply::Nil, |host| host.call(args))
    })?;
    lua_settop(state, 0);
    let is_error = reply.is_error();
    push_reply(state, reply, context.protocol.get());
    Ok(is_error)
}

/// Reads all arguments of the running function as those of a command; leaves an error table if they are none.
pub(super) unsafe fn with_arguments<T>(
    state: *mut lua_State,
    run: impl FnOnce(&[&[u8]]) -> T,
) -> Result<T, ()> {
    let count = lua_gettop(state);
    if count == 0 {
        push_error(state, NO_ARGUMENTS.as_bytes());
        return Err(());
    }
    let mut numbers: SmallVec<[Digits; 4]> = SmallVec::new();
    for index in 1..=count {
        match lua_type(state, index) {
            LUA_TSTRING => {}
            LUA_TNUMBER => numbers.push(Digits::of(lua_tonumber(state, index))),
            _ => {
                push_error(state, WRONG_ARGUMENTS.as_bytes());
                return Err(());
            }
        }
    }
    let mut numbers = numbers.iter();
    let argument = |index: c_int| {
        if lua_type(state, index) == LUA_TSTRING {
            text_at(state, index)
        } else {
            numbers.next().map(Digits::as_bytes).unwrap_or_default()
        }
    };
    let arguments: Arguments<'_> = (1..=count).map(argument).collect();
    Ok(run(&arguments))
}

/// A number's digits; the longest in `%.17g` are 24.
struct Digits {
    bytes: [u8; 24],
    length: u8,
}

impl Digits {
    fn of(number: f64) -> Self {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        // An integer is the usual case, and zero may be negative.
        if number.abs() < EXACT && number.fract() == 0.0 && number.to_bits() != (-0.0f64).to_bits() {
            return Self::from(itoa::Buffer::new().format(number as i64));
        }
        Self::from(general(number, 17).as_str())
    }

    fn from(text: &str) -> Self {
        let mut bytes = [0; 24];
        let length = text.len().min(bytes.len());
        if let (Some(place), Some(digits)) = (bytes.get_mut(..length), text.as_bytes().get(..length)) {
            place.copy_from_slice(digits);
        }
        Self {
            bytes,
            length: length as u8,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}
