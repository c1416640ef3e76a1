//! What single effects do to what is loaded, and which of them are refused.

use proptest::prelude::*;

use super::super::{Contradiction, Loaded, Loading};
use crate::effect::{Effect, ValueKind};
use crate::journal::codec::tests::effects;
use crate::keyspace::{Database, Value};

pub(super) fn key(id: u64, database: u64, name: &'static str) -> Effect<'static> {
    Effect::Key {
        id,
        database,
        name: name.as_bytes(),
        expires: None,
    }
}

fn string(id: u64) -> Effect<'static> {
    value(id, ValueKind::String(b"text"))
}

pub(super) fn value(id: u64, kind: ValueKind<'static>) -> Effect<'static> {
    Effect::Value { id, kind }
}

pub(super) fn apply(effects: &[Effect<'_>]) -> Result<Loaded, Contradiction> {
    let mut loading = Loading::new(2, true, 0);
    effects.iter().try_for_each(|effect| loading.apply(effect))?;
    loading.finish()
}

#[test]
fn a_value_without_a_name_is_dropped_and_a_name_without_a_value_is_damage() {
    let loaded = apply(&[string(2), key(3, 0, "a"), Effect::Gone { id: 3 }]).unwrap();
    assert_eq!(loaded.databases[0].len(), 0);
    assert_eq!((loaded.next_entry, loaded.next_database), (3, 2));
    assert_eq!(
        apply(&[key(1, 0, "a"), string(2)]).unwrap_err(),
        Contradiction::NoValue { id: 1 }
    );
}

#[test]
fn parts_of_what_is_not_known_are_left_out() {
    let field = Effect::Field {
        id: 9,
        field: b"f",
        value: Some(b"v"),
    };
    let pending = Effect::Pending {
        id: 2,
        group: b"g",
        entry: (1, 1),
        state: None,
    };
    let loaded = apply(&[field, key(2, 0, "s"), value(2, ValueKind::Stream), pending]).unwrap();
    assert_eq!(loaded.databases[0].len(), 1);
}

#[test]
fn two_values_may_claim_a_name_for_a_while() {
    let loaded = apply(&[
        key(1, 0, "a"),
        string(1),
        key(2, 0, "a"),
        string(2),
        Effect::Gone { id: 1 },
    ]);
    assert_eq!(loaded.unwrap().databases[0].get(b"a").unwrap().id, 2);
    let both = apply(&[key(1, 0, "a"), string(1), key(2, 0, "a"), string(2)]);
    assert_eq!(both.unwrap_err(), Contradiction::SameName { id: 2, other: 1 });
}

#[test]
fn a_database_that_is_no_longer_there_was_emptied() {
    let order = |order: &[u64]| Effect::Databases {
        order: order.to_vec(),
    };
    let mut effects: Vec<_> = (1..20).flat_map(|id| [key(id, 1, "many"), string(id)]).collect();
    for id in [3, 1, 19, 2].into_iter().chain(4..19) {
        effects.push(Effect::Gone { id });
    }
    effects.extend([key(20, 0, "old"), string(20), key(21, 1, "other"), string(21)]);
    // One that moved away in time, and one that a newer image holds already.
    effects.extend([key(22, 0, "moved"), string(22), key(22, 1, "moved")]);
    effects.extend([key(23, 2, "new"), string(23), order(&[0, 1])]);
    let before = apply(&[&effects[..], &[order(&[2, 1])]].concat()).unwrap();
    assert_eq!((before.databases[0].len(), before.databases[0].id()), (1, 2));
    assert!(before.databases[1].contains(b"other") && before.databases[1].contains(b"moved"));
    assert_eq!((before.next_entry, before.next_database), (23, 3));

    effects.extend([order(&[2, 3]), key(24, 3, "last"), string(24)]);
    let loaded = apply(&effects).unwrap();
    assert!(loaded.databases[0].contains(b"new") && loaded.databases[1].contains(b"last"));
    assert_eq!((loaded.databases[0].len(), loaded.databases[1].len()), (1, 1));
    assert_eq!(loaded.next_database, 4);

    effects.extend([key(25, 1, "late"), string(25)]);
    let nowhere = Contradiction::NoDatabase { id: 25, database: 1 };
    assert_eq!(apply(&effects).unwrap_err(), nowhere);
}

#[test]
fn databases_stand_in_the_order_told() {
    let ids = |loaded: &Loaded| loaded.databases.iter().map(Database::id).collect::<Vec<_>>();
    let order = |order: &[u64]| Effect::Databases {
        order: order.to_vec(),
    };
    let loaded = apply(&[key(1, 1, "a"), string(1), order(&[1, 0])]).unwrap();
    assert!(loaded.databases[0].contains(b"a"));
    assert_eq!(ids(&loaded), [1, 0]);

    let more = apply(&[order(&[2, 0, 1]), key(1, 2, "a"), string(1)]).unwrap();
    assert_eq!((ids(&more), more.next_database), (vec![2, 0], 3));
    let beyond = apply(&[order(&[2, 0, 1]), key(1, 1, "a"), string(1)]).unwrap_err();
    let too_few = |needed| Contradiction::TooFewDatabases {
        needed,
        configured: 2,
    };
    assert_eq!(beyond, too_few(3));

    // Those nobody has spoken of yet get greater numbers: smaller ones are of databases that were emptied.
    let fewer = apply(&[order(&[5]), key(1, 6, "a"), string(1)]).unwrap();
    assert_eq!((ids(&fewer), fewer.next_database), (vec![5, 6], 7));
    assert!(fewer.databases[1].contains(b"a"));
    let behind = apply(&[order(&[5]), key(1, 8, "a"), string(1)]).unwrap_err();
    assert_eq!(behind, too_few(4));
    assert_eq!(ids(&apply(&[]).unwrap()), [0, 1]);
    let seen = apply(&[order(&[7, 8]), order(&[0, 1])]).unwrap();
    assert_eq!((ids(&seen), seen.next_database), (vec![0, 1], 9));
}

#[test]
fn contradictions_are_told() {
    let refused = |effects: &[Effect<'_>]| apply(effects).unwrap_err();
    let list = value(1, ValueKind::List);
    let empty = [key(1, 0, "a"), list.clone()];
    assert_eq!(refused(&empty), Contradiction::Empty { id: 1 });
    let bytes = |at| Effect::Bytes {
        id: 1,
        at,
        bytes: b"b",
    };
    for at in [1 << 32, u64::MAX] {
        let length = at.saturating_add(1);
        let expected = Contradiction::Length { id: 1, length };
        assert_eq!(refused(&[string(1), bytes(at)]), expected);
    }
    let chunk = |items| Effect::Chunk {
        id: 1,
        chunk: 0,
        items: Some(items),
    };
    for count in [0, 129] {
        let chunk = chunk(vec![b"x".as_slice(); count]);
        let expected = Contradiction::Chunk {
            id: 1,
            chunk: 0,
            items: count,
        };
        assert_eq!(refused(&[list.clone(), chunk]), expected);
    }
    let score = Effect::Score {
        id: 1,
        member: b"m",
        score: Some(f64::NAN),
    };
    assert_eq!(refused(&[score]), Contradiction::Score { id: 1 });
    let id = u64::MAX;
    assert_eq!(refused(&[string(id)]), Contradiction::Number { id });
    let twice = Effect::Databases { order: vec![0, 0] };
    assert_eq!(refused(&[twice]), Contradiction::Order { database: 0 });
    let database = u64::MAX;
    let expected = Contradiction::DatabaseNumber { database };
    assert_eq!(refused(&[key(1, database, "a")]), expected);
    let order = vec![database];
    assert_eq!(refused(&[Effect::Databases { order }]), expected);
}

#[test]
fn parts_of_another_type_are_passed_over() {
    let score = Effect::Score {
        id: 1,
        member: b"m",
        score: Some(1.0),
    };
    let group = Effect::Group {
        id: 1,
        name: b"g",
        state: None,
        is_new: true,
    };
    let bytes = Effect::Bytes {
        id: 2,
        at: 0,
        bytes: b"b",
    };
    let field = Effect::Field {
        id: 2,
        field: b"f",
        value: Some(b"v"),
    };
    let hash = [key(2, 0, "h"), value(2, ValueKind::Hash), field.clone(), bytes];
    let loaded = apply(&[&[key(1, 0, "s"), string(1), score, group], &hash[..]].concat()).unwrap();
    let Value::Hash(hash) = &loaded.databases[0].get(b"h").unwrap().value else {
        panic!("it is a hash")
    };
    assert_eq!(hash.get(b"f"), Some(b"v".as_slice()));
}

#[test]
fn parts_of_a_string_fill_it_up_and_never_cut_it() {
    let bytes = |at, bytes: &'static [u8]| Effect::Bytes { id: 1, at, bytes };
    let loaded = apply(&[
        key(1, 0, "a"),
        string(1),
        bytes(6, b"end"),
        bytes(1, b"EX"),
        bytes(9, b""),
    ]);
    let loaded = loaded.unwrap();
    let Value::String(held) = &loaded.databases[0].get(b"a").unwrap().value else {
        panic!("it is a string")
    };
    assert_eq!(held, b"tEXt\0\0end");
}

#[test]
fn a_zero_takes_the_sign_written_last() {
    let score = |score| Effect::Score {
        id: 1,
        member: b"m",
        score: Some(score),
    };
    for (first, last) in [(0.0, -0.0), (-0.0, 0.0)] {
        let effects = [
            key(1, 0, "z"),
            value(1, ValueKind::SortedSet),
            score(first),
            score(last),
        ];
        let loaded = apply(&effects).unwrap();
        let Value::SortedSet(set) = &loaded.databases[0].get(b"z").unwrap().value else {
            panic!("it is a sorted set")
        };
        assert_eq!(set.score(b"m").unwrap().to_bits(), f64::to_bits(last));
    }
}

proptest! {
    #[test]
    fn effects_that_no_engine_wrote_do_no_harm(effects in effects()) {
        let mut loading = Loading::new(3, true, 0);
        for effect in &effects {
            // It may be refused, and what follows must do no harm either.
            drop(loading.apply(effect));
        }
        if let Ok(loaded) = loading.finish() {
            loaded.databases.iter().for_each(Database::check);
        }
    }
}
