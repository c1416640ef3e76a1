//! Streams: entries in any order, groups and what they hold.

use super::rules::{apply, key, value};
use crate::effect::{Effect, GroupState, PendingState, ValueKind};
use crate::keyspace::{StreamId, Value};

fn entry(number: u64, fields: Option<&'static str>) -> Effect<'static> {
    Effect::Entry {
        id: 1,
        entry: (number, 0),
        fields: fields.map(|text| vec![(text.as_bytes(), text.as_bytes())]),
    }
}

#[test]
fn entries_come_in_any_order_and_again() {
    let state = Effect::StreamState {
        id: 1,
        last: (9, 0),
        max_deleted: (7, 0),
        added: 20,
    };
    let read = |more: &[Effect<'static>]| {
        let mut effects = vec![key(1, 0, "s"), value(1, ValueKind::Stream), state.clone()];
        effects.extend([3, 5, 9, 4, 1, 7, 5].map(|number| entry(number, Some("x"))));
        effects.extend_from_slice(more);
        let loaded = apply(&effects).unwrap();
        loaded.databases[0].check();
        let Value::Stream(stream) = &loaded.databases[0].get(b"s").unwrap().value else {
            panic!("it is a stream")
        };
        let meta = stream.log().meta();
        assert_eq!(
            (
                meta.last_id.milliseconds,
                meta.max_deleted.milliseconds,
                meta.entries_added
            ),
            (9, 7, 20)
        );
        let (least, greatest) = (StreamId::MIN, StreamId::MAX);
        let entries = stream.log().range(least, greatest);
        entries
            .map(|entry| {
                let text = String::from_utf8_lossy(entry.fields().next().unwrap().1).into_owned();
                format!("{}{text}", entry.id().milliseconds)
            })
            .collect::<Vec<_>>()
            .join(" ")
    };
    let gone = |number| Effect::EntriesGone {
        id: 1,
        up_to: (number, 0),
    };
    assert_eq!(read(&[]), "1x 3x 4x 5x 7x 9x");
    assert_eq!(read(&[gone(4)]), "5x 7x 9x");
    assert_eq!(read(&[entry(4, None), entry(9, None)]), "1x 3x 5x 7x");
    // The same id a second time, with other contents.
    assert_eq!(
        read(&[entry(5, Some("y")), entry(7, Some("z"))]),
        "1x 3x 4x 5y 7z 9x"
    );
    assert_eq!(
        read(&[gone(20), entry(4, Some("y")), entry(2, Some("z"))]),
        "2z 4y"
    );
    assert_eq!(read(&[gone(u64::MAX)]), "");
    assert_eq!(read(&[value(1, ValueKind::Stream), state.clone()]), "");
    let again = [
        Effect::Gone { id: 1 },
        key(1, 0, "s"),
        value(1, ValueKind::Stream),
        state.clone(),
    ];
    assert_eq!(read(&again), "");
}

fn group(is_new: bool, is_there: bool) -> Effect<'static> {
    let state = GroupState {
        last_delivered: (5, 0),
        entries_read: None,
    };
    Effect::Group {
        id: 1,
        name: b"g",
        state: is_there.then_some(state),
        is_new,
    }
}

fn consumer(name: &'static str, seen_at: Option<i64>) -> Effect<'static> {
    Effect::Consumer {
        id: 1,
        group: b"g",
        name: name.as_bytes(),
        seen_at,
    }
}

fn pending(number: u64, consumer: &'static str) -> Effect<'static> {
    Effect::Pending {
        id: 1,
        group: b"g",
        entry: (number, 0),
        state: Some(PendingState {
            consumer: consumer.as_bytes(),
            delivered_at: 5,
            deliveries: 1,
        }),
    }
}

/// Consumers of the only group and what is pending for each, as it is in the end.
fn read_group(effects: &[Effect<'static>]) -> Option<String> {
    let stream = [key(1, 0, "s"), value(1, ValueKind::Stream)];
    let loaded = apply(&[&stream[..], effects].concat()).unwrap();
    loaded.databases[0].check();
    let Value::Stream(stream) = &loaded.databases[0].get(b"s").unwrap().value else {
        panic!("it is a stream")
    };
    let consumers = stream.groups().get(b"g")?.consumers().iter();
    let consumers = consumers.map(|consumer| {
        let name = String::from_utf8_lossy(consumer.name()).into_owned();
        let pending = consumer.pending().iter().map(|id| id.milliseconds);
        format!("{name}@{}{:?}", consumer.seen_at(), pending.collect::<Vec<_>>())
    });
    Some(consumers.collect::<Vec<_>>().join(" "))
}

#[test]
fn a_group_has_what_was_told_since_it_was_made() {
    let known = [
        group(true, true),
        consumer("me", Some(1)),
        consumer("you", Some(2)),
        pending(1, "me"),
        pending(2, "you"),
        pending(3, "me"),
    ];
    let read = |more: &[Effect<'static>]| read_group(&[&known[..], more].concat());
    assert_eq!(read(&[]).unwrap(), "me@1[1, 3] you@2[2]");
    assert_eq!(read(&[pending(3, "you")]).unwrap(), "me@1[1] you@2[2, 3]");
    assert_eq!(read(&[consumer("me", Some(7))]).unwrap(), "me@7[1, 3] you@2[2]");
    assert_eq!(read(&[consumer("me", None)]).unwrap(), "you@2[2]");
    assert_eq!(read(&[group(false, true)]).unwrap(), "me@1[1, 3] you@2[2]");
    assert_eq!(read(&[group(true, true)]).unwrap(), "");
    assert_eq!(read(&[group(false, false)]), None);
}

#[test]
fn what_is_told_of_a_group_that_is_not_there_is_passed_over() {
    let parts = [group(false, true), consumer("me", Some(1)), pending(1, "me")];
    assert_eq!(read_group(&parts), None);
    // A consumer that is not known is as good as any until the effects say that it is gone.
    let parts = [group(true, true), pending(1, "stranger")];
    assert_eq!(read_group(&parts).unwrap(), "stranger@5[1]");
    let parts = [&parts[..], &[consumer("stranger", None)]].concat();
    assert_eq!(read_group(&parts).unwrap(), "");
}
