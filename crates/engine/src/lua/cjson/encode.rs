//! Lua values to JSON.

use std::ffi::c_int;

use mlua_sys::{
    LUA_TBOOLEAN, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua_State,
    lua_checkstack, lua_gettop, lua_next, lua_pushnil, lua_rawgeti_, lua_settop, lua_toboolean, lua_tonumber,
    lua_touserdata, lua_type,
};

use super::settings::{Invalid, Settings};
use super::settings_of;
use crate::lua::border::{Outcome, Thrown, afford, complain, complain_of, native};
use crate::lua::context::Context;
use crate::lua::hook::spend;
use crate::lua::stack::{push_bytes, text_at, type_name};
use crate::number::general;

/// Whatever the settings say, deeper tables are refused: the C stack is finite.
const DEEPEST: c_int = 1000;

/// Nanoseconds a value takes.
const WORK: usize = 50;

native!(encode => encode_value);

unsafe fn encode_value(state: *mut lua_State, context: &Context) -> Outcome {
    if lua_gettop(state) != 1 {
        return Err(complain_of(state, 1, "expected 1 argument"));
    }
    let mut writer = Writer {
        state,
        context,
        settings: *settings_of(state),
        out: context.take_buffer(),
        depth: 0,
    };
    writer.value()?;
    push_bytes(state, &writer.out);
    context.keep(writer.out);
    Ok(1)
}

struct Writer<'a> {
    state: *mut lua_State,
    context: &'a Context,
    settings: Settings,
    out: Vec<u8>,
    depth: c_int,
}

impl Writer<'_> {
    /// Writes the value on top of the stack.
    unsafe fn value(&mut self) -> Result<(), Thrown> {
        let state = self.state;
        // Tables can hold a value many times over, and themselves, so little can become very much.
        spend(state, self.context, WORK)?;
        afford(state, self.context, self.out.len())?;
        match lua_type(state, -1) {
            LUA_TSTRING => {
                let text = text_at(state, -1);
                afford(state, self.context, self.out.len().saturating_add(text.len()))?;
                self.string(text);
            }
            LUA_TNUMBER => return self.number(lua_tonumber(state, -1)),
            LUA_TBOOLEAN if lua_toboolean(state, -1) != 0 => self.out.extend_from_slice(b"true"),
            LUA_TBOOLEAN => self.out.extend_from_slice(b"false"),
            LUA_TTABLE => return self.table(),
            LUA_TNIL => self.out.extend_from_slice(b"null"),
            LUA_TLIGHTUSERDATA if lua_touserdata(state, -1).is_null() => self.out.extend_from_slice(b"null"),
            _ => return Err(self.problem(-1, "type not supported")),
        }
        Ok(())
    }

    #[cold]
    unsafe fn problem(&self, index: c_int, what: &str) -> Thrown {
        let text = format!("Cannot serialise {}: {what}", type_name(self.state, index));
        complain(self.state, text)
    }

    unsafe fn number(&mut self, number: f64) -> Result<(), Thrown> {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                Invalid::Refused => return Err(self.problem(-1, "must not be NaN or Inf")),
                Invalid::Null => self.out.extend_from_slice(b"null"),
                Invalid::Written if number.is_nan() => self.out.extend_from_slice(b"nan"),
                Invalid::Written if number > 0.0 => self.out.extend_from_slice(b"inf"),
                Invalid::Written => self.out.extend_from_slice(b"-inf"),
            }
            return Ok(());
        }
        // Integers are the usual case, and need neither rounding nor memory of their own.
        let is_plain =
            number.abs() < 1e14 && number.fract() == 0.0 && (number != 0.0 || number.is_sign_positive());
        if is_plain && self.settings.precision == 14 {
            self.out
                .extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
        } else {
            let precision = usize::try_from(self.settings.precision).unwrap_or(14);
            self.out.extend_from_slice(rounded(number, precision).as_bytes());
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        let mut rest = text;
        // Runs of plain bytes are copied at once.
        while let Some(length) = rest.iter().position(|byte| needs_escape(*byte)) {
            let (plain, behind) = rest.split_at_checked(length).unwrap_or_default();
            self.out.extend_from_slice(plain);
            let Some((byte, behind)) = behind.split_first() else {
                break;
            };
            self.escape(*byte);
            rest = behind;
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
    }

    fn escape(&mut self, byte: u8) {
        let letter = match byte {
            b'"' | b'\\' | b'/' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or(b'0');
                self.out.extend_from_slice(b"\\u00");
                return self.out.extend_from_slice(&[digit(byte >> 4), digit(byte)]);
            }
        };
        self.out.extend_from_slice(&[b'\\', letter]);
    }

    unsafe fn table(&mut self) -> Result<(), Thrown> {
        self.depth += 1;
        let limit = self.settings.encode_depth.min(DEEPEST);
        if self.depth > limit || lua_checkstack(self.state, 4) == 0 {
            let text = format!("Cannot serialise, excessive nesting ({})", self.depth);
            return Err(complain(self.state, text));
        }
        match self.array_length()? {
            0 => self.object()?,
            length => self.array(length)?,
        }
        self.depth -= 1;
        Ok(())
    }

    /// The highest index, if all keys are indexes; 0 for an object and for an empty table.
    unsafe fn array_length(&self) -> Result<c_int, Thrown> {
        let state = self.state;
        let (mut count, mut highest): (c_int, c_int) = (0, 0);
        lua_pushnil(state);
        while lua_next(state, -2) != 0 {
            lua_settop(state, -2);
            let index = lua_tonumber(state, -1);
            if lua_type(state, -1) != LUA_TNUMBER || index < 1.0 || index.floor() != index {
                lua_settop(state, -2);
                return Ok(0);
            }
            if index > f64::from(highest) {
                // C's conversion: what does not fit an int is its minimum, which makes the table an object.
                highest = if index > f64::from(c_int::MAX) {
                    c_int::MIN
                } else {
                    index as c_int
                };
            }
            count += 1;
        }
        let ratio = self.settings.sparse_ratio;
        if ratio > 0
            && i64::from(highest) > i64::from(count) * i64::from(ratio)
            && highest > self.settings.sparse_safe
        {
            if !self.settings.sparse_to_object {
                return Err(self.problem(-1, "excessively sparse array"));
            }
            return Ok(0);
        }
        Ok(highest.max(0))
    }

    unsafe fn array(&mut self, length: c_int) -> Result<(), Thrown> {
        self.out.push(b'[');
        for index in 1..=length {
            if index > 1 {
                self.out.push(b',');
            }
            lua_rawgeti_(self.state, -1, index);
            self.value()?;
            lua_settop(self.state, -2);
        }
        self.out.push(b']');
        Ok(())
    }

    unsafe fn object(&mut self) -> Result<(), Thrown> {
        let state = self.state;
        self.out.push(b'{');
        let mut is_first = true;
        lua_pushnil(state);
        while lua_next(state, -2) != 0 {
            if !is_first {
                self.out.push(b',');
            }
            is_first = false;
            match lua_type(state, -2) {
                LUA_TSTRING => self.string(text_at(state, -2)),
                LUA_TNUMBER => {
                    self.out.push(b'"');
                    self.number(lua_tonumber(state, -2))?;
                    self.out.push(b'"');
                }
                _ => return Err(self.problem(-2, "table key must be a number or string")),
            }
            self.out.push(b':');
            self.value()?;
            lua_settop(state, -2);
        }
        self.out.push(b'}');
        Ok(())
    }
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'"' | b'\\' | b'/' | 0x7f)
}

/// C's `%.{precision}g`. The shortcut for whole numbers in `general` supposes 14 digits at least.
fn rounded(number: f64, precision: usize) -> String {
    let is_short = precision < 14 && number.fract() == 0.0 && number.abs() >= 10f64.powi(precision as i32);
    if is_short {
        let rounded: f64 = format!("{number:.*e}", precision - 1).parse().unwrap_or(number);
        let digits = format!("{rounded:e}");
        let (mantissa, exponent) = digits.split_once('e').unwrap_or((&digits, "0"));
        return format!("{mantissa}e+{exponent:0>2}");
    }
    general(number, precision)
}
