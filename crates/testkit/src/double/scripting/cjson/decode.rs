//! JSON to Lua.
//!
//! Errors name what was expected, what was found and the character, in cjson's words.

use mlua::{Lua, Value};

use crate::double::scripting::convert::DEEPEST;

/// Reads one JSON text, or says what is wrong with it.
pub(super) fn read(lua: &Lua, text: &[u8]) -> Result<Value, String> {
    let mut reader = Reader {
        lua,
        text,
        position: 0,
        depth: 0,
    };
    let first = reader.token();
    let value = reader.value(first)?;
    let (at, token) = reader.token();
    match token {
        Token::End => Ok(value),
        other => Err(unexpected("the end", at, &other)),
    }
}

#[derive(Debug)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Invalid(&'static str),
}

/// A token and the position of its first character.
type Placed = (usize, Token);

fn unexpected(expected: &str, at: usize, found: &Token) -> String {
    let found = match found {
        Token::ObjectBegin => "T_OBJ_BEGIN",
        Token::ObjectEnd => "T_OBJ_END",
        Token::ArrayBegin => "T_ARR_BEGIN",
        Token::ArrayEnd => "T_ARR_END",
        Token::String(_) => "T_STRING",
        Token::Number(_) => "T_NUMBER",
        Token::Boolean(_) => "T_BOOLEAN",
        Token::Null => "T_NULL",
        Token::Colon => "T_COLON",
        Token::Comma => "T_COMMA",
        Token::End => "T_END",
        Token::Invalid(problem) => problem,
    };
    format!("Expected {expected} but found {found} at character {}", at + 1)
}

struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    position: usize,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self, (at, token): Placed) -> Result<Value, String> {
        let lua_problem = |error: mlua::Error| error.to_string();
        match token {
            Token::String(bytes) => self
                .lua
                .create_string(bytes)
                .map(Value::String)
                .map_err(lua_problem),
            Token::Number(number) => Ok(Value::Number(number)),
            Token::Boolean(is_true) => Ok(Value::Boolean(is_true)),
            Token::Null => Ok(Value::NULL),
            Token::ArrayBegin => self.nested(Self::array),
            Token::ObjectBegin => self.nested(Self::object),
            other => Err(unexpected("value", at, &other)),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, String>) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!(
                "Found too many nested data structures ({}) at character {}",
                self.depth, self.position
            ));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Value, String> {
        let table = self.lua.create_table().map_err(|error| error.to_string())?;
        let mut token = self.token();
        if matches!(token.1, Token::ArrayEnd) {
            return Ok(Value::Table(table));
        }
        loop {
            let item = self.value(token)?;
            table.raw_push(item).map_err(|error| error.to_string())?;
            match self.token() {
                (_, Token::ArrayEnd) => return Ok(Value::Table(table)),
                (_, Token::Comma) => token = self.token(),
                (at, other) => return Err(unexpected("comma or array end", at, &other)),
            }
        }
    }

    fn object(&mut self) -> Result<Value, String> {
        let table = self.lua.create_table().map_err(|error| error.to_string())?;
        let mut token = self.token();
        if matches!(token.1, Token::ObjectEnd) {
            return Ok(Value::Table(table));
        }
        loop {
            let key = match token {
                (_, Token::String(key)) => key,
                (at, other) => return Err(unexpected("object key string", at, &other)),
            };
            match self.token() {
                (_, Token::Colon) => {}
                (at, other) => return Err(unexpected("colon", at, &other)),
            }
            let token_of_value = self.token();
            let value = self.value(token_of_value)?;
            let key = self.lua.create_string(key).map_err(|error| error.to_string())?;
            table.raw_set(key, value).map_err(|error| error.to_string())?;
            match self.token() {
                (_, Token::ObjectEnd) => return Ok(Value::Table(table)),
                (_, Token::Comma) => token = self.token(),
                (at, other) => return Err(unexpected("comma or object end", at, &other)),
            }
        }
    }

    fn token(&mut self) -> Placed {
        while matches!(self.text.get(self.position), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
        let at = self.position;
        let Some(first) = self.text.get(at) else {
            return (at, Token::End);
        };
        let punctuation = match first {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => return self.string(at),
            b'-' | b'0'..=b'9' => return (at, self.number()),
            _ => return (at, self.word()),
        };
        self.position += 1;
        (at, punctuation)
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.position..];
        let (length, token) = if rest.starts_with(b"true") {
            (4, Token::Boolean(true))
        } else if rest.starts_with(b"false") {
            (5, Token::Boolean(false))
        } else if rest.starts_with(b"null") {
            (4, Token::Null)
        } else {
            (0, Token::Invalid("invalid token"))
        };
        self.position += length;
        token
    }

    fn number(&mut self) -> Token {
        let rest = &self.text[self.position..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let longest = rest.iter().take_while(|byte| is_part(byte)).count();
        // The longest prefix that is a number, as C reads it.
        for length in (1..=longest).rev() {
            let number = std::str::from_utf8(&rest[..length])
                .ok()
                .and_then(|text| text.parse().ok());
            if let Some(number) = number {
                self.position += length;
                return Token::Number(number);
            }
        }
        Token::Invalid("invalid number")
    }

    fn string(&mut self, at: usize) -> Placed {
        let mut bytes = Vec::new();
        self.position += 1;
        loop {
            let Some(byte) = self.text.get(self.position).copied() else {
                return (self.position, Token::Invalid("unexpected end of string"));
            };
            match byte {
                b'"' => {
                    self.position += 1;
                    return (at, Token::String(bytes));
                }
                b'\\' => {
                    if let Err(problem) = self.escape(&mut bytes) {
                        return (self.position, Token::Invalid(problem));
                    }
                }
                _ => {
                    bytes.push(byte);
                    self.position += 1;
                }
            }
        }
    }

    /// Reads one escape; on a problem the position stays at its backslash.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
        let plain = match self.text.get(self.position + 1) {
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode_escape(bytes),
            _ => return Err("invalid escape code"),
        };
        bytes.push(plain);
        self.position += 2;
        Ok(())
    }

    fn unicode_escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
        let problem = "invalid unicode escape code";
        let first = self.hexadecimal(self.position + 2).ok_or(problem)?;
        let (code, length) = if (0xd800..0xdc00).contains(&first) {
            let is_escape = self.text[self.position..].get(6..8) == Some(&b"\\u"[..]);
            let second = self
                .hexadecimal(self.position + 8)
                .filter(|_| is_escape)
                .ok_or(problem)?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(problem);
            }
            (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
        } else {
            (first, 6)
        };
        let character = char::from_u32(code).ok_or(problem)?;
        bytes.extend(character.encode_utf8(&mut [0; 4]).bytes());
        self.position += length;
        Ok(())
    }

    fn hexadecimal(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |code, digit| {
            Some(code * 16 + char::from(*digit).to_digit(16)?)
        })
    }
}
