//! What goes out for one command: its reply, and the pushes it caused to its own client.
//!
//! Redis sends messages and subscriptions before the reply, notices of changed keys and lines of MONITOR behind it.
//! Next: `connection.rs`.

use smallvec::SmallVec;

use super::encode::encode;
use super::output::Output;
use crate::client::{Message, Protocol};
use crate::inbox::Mail;
use crate::reply::Reply;
use crate::session::{Served, Waiting};

/// A request as the engine takes it; most have few arguments.
pub(super) type Arguments<'a> = SmallVec<[&'a [u8]; 16]>;

/// Encodes what there is to answer, or hands back the wait for it.
pub(super) fn take_answer(served: Served, protocol: Protocol, output: &mut Output) -> Option<Waiting> {
    match served {
        Served::Reply(reply) => encode(&reply, protocol, output.buffer()),
        Served::Silent => {}
        Served::Waiting(waiting) => return Some(waiting),
    }
    None
}

/// Encodes what has to stand before the reply of the command that just ran: its own subscriptions and messages.
///
/// Notices of changed keys and lines of MONITOR are handed back: they stand behind it.
pub(super) fn receive_early(
    inbox: &mut Mail,
    output: &mut Output,
    protocol: Protocol,
) -> SmallVec<[Reply; 1]> {
    let mut late = SmallVec::new();
    if inbox.is_empty() {
        return late;
    }
    while let Ok(letter) = inbox.try_recv() {
        match letter.message {
            Message::Push(message) if is_late(&message) => late.push(message),
            Message::Push(message) => output.push(&message, protocol),
            // The client closes itself, which its session says too; its reply leaves first.
            Message::Close => {}
        }
    }
    late
}

fn is_late(message: &Reply) -> bool {
    match message {
        Reply::Push(items) => matches!(items.first(), Some(Reply::Bulk(kind)) if kind == b"invalidate"),
        _ => true,
    }
}

/// Whether this is a line of HTTP.
pub(super) fn is_web_request(arguments: &[&[u8]]) -> bool {
    let name = arguments.first().copied().unwrap_or_default();
    // The commonest commands are decided by their length.
    matches!(name.len(), 4 | 5) && (name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:"))
}
