//! A hash against a list of pairs, small and large.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Form, Hash, allocated};
use crate::keyspace::dirt::Dirt;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// The memory counted afresh.
fn recount(hash: &Hash) -> usize {
    match &hash.0 {
        Form::Small(packed) => packed.memory(),
        Form::Large(large) => {
            let entries = large.values.iter();
            let bytes: usize = entries
                .map(|(field, value)| allocated(field.len()) + allocated(value.len()))
                .sum();
            allocated(size_of::<super::Large>()) + large.values.table_memory() + bytes
        }
    }
}

fn all(hash: &Hash) -> Model {
    hash.iter()
        .map(|(field, value)| (field.to_vec(), value.to_vec()))
        .collect()
}

fn word(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(b'a'..b'd', 0..4),
        3 => "key[0-9]{1,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..most),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    RemoveAny(usize),
    Take,
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (word(most), word(most)).prop_map(|(field, value)| Step::Set(field, value)),
        1 => word(most).prop_map(Step::Remove),
        2 => any::<usize>().prop_map(Step::RemoveAny),
        1 => Just(Step::Take),
    ];
    prop::collection::vec(step, 1..600)
}

fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut hash = Hash::new(true);
    let mut model = Model::new();
    // What a journal that follows the dirt knows.
    let mut journal = Model::new();
    for step in steps {
        match step {
            Step::Set(field, value) => {
                let is_new = hash.set(&field, &value);
                prop_assert_eq!(hash.get(&field), Some(&*value));
                prop_assert_eq!(is_new, model.insert(field, value).is_none());
            }
            Step::Remove(field) => prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some()),
            Step::RemoveAny(number) => {
                let Some(field) = model.keys().nth(number % model.len().max(1)).cloned() else {
                    continue;
                };
                prop_assert!(hash.remove(&field));
                prop_assert!(!hash.contains(&field));
                model.remove(&field);
            }
            Step::Take => match hash.take_dirt() {
                Dirt::Whole => journal = all(&hash),
                Dirt::Parts(parts) => {
                    for part in parts {
                        match hash.get(&part) {
                            Some(value) => journal.insert(part.into(), value.into()),
                            None => journal.remove(&*part),
                        };
                    }
                }
            },
        }
        prop_assert_eq!(hash.len(), model.len());
        prop_assert_eq!(hash.memory(), recount(&hash));
    }
    prop_assert_eq!(&all(&hash), &model);
    match hash.take_dirt() {
        Dirt::Whole => {}
        Dirt::Parts(parts) => {
            for part in parts {
                match hash.get(&part) {
                    Some(value) => journal.insert(part.into(), value.into()),
                    None => journal.remove(&*part),
                };
            }
            prop_assert_eq!(&journal, &model);
        }
    }
    let mut scanned = Model::new();
    let mut cursor = 0;
    loop {
        cursor = hash.scan(cursor, 7, |field, value| {
            assert!(scanned.insert(field.into(), value.into()).is_none());
        });
        if cursor == 0 {
            break;
        }
    }
    prop_assert_eq!(&scanned, &model);
    let random = hash
        .random(&mut fastrand::Rng::with_seed(1))
        .map(|(field, value)| (field.to_vec(), value.to_vec()));
    prop_assert_eq!(random.is_none(), model.is_empty());
    for count in [0, 1, model.len() / 4, model.len() + 1] {
        let sample: Model = hash
            .sample(count, &mut fastrand::Rng::with_seed(9))
            .into_iter()
            .map(|(field, value)| (field.to_vec(), value.to_vec()))
            .collect();
        prop_assert_eq!(sample.len(), count.min(model.len()));
        prop_assert!(
            sample
                .iter()
                .all(|(field, value)| model.get(field) == Some(value))
        );
    }
    prop_assert!(random.is_none_or(|(field, value)| model[&field] == value));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_hash_of_short_values_is_a_map(steps in steps(10)) { run(steps)?; }
    #[test]
    fn a_hash_of_long_values_is_a_map(steps in steps(500)) { run(steps)?; }
}

#[test]
fn a_small_hash_keeps_the_order_of_its_fields() {
    let mut hash = Hash::new(false);
    for field in ["z", "a", "m"] {
        hash.set(field.as_bytes(), b"1");
    }
    hash.set(b"z", b"longer than before");
    hash.remove(b"a");
    hash.set(b"a", b"");
    let fields: Vec<&[u8]> = hash.iter().map(|(field, _)| field).collect();
    assert_eq!(fields, [b"z", b"m", b"a"]);
    assert_eq!(hash.encoding(), "listpack");
}

#[test]
fn the_reported_encoding_follows_the_usual_thresholds() {
    let mut hash = Hash::new(false);
    for number in 0..128 {
        hash.set(format!("{number}").as_bytes(), &[b'x'; 8]);
    }
    assert_eq!(hash.encoding(), "listpack");
    hash.set(b"one more", b"");
    assert_eq!(hash.encoding(), "hashtable");
    hash.remove(b"one more");
    assert_eq!(hash.encoding(), "hashtable");

    let mut hash = Hash::new(false);
    hash.set(b"field", &[b'x'; 64]);
    assert_eq!(hash.encoding(), "listpack");
    hash.set(b"field", &[b'x'; 65]);
    assert_eq!(hash.encoding(), "hashtable");
    hash.set(b"field", b"short");
    assert_eq!(hash.encoding(), "hashtable");
}

#[test]
fn a_hash_of_eight_fields_costs_little_more_than_its_text() {
    let pairs: Vec<(String, String)> = (0..8)
        .map(|number| (format!("field{number}"), "v".repeat(25)))
        .collect();
    let text: usize = pairs.iter().map(|(field, value)| field.len() + value.len()).sum();
    let mut hash = Hash::new(true);
    hash.set_all(
        pairs
            .iter()
            .map(|(field, value)| (field.as_bytes(), value.as_bytes())),
    );
    assert_eq!(hash.len(), 8);
    assert!(hash.memory() <= text + 40, "{} for {text}", hash.memory());
}
