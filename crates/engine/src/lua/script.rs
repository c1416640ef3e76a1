//! The first line of a script, if it is a shebang: `#!lua flags=no-writes,allow-stale`.

use crate::reply::Fault;

/// What a script says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// There is a shebang; without one Redis judges the script by the commands it runs.
    pub(crate) declared: bool,
    pub(crate) no_writes: bool,
    pub(crate) allow_oom: bool,
    pub(crate) allow_stale: bool,
    pub(crate) no_cluster: bool,
    pub(crate) allow_cross_slot_keys: bool,
}

/// Reads the shebang; returns the flags and the source behind it, which keeps its line numbers.
pub(super) fn parse(source: &[u8]) -> Result<(Flags, &[u8]), Fault> {
    if !source.starts_with(b"#!") {
        return Ok((Flags::default(), source));
    }
    let Some(end) = memchr::memchr(b'\n', source) else {
        return Err(Fault::of("ERR Invalid script shebang"));
    };
    let Some((line, rest)) = source.split_at_checked(end) else {
        return Err(Fault::of("ERR Invalid script shebang"));
    };
    let Some(words) = words(line) else {
        return Err(Fault::of("ERR Invalid engine in script shebang"));
    };
    let mut words = words.iter().map(|word| String::from_utf8_lossy(word));
    let engine = words.next().unwrap_or_default();
    if engine != "#!lua" {
        return Err(Fault::err(format!(
            "Unexpected engine in script shebang: {engine}"
        )));
    }
    let mut flags = Flags {
        declared: true,
        ..Flags::default()
    };
    for word in words {
        let Some(names) = word.strip_prefix("flags=") else {
            return Err(Fault::err(format!("Unknown lua shebang option: {word}")));
        };
        if !names.is_empty() {
            flags.add(names)?;
        }
    }
    Ok((flags, rest))
}

impl Flags {
    fn add(&mut self, names: &str) -> Result<(), Fault> {
        for name in names.split(',') {
            let flag = match name {
                "no-writes" => &mut self.no_writes,
                "allow-oom" => &mut self.allow_oom,
                "allow-stale" => &mut self.allow_stale,
                "no-cluster" => &mut self.no_cluster,
                "allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
                _ => return Err(Fault::err(format!("Unexpected flag in script shebang: {name}"))),
            };
            *flag = true;
        }
        Ok(())
    }
}

/// Splits a line into words; quotes may surround a part. Nothing if a quote stays open.
fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let mut word = Vec::new();
        let mut quote = None;
        let mut length = 0;
        for byte in rest {
            match (quote, byte) {
                (Some(open), _) if *byte == open => quote = None,
                (None, b'"' | b'\'') => quote = Some(*byte),
                (None, _) if byte.is_ascii_whitespace() => break,
                _ => word.push(*byte),
            }
            length += 1;
        }
        if quote.is_some() {
            return None;
        }
        words.push(word);
        rest = rest.split_at_checked(length)?.1.trim_ascii_start();
    }
    Some(words)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{Flags, parse};

    #[test]
    fn a_source_without_shebang_is_taken_as_it_is() {
        assert_eq!(parse(b"return 1").unwrap(), (Flags::default(), &b"return 1"[..]));
    }

    #[test]
    fn flags_are_read_and_lines_keep_their_numbers() {
        let (flags, rest) = parse(b"#!lua flags=no-writes,allow-oom\nreturn 1").unwrap();
        assert!(flags.declared && flags.no_writes && flags.allow_oom);
        assert!(!flags.allow_stale && !flags.no_cluster && !flags.allow_cross_slot_keys);
        assert_eq!(rest, b"\nreturn 1");
    }

    #[test]
    fn a_flag_nobody_knows_is_named() {
        let fault = parse(b"#!lua flags=no-writes,bogus\n").unwrap_err();
        assert_eq!(fault.text(), "ERR Unexpected flag in script shebang: bogus");
    }
}
