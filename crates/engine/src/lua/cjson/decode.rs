//! JSON to Lua values.
//!
//! Errors name what was expected, what was found and the character, in the library's words. Like the library it
//! takes a NUL for the end of the text, and numbers such as `0x1F`, `inf` and `nan` unless they are switched off.

use std::borrow::Cow;
use std::ffi::c_int;

use mlua_sys::{
    lua_State, lua_checkstack, lua_createtable, lua_gettop, lua_pushboolean, lua_pushnumber, lua_rawset,
    lua_rawseti_,
};

use super::settings_of;
use crate::lua::border::{Outcome, Thrown, afford, complain, complain_of, complain_plainly, native};
use crate::lua::context::Context;
use crate::lua::sandbox::push_null;
use crate::lua::stack::{expect_text, push_bytes};

/// Whatever the settings say, deeper values are refused: the C stack is finite.
const DEEPEST: c_int = 1000;
/// Longer texts are refused, so that no table grows beyond what Lua can hold.
const LONGEST: usize = 256 * 1024 * 1024;

native!(decode => decode_text);

unsafe fn decode_text(state: *mut lua_State, context: &Context) -> Outcome {
    if lua_gettop(state) != 1 {
        return Err(complain_of(state, 1, "expected 1 argument"));
    }
    let text = expect_text(state, 1)?;
    if text.len() >= 2 && matches!(text, [0, ..] | [_, 0, ..]) {
        return Err(complain(state, "JSON parser does not support UTF-16 or UTF-32"));
    }
    if text.len() > LONGEST {
        return Err(complain_plainly(state, "not enough memory"));
    }
    let settings = settings_of(state);
    let mut reader = Reader {
        state,
        context,
        text,
        position: 0,
        depth: 0,
        deepest: settings.decode_depth.min(DEEPEST),
        takes_invalid_numbers: settings.decode_invalid,
    };
    let first = reader.token();
    reader.value(first)?;
    match reader.token() {
        (_, Token::End) => Ok(1),
        (at, other) => Err(reader.unexpected("the end", at, &other)),
    }
}

enum Token<'a> {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Cow<'a, [u8]>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Invalid(&'static str),
}

impl Token<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::String(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Invalid(problem) => problem,
        }
    }
}

/// A token and the position of its first character.
type Placed<'a> = (usize, Token<'a>);

struct Reader<'a> {
    state: *mut lua_State,
    context: &'a Context,
    text: &'a [u8],
    position: usize,
    depth: c_int,
    deepest: c_int,
    takes_invalid_numbers: bool,
}

impl<'a> Reader<'a> {
    #[cold]
    unsafe fn unexpected(&self, expected: &str, at: usize, found: &Token<'_>) -> Thrown {
        let text = format!(
            "Expected {expected} but found {} at character {}",
            found.name(),
            at + 1
        );
        complain(self.state, text)
    }

    /// Pushes the value that begins with a token.
    unsafe fn value(&mut self, (at, token): Placed<'a>) -> Result<(), Thrown> {
        afford(self.state, self.context, 0)?;
        match token {
            Token::String(text) => push_bytes(self.state, &text),
            Token::Number(number) => lua_pushnumber(self.state, number),
            Token::Boolean(is_true) => lua_pushboolean(self.state, c_int::from(is_true)),
            Token::Null => push_null(self.state),
            Token::ObjectBegin => return self.object(),
            Token::ArrayBegin => return self.array(),
            other => return Err(self.unexpected("value", at, &other)),
        }
        Ok(())
    }

    unsafe fn descend(&mut self) -> Result<(), Thrown> {
        self.depth += 1;
        if self.depth > self.deepest || lua_checkstack(self.state, 4) == 0 {
            let (depth, position) = (self.depth, self.position);
            let text = format!("Found too many nested data structures ({depth}) at character {position}");
            return Err(complain(self.state, text));
        }
        Ok(())
    }

    unsafe fn array(&mut self) -> Result<(), Thrown> {
        self.descend()?;
        lua_createtable(self.state, 0, 0);
        let mut token = self.token();
        if matches!(token.1, Token::ArrayEnd) {
            self.depth -= 1;
            return Ok(());
        }
        for index in 1.. {
            self.value(token)?;
            lua_rawseti_(self.state, -2, index);
            match self.token() {
                (_, Token::ArrayEnd) => break,
                (_, Token::Comma) => {}
                (at, other) => return Err(self.unexpected("comma or array end", at, &other)),
            }
            token = self.token();
        }
        self.depth -= 1;
        Ok(())
    }

    unsafe fn object(&mut self) -> Result<(), Thrown> {
        self.descend()?;
        lua_createtable(self.state, 0, 0);
        let mut token = self.token();
        if matches!(token.1, Token::ObjectEnd) {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            match token {
                (_, Token::String(key)) => push_bytes(self.state, &key),
                (at, other) => return Err(self.unexpected("object key string", at, &other)),
            }
            match self.token() {
                (_, Token::Colon) => {}
                (at, other) => return Err(self.unexpected("colon", at, &other)),
            }
            let first = self.token();
            self.value(first)?;
            lua_rawset(self.state, -3);
            match self.token() {
                (_, Token::ObjectEnd) => break,
                (_, Token::Comma) => {}
                (at, other) => return Err(self.unexpected("comma or object end", at, &other)),
            }
            token = self.token();
        }
        self.depth -= 1;
        Ok(())
    }

    fn byte(&self, offset: usize) -> u8 {
        self.text.get(self.position + offset).copied().unwrap_or(0)
    }

    fn token(&mut self) -> Placed<'a> {
        while matches!(self.byte(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.position += 1;
        }
        let at = self.position;
        let punctuation = match self.byte(0) {
            0 => return (at, Token::End),
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => return self.string(at),
            b'-' | b'0'..=b'9' if !self.takes_invalid_numbers && self.is_invalid_number() => {
                return (at, Token::Invalid("invalid number"));
            }
            b'-' | b'0'..=b'9' => return (at, self.number()),
            _ => return (at, self.word()),
        };
        self.position += 1;
        (at, punctuation)
    }

    fn word(&mut self) -> Token<'a> {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let (length, token) = if rest.starts_with(b"true") {
            (4, Token::Boolean(true))
        } else if rest.starts_with(b"false") {
            (5, Token::Boolean(false))
        } else if rest.starts_with(b"null") {
            (4, Token::Null)
        } else if matches!(rest.first(), Some(b'+' | b'i' | b'I' | b'n' | b'N'))
            && self.takes_invalid_numbers
            && self.is_invalid_number()
        {
            return self.number();
        } else {
            (0, Token::Invalid("invalid token"))
        };
        self.position += length;
        token
    }

    /// Whether JSON has no such number: a plus sign, hexadecimal or superfluous zeros, infinity, NaN.
    fn is_invalid_number(&self) -> bool {
        if self.byte(0) == b'+' {
            return true;
        }
        let skipped = usize::from(self.byte(0) == b'-');
        match self.byte(skipped) {
            b'0' => matches!(self.byte(skipped + 1), b'x' | b'X' | b'0'..=b'9'),
            ..=b'9' => false,
            _ => {
                let start = self.position + skipped;
                let letters = self.text.get(start..start + 3).unwrap_or_default();
                letters.eq_ignore_ascii_case(b"inf") || letters.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn number(&mut self) -> Token<'a> {
        let rest = self.text.get(self.position..).unwrap_or_default();
        match super::strtod::longest(rest) {
            Some((number, length)) => {
                self.position += length;
                Token::Number(number)
            }
            None => Token::Invalid("invalid number"),
        }
    }

    fn string(&mut self, at: usize) -> Placed<'a> {
        self.position += 1;
        let start = self.position;
        // Most strings have no escape and need no copy.
        let rest = self.text.get(start..).unwrap_or_default();
        let plain = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0))
            .unwrap_or(rest.len());
        self.position += plain;
        let head = rest.get(..plain).unwrap_or_default();
        if self.byte(0) == b'"' {
            self.position += 1;
            return (at, Token::String(Cow::Borrowed(head)));
        }
        let mut bytes = head.to_vec();
        loop {
            match self.byte(0) {
                0 => return (self.position, Token::Invalid("unexpected end of string")),
                b'"' => {
                    self.position += 1;
                    return (at, Token::String(Cow::Owned(bytes)));
                }
                b'\\' => {
                    if let Err(problem) = self.escape(&mut bytes) {
                        return (self.position, Token::Invalid(problem));
                    }
                }
                byte => {
                    bytes.push(byte);
                    self.position += 1;
                }
            }
        }
    }

    /// Reads one escape; on a problem the position stays at its backslash.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
        let plain = match self.byte(1) {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode_escape(bytes),
            _ => return Err("invalid escape code"),
        };
        bytes.push(plain);
        self.position += 2;
        Ok(())
    }

    fn unicode_escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
        let problem = "invalid unicode escape code";
        let first = self.hexadecimal(2).ok_or(problem)?;
        let (code, length) = if (0xd800..0xdc00).contains(&first) {
            let is_escape = self.byte(6) == b'\\' && self.byte(7) == b'u';
            let second = self.hexadecimal(8).filter(|_| is_escape).ok_or(problem)?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(problem);
            }
            (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
        } else {
            (first, 6)
        };
        let character = char::from_u32(code).ok_or(problem)?;
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.position += length;
        Ok(())
    }

    fn hexadecimal(&self, offset: usize) -> Option<u32> {
        (0..4).try_fold(0, |code, digit| {
            Some(code * 16 + char::from(self.byte(offset + digit)).to_digit(16)?)
        })
    }
}
