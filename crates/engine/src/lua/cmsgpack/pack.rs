//! Lua values to MessagePack.

use std::ffi::c_int;

use mlua_sys::{
    LUA_TBOOLEAN, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua_State, lua_checkstack, lua_gettop, lua_next,
    lua_objlen, lua_pushnil, lua_pushvalue, lua_rawgeti_, lua_settop, lua_toboolean, lua_tonumber, lua_type,
};

use crate::lua::border::{Outcome, Thrown, afford, complain_of, native};
use crate::lua::context::Context;
use crate::lua::hook::spend;
use crate::lua::stack::{push_bytes, text_at};

const DEEPEST: u32 = 16;
/// Nanoseconds a value takes.
const WORK: usize = 50;

native!(pack => pack_all);

unsafe fn pack_all(state: *mut lua_State, context: &Context) -> Outcome {
    let count = lua_gettop(state);
    if count == 0 {
        return Err(complain_of(state, 0, "MessagePack pack needs input."));
    }
    // Three slots for each level, and some to spare.
    if lua_checkstack(state, 64) == 0 {
        return Err(complain_of(state, 0, "Too many arguments for MessagePack pack."));
    }
    let mut packer = Packer {
        state,
        context,
        out: context.take_buffer(),
    };
    for index in 1..=count {
        lua_pushvalue(state, index);
        packer.value(0)?;
        lua_settop(state, -2);
    }
    push_bytes(state, &packer.out);
    context.keep(packer.out);
    Ok(1)
}

struct Packer<'a> {
    state: *mut lua_State,
    context: &'a Context,
    out: Vec<u8>,
}

impl Packer<'_> {
    /// Packs the value on top of the stack.
    unsafe fn value(&mut self, depth: u32) -> Result<(), Thrown> {
        // Tables can hold a value many times over, and themselves, so little can become very much.
        spend(self.state, self.context, WORK)?;
        afford(self.state, self.context, self.out.len())?;
        match lua_type(self.state, -1) {
            LUA_TSTRING => {
                let text = text_at(self.state, -1);
                afford(
                    self.state,
                    self.context,
                    self.out.len().saturating_add(text.len()),
                )?;
                self.string_length(text.len());
                self.out.extend_from_slice(text);
            }
            LUA_TNUMBER => self.number(lua_tonumber(self.state, -1)),
            LUA_TBOOLEAN if lua_toboolean(self.state, -1) != 0 => self.out.push(0xc3),
            LUA_TBOOLEAN => self.out.push(0xc2),
            LUA_TTABLE if depth < DEEPEST => return self.table(depth),
            _ => self.out.push(0xc0),
        }
        Ok(())
    }

    unsafe fn table(&mut self, depth: u32) -> Result<(), Thrown> {
        let (count, is_array) = self.measure();
        if is_array {
            return self.array(depth);
        }
        self.length(count, (0x80, 15), (0xde, 0xdf));
        lua_pushnil(self.state);
        while lua_next(self.state, -2) != 0 {
            lua_pushvalue(self.state, -2);
            self.value(depth + 1)?;
            lua_settop(self.state, -2);
            self.value(depth + 1)?;
            lua_settop(self.state, -2);
        }
        Ok(())
    }

    unsafe fn array(&mut self, depth: u32) -> Result<(), Thrown> {
        let count = lua_objlen(self.state, -1);
        self.length(count, (0x90, 15), (0xdc, 0xdd));
        for index in 1..=c_int::try_from(count).unwrap_or(c_int::MAX) {
            lua_rawgeti_(self.state, -1, index);
            self.value(depth + 1)?;
            lua_settop(self.state, -2);
        }
        Ok(())
    }

    /// How many entries the table on top has, and whether their keys are exactly 1 to n.
    unsafe fn measure(&self) -> (usize, bool) {
        let (mut count, mut highest, mut has_indexes_only) = (0usize, 0.0_f64, true);
        lua_pushnil(self.state);
        while lua_next(self.state, -2) != 0 {
            lua_settop(self.state, -2);
            count += 1;
            if has_indexes_only {
                let index = lua_tonumber(self.state, -1);
                if lua_type(self.state, -1) == LUA_TNUMBER && index > 0.0 && index.fract() == 0.0 {
                    highest = highest.max(index);
                } else {
                    has_indexes_only = false;
                }
            }
        }
        (count, has_indexes_only && highest == count as f64)
    }

    fn string_length(&mut self, length: usize) {
        match length {
            0..=31 => self.out.push(0xa0 | length as u8),
            32..=0xff => self.out.extend([0xd9, length as u8]),
            _ => self.wide_length(length, (0xda, 0xdb)),
        }
    }

    fn length(&mut self, length: usize, (short, limit): (u8, usize), codes: (u8, u8)) {
        if length <= limit {
            self.out.push(short | length as u8);
        } else {
            self.wide_length(length, codes);
        }
    }

    fn wide_length(&mut self, length: usize, codes: (u8, u8)) {
        match u16::try_from(length) {
            Ok(length) => self.coded(codes.0, length.to_be_bytes()),
            Err(_) => self.coded(codes.1, (length as u32).to_be_bytes()),
        }
    }

    fn coded<const N: usize>(&mut self, code: u8, bytes: [u8; N]) {
        self.out.push(code);
        self.out.extend_from_slice(&bytes);
    }

    fn number(&mut self, number: f64) {
        let range = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
        if number.fract() != 0.0 || !range.contains(&number) {
            return self.fraction(number);
        }
        match number as i64 {
            integer @ -32..=0x7f => self.out.push(integer as u8),
            integer @ 0x80..=0xff => self.coded(0xcc, (integer as u8).to_be_bytes()),
            integer @ 0x100..=0xffff => self.coded(0xcd, (integer as u16).to_be_bytes()),
            integer @ 0x1_0000..=0xffff_ffff => self.coded(0xce, (integer as u32).to_be_bytes()),
            integer @ 0x1_0000_0000.. => self.coded(0xcf, integer.to_be_bytes()),
            integer @ -0x80..=-33 => self.coded(0xd0, (integer as i8).to_be_bytes()),
            integer @ -0x8000..=-0x81 => self.coded(0xd1, (integer as i16).to_be_bytes()),
            integer @ -0x8000_0000..=-0x8001 => self.coded(0xd2, (integer as i32).to_be_bytes()),
            integer => self.coded(0xd3, integer.to_be_bytes()),
        }
    }

    fn fraction(&mut self, number: f64) {
        let single = number as f32;
        if f64::from(single) == number {
            self.coded(0xca, single.to_be_bytes());
        } else {
            self.coded(0xcb, number.to_be_bytes());
        }
    }
}
