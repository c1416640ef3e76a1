//! Commands out of bytes: arrays of bulk strings, with the byte at which each begins.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use crate::error::Result;
use crate::store::transfer::load::{failed, invalid};

/// What Redis takes at most: words of a command, bytes of a word.
const MOST_WORDS: usize = 1 << 20;
const MOST_BYTES: usize = 512 << 20;
/// A length and its line end have at most so many bytes.
const LINE: u64 = 16;

pub(super) struct Words<'a, R> {
    input: &'a mut R,
    offset: u64,
}

/// A command and where it begins.
pub(super) struct WordsAt {
    offset: u64,
    pub(super) words: Vec<Vec<u8>>,
}

impl WordsAt {
    pub(super) fn place(&self) -> String {
        place(self.offset)
    }
}

impl<'a, R: AsyncBufRead + Unpin + Send> Words<'a, R> {
    pub(super) fn new(input: &'a mut R) -> Self {
        Self { input, offset: 0 }
    }

    /// The next command; `None` at the end of the file.
    pub(super) async fn next(&mut self) -> Result<Option<WordsAt>> {
        let offset = self.offset;
        if self.input.fill_buf().await.map_err(failed)?.is_empty() {
            return Ok(None);
        }
        let count = self.length(b'*', MOST_WORDS).await?;
        // A count is a claim: memory is taken as the words come.
        let mut words = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            words.push(self.word().await?);
        }
        Ok(Some(WordsAt { offset, words }))
    }

    async fn word(&mut self) -> Result<Vec<u8>> {
        let length = self.length(b'$', MOST_BYTES).await?;
        let begins = self.offset;
        let mut word = Vec::with_capacity(length.min(64 << 10));
        let whole = length as u64 + 2;
        let mut limited = (&mut *self.input).take(whole);
        limited.read_to_end(&mut word).await.map_err(failed)?;
        self.offset += word.len() as u64;
        if (word.len() as u64) < whole {
            return Err(cut_off(self.offset));
        }
        if !word.ends_with(b"\r\n") {
            return Err(invalid(
                place(begins),
                format!("a word of {length} bytes does not end there"),
            ));
        }
        word.truncate(length);
        Ok(word)
    }

    /// A line with a sign and a number up to `most`.
    async fn length(&mut self, sign: u8, most: usize) -> Result<usize> {
        let begins = self.offset;
        let mut line = Vec::new();
        let mut limited = (&mut *self.input).take(LINE);
        limited.read_until(b'\n', &mut line).await.map_err(failed)?;
        self.offset += line.len() as u64;
        if !line.ends_with(b"\n")
            && (line.len() as u64) < LINE
            && line.first().is_none_or(|first| *first == sign)
        {
            return Err(cut_off(self.offset));
        }
        let digits = line
            .strip_prefix(&[sign])
            .and_then(|line| line.strip_suffix(b"\r\n"))
            .filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        number.filter(|number| *number <= most).ok_or_else(|| {
            let found = line.escape_ascii();
            let sign = char::from(sign);
            invalid(
                place(begins),
                format!("{sign} and a number up to {most} are expected, found \"{found}\""),
            )
        })
    }
}

fn place(offset: u64) -> String {
    format!("byte {offset}")
}

fn cut_off(offset: u64) -> crate::error::Error {
    invalid(place(offset), "the file ends in the middle of a command")
}
