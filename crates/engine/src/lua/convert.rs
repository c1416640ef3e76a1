//! Between replies and Lua values, by Redis's rules.
//!
//! To Lua: nil is false (nil in RESP3), statuses and errors are tables. From Lua: numbers lose their fraction, false
//! is nil, a table is an array up to its first nil, or what its one telling field says it is.

use std::ffi::c_int;

use mlua_sys::{
    LUA_TBOOLEAN, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua_State, lua_checkstack, lua_createtable,
    lua_next, lua_pushboolean, lua_pushnil, lua_pushnumber, lua_pushvalue, lua_rawget, lua_rawgeti_,
    lua_rawset, lua_rawseti_, lua_settop, lua_toboolean, lua_tonumber, lua_type,
};

use super::context::Context;
use super::failure::{lossy, one_line};
use super::stack::{push_bytes, string_at, truncated};
use crate::number::general;
use crate::reply::{Fault, Reply};

/// Deeper tables are refused. Redis goes on until its Lua stack is full, which no client reads.
const DEEPEST: u32 = 1000;
/// Lua raises an error of its own where a table would have more entries in its hashed part.
const LARGEST_TABLE: usize = 1 << 26;
/// Slots of the stack that one level needs at most.
const SLOTS: c_int = 8;

const TOO_LARGE: &[u8] = b"ERR not enough memory";

/// Pushes a reply as `redis.call` returns it.
pub(super) unsafe fn push_reply(state: *mut lua_State, reply: Reply, protocol: u8) {
    // The level above asked for more slots than it uses, so an error has room.
    if lua_checkstack(state, SLOTS) == 0 {
        return push_error(state, b"ERR reached lua stack limit");
    }
    let is_new = protocol >= 3;
    match reply {
        Reply::Map(pairs) if is_new && pairs.len() > LARGEST_TABLE => push_error(state, TOO_LARGE),
        Reply::Set(items) if is_new && items.len() > LARGEST_TABLE => push_error(state, TOO_LARGE),
        Reply::Bulk(bytes) => push_bytes(state, &bytes),
        // Lua 5.1 has no integers; large ones lose digits here, as in Redis.
        Reply::Int(number) => lua_pushnumber(state, number as f64),
        Reply::Nil | Reply::NilArray if is_new => lua_pushnil(state),
        Reply::Nil | Reply::NilArray => lua_pushboolean(state, 0),
        Reply::Simple(text) => push_field(state, b"ok", text.as_bytes()),
        Reply::Error(fault) => push_command_error(state, &fault),
        Reply::Pairs(pairs) if is_new => {
            let pair = |(left, right)| Reply::Array(vec![left, right]);
            push_array(state, pairs.into_iter().map(pair), protocol);
        }
        Reply::Map(pairs) if is_new => push_map(state, pairs, protocol),
        Reply::Map(pairs) | Reply::Pairs(pairs) => {
            push_array(
                state,
                pairs.into_iter().flat_map(|(left, right)| [left, right]),
                protocol,
            );
        }
        Reply::Set(items) if is_new => push_set(state, items, protocol),
        Reply::Array(items) | Reply::Several(items) | Reply::Push(items) | Reply::Set(items) => {
            push_array(state, items, protocol);
        }
        Reply::Double(number) if is_new => push_double(state, number),
        Reply::Double(number) => push_bytes(state, general(number, 17).as_bytes()),
        Reply::Bool(is_true) if is_new => lua_pushboolean(state, c_int::from(is_true)),
        Reply::Bool(is_true) => lua_pushnumber(state, f64::from(u8::from(is_true))),
        Reply::BigNumber(digits) if is_new => push_field(state, b"big_number", digits.as_bytes()),
        Reply::Verbatim(text) if is_new => push_verbatim(state, &text),
        Reply::BigNumber(text) | Reply::Verbatim(text) => push_bytes(state, text.as_bytes()),
    }
}

/// Pushes `{err = text}`.
pub(super) unsafe fn push_error(state: *mut lua_State, text: &[u8]) {
    push_field(state, b"err", text);
}

/// Pushes `{[name] = text}`.
pub(super) unsafe fn push_field(state: *mut lua_State, name: &[u8], text: &[u8]) {
    lua_createtable(state, 0, 1);
    push_bytes(state, name);
    push_bytes(state, text);
    lua_rawset(state, -3);
}

unsafe fn push_command_error(state: *mut lua_State, fault: &Fault) {
    lua_createtable(state, 0, 2);
    push_bytes(state, b"err");
    push_bytes(state, fault.text().as_bytes());
    lua_rawset(state, -3);
    // Redis counts errors, and marks those it has counted; scripts can see the mark.
    push_bytes(state, b"ignore_error_stats_update");
    lua_pushboolean(state, 1);
    lua_rawset(state, -3);
}

unsafe fn push_array(state: *mut lua_State, items: impl IntoIterator<Item = Reply>, protocol: u8) {
    let items = items.into_iter();
    lua_createtable(state, c_int::try_from(items.size_hint().0).unwrap_or_default(), 0);
    for (index, item) in (1..).zip(items) {
        push_reply(state, item, protocol);
        lua_rawseti_(state, -2, index);
    }
}

unsafe fn push_map(state: *mut lua_State, pairs: Vec<(Reply, Reply)>, protocol: u8) {
    lua_createtable(state, 0, 1);
    push_bytes(state, b"map");
    lua_createtable(state, 0, c_int::try_from(pairs.len()).unwrap_or_default());
    for (key, value) in pairs {
        push_reply(state, key, protocol);
        if is_key(state) {
            push_reply(state, value, protocol);
            lua_rawset(state, -3);
        } else {
            lua_settop(state, -2);
        }
    }
    lua_rawset(state, -3);
}

unsafe fn push_set(state: *mut lua_State, items: Vec<Reply>, protocol: u8) {
    lua_createtable(state, 0, 1);
    push_bytes(state, b"set");
    lua_createtable(state, 0, c_int::try_from(items.len()).unwrap_or_default());
    for item in items {
        push_reply(state, item, protocol);
        if is_key(state) {
            lua_pushboolean(state, 1);
            lua_rawset(state, -3);
        } else {
            lua_settop(state, -2);
        }
    }
    lua_rawset(state, -3);
}

/// Whether the value on top can be a key of a table.
unsafe fn is_key(state: *mut lua_State) -> bool {
    match lua_type(state, -1) {
        LUA_TNIL => false,
        LUA_TNUMBER => !lua_tonumber(state, -1).is_nan(),
        _ => true,
    }
}

unsafe fn push_double(state: *mut lua_State, number: f64) {
    lua_createtable(state, 0, 1);
    push_bytes(state, b"double");
    lua_pushnumber(state, number);
    lua_rawset(state, -3);
}

unsafe fn push_verbatim(state: *mut lua_State, text: &str) {
    lua_createtable(state, 0, 1);
    push_bytes(state, b"verbatim_string");
    lua_createtable(state, 0, 2);
    for (name, value) in [("string", text), ("format", "txt")] {
        push_bytes(state, name.as_bytes());
        push_bytes(state, value.as_bytes());
        lua_rawset(state, -3);
    }
    lua_rawset(state, -3);
}

/// Reads values that a script returned.
pub(super) struct Reader<'a> {
    state: *mut lua_State,
    context: &'a Context,
    /// Where the names of telling fields begin on the stack.
    names: c_int,
    depth: u32,
    /// Bytes of the replies built so far, about.
    built: usize,
    /// They are too many: nothing more is read.
    is_full: bool,
}

/// Fields that make a table something else than an array, in the order Redis asks for them.
const NAMES: [&[u8]; 7] = [
    b"err",
    b"ok",
    b"double",
    b"map",
    b"set",
    b"big_number",
    b"verbatim_string",
];

impl<'a> Reader<'a> {
    /// A reader on a state whose stack has `top` values.
    pub(super) unsafe fn new(state: *mut lua_State, context: &'a Context, top: c_int) -> Self {
        Self {
            state,
            context,
            names: top + 1,
            depth: 0,
            built: 0,
            is_full: false,
        }
    }

    /// The value at `index`, which is the top of the stack, as a reply.
    pub(super) unsafe fn read(&mut self, index: c_int) -> Reply {
        if lua_type(self.state, index) != LUA_TTABLE {
            return self.scalar(index);
        }
        // The names are pushed once: looking up a string anew costs more than asking the table.
        for name in NAMES {
            push_bytes(self.state, name);
        }
        lua_pushvalue(self.state, index);
        let reply = self.table();
        lua_settop(self.state, index);
        if self.is_full {
            return Reply::Error(Fault::of("ERR not enough memory"));
        }
        reply
    }

    unsafe fn scalar(&mut self, index: c_int) -> Reply {
        let state = self.state;
        match lua_type(state, index) {
            LUA_TSTRING => Reply::Bulk(self.string(index).unwrap_or_default().to_vec()),
            LUA_TNUMBER => Reply::Int(truncated(lua_tonumber(state, index))),
            LUA_TBOOLEAN => {
                let is_true = lua_toboolean(state, index) != 0;
                match is_true {
                    _ if self.context.protocol.get() >= 3 => Reply::Bool(is_true),
                    true => Reply::Int(1),
                    false => Reply::Nil,
                }
            }
            _ => Reply::Nil,
        }
    }

    /// The bytes of a string, which a reply will hold.
    unsafe fn string(&mut self, index: c_int) -> Option<&'a [u8]> {
        let text = string_at(self.state, index)?;
        self.built = self.built.saturating_add(text.len());
        Some(text)
    }

    /// The value on top of the stack.
    unsafe fn value(&mut self) -> Reply {
        // A table within itself is small, and its reply has no end.
        self.built = self.built.saturating_add(size_of::<Reply>());
        self.is_full = self.is_full || self.context.memory.is_exhausted(self.built);
        if lua_type(self.state, -1) == LUA_TTABLE {
            self.table()
        } else {
            self.scalar(-1)
        }
    }

    /// The table on top of the stack.
    unsafe fn table(&mut self) -> Reply {
        if self.depth >= DEEPEST || lua_checkstack(self.state, SLOTS) == 0 {
            return Reply::Error(Fault::of("ERR reached lua stack limit"));
        }
        self.depth += 1;
        let reply = match self.special() {
            Some(reply) => reply,
            None => self.array(),
        };
        self.depth -= 1;
        reply
    }

    unsafe fn special(&mut self) -> Option<Reply> {
        for place in 0..7 {
            lua_pushvalue(self.state, self.names + place);
            lua_rawget(self.state, -2);
            let reply = match lua_type(self.state, -1) {
                LUA_TNIL => None,
                _ => self.named(place),
            };
            lua_settop(self.state, -2);
            if reply.is_some() {
                return reply;
            }
        }
        None
    }

    /// What the field on top makes of its table, if it has the right type.
    unsafe fn named(&mut self, place: c_int) -> Option<Reply> {
        let state = self.state;
        match place {
            0 => self
                .string(-1)
                .map(|text| Reply::Error(Fault::new(one_line(&lossy(up_to_nul(text)))))),
            1 => self
                .string(-1)
                .map(|text| Reply::Simple(without_line_ends(text).into())),
            2 => (lua_type(state, -1) == LUA_TNUMBER).then(|| Reply::Double(lua_tonumber(state, -1))),
            3 => (lua_type(state, -1) == LUA_TTABLE).then(|| self.map()),
            4 => (lua_type(state, -1) == LUA_TTABLE).then(|| self.set()),
            5 => self
                .string(-1)
                .map(|text| Reply::BigNumber(without_line_ends(text))),
            _ => (lua_type(state, -1) == LUA_TTABLE)
                .then(|| self.verbatim())
                .flatten(),
        }
    }

    /// The pairs of the table on top, in the order of `next`.
    unsafe fn map(&mut self) -> Reply {
        let mut pairs = Vec::new();
        lua_pushnil(self.state);
        while !self.is_full && lua_next(self.state, -2) != 0 {
            lua_pushvalue(self.state, -2);
            let key = self.value();
            lua_settop(self.state, -2);
            let value = self.value();
            lua_settop(self.state, -2);
            pairs.push((key, value));
        }
        self.drop_key_left();
        Reply::Map(pairs)
    }

    unsafe fn set(&mut self) -> Reply {
        let mut items = Vec::new();
        lua_pushnil(self.state);
        while !self.is_full && lua_next(self.state, -2) != 0 {
            lua_settop(self.state, -2);
            lua_pushvalue(self.state, -1);
            items.push(self.value());
            lua_settop(self.state, -2);
        }
        self.drop_key_left();
        Reply::Set(items)
    }

    /// A walk that was given up has left its key on the stack.
    unsafe fn drop_key_left(&self) {
        if self.is_full {
            lua_settop(self.state, -2);
        }
    }

    unsafe fn verbatim(&mut self) -> Option<Reply> {
        push_bytes(self.state, b"format");
        lua_rawget(self.state, -2);
        push_bytes(self.state, b"string");
        lua_rawget(self.state, -3);
        let has_format = string_at(self.state, -2).is_some();
        let text = self.string(-1).filter(|_| has_format).map(lossy);
        lua_settop(self.state, -3);
        text.map(Reply::Verbatim)
    }

    unsafe fn array(&mut self) -> Reply {
        let mut items = Vec::new();
        for index in 1.. {
            if self.is_full {
                break;
            }
            lua_rawgeti_(self.state, -1, index);
            let is_end = lua_type(self.state, -1) == LUA_TNIL;
            if !is_end {
                items.push(self.value());
            }
            lua_settop(self.state, -2);
            if is_end {
                break;
            }
        }
        Reply::Array(items)
    }
}

/// A status is a C string for Redis.
fn up_to_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn without_line_ends(text: &[u8]) -> String {
    lossy(up_to_nul(text)).replace(['\r', '\n'], " ")
}
