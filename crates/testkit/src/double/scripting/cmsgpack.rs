//! `cmsgpack.pack` and `cmsgpack.unpack`.
//!
//! As in Redis: numbers without a fraction are packed as integers, a table whose keys are 1 to n is an array (an empty one
//! too), and what is nested deeper than 16 levels becomes nil.

use mlua::{Lua, MultiValue, Table, Value};

use super::convert::{as_number, first_string};
use super::{fault, host_function};

const DEEPEST: usize = 16;

pub(super) fn build(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", host_function(lua, pack)?)?;
    table.raw_set("unpack", host_function(lua, unpack)?)?;
    Ok(table)
}

fn pack(lua: &Lua, values: &MultiValue) -> mlua::Result<mlua::LuaString> {
    if values.is_empty() {
        return Err(fault::message(
            lua,
            "bad argument #0 to 'pack' (MessagePack pack needs input.)",
        ));
    }
    let mut packed = Vec::new();
    for value in values {
        write(&mut packed, value, 0)?;
    }
    lua.create_string(packed)
}

fn write(out: &mut Vec<u8>, value: &Value, depth: usize) -> mlua::Result<()> {
    match value {
        Value::String(text) => {
            let bytes = text.as_bytes();
            write_length(out, bytes.len(), (0xa0, 31), &[0xd9, 0xda, 0xdb]);
            out.extend_from_slice(&bytes);
        }
        Value::Boolean(is_true) => out.push(if *is_true { 0xc3 } else { 0xc2 }),
        Value::Table(table) if depth < DEEPEST => write_table(out, table, depth)?,
        other => match as_number(other) {
            Some(number) => write_number(out, number),
            None => out.push(0xc0),
        },
    }
    Ok(())
}

fn write_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> mlua::Result<()> {
    let (count, is_array) = measure(table)?;
    if is_array {
        write_length(out, count, (0x90, 15), &[0xdc, 0xdd]);
        for index in 1..=count {
            write(out, &table.raw_get(index)?, depth + 1)?;
        }
    } else {
        write_length(out, count, (0x80, 15), &[0xde, 0xdf]);
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            write(out, &key, depth + 1)?;
            write(out, &value, depth + 1)?;
        }
    }
    Ok(())
}

/// How many entries there are, and whether their keys are exactly 1 to n.
fn measure(table: &Table) -> mlua::Result<(usize, bool)> {
    let (mut count, mut highest, mut has_indexes_only) = (0_u32, 0.0_f64, true);
    for pair in table.pairs::<Value, Value>() {
        count += 1;
        match as_number(&pair?.0) {
            Some(index) if index >= 1.0 && index.fract() == 0.0 => highest = highest.max(index),
            _ => has_indexes_only = false,
        }
    }
    Ok((count as usize, has_indexes_only && highest == f64::from(count)))
}

/// A length in the short form, or behind the first of the wider codes (8, 16, 32 bits) that holds it.
fn write_length(out: &mut Vec<u8>, length: usize, (short, short_limit): (u8, usize), codes: &[u8]) {
    let length = u32::try_from(length).expect("no value is that long");
    let [a, b, c, d] = length.to_be_bytes();
    // Strings alone have a form of 8 bits.
    let (eight, wide) = if codes.len() == 3 {
        (Some(codes[0]), &codes[1..])
    } else {
        (None, codes)
    };
    match (length, eight) {
        (0..=31, _) if length as usize <= short_limit => out.push(short | d),
        (0..=0xff, Some(code)) => out.extend([code, d]),
        (0..=0xffff, _) => out.extend([wide[0], c, d]),
        _ => out.extend([wide[1], a, b, c, d]),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "each range is checked first"
)]
fn write_number(out: &mut Vec<u8>, number: f64) {
    let range = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    let is_integer = number.fract() == 0.0 && range.contains(&number);
    if !is_integer {
        let single = number as f32;
        if f64::from(single) == number {
            out.push(0xca);
            out.extend(single.to_be_bytes());
        } else {
            out.push(0xcb);
            out.extend(number.to_be_bytes());
        }
        return;
    }
    let integer = number as i64;
    match integer {
        -32..=0x7f => out.push(integer as u8),
        0x80..=0xff => out.extend([0xcc, integer as u8]),
        0x100..=0xffff => push(out, 0xcd, (integer as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => push(out, 0xce, (integer as u32).to_be_bytes()),
        0x1_0000_0000.. => push(out, 0xcf, (integer as u64).to_be_bytes()),
        -0x80..=-33 => out.extend([0xd0, integer as u8]),
        -0x8000..=-0x81 => push(out, 0xd1, (integer as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => push(out, 0xd2, (integer as i32).to_be_bytes()),
        _ => push(out, 0xd3, integer.to_be_bytes()),
    }
}

fn push<const N: usize>(out: &mut Vec<u8>, code: u8, bytes: [u8; N]) {
    out.push(code);
    out.extend(bytes);
}

fn unpack(lua: &Lua, arguments: &MultiValue) -> mlua::Result<MultiValue> {
    let text = first_string(lua, arguments, "unpack")?;
    let mut reader = Reader {
        lua,
        rest: &text.as_bytes(),
    };
    let mut values = Vec::new();
    while !reader.rest.is_empty() {
        values.push(reader.value()?);
    }
    Ok(MultiValue::from_iter(values))
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> mlua::Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| fault::message(self.lua, "Missing bytes in input."))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> mlua::Result<[u8; N]> {
        self.take(N)
            .map(|bytes| bytes.try_into().expect("exactly that many bytes were taken"))
    }

    fn length(&mut self, bytes: usize) -> mlua::Result<usize> {
        Ok(self
            .take(bytes)?
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    #[allow(clippy::cast_precision_loss, reason = "Lua 5.1 has doubles only")]
    fn value(&mut self) -> mlua::Result<Value> {
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
        Ok(Value::Number(number))
    }

    fn other(&mut self, code: u8) -> mlua::Result<Value> {
        match code {
            0xc0 => Ok(Value::Nil),
            0xc2 => Ok(Value::Boolean(false)),
            0xc3 => Ok(Value::Boolean(true)),
            0xa0..=0xbf => self.string(usize::from(code & 0x1f)),
            0xd9..=0xdb => {
                let length = self.length(1 << (code - 0xd9))?;
                self.string(length)
            }
            0x90..=0x9f => self.sequence(usize::from(code & 0x0f)),
            0xdc | 0xdd => {
                let length = self.length(2 << (code - 0xdc))?;
                self.sequence(length)
            }
            0x80..=0x8f => self.map(usize::from(code & 0x0f)),
            0xde | 0xdf => {
                let length = self.length(2 << (code - 0xde))?;
                self.map(length)
            }
            _ => Err(fault::message(self.lua, "Bad data format in input.")),
        }
    }

    fn string(&mut self, length: usize) -> mlua::Result<Value> {
        let bytes = self.take(length)?;
        self.lua.create_string(bytes).map(Value::String)
    }

    fn sequence(&mut self, length: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        for index in 1..=length {
            table.raw_set(index, self.value()?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, length: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        for _ in 0..length {
            let (key, value) = (self.value()?, self.value()?);
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}
