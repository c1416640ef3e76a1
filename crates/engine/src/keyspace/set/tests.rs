//! A set against the standard one, in each of its forms.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Form, Member, Set, allocated, parse_int};
use crate::keyspace::dirt::Dirt;

type Model = BTreeSet<Vec<u8>>;

/// The memory counted afresh.
fn recount(set: &Set) -> usize {
    match &set.0 {
        Form::Small(packed) => packed.memory(),
        Form::Large(large) => {
            let bytes: usize = large
                .members
                .iter()
                .map(|(member, ())| allocated(member.len()))
                .sum();
            allocated(size_of::<super::Large>()) + large.members.table_memory() + bytes
        }
    }
}

fn all(set: &Set) -> Model {
    set.iter().map(Member::to_vec).collect()
}

fn integer() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-50i64..600).prop_map(|number| number.to_string().into_bytes()),
        1 => any::<i32>().prop_map(|number| number.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
    ]
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => integer(),
        1 => Just(b"007".to_vec()),
        3 => "[a-c]{0,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u8>),
    Remove(Vec<u8>),
    Pop(u64),
    Take,
}

fn steps(word: impl Strategy<Value = Vec<u8>> + Clone) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => word.clone().prop_map(Step::Add),
        2 => word.prop_map(Step::Remove),
        1 => any::<u64>().prop_map(Step::Pop),
        1 => Just(Step::Take),
    ];
    prop::collection::vec(step, 1..1500)
}

/// A journal that follows the dirt.
fn follow(set: &mut Set, journal: &mut Model) {
    match set.take_dirt() {
        Dirt::Whole => *journal = all(set),
        Dirt::Parts(parts) => {
            for part in parts {
                if set.contains(&part) {
                    journal.insert(part.into());
                } else {
                    journal.remove(&*part);
                }
            }
        }
    }
}

fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut set = Set::new(true);
    let (mut model, mut journal) = (Model::new(), Model::new());
    for step in steps {
        match step {
            Step::Add(member) => {
                let is_new = set.add(&member);
                prop_assert!(set.contains(&member));
                prop_assert_eq!(is_new, model.insert(member));
            }
            Step::Remove(member) => {
                prop_assert_eq!(set.remove(&member), model.remove(&member));
                prop_assert!(!set.contains(&member));
            }
            Step::Pop(seed) => match set.pop(&mut fastrand::Rng::with_seed(seed)) {
                Some(member) => prop_assert!(model.remove(&member)),
                None => prop_assert!(model.is_empty()),
            },
            Step::Take => follow(&mut set, &mut journal),
        }
        prop_assert_eq!(set.len(), model.len());
        prop_assert_eq!(set.memory(), recount(&set));
    }
    prop_assert_eq!(&all(&set), &model);
    follow(&mut set, &mut journal);
    prop_assert_eq!(&journal, &model);
    let mut scanned = Model::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, 7, |member| assert!(scanned.insert(member.into())));
        if cursor == 0 {
            break;
        }
    }
    prop_assert_eq!(&scanned, &model);
    let mut random = fastrand::Rng::with_seed(9);
    for count in [0, 1, model.len() / 4, model.len() + 1] {
        let sample: Model = set
            .sample(count, &mut random)
            .into_iter()
            .map(Member::to_vec)
            .collect();
        prop_assert_eq!(sample.len(), count.min(model.len()));
        prop_assert!(sample.is_subset(&model));
    }
    for member in &model {
        prop_assert!(set.contains_member(Member::Bytes(member)));
        if let Some(number) = parse_int(member) {
            prop_assert!(set.contains_member(Member::Integer(number)));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_set_of_integers_is_a_set(steps in steps(integer().boxed())) { run(steps)?; }
    #[test]
    fn a_set_of_words_is_a_set(steps in steps(word().boxed())) { run(steps)?; }
}

#[test]
fn integers_come_in_ascending_order() {
    let mut set = Set::new(false);
    for member in ["5", "-70000", "3", "9000000000", "-1", "3"] {
        set.add(member.as_bytes());
    }
    let members: Vec<Member<'_>> = set.iter().collect();
    assert_eq!(members, [-70000, -1, 3, 5, 9_000_000_000].map(Member::Integer));
}

#[test]
fn the_reported_encoding_follows_the_usual_thresholds() {
    let mut set = Set::new(false);
    for number in 0..512 {
        set.add(number.to_string().as_bytes());
    }
    assert_eq!(set.encoding(), "intset");
    assert!(set.memory() <= 1200, "{}", set.memory());
    set.add(b"512");
    assert_eq!(set.encoding(), "hashtable");
    set.remove(b"512");
    assert_eq!(set.encoding(), "hashtable");

    let mut set = Set::new(false);
    set.add(b"1");
    set.add(b"a");
    assert_eq!(set.encoding(), "hashtable");
    set.remove(b"a");
    assert_eq!(set.encoding(), "hashtable");
}

#[test]
fn random_members_of_a_small_set_are_fair() {
    for members in [["1", "2", "3"], ["a", "b", "c"]] {
        let mut set = Set::new(false);
        members
            .iter()
            .for_each(|member| assert!(set.add(member.as_bytes())));
        let mut random = fastrand::Rng::with_seed(2);
        let picks: Vec<Vec<u8>> = (0..3000)
            .map(|_| set.random(&mut random).unwrap().to_vec())
            .collect();
        for member in members {
            let times = picks.iter().filter(|pick| **pick == member.as_bytes()).count();
            assert!((850..1150).contains(&times), "{times}");
        }
    }
}
