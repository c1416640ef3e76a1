//! A stream over several slices: its entries, then group by group its position, its consumers and what is pending.

use crate::effect::state;
use crate::journal::walk::meter::Meter;
use crate::keyspace::{Group, Stream, StreamId};

/// How far a stream is told.
#[derive(Debug)]
pub(in crate::journal::walk) enum StreamPlace {
    /// Its state, which comes before its entries.
    State,
    Entries {
        after: StreamId,
        last: StreamId,
    },
    /// Behind the group of this name.
    Groups {
        after: Option<Box<[u8]>>,
    },
    Consumers {
        group: Box<[u8]>,
        after: Option<Box<[u8]>>,
        last: Box<[u8]>,
    },
    Pending {
        group: Box<[u8]>,
        after: StreamId,
        last: StreamId,
    },
}

impl StreamPlace {
    pub(super) fn advance<'data>(
        &mut self,
        id: u64,
        stream: &'data Stream,
        meter: &mut Meter<'data, '_>,
    ) -> bool {
        loop {
            if meter.is_full() {
                return false;
            }
            let Some(next) = self.next(id, stream, meter) else {
                return true;
            };
            *self = next;
        }
    }

    /// Tells one stage and says which comes next, the same if the meter is full; nothing at the end.
    fn next<'data>(&self, id: u64, stream: &'data Stream, meter: &mut Meter<'data, '_>) -> Option<Self> {
        match self {
            Self::State => {
                meter.push(state::stream_meta(id, stream));
                let (after, last) = (StreamId::MIN, stream.log().last_id());
                Some(Self::Entries { after, last })
            }
            Self::Entries { after, last } => Some(entries(*after, *last, id, stream, meter)),
            Self::Groups { after } => {
                let (name, group) = stream.groups().next_after(after.as_deref())?;
                meter.push(state::group_state(id, name, Some(group), true));
                Some(Self::in_group(name, group))
            }
            Self::Consumers { group, after, last } => {
                Some(consumers(group, after.as_deref(), last, id, stream, meter))
            }
            Self::Pending { group, after, last } => Some(pending(group, *after, *last, id, stream, meter)),
        }
    }

    fn in_group(name: &[u8], group: &Group) -> Self {
        match group.consumers().last_name() {
            Some(last) => Self::Consumers {
                group: name.into(),
                after: None,
                last: last.into(),
            },
            None => Self::behind(name),
        }
    }

    fn behind(group: &[u8]) -> Self {
        let after = Some(group.into());
        Self::Groups { after }
    }
}

fn entries<'data>(
    mut after: StreamId,
    last: StreamId,
    id: u64,
    stream: &'data Stream,
    meter: &mut Meter<'data, '_>,
) -> StreamPlace {
    for entry in stream.log().after(after).take_while(|entry| entry.id() <= last) {
        if meter.is_full() {
            return StreamPlace::Entries { after, last };
        }
        after = entry.id();
        meter.push(state::entry(id, entry));
    }
    StreamPlace::Groups { after: None }
}

fn consumers<'data>(
    name: &[u8],
    after: Option<&[u8]>,
    last: &[u8],
    id: u64,
    stream: &'data Stream,
    meter: &mut Meter<'data, '_>,
) -> StreamPlace {
    let Some((name, group)) = stream.groups().find(name) else {
        return StreamPlace::behind(name);
    };
    let mut told = after;
    let behind = group.consumers().after(after);
    for consumer in behind.take_while(|consumer| consumer.name() <= last) {
        if meter.is_full() {
            return StreamPlace::Consumers {
                group: name.into(),
                after: told.map(Into::into),
                last: last.into(),
            };
        }
        meter.push(state::consumer(id, name, consumer));
        told = Some(consumer.name());
    }
    StreamPlace::Pending {
        group: name.into(),
        after: StreamId::MIN,
        last: group.greatest_pending().unwrap_or(StreamId::MIN),
    }
}

fn pending<'data>(
    name: &[u8],
    mut after: StreamId,
    last: StreamId,
    id: u64,
    stream: &'data Stream,
    meter: &mut Meter<'data, '_>,
) -> StreamPlace {
    let Some((name, group)) = stream.groups().find(name) else {
        return StreamPlace::behind(name);
    };
    let from = after.next().unwrap_or(StreamId::MAX);
    for (entry, _) in group.pending_range(from, last) {
        if meter.is_full() {
            let group = name.into();
            return StreamPlace::Pending { group, after, last };
        }
        after = entry;
        meter.push(state::pending_state(id, name, group, entry));
    }
    StreamPlace::behind(name)
}
