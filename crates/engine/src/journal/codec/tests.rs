//! Effects come back as they were, and bytes that are none do no harm.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{Garbled, Trouble, decode, encode, tag};
use crate::effect::{Effect, GroupState, PendingState, ValueKind};
use crate::journal::load::Loading;

/// Texts to borrow from: short, empty, on both sides of a length of two bytes, long.
static TEXTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut texts: Vec<Vec<u8>> = ["", "a", "b", "field", "\0\u{ff}"].map(Into::into).into();
    texts.extend([63, 64, 127, 128, 20_000].map(|length| vec![b'x'; length]));
    texts.extend((0..40).map(|number| format!("name:{number}").into_bytes()));
    texts
});

fn text() -> BoxedStrategy<&'static [u8]> {
    (0..TEXTS.len()).prop_map(|index| TEXTS[index].as_slice()).boxed()
}

fn number() -> BoxedStrategy<u64> {
    prop_oneof![4 => 0..10_u64, 2 => 0..100_000_u64, 1 => Just(u64::MAX), 1 => any::<u64>()].boxed()
}

/// Few values, so that runs come about.
fn id() -> BoxedStrategy<u64> {
    prop_oneof![6 => 1..4_u64, 1 => number()].boxed()
}

fn entry_id() -> BoxedStrategy<(u64, u64)> {
    (
        prop_oneof![0..9_u64, 1_700_000_000_000..1_700_000_000_009_u64, number()],
        number(),
    )
        .boxed()
}

fn score() -> BoxedStrategy<f64> {
    prop_oneof![
        (-10_i32..10).prop_map(f64::from),
        (0..1_u64 << 56).prop_map(|score| score as f64),
        any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("a number", |score| !score.is_nan()),
        prop::sample::select(vec![
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.5,
            9_007_199_254_740_993.0
        ]),
    ]
    .boxed()
}

fn kind() -> BoxedStrategy<ValueKind<'static>> {
    prop_oneof![
        text().prop_map(ValueKind::String),
        prop::sample::select(vec![
            ValueKind::List,
            ValueKind::Hash,
            ValueKind::Set,
            ValueKind::SortedSet,
            ValueKind::Stream,
        ]),
    ]
    .boxed()
}

fn group_state() -> BoxedStrategy<GroupState> {
    (entry_id(), prop::option::of(number()))
        .prop_map(|(last_delivered, entries_read)| GroupState {
            last_delivered,
            entries_read,
        })
        .boxed()
}

fn pending_state() -> BoxedStrategy<PendingState<'static>> {
    (text(), any::<i64>(), number())
        .prop_map(|(consumer, delivered_at, deliveries)| PendingState {
            consumer,
            delivered_at,
            deliveries,
        })
        .boxed()
}

fn of_key() -> BoxedStrategy<Effect<'static>> {
    prop_oneof![
        prop::collection::vec(number(), 0..20).prop_map(|order| Effect::Databases { order }),
        id().prop_map(|id| Effect::Gone { id }),
        (id(), 0..3_u64, text(), prop::option::of(number())).prop_map(|(id, database, name, expires)| {
            Effect::Key {
                id,
                database,
                name,
                expires,
            }
        }),
        (id(), kind()).prop_map(|(id, kind)| Effect::Value { id, kind }),
        (id(), number(), text()).prop_map(|(id, at, bytes)| Effect::Bytes { id, at, bytes }),
    ]
    .boxed()
}

fn of_collection() -> BoxedStrategy<Effect<'static>> {
    let items = prop::option::of(prop::collection::vec(text(), 0..140));
    let chunk = prop_oneof![-3_i64..3, any::<i64>()];
    prop_oneof![
        (id(), text(), prop::option::of(text())).prop_map(|(id, field, value)| Effect::Field {
            id,
            field,
            value
        }),
        (id(), text(), any::<bool>()).prop_map(|(id, member, is_in)| {
            let member = member.into();
            Effect::Member { id, member, is_in }
        }),
        (id(), text(), prop::option::of(score())).prop_map(|(id, member, score)| Effect::Score {
            id,
            member,
            score
        }),
        (id(), chunk, items).prop_map(|(id, chunk, items)| Effect::Chunk { id, chunk, items }),
    ]
    .boxed()
}

fn of_stream() -> BoxedStrategy<Effect<'static>> {
    let fields = prop::option::of(prop::collection::vec((text(), text()), 0..4));
    prop_oneof![
        (id(), entry_id()).prop_map(|(id, up_to)| Effect::EntriesGone { id, up_to }),
        (id(), entry_id(), fields).prop_map(|(id, entry, fields)| Effect::Entry { id, entry, fields }),
        (id(), entry_id(), entry_id(), number()).prop_map(|(id, last, max_deleted, added)| {
            Effect::StreamState {
                id,
                last,
                max_deleted,
                added,
            }
        }),
        (id(), text(), prop::option::of(group_state()), any::<bool>()).prop_map(
            |(id, name, state, is_new)| Effect::Group {
                id,
                name,
                state,
                is_new,
            }
        ),
        (id(), text(), text(), prop::option::of(any::<i64>())).prop_map(|(id, group, name, seen_at)| {
            Effect::Consumer {
                id,
                group,
                name,
                seen_at,
            }
        }),
        (id(), text(), entry_id(), prop::option::of(pending_state())).prop_map(
            |(id, group, entry, state)| Effect::Pending {
                id,
                group,
                entry,
                state,
            }
        ),
    ]
    .boxed()
}

/// Effects as no engine would put them together.
pub(in crate::journal) fn effects() -> BoxedStrategy<Vec<Effect<'static>>> {
    let effect = prop_oneof![of_key(), of_collection(), of_stream()];
    // Some of them come several times in a row.
    let repeated = prop::collection::vec((effect, 1..4_usize), 0..20);
    repeated
        .prop_map(|rows| {
            let repeat = |(effect, times)| std::iter::repeat_n(effect, times);
            rows.into_iter().flat_map(repeat).collect()
        })
        .boxed()
}

/// Everything up to the first thing that cannot be read.
fn read(payload: &[u8]) -> (Vec<Effect<'_>>, Option<Garbled>) {
    let mut effects = Vec::new();
    for effect in decode(payload) {
        match effect {
            Ok(effect) => effects.push(effect),
            Err(garbled) => return (effects, Some(garbled)),
        }
    }
    (effects, None)
}

fn payload(effects: &[Effect<'_>]) -> Vec<u8> {
    let mut payload = Vec::new();
    encode(effects, &mut payload);
    payload
}

/// Bytes held by what was read.
fn held(effects: &[Effect<'_>]) -> usize {
    let of_one = |effect: &Effect<'_>| match effect {
        Effect::Databases { order } => order.capacity() * 8,
        Effect::Chunk {
            items: Some(items), ..
        } => items.capacity() * 16,
        Effect::Entry {
            fields: Some(fields), ..
        } => fields.capacity() * 32,
        _ => 0,
    };
    effects.iter().map(of_one).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn effects_come_back_as_they_were(first in effects(), second in effects()) {
        let mut both = payload(&first);
        prop_assert_eq!(&read(&both), &(first.clone(), None));
        encode(&second, &mut both);
        let joined: Vec<_> = first.into_iter().chain(second).collect();
        prop_assert_eq!(read(&both), (joined, None));
    }

    #[test]
    fn what_is_cut_off_is_said_to_be(effects in effects(), at in any::<prop::sample::Index>()) {
        let whole = payload(&effects);
        prop_assume!(!whole.is_empty());
        let cut = &whole[..at.index(whole.len())];
        let (read, garbled) = read(cut);
        prop_assert_eq!(&read[..], &effects[..read.len()]);
        match garbled {
            Some(garbled) => {
                prop_assert_eq!(garbled.trouble, Trouble::CutOff);
                prop_assert!(garbled.offset <= cut.len());
            }
            // It was cut between two runs.
            None => prop_assert!(cut.is_empty() || payload(&read) == cut || cut == [tag::START]),
        }
    }

    #[test]
    fn bytes_changed_on_the_way_do_no_harm(
        effects in effects(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut payload = payload(&effects);
        prop_assume!(!payload.is_empty());
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        do_no_harm(&payload)?;
    }

    #[test]
    fn any_bytes_do_no_harm(mut bytes in prop::collection::vec(prop_oneof![0..24_u8, any::<u8>()], 0..200)) {
        do_no_harm(&bytes)?;
        bytes.insert(0, tag::START);
        do_no_harm(&bytes)?;
    }
}

fn do_no_harm(payload: &[u8]) -> Result<(), TestCaseError> {
    let (effects, garbled) = read(payload);
    prop_assert!(effects.len() <= payload.len());
    prop_assert!(held(&effects) <= payload.len() * 64);
    if let Some(garbled) = garbled {
        prop_assert!(garbled.offset <= payload.len(), "{garbled}");
    }
    let mut effects = decode(payload).skip_while(Result::is_ok);
    let (last, behind) = (effects.next(), effects.next());
    prop_assert!(last.is_some() == garbled.is_some() && behind.is_none());
    let mut loading = Loading::new(2, true, 0);
    if loading.read(payload).is_ok() {
        // Whatever comes out: it is no panic.
        drop(loading.finish());
    }
    Ok(())
}

#[test]
fn scores_keep_every_bit() {
    for score in [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        f64::MAX,
        f64::MIN_POSITIVE,
        9e15,
        -9_007_199_254_740_992.0,
    ] {
        let payload = payload(&[Effect::Score {
            id: 1,
            member: b"m",
            score: Some(score),
        }]);
        let (effects, _) = read(&payload);
        let [
            Effect::Score {
                score: Some(read), ..
            },
        ] = effects[..]
        else {
            panic!("{effects:?}")
        };
        assert_eq!(read.to_bits(), score.to_bits());
    }
}

#[test]
fn what_is_unknown_is_refused_where_it_stands() {
    let garbled = |bytes: &[u8]| read(bytes).1.unwrap();
    assert_eq!(
        garbled(&[tag::START, tag::GONE, 2, 99]).to_string(),
        "an effect of sort 99, which this version does not know, at byte 3 of the record's contents"
    );
    assert_eq!(garbled(&[tag::GONE, 2]).trouble, Trouble::NoStart(tag::GONE));
    let nan = [
        &[tag::START, tag::SCORES, 2, 1, 1, b'm', 1][..],
        &f64::NAN.to_le_bytes(),
    ]
    .concat();
    assert_eq!(
        (garbled(&nan).offset, garbled(&nan).trouble),
        (6, Trouble::NotANumber)
    );
    let long = [
        tag::START,
        tag::GONE,
        255,
        255,
        255,
        255,
        255,
        255,
        255,
        255,
        255,
        2,
    ];
    assert_eq!(
        (garbled(&long).offset, garbled(&long).trouble),
        (2, Trouble::NumberTooLong)
    );
    assert_eq!(
        garbled(&[tag::START, tag::GROUP, 2, 0, 8]).trouble,
        Trouble::UnknownMarks(8)
    );
}

#[test]
fn a_count_alone_allocates_nothing() {
    let mut bytes = vec![tag::START, tag::CHUNKS, 2, 1, 0];
    super::numbers::put_number(&mut bytes, u64::MAX);
    let (effects, garbled) = read(&bytes);
    assert!(effects.is_empty() && garbled.unwrap().trouble == Trouble::CutOff);
}

#[test]
fn a_job_like_hash_takes_little_more_than_its_text() {
    let fields: [(&[u8], &[u8]); 3] = [(b"name", b"send"), (b"data", b"{}"), (b"priority", b"0")];
    let mut effects = vec![
        Effect::Key {
            id: 1_000_000,
            database: 0,
            name: b"q:1",
            expires: None,
        },
        Effect::Value {
            id: 1_000_000,
            kind: ValueKind::Hash,
        },
    ];
    effects.extend(fields.map(|(field, value)| Effect::Field {
        id: 1_000_000,
        field,
        value: Some(value),
    }));
    let text: usize = 3 + fields
        .map(|(field, value)| field.len() + value.len())
        .iter()
        .sum::<usize>();
    // Start, key, number, database, length; hash, number, count; two lengths a field.
    assert_eq!(payload(&effects).len(), text + 1 + 1 + 3 + 1 + 1 + 3 + 3 * 2);
}

/// One of each sort, in each of its forms.
fn one_of_each() -> Vec<(&'static str, Vec<Effect<'static>>)> {
    let value = |kind| Effect::Value { id: 300, kind };
    let field = |field: &'static str, value: Option<&'static str>| Effect::Field {
        id: 300,
        field: field.as_bytes(),
        value: value.map(str::as_bytes),
    };
    let member = |member: &'static str, is_in| Effect::Member {
        id: 300,
        member: member.as_bytes().into(),
        is_in,
    };
    let score = |member: &'static str, score| Effect::Score {
        id: 300,
        member: member.as_bytes(),
        score,
    };
    let chunk = |chunk, items: Option<&[&'static str]>| Effect::Chunk {
        id: 300,
        chunk,
        items: items.map(|items| items.iter().map(|item| item.as_bytes()).collect()),
    };
    let key = |expires| Effect::Key {
        id: 300,
        database: 2,
        name: b"name",
        expires,
    };
    let entry = |entry, fields: Option<&[(&'static str, &'static str)]>| Effect::Entry {
        id: 300,
        entry,
        fields: fields.map(|fields| {
            let bytes = |(name, value): &(&'static str, &'static str)| (name.as_bytes(), value.as_bytes());
            fields.iter().map(bytes).collect()
        }),
    };
    let group = |state, is_new| Effect::Group {
        id: 300,
        name: b"group",
        state,
        is_new,
    };
    let state = |entries_read| GroupState {
        last_delivered: (5, 1),
        entries_read,
    };
    let consumer = |name: &'static str, seen_at| Effect::Consumer {
        id: 300,
        group: b"group",
        name: name.as_bytes(),
        seen_at,
    };
    let pending = |entry, state| Effect::Pending {
        id: 300,
        group: b"group",
        entry,
        state,
    };
    let held = PendingState {
        consumer: b"me",
        delivered_at: 1_700_000_000_000,
        deliveries: 3,
    };
    let string = value(ValueKind::String(b"text"));
    let time: u64 = 1_700_000_000_000;
    vec![
        (
            "databases",
            vec![Effect::Databases {
                order: vec![1, 0, 200],
            }],
        ),
        ("gone", vec![Effect::Gone { id: 300 }, Effect::Gone { id: 299 }]),
        ("key", vec![key(None)]),
        ("expiring key", vec![key(Some(time))]),
        ("string", vec![string.clone()]),
        (
            "bytes",
            vec![Effect::Bytes {
                id: 300,
                at: 5000,
                bytes: b"part",
            }],
        ),
        (
            "list",
            vec![
                value(ValueKind::List),
                chunk(0, Some(&["a", ""])),
                chunk(1 << 24, Some(&["b"])),
            ],
        ),
        (
            "hash",
            vec![
                value(ValueKind::Hash),
                field("f", Some("v")),
                field("empty", Some("")),
            ],
        ),
        ("set", vec![value(ValueKind::Set), member("m", true)]),
        (
            "sorted set",
            vec![
                value(ValueKind::SortedSet),
                score("whole", Some(-3.0)),
                score("part", Some(0.5)),
            ],
        ),
        ("stream", vec![value(ValueKind::Stream)]),
        ("chunks", vec![chunk(-1, None), chunk(0, Some(&["a"]))]),
        ("fields", vec![field("f", None), field("g", Some("v"))]),
        ("members", vec![member("m", false), member("n", true)]),
        (
            "scores",
            vec![
                score("m", None),
                score("zero", Some(-0.0)),
                score("late", Some(f64::INFINITY)),
            ],
        ),
        (
            "entries gone",
            vec![Effect::EntriesGone {
                id: 300,
                up_to: (time, 7),
            }],
        ),
        (
            "entries",
            vec![
                entry((time, 0), Some(&[("f", "v"), ("g", "w")])),
                entry((time + 1, 2), None),
            ],
        ),
        (
            "stream state",
            vec![Effect::StreamState {
                id: 300,
                last: (9, 1),
                max_deleted: (4, 0),
                added: 1000,
            }],
        ),
        ("group", vec![group(Some(state(Some(4))), true)]),
        ("group known", vec![group(Some(state(None)), false)]),
        ("group gone", vec![group(None, false), group(None, true)]),
        (
            "consumers",
            vec![
                consumer("me", Some(1_700_000_000_000)),
                consumer("you", Some(-1)),
                consumer("gone", None),
            ],
        ),
        (
            "pending",
            vec![pending((5, 0), Some(held)), pending((4, 9), None)],
        ),
        ("several", vec![key(None), string, Effect::Gone { id: 7 }]),
    ]
}

/// What is in files already must be read by every later version: lines may be added here, never changed.
#[test]
fn every_sort_of_effect_is_written_as_ever() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut written = String::new();
    for (name, effects) in one_of_each() {
        let payload = payload(&effects);
        assert_eq!(read(&payload), (effects, None));
        written += &format!("{name}: {}\n", hex(&payload));
    }
    assert!(
        written == include_str!("../fixtures/effects.txt"),
        "the format has changed:\n{written}"
    );
    for tag in tag::DATABASES..=tag::PENDING {
        let mark = format!(": 01{tag:02x}");
        assert!(
            written.contains(&mark),
            "nothing in the fixture begins with {tag}"
        );
    }
}
