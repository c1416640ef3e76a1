//! Lua to JSON.

use mlua::{Lua, Table, Value};

use crate::double::number::general;
use crate::double::scripting::convert::{DEEPEST, as_number};
use crate::double::scripting::fault;

const DIGITS: usize = 14;
/// Up to this index a table with holes is an array in any case.
const SPARSE_SAFE: f64 = 10.0;
/// Beyond it, at least one index in this many must be used.
const SPARSE_RATIO: f64 = 2.0;

/// Writes values one after the other into a buffer.
pub(super) struct Writer<'a> {
    lua: &'a Lua,
    pub(super) out: Vec<u8>,
    depth: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(lua: &'a Lua) -> Self {
        Self {
            lua,
            out: Vec::new(),
            depth: 0,
        }
    }

    pub(super) fn write(&mut self, value: &Value) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.write_string(&text.as_bytes()),
            Value::Boolean(is_true) => self.out.extend(is_true.to_string().bytes()),
            Value::Nil => self.out.extend(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.out.extend(b"null"),
            Value::Table(table) => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(self.problem(&format!(", excessively nested ({})", self.depth)));
                }
                self.write_table(table)?;
                self.depth -= 1;
            }
            other => match as_number(other) {
                Some(number) => self.write_number(number)?,
                None => {
                    return Err(self.problem(&format!(" {}: type not supported", other.type_name())));
                }
            },
        }
        Ok(())
    }

    fn problem(&self, what: &str) -> mlua::Error {
        fault::message(self.lua, format!("Cannot serialise{what}"))
    }

    fn write_number(&mut self, number: f64) -> mlua::Result<()> {
        if !number.is_finite() {
            return Err(self.problem(" number: must not be NaN or Inf"));
        }
        self.out.extend(general(number, DIGITS).bytes());
        Ok(())
    }

    fn write_string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for byte in text {
            match byte {
                b'"' => self.out.extend(b"\\\""),
                b'\\' => self.out.extend(b"\\\\"),
                b'/' => self.out.extend(b"\\/"),
                0x08 => self.out.extend(b"\\b"),
                0x0c => self.out.extend(b"\\f"),
                b'\n' => self.out.extend(b"\\n"),
                b'\r' => self.out.extend(b"\\r"),
                b'\t' => self.out.extend(b"\\t"),
                0..=0x1f | 0x7f => self.out.extend(format!("\\u{byte:04x}").bytes()),
                _ => self.out.push(*byte),
            }
        }
        self.out.push(b'"');
    }

    fn write_table(&mut self, table: &Table) -> mlua::Result<()> {
        match self.array_length(table)? {
            Some(length) => self.write_array(table, length),
            None => self.write_object(table),
        }
    }

    /// The highest index, if all keys are indexes; nothing for an object and for an empty table.
    fn array_length(&self, table: &Table) -> mlua::Result<Option<usize>> {
        let (mut count, mut highest) = (0.0_f64, 0.0_f64);
        for pair in table.pairs::<Value, Value>() {
            match as_number(&pair?.0) {
                Some(index) if index >= 1.0 && index.fract() == 0.0 => highest = highest.max(index),
                _ => return Ok(None),
            }
            count += 1.0;
        }
        if highest > count * SPARSE_RATIO && highest > SPARSE_SAFE {
            return Err(self.problem(" table: excessively sparse array"));
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "about as many as entries"
        )]
        Ok((highest > 0.0).then_some(highest as usize))
    }

    fn write_array(&mut self, table: &Table, length: usize) -> mlua::Result<()> {
        self.out.push(b'[');
        for index in 1..=length {
            if index > 1 {
                self.out.push(b',');
            }
            self.write(&table.raw_get(index)?)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn write_object(&mut self, table: &Table) -> mlua::Result<()> {
        self.out.push(b'{');
        for (index, pair) in table.pairs::<Value, Value>().enumerate() {
            let (key, value) = pair?;
            if index > 0 {
                self.out.push(b',');
            }
            match &key {
                Value::String(text) => self.write_string(&text.as_bytes()),
                other => {
                    let not_a_key = || {
                        let problem = format!(" {}: table key must be a number or string", other.type_name());
                        self.problem(&problem)
                    };
                    let number = as_number(other).ok_or_else(not_a_key)?;
                    self.out.push(b'"');
                    self.write_number(number)?;
                    self.out.push(b'"');
                }
            }
            self.out.push(b':');
            self.write(&value)?;
        }
        self.out.push(b'}');
        Ok(())
    }
}
