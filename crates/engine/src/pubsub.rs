//! Who is subscribed to which channels and patterns.
//!
//! Next: `commands/pubsub.rs`.

use std::collections::HashMap;

use crate::client::{Client, Message, Seat};
use crate::core::Core;
use crate::glob;
use crate::reply::Reply;

type Subscribers = HashMap<Box<[u8]>, Vec<Seat>>;

/// All subscriptions.
#[derive(Debug, Default)]
pub(crate) struct PubSub {
    pub(crate) channels: Subscribers,
    pub(crate) patterns: Subscribers,
}

impl PubSub {
    /// A client subscribes; nothing happens if it already has.
    pub(crate) fn subscribe(&mut self, client: &mut Client, name: &[u8], is_pattern: bool) {
        let (all, own) = if is_pattern {
            (&mut self.patterns, &mut client.patterns)
        } else {
            (&mut self.channels, &mut client.channels)
        };
        if own.insert(name.into()) {
            all.entry(name.into()).or_default().push(client.seat);
        }
    }

    /// A client ends a subscription, if it has it.
    pub(crate) fn unsubscribe(&mut self, client: &mut Client, name: &[u8], is_pattern: bool) {
        let (all, own) = if is_pattern {
            (&mut self.patterns, &mut client.patterns)
        } else {
            (&mut self.channels, &mut client.channels)
        };
        if own.remove(name) {
            leave(all, name, client.seat);
        }
    }

    /// A client has left.
    pub(crate) fn forget(&mut self, client: &Client) {
        for channel in &client.channels {
            leave(&mut self.channels, channel, client.seat);
        }
        for pattern in &client.patterns {
            leave(&mut self.patterns, pattern, client.seat);
        }
    }
}

fn leave(all: &mut Subscribers, name: &[u8], seat: Seat) {
    if let Some(seats) = all.get_mut(name) {
        seats.retain(|other| *other != seat);
        if seats.is_empty() {
            all.remove(name);
        }
    }
}

/// Sends a message to all who asked for it; returns how many times it was sent.
pub(crate) fn publish(core: &mut Core, channel: &[u8], message: &[u8]) -> usize {
    let push = |items: &[&[u8]]| Message::Push(Reply::Push(items.iter().map(Reply::bulk).collect()));
    let mut outgoing = Vec::new();
    for seat in core.pubsub.channels.get(channel).into_iter().flatten() {
        outgoing.push((*seat, push(&[b"message", channel, message])));
    }
    for (pattern, seats) in &core.pubsub.patterns {
        if glob::matches(pattern, channel) {
            let pushes = seats
                .iter()
                .map(|seat| (*seat, push(&[b"pmessage", pattern, channel, message])));
            outgoing.extend(pushes);
        }
    }
    let count = outgoing.len();
    for (seat, push) in outgoing {
        core.deliver(seat, push);
    }
    count
}
