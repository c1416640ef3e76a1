//! What MONITOR shows: every command as it runs.

use std::ops::Range;

use crate::arguments::{Args, is};
use crate::client::{Client, Message};
use crate::context::Origin;
use crate::core::Core;
use crate::reply::Reply;

/// Sends one line to each client that monitors.
pub(crate) fn feed(core: &mut Core, client: &Client, origin: Origin<'_>, args: Args<'_>) {
    let micros = core.now_micros();
    let from = match origin {
        Origin::Script => "lua",
        _ => client.peer.as_str(),
    };
    let mut line = format!(
        "{}.{:06} [{} {from}]",
        micros / 1_000_000,
        micros % 1_000_000,
        client.db
    );
    let hidden = secrets(args);
    for (index, argument) in args.all().iter().enumerate() {
        line.push(' ');
        let is_hidden = hidden.contains(&index);
        quote(if is_hidden { b"(redacted)" } else { argument }, &mut line);
    }
    // The client whose command this is sits in no seat now, and sees its own commands too.
    // RESET ends that before anything is shown.
    let itself = Some(client).filter(|_| !args.is(0, "reset"));
    let all = core.clients.others().chain(itself);
    let seats: Vec<_> = all
        .filter(|other| other.is_monitor)
        .map(|other| other.seat)
        .collect();
    for seat in seats {
        core.deliver(seat, Message::Push(Reply::Simple(line.clone().into())));
    }
}

/// Which arguments nobody else may see: users and passwords.
fn secrets(args: Args<'_>) -> Range<usize> {
    if args.is(0, "auth") {
        return 1..args.len();
    }
    if !args.is(0, "hello") {
        return 0..0;
    }
    let auth = args.all().iter().skip(1).position(|word| is(word, "auth"));
    auth.map_or(0..0, |before| before + 2..before + 4)
}

/// A byte string in quotes, everything unprintable escaped.
pub(crate) fn quote(bytes: &[u8], line: &mut String) {
    line.push('"');
    for byte in bytes {
        match byte {
            b'\\' | b'"' => {
                line.push('\\');
                line.push(char::from(*byte));
            }
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x07 => line.push_str("\\a"),
            0x08 => line.push_str("\\b"),
            b' '..=b'~' => line.push(char::from(*byte)),
            other => line.push_str(&format!("\\x{other:02x}")),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::secrets;
    use crate::arguments::Args;

    #[test]
    fn passwords_are_not_shown() {
        let auth: [&[u8]; 3] = [b"AUTH", b"user", b"secret"];
        assert_eq!(secrets(Args::new(&auth)), 1..3);
        let hello: [&[u8]; 7] = [b"hello", b"3", b"auth", b"user", b"secret", b"setname", b"me"];
        assert_eq!(secrets(Args::new(&hello)), 3..5);
        let get: [&[u8]; 2] = [b"GET", b"auth"];
        assert!(secrets(Args::new(&get)).is_empty());
    }
}
