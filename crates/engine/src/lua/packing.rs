//! The library `struct`: C structures in strings.
//!
//! Formats, sizes and complaints are those of the library inside Redis 7.0, integers of up to 32 bytes included.

use std::ffi::c_int;

use mlua_sys::{
    lua_State, lua_checkstack, lua_isnoneornil, lua_isnumber, lua_pushnil, lua_pushnumber, lua_settop,
    lua_tonumber,
};

use super::border::{Outcome, Thrown, afford, complain, complain_of, native};
use super::context::Context;
use super::stack::{expect_number, expect_text, push_bytes, set_function, truncated, until_nul};

const LARGEST_INTEGER: usize = 32;
const NATIVE_ALIGNMENT: usize = 8;

/// Adds the functions to the table on top of the stack.
pub(super) unsafe fn fill(state: *mut lua_State) {
    set_function(state, "pack", pack);
    set_function(state, "unpack", unpack);
    set_function(state, "size", size);
}

native!(pack => pack_values);
native!(unpack => unpack_values);
native!(size => size_of_format);

/// A format being read.
struct Format<'a> {
    state: *mut lua_State,
    rest: &'a [u8],
    is_little: bool,
    alignment: usize,
}

/// One option and the bytes it takes.
struct Field {
    option: u8,
    size: usize,
}

impl<'a> Format<'a> {
    unsafe fn first_argument(state: *mut lua_State) -> Result<Self, Thrown> {
        Ok(Self {
            state,
            rest: until_nul(expect_text(state, 1)?),
            is_little: cfg!(target_endian = "little"),
            alignment: 1,
        })
    }

    unsafe fn next(&mut self) -> Result<Option<Field>, Thrown> {
        let Some((option, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'I' | b'i' => self.integer_size()?,
            _ => 0,
        };
        Ok(Some(Field {
            option: *option,
            size,
        }))
    }

    unsafe fn integer_size(&mut self) -> Result<usize, Thrown> {
        let size = self.number(4)?;
        if size > LARGEST_INTEGER {
            let text = format!("integral size {size} is larger than limit of {LARGEST_INTEGER}");
            return Err(complain(self.state, text));
        }
        Ok(size)
    }

    /// The number behind an option; it must fit a C int.
    unsafe fn number(&mut self, default: usize) -> Result<usize, Thrown> {
        let mut number = None;
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            let value = number.unwrap_or(0i32);
            let value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(i32::from(digit - b'0')));
            let Some(value) = value else {
                return Err(complain(self.state, "integral size overflow"));
            };
            number = Some(value);
            self.rest = rest;
        }
        Ok(number
            .and_then(|value| usize::try_from(value).ok())
            .unwrap_or(default))
    }

    /// Bytes to skip so that a field lies on its boundary.
    fn padding(&self, position: usize, field: &Field) -> usize {
        if field.size == 0 || field.option == b'c' {
            return 0;
        }
        let size = field.size.min(self.alignment);
        size.wrapping_sub(position & (size - 1)) & (size - 1)
    }

    /// An option that holds no value.
    unsafe fn control(&mut self, option: u8) -> Result<(), Thrown> {
        match option {
            b' ' => {}
            b'>' => self.is_little = false,
            b'<' => self.is_little = true,
            b'!' => {
                let alignment = self.number(NATIVE_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    let text = format!("alignment {alignment} is not a power of 2");
                    return Err(complain(self.state, text));
                }
                self.alignment = alignment;
            }
            _ => {
                let text = [b"invalid format option '".as_slice(), &[option], b"'"].concat();
                return Err(complain_of(self.state, 1, text));
            }
        }
        Ok(())
    }
}

unsafe fn pack_values(state: *mut lua_State, context: &Context) -> Outcome {
    let mut format = Format::first_argument(state)?;
    // A missing argument shows as nil in complaints.
    lua_pushnil(state);
    let mut packed = context.take_buffer();
    let mut argument: c_int = 2;
    let mut position = 0usize;
    while let Some(field) = format.next()? {
        let padding = format.padding(position, &field);
        packed.resize(packed.len() + padding, 0);
        position += padding;
        let mut taken = field.size;
        match field.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = expect_number(state, argument)?;
                argument += 1;
                put_integer(&mut packed, number, field.size, format.is_little);
            }
            b'x' => packed.push(0),
            b'f' => {
                let number = expect_number(state, argument)? as f32;
                argument += 1;
                put(&mut packed, number.to_le_bytes(), format.is_little);
            }
            b'd' => {
                let number = expect_number(state, argument)?;
                argument += 1;
                put(&mut packed, number.to_le_bytes(), format.is_little);
            }
            b'c' | b's' => {
                let text = expect_text(state, argument)?;
                argument += 1;
                if taken == 0 {
                    taken = text.len();
                }
                let Some((text, _)) = text.split_at_checked(taken) else {
                    return Err(complain_of(state, argument, "string too short"));
                };
                afford(state, context, packed.len().saturating_add(text.len()))?;
                packed.extend_from_slice(text);
                if field.option == b's' {
                    packed.push(0);
                    taken += 1;
                }
            }
            option => format.control(option)?,
        }
        position += taken;
    }
    push_bytes(state, &packed);
    context.keep(packed);
    Ok(1)
}

fn put<const N: usize>(packed: &mut Vec<u8>, mut bytes: [u8; N], is_little: bool) {
    if !is_little {
        bytes.reverse();
    }
    packed.extend_from_slice(&bytes);
}

fn put_integer(packed: &mut Vec<u8>, number: f64, size: usize, is_little: bool) {
    let value = if number < 0.0 {
        truncated(number).cast_unsigned()
    } else {
        unsigned(number)
    };
    let start = packed.len();
    packed.extend(
        value
            .to_le_bytes()
            .into_iter()
            .chain(std::iter::repeat(0))
            .take(size),
    );
    if !is_little && let Some(bytes) = packed.get_mut(start..) {
        bytes.reverse();
    }
}

/// C's conversion to an unsigned integer on x86-64, where 2⁶⁴ becomes zero.
fn unsigned(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if number < HALF {
        return truncated(number).cast_unsigned();
    }
    truncated(number - HALF).cast_unsigned() ^ (1 << 63)
}

unsafe fn unpack_values(state: *mut lua_State, _: &Context) -> Outcome {
    let mut format = Format::first_argument(state)?;
    let data = expect_text(state, 2)?;
    let start = if lua_isnoneornil(state, 3) != 0 {
        1
    } else {
        truncated(expect_number(state, 3)?)
    };
    if start == 0 {
        return Err(complain_of(state, 3, "offset must be 1 or greater"));
    }
    // A negative offset is taken for a large one.
    let mut position = (start as usize).wrapping_sub(1);
    let mut results: c_int = 0;
    while let Some(field) = format.next()? {
        position = position.wrapping_add(format.padding(position, &field));
        let mut bytes = part(state, data, position, field.size)?;
        if lua_checkstack(state, 2) == 0 {
            return Err(complain(state, "stack overflow (too many results)"));
        }
        let mut taken = field.size;
        results += 1;
        match field.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let is_signed = field.option.is_ascii_lowercase();
                lua_pushnumber(state, integer(bytes, format.is_little, is_signed));
            }
            b'f' => lua_pushnumber(
                state,
                f64::from(f32::from_le_bytes(array(bytes, format.is_little))),
            ),
            b'd' => lua_pushnumber(state, f64::from_le_bytes(array(bytes, format.is_little))),
            b'c' => {
                if field.size == 0 {
                    results -= 1;
                    if results == 0 || lua_isnumber(state, -1) == 0 {
                        return Err(complain(state, "format 'c0' needs a previous size"));
                    }
                    taken = truncated(lua_tonumber(state, -1)) as usize;
                    lua_settop(state, -2);
                    bytes = part(state, data, position, taken)?;
                }
                push_bytes(state, bytes);
            }
            b's' => {
                let rest = data.get(position..).unwrap_or_default();
                let Some(end) = memchr::memchr(0, rest) else {
                    return Err(complain(state, "unfinished string in data"));
                };
                push_bytes(state, rest.get(..end).unwrap_or_default());
                taken = end + 1;
            }
            option => {
                results -= 1;
                if option != b'x' {
                    format.control(option)?;
                }
            }
        }
        position = position.wrapping_add(taken);
    }
    lua_pushnumber(state, position.wrapping_add(1) as f64);
    Ok(results + 1)
}

unsafe fn part(state: *mut lua_State, data: &[u8], position: usize, size: usize) -> Result<&[u8], Thrown> {
    let part = position.checked_add(size).and_then(|end| data.get(position..end));
    part.ok_or_else(|| complain_of(state, 2, "data string too short"))
}

fn array<const N: usize>(bytes: &[u8], is_little: bool) -> [u8; N] {
    let mut array = [0; N];
    for (place, byte) in array.iter_mut().zip(bytes) {
        *place = *byte;
    }
    if !is_little {
        array.reverse();
    }
    array
}

fn integer(bytes: &[u8], is_little: bool, is_signed: bool) -> f64 {
    let join = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
    let mut value = if is_little {
        bytes.iter().rev().fold(0, join)
    } else {
        bytes.iter().fold(0, join)
    };
    if !is_signed {
        return value as f64;
    }
    let sign = u64::MAX.wrapping_shl((bytes.len() as u32).wrapping_mul(8).wrapping_sub(1));
    if value & sign != 0 {
        value |= sign;
    }
    value.cast_signed() as f64
}

unsafe fn size_of_format(state: *mut lua_State, _: &Context) -> Outcome {
    let mut format = Format::first_argument(state)?;
    let mut position = 0usize;
    while let Some(field) = format.next()? {
        position += format.padding(position, &field);
        match field.option {
            b's' => return Err(complain_of(state, 1, "option 's' has no fixed size")),
            b'c' if field.size == 0 => {
                return Err(complain_of(state, 1, "option 'c0' has no fixed size"));
            }
            option if option.is_ascii_alphanumeric() => {}
            option => format.control(option)?,
        }
        position += field.size;
    }
    lua_pushnumber(state, position as f64);
    Ok(1)
}
