//! A `Dict` against the standard map, and the promises of its walks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::Dict;

fn key(number: usize) -> Box<[u8]> {
    format!("key:{number}").into_bytes().into()
}

fn filled(count: usize) -> Dict<usize> {
    let mut dict = Dict::with_seed(7);
    for number in 0..count {
        assert!(dict.insert(key(number), number).is_none());
    }
    dict
}

/// What must hold of the parts after any history.
fn check<V>(dict: &Dict<V>) {
    let bytes: usize = dict
        .segments
        .iter()
        .map(|segment| segment.table.allocation_size())
        .sum();
    assert_eq!(dict.table_bytes, bytes);
    assert_eq!(
        dict.len,
        dict.segments
            .iter()
            .map(|segment| segment.table.len())
            .sum::<usize>()
    );
    if dict.depth > 0 {
        assert_eq!(dict.directory.len(), 1 << dict.depth);
    } else {
        assert!(dict.directory.is_empty() && dict.segments.len() <= 1);
    }
    let deepest = dict
        .segments
        .iter()
        .filter(|segment| segment.depth == dict.depth)
        .count();
    assert_eq!(dict.deepest, deepest);
    for (index, segment) in dict.segments.iter().enumerate() {
        assert!(segment.table.num_buckets() <= super::SEGMENT_BUCKETS);
        for (key, _) in &segment.table {
            let hash = dict.hash(key);
            assert_eq!(dict.index_of(hash), index);
            assert!(segment.depth == 0 || hash >> (64 - segment.depth) == u64::from(segment.prefix));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, usize),
    Touch(usize),
    Remove(usize),
    RemoveMany(usize, usize),
    InsertMany(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0..3000usize;
    let step = prop_oneof![
        4 => (number.clone(), any::<usize>()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => number.clone().prop_map(Step::Touch),
        4 => number.clone().prop_map(Step::Remove),
        1 => (number.clone(), 0..2000usize).prop_map(|(from, count)| Step::RemoveMany(from, count)),
        1 => (number, 0..2000usize).prop_map(|(from, count)| Step::InsertMany(from, count)),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_is_the_same_map_as_the_standard_one(steps in steps()) {
        let mut dict = Dict::with_seed(3);
        let mut model = HashMap::new();
        for step in steps {
            match step {
                Step::Insert(number, value) => {
                    prop_assert_eq!(dict.insert(key(number), value), model.insert(key(number), value));
                }
                Step::Touch(number) => {
                    let (value, created) = dict.get_or_insert_with(&key(number), || 5);
                    prop_assert_eq!(created, !model.contains_key(&key(number)));
                    let expected = model.entry(key(number)).or_insert(5);
                    prop_assert_eq!(&*value, &*expected);
                    (*value, *expected) = (6, 6);
                }
                Step::Remove(number) => {
                    prop_assert_eq!(dict.remove(&key(number)), model.remove_entry(&key(number)));
                }
                Step::RemoveMany(from, count) => for number in from..from + count {
                    prop_assert_eq!(dict.remove(&key(number)).is_some(), model.remove(&key(number)).is_some());
                },
                Step::InsertMany(from, count) => for number in from..from + count {
                    prop_assert_eq!(dict.insert(key(number), count), model.insert(key(number), count));
                },
            }
            prop_assert_eq!(dict.len(), model.len());
        }
        check(&dict);
        for (key, value) in &model {
            prop_assert_eq!(dict.get(key), Some(value));
            prop_assert_eq!(dict.get_mut(key).copied(), Some(*value));
        }
        let seen: HashMap<Box<[u8]>, usize> = dict.iter().map(|(key, value)| (key.into(), *value)).collect();
        prop_assert_eq!(&seen, &model);
    }

    #[test]
    fn a_scan_sees_what_stays_exactly_once_while_others_come_and_go(
        stay in 0..3000usize, churn in 0..4000usize, count in 1..200usize, grow_first in any::<bool>(),
    ) {
        let mut dict = filled(stay);
        if !grow_first {
            for number in 0..churn { dict.insert(key(100_000 + number), 0); }
        }
        let mut seen = HashMap::new();
        let (mut cursor, mut round) = (0, 0);
        loop {
            cursor = dict.scan(cursor, count, |key, _| *seen.entry(key.to_vec()).or_insert(0) += 1);
            prop_assert!(cursor < 1 << 53);
            if cursor == 0 { break; }
            for number in (round * 100..round * 100 + 100).filter(|number| *number < churn) {
                if grow_first { dict.insert(key(100_000 + number), 0); } else { dict.remove(&key(100_000 + number)); }
            }
            round += 1;
        }
        check(&dict);
        for number in 0..stay {
            prop_assert_eq!(seen.get(&*key(number)), Some(&1));
        }
        prop_assert!(seen.values().all(|times| *times == 1));
    }
}

#[test]
fn a_walk_stops_before_what_is_refused_and_goes_on_with_it() {
    let mut dict = filled(5_000);
    let mut seen = HashMap::new();
    let mut cursor = Some(0);
    for round in 0.. {
        let Some(from) = cursor else { break };
        let mut left = round % 300;
        cursor = dict.walk(from, |key, _| {
            left -= 1;
            if left >= 0 {
                *seen.entry(key.to_vec()).or_insert(0) += 1;
            }
            left >= 0
        });
        for number in 0..50 {
            dict.insert(key(100_000 + round as usize * 50 + number), 0);
        }
    }
    for number in 0..5_000 {
        assert_eq!(seen.get(&*key(number)), Some(&1));
    }
    assert!(seen.values().all(|times| *times == 1));
    assert_eq!(filled(0).walk(0, |_, _| false), None);
    assert_eq!(filled(10).walk(u64::MAX, |_, _| false), None);
}

#[test]
fn a_scan_keeps_to_the_count() {
    let dict = filled(10_000);
    let (mut cursor, mut calls) = (0, 0);
    loop {
        let mut seen = 0;
        cursor = dict.scan(cursor, 100, |_, _| seen += 1);
        calls += 1;
        assert!(seen <= 101);
        if cursor == 0 {
            break;
        }
    }
    assert!((100..=102).contains(&calls), "{calls}");
}

#[test]
fn a_cursor_out_of_range_ends_the_scan() {
    assert_eq!(filled(1000).scan(u64::MAX, 10, |_, _| {}), 0);
    assert_eq!(filled(0).scan(0, 10, |_, _| {}), 0);
    assert_eq!(filled(1000).scan((1 << 53) - 1, 10, |_, _| {}), 0);
}

#[test]
fn an_emptied_map_gives_its_memory_back() {
    let mut dict = filled(50_000);
    let full = dict.table_memory();
    for number in 100..50_000 {
        dict.remove(&key(number)).unwrap();
    }
    check(&dict);
    assert!(
        dict.table_memory() < full / 100,
        "{} of {full}",
        dict.table_memory()
    );
    for number in 0..100 {
        dict.remove(&key(number)).unwrap();
    }
    assert_eq!(dict.table_memory(), 0);
}

#[test]
fn churn_at_a_steady_size_does_not_grow_the_tables() {
    let mut dict = filled(2000);
    let full = dict.table_memory();
    for number in 0..200_000 {
        dict.remove(&key(number)).unwrap();
        dict.insert(key(number + 2000), 0);
    }
    check(&dict);
    assert!(
        dict.table_memory() <= full * 2,
        "{} of {full}",
        dict.table_memory()
    );
}

#[test]
fn a_random_pick_is_fair() {
    for count in [1, 5, 400, 3000] {
        let dict = filled(count);
        let mut random = fastrand::Rng::with_seed(11);
        let mut times = vec![0usize; count];
        for _ in 0..count * 200 {
            times[*dict.random(&mut random).unwrap().1] += 1;
        }
        // The expected spread of 200 ± 14 leaves 100 and 300 far outside.
        assert!(times.iter().all(|times| (100..300).contains(times)), "{times:?}");
    }
    assert!(filled(0).random(&mut fastrand::Rng::new()).is_none());
}

#[test]
fn a_random_pick_stays_quick_after_most_is_gone() {
    let mut dict = filled(30_000);
    let mut random = fastrand::Rng::with_seed(5);
    let mut left: HashSet<Box<[u8]>> = (0..30_000).map(key).collect();
    while dict.len() > 0 {
        let picked: Box<[u8]> = dict.random(&mut random).unwrap().0.into();
        assert!(left.remove(&picked));
        dict.remove(&picked).unwrap();
        let places = if dict.segments.len() > 1 {
            dict.segments.len() * 512
        } else {
            0
        };
        assert!(places <= dict.len() * 20, "{places} places for {}", dict.len());
    }
    assert!(left.is_empty());
}
