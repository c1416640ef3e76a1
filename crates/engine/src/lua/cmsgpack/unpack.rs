//! MessagePack to Lua values.

use std::ffi::c_int;

use mlua_sys::{
    LUA_TNIL, LUA_TNUMBER, lua_State, lua_checkstack, lua_createtable, lua_insert, lua_isnoneornil,
    lua_pushboolean, lua_pushnil, lua_pushnumber, lua_rawset, lua_rawseti_, lua_settop, lua_tonumber,
    lua_type,
};

use crate::lua::border::{Outcome, Thrown, afford, complain, complain_plainly, native};
use crate::lua::context::Context;
use crate::lua::stack::{expect_number, expect_text, push_bytes, truncated};

/// Deeper arrays and maps are refused; Redis goes on until its Lua stack is full.
const DEEPEST: u32 = 1000;
/// Longer inputs are refused.
const LONGEST: usize = 256 * 1024 * 1024;
/// Lua raises an error of its own where a table would have more entries in its hashed part.
const LARGEST_TABLE: usize = 1 << 26;
/// Bytes of a table's entry, in an array and, at most, in a map.
const ITEM: usize = 16;
const PAIR: usize = 80;

native!(unpack => all);
native!(unpack_one => one);
native!(unpack_limit => some);

unsafe fn all(state: *mut lua_State, context: &Context) -> Outcome {
    read(state, context, 0, 0)
}

unsafe fn one(state: *mut lua_State, context: &Context) -> Outcome {
    expect_text(state, 1)?;
    let offset = optional(state, 2)?;
    lua_settop(state, 1);
    read(state, context, 1, offset)
}

unsafe fn some(state: *mut lua_State, context: &Context) -> Outcome {
    expect_text(state, 1)?;
    let limit = truncated(expect_number(state, 2)?) as c_int;
    let offset = optional(state, 3)?;
    lua_settop(state, 1);
    read(state, context, limit, offset)
}

unsafe fn optional(state: *mut lua_State, argument: c_int) -> Result<c_int, Thrown> {
    if lua_isnoneornil(state, argument) != 0 {
        return Ok(0);
    }
    Ok(truncated(expect_number(state, argument)?) as c_int)
}

/// Leaves up to `limit` values, behind the offset of what follows them (-1 at the end); all values if both numbers
/// are 0.
unsafe fn read(state: *mut lua_State, context: &Context, limit: c_int, offset: c_int) -> Outcome {
    let input = expect_text(state, 1)?;
    let length = input.len();
    let Some(start) = usize::try_from(offset).ok().filter(|_| limit >= 0) else {
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {length}.");
        return Err(complain(state, text));
    };
    let Some(rest) = input.get(start..) else {
        let text = format!("Start offset {start} greater than input length {length}.");
        return Err(complain(state, text));
    };
    if length > LONGEST {
        return Err(complain_plainly(state, "not enough memory"));
    }
    lua_settop(state, 1);
    let is_all = limit == 0 && offset == 0;
    let limit = if is_all { c_int::MAX } else { limit };
    let mut unpacker = Unpacker {
        state,
        context,
        rest,
        depth: 0,
    };
    let mut count = 0;
    while !unpacker.rest.is_empty() && count < limit {
        if lua_checkstack(state, 4) == 0 {
            let text =
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";
            return Err(complain(state, text));
        }
        unpacker.value()?;
        count += 1;
    }
    if is_all {
        return Ok(count);
    }
    let next = length - unpacker.rest.len();
    lua_pushnumber(
        state,
        if unpacker.rest.is_empty() {
            -1.0
        } else {
            next as f64
        },
    );
    lua_insert(state, 2);
    Ok(count + 1)
}

struct Unpacker<'a> {
    state: *mut lua_State,
    context: &'a Context,
    rest: &'a [u8],
    depth: u32,
}

impl<'a> Unpacker<'a> {
    unsafe fn take(&mut self, length: usize) -> Result<&'a [u8], Thrown> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(complain(self.state, "Missing bytes in input."));
        };
        self.rest = rest;
        Ok(taken)
    }

    unsafe fn array<const N: usize>(&mut self) -> Result<[u8; N], Thrown> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Pushes one value.
    unsafe fn value(&mut self) -> Result<(), Thrown> {
        let [code] = self.array()?;
        let number = match code {
            0x00..=0x7f => f64::from(code),
            0xe0..=0xff => f64::from(code.cast_signed()),
            0xcc => f64::from(u8::from_be_bytes(self.array()?)),
            0xcd => f64::from(u16::from_be_bytes(self.array()?)),
            0xce => f64::from(u32::from_be_bytes(self.array()?)),
            // The library in Redis reads unsigned numbers as signed ones here.
            0xcf | 0xd3 => i64::from_be_bytes(self.array()?) as f64,
            0xd0 => f64::from(i8::from_be_bytes(self.array()?)),
            0xd1 => f64::from(i16::from_be_bytes(self.array()?)),
            0xd2 => f64::from(i32::from_be_bytes(self.array()?)),
            0xca => f64::from(f32::from_be_bytes(self.array()?)),
            0xcb => f64::from_be_bytes(self.array()?),
            _ => return self.other(code),
        };
        lua_pushnumber(self.state, number);
        Ok(())
    }

    unsafe fn other(&mut self, code: u8) -> Result<(), Thrown> {
        match code {
            0xc0 => lua_pushnil(self.state),
            0xc2 | 0xc3 => lua_pushboolean(self.state, c_int::from(code == 0xc3)),
            0xa0..=0xbf => self.string(usize::from(code & 0x1f))?,
            0xd9 => {
                let length = u8::from_be_bytes(self.array()?);
                self.string(usize::from(length))?;
            }
            0xda => {
                let length = u16::from_be_bytes(self.array()?);
                self.string(usize::from(length))?;
            }
            0xdb => {
                let length = u32::from_be_bytes(self.array()?);
                self.string(length as usize)?;
            }
            _ => return self.collection(code),
        }
        Ok(())
    }

    unsafe fn string(&mut self, length: usize) -> Result<(), Thrown> {
        let text = self.take(length)?;
        push_bytes(self.state, text);
        Ok(())
    }

    unsafe fn collection(&mut self, code: u8) -> Result<(), Thrown> {
        let (length, is_map) = match code {
            0x90..=0x9f => (u32::from(code & 0x0f), false),
            0xdc => (u32::from(u16::from_be_bytes(self.array()?)), false),
            0xdd => (u32::from_be_bytes(self.array()?), false),
            0x80..=0x8f => (u32::from(code & 0x0f), true),
            0xde => (u32::from(u16::from_be_bytes(self.array()?)), true),
            0xdf => (u32::from_be_bytes(self.array()?), true),
            _ => return Err(complain(self.state, "Bad data format in input.")),
        };
        self.depth += 1;
        if self.depth > DEEPEST || lua_checkstack(self.state, 4) == 0 {
            let kind = if is_map { "hash" } else { "array" };
            let text = format!("stack overflow (in function mp_decode_to_lua_{kind})");
            return Err(complain(self.state, text));
        }
        if is_map {
            self.map(length)?;
        } else {
            self.sequence(length)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// For how many entries there may be room, each of which takes so many bytes here and there.
    unsafe fn room(&self, length: u32, read: usize, kept: usize) -> Result<usize, Thrown> {
        let room = (length as usize).min(self.rest.len() / read);
        if room > LARGEST_TABLE {
            return Err(complain_plainly(self.state, "not enough memory"));
        }
        afford(self.state, self.context, room * kept)?;
        Ok(room)
    }

    unsafe fn sequence(&mut self, length: u32) -> Result<(), Thrown> {
        // The length is only claimed; each item takes a byte at least.
        let room = self.room(length, 1, ITEM)?;
        lua_createtable(self.state, c_int::try_from(room).unwrap_or_default(), 0);
        for index in 1..=length {
            self.value()?;
            lua_rawseti_(self.state, -2, index as c_int);
        }
        Ok(())
    }

    unsafe fn map(&mut self, length: u32) -> Result<(), Thrown> {
        let room = self.room(length, 2, PAIR)?;
        lua_createtable(self.state, 0, c_int::try_from(room).unwrap_or_default());
        for _ in 0..length {
            self.value()?;
            let bad_key = match lua_type(self.state, -1) {
                LUA_TNIL => Some("table index is nil"),
                LUA_TNUMBER if lua_tonumber(self.state, -1).is_nan() => Some("table index is NaN"),
                _ => None,
            };
            self.value()?;
            if let Some(text) = bad_key {
                return Err(complain_plainly(self.state, text));
            }
            lua_rawset(self.state, -3);
        }
        Ok(())
    }
}
