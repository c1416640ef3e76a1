//! Sorted sets against a plain model: an ordered map of (score, member).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use proptest::prelude::*;

use super::{LexBound, SortedSet};
use crate::keyspace::dirt::Dirt;

/// Scores by member; order is made by sorting, which is slow and obviously right.
#[derive(Clone, Default)]
struct Model(BTreeMap<Vec<u8>, f64>);

impl Model {
    fn sorted(&self) -> Vec<(Vec<u8>, f64)> {
        let mut entries: Vec<_> = self
            .0
            .iter()
            .map(|(member, score)| (member.clone(), *score))
            .collect();
        entries.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
        entries
    }
}

fn owned(entry: (&[u8], f64)) -> (Vec<u8>, f64) {
    (entry.0.to_vec(), entry.1)
}

fn check(set: &SortedSet, model: &Model) {
    let sorted = model.sorted();
    assert_eq!(set.len(), sorted.len());
    assert_eq!(set.iter().map(owned).collect::<Vec<_>>(), sorted);
    let backwards: Vec<_> = set.range_backwards(0..usize::MAX).map(owned).collect();
    assert_eq!(backwards, sorted.iter().rev().cloned().collect::<Vec<_>>());
    for (rank, (member, score)) in sorted.iter().enumerate() {
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(set.at(rank), Some((&member[..], *score)));
        let mut after = set.after(member, *score);
        assert_eq!(after.len(), sorted.len() - rank - 1);
        assert_eq!(after.next().map(owned).as_ref(), sorted.get(rank + 1));
    }
    // Positions where no entry is.
    for (_, score) in sorted.iter().step_by(97) {
        let is_behind = |(other, at): &&(Vec<u8>, f64)| {
            *at > *score || (*at == *score && other.as_slice() > b"m".as_slice())
        };
        let behind = set.after(b"m", *score).next().map(owned);
        assert_eq!(behind.as_ref(), sorted.iter().find(is_behind));
    }
    assert_eq!(set.at(sorted.len()), None);
    assert_eq!(set.memory(), set.recount());
}

fn member_name(number: u16, shape: u8) -> Vec<u8> {
    match shape % 3 {
        0 => format!("{number}").into_bytes(),
        1 => format!("a member with a longer name {number:05}").into_bytes(),
        _ => number.to_be_bytes().to_vec(),
    }
}

fn score(number: i16) -> f64 {
    match number {
        i16::MAX => f64::INFINITY,
        i16::MIN => f64::NEG_INFINITY,
        -1 => -0.0,
        _ => f64::from(number / 4),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u16, u8, i16),
    Increment(u16, u8, i16),
    Remove(u16, u8),
    PopMin(u8),
    PopMax(u8),
    RemoveRanks(u16, u16),
    RemoveScores(i16, i16, bool, bool),
    Grow(u16, i16),
    Ranges(i16, i16, bool, bool, u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0_u16..3000;
    prop_oneof![
        20 => (number.clone(), any::<u8>(), any::<i16>()).prop_map(|(n, s, x)| Step::Set(n, s, x)),
        5 => (number.clone(), any::<u8>(), -300_i16..300).prop_map(|(n, s, x)| Step::Increment(n, s, x)),
        10 => (number.clone(), any::<u8>()).prop_map(|(n, s)| Step::Remove(n, s)),
        3 => (0_u8..80).prop_map(Step::PopMin),
        3 => (0_u8..80).prop_map(Step::PopMax),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| Step::RemoveRanks(a, b)),
        1 => (any::<i16>(), any::<i16>(), any::<bool>(), any::<bool>())
            .prop_map(|(a, b, c, d)| Step::RemoveScores(a, b, c, d)),
        2 => (number.clone(), any::<i16>()).prop_map(|(n, x)| Step::Grow(n, x)),
        3 => (any::<i16>(), any::<i16>(), any::<bool>(), any::<bool>(), number.clone(), number)
            .prop_map(|(a, b, c, d, e, f)| Step::Ranges(a, b, c, d, e, f)),
    ]
}

fn bound(score: f64, excluded: bool) -> Bound<f64> {
    if excluded {
        Bound::Excluded(score)
    } else {
        Bound::Included(score)
    }
}

fn within(value: f64, min: Bound<f64>, max: Bound<f64>) -> bool {
    use std::ops::RangeBounds;
    (min, max).contains(&value)
}

fn apply(set: &mut SortedSet, model: &mut Model, step: &Step) {
    match *step {
        Step::Set(number, shape, at) => {
            let member = member_name(number, shape);
            assert_eq!(set.set(&member, score(at)), model.0.insert(member, score(at)));
        }
        Step::Increment(number, shape, by) => {
            let (member, by) = (member_name(number, shape), f64::from(by));
            let now = model.0.get(&member).copied().unwrap_or(0.0) + by;
            let change = set.change(&member, |score| Some(score.unwrap_or(0.0) + by));
            assert_eq!(change.after, Some(now));
            model.0.insert(member, now);
        }
        Step::Remove(number, shape) => {
            let member = member_name(number, shape);
            assert_eq!(set.remove(&member), model.0.remove(&member));
        }
        Step::PopMin(count) => {
            for (member, score) in model.sorted().into_iter().take(count.into()) {
                assert_eq!(set.pop_min(), Some((member.clone().into(), score)));
                model.0.remove(&member);
            }
        }
        Step::PopMax(count) => {
            for (member, score) in model.sorted().into_iter().rev().take(count.into()) {
                assert_eq!(set.pop_max(), Some((member.clone().into(), score)));
                model.0.remove(&member);
            }
        }
        Step::RemoveRanks(start, end) => {
            let range = usize::from(start)..usize::from(end);
            let gone: Vec<_> = model
                .sorted()
                .into_iter()
                .skip(range.start)
                .take(range.len())
                .collect();
            assert_eq!(set.remove_ranks(range), gone.len());
            for (member, _) in &gone {
                model.0.remove(member);
            }
        }
        Step::RemoveScores(min, max, min_excluded, max_excluded) => {
            let (min, max) = (bound(score(min), min_excluded), bound(score(max), max_excluded));
            let before = model.0.len();
            model.0.retain(|_, score| !within(*score, min, max));
            assert_eq!(
                set.remove_ranks(set.ranks_by_score(min, max)),
                before - model.0.len()
            );
        }
        Step::Grow(count, from) => {
            for number in 0..count {
                let (member, score) = (member_name(number, 0), f64::from(from) + f64::from(number));
                assert_eq!(set.set(&member, score), model.0.insert(member, score));
            }
        }
        Step::Ranges(min, max, min_excluded, max_excluded, start, end) => {
            let (min, max) = (bound(score(min), min_excluded), bound(score(max), max_excluded));
            let sorted = model.sorted();
            let expected: Vec<_> = sorted
                .iter()
                .filter(|(_, score)| within(*score, min, max))
                .cloned()
                .collect();
            let ranks = set.ranks_by_score(min, max);
            assert_eq!(ranks.len(), expected.len());
            assert_eq!(set.range(ranks.clone()).map(owned).collect::<Vec<_>>(), expected);
            let reversed: Vec<_> = expected.into_iter().rev().collect();
            assert_eq!(
                set.range_backwards(ranks).map(owned).collect::<Vec<_>>(),
                reversed
            );
            let range = usize::from(start)..usize::from(end);
            let expected: Vec<_> = sorted.into_iter().skip(range.start).take(range.len()).collect();
            assert_eq!(set.range(range).map(owned).collect::<Vec<_>>(), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_changes_gives_what_the_model_gives(steps in prop::collection::vec(step(), 1..120)) {
        let (mut set, mut model) = (SortedSet::new(true), Model::default());
        for (number, step) in steps.iter().enumerate() {
            apply(&mut set, &mut model, step);
            if number % 16 == 0 {
                check(&set, &model);
            }
        }
        check(&set, &model);
        check(&set.clone(), &model);
    }

    #[test]
    fn what_changed_is_named(before in 0_u16..600, steps in prop::collection::vec(step(), 0..12)) {
        let (mut set, mut model) = (SortedSet::new(true), Model::default());
        apply(&mut set, &mut model, &Step::Grow(before, 0));
        set.take_dirt();
        let (old, was_small) = (model.0.clone(), matches!(set.form, super::Form::Packed(_)));
        for step in &steps {
            apply(&mut set, &mut model, step);
        }
        match set.take_dirt() {
            Dirt::Whole => prop_assert!(was_small),
            Dirt::Parts(names) => {
                let named: HashSet<_> = names.iter().map(|name| name.to_vec()).collect();
                prop_assert_eq!(named.len(), names.len());
                for member in old.keys().chain(model.0.keys()) {
                    let changed = old.get(member) != model.0.get(member);
                    prop_assert!(!changed || named.contains(member));
                }
            }
        }
        if !matches!(set.form, super::Form::Packed(_)) {
            prop_assert_eq!(set.take_dirt(), Dirt::Parts(Vec::new()));
        }
    }

    #[test]
    fn ranges_by_member_hold_the_members_between(
        numbers in prop::collection::hash_set(0_u16..2000, 0..600),
        min in 0_u16..2000, max in 0_u16..2000, min_shape in 0_u8..4, max_shape in 0_u8..4,
    ) {
        let mut set = SortedSet::new(false);
        numbers.iter().for_each(|number| { set.set(&number.to_be_bytes(), 0.0); });
        let (min, max) = (min.to_be_bytes(), max.to_be_bytes());
        let shaped = |shape, bytes| match shape {
            0 => LexBound::Lowest,
            1 => LexBound::Highest,
            2 => LexBound::Included(bytes),
            _ => LexBound::Excluded(bytes),
        };
        let (lower, upper) = (shaped(min_shape, &min[..]), shaped(max_shape, &max[..]));
        let mut expected: Vec<_> = numbers.iter().map(|number| number.to_be_bytes().to_vec()).filter(|member| {
            let above = match lower {
                LexBound::Lowest => true,
                LexBound::Highest => false,
                LexBound::Included(bytes) => &member[..] >= bytes,
                LexBound::Excluded(bytes) => &member[..] > bytes,
            };
            above && match upper {
                LexBound::Lowest => false,
                LexBound::Highest => true,
                LexBound::Included(bytes) => &member[..] <= bytes,
                LexBound::Excluded(bytes) => &member[..] < bytes,
            }
        }).collect();
        expected.sort();
        let ranks = set.ranks_by_member(lower, upper);
        prop_assert_eq!(set.range(ranks).map(|(member, _)| member.to_vec()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_scan_meets_every_member_that_stays(keep in 1_u16..40, count in 1_usize..50, seed in any::<u64>()) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut set = SortedSet::new(false);
        for number in 0..3000_u16 {
            set.set(&number.to_be_bytes(), f64::from(random.u16(..)));
        }
        let (mut cursor, mut met) = (0, HashSet::new());
        loop {
            cursor = set.scan(cursor, count, |member, _| { met.insert(member.to_vec()); });
            if cursor == 0 {
                break;
            }
            // Removals move entries, additions take any slot.
            for _ in 0..count {
                let number = random.u16(0..3000);
                if !number.is_multiple_of(keep) {
                    set.remove(&number.to_be_bytes());
                }
            }
            set.set(&random.u16(5000..).to_be_bytes(), 1.0);
        }
        for number in (0..3000_u16).filter(|number| number.is_multiple_of(keep)) {
            prop_assert!(met.contains(&number.to_be_bytes()[..]));
        }
        prop_assert_eq!(set.memory(), set.recount());
    }
}

#[test]
fn a_set_of_many_shards_shrinks_to_nothing_in_any_order() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut set = SortedSet::new(false);
    let mut numbers: Vec<u32> = (0..100_000).collect();
    random.shuffle(&mut numbers);
    for number in &numbers {
        set.set(&number.to_le_bytes(), f64::from(number % 1000));
    }
    assert_eq!(set.memory(), set.recount());
    let full = set.memory();
    assert!(
        full / numbers.len() <= 64 + 4,
        "{} bytes a member",
        full / numbers.len()
    );
    random.shuffle(&mut numbers);
    for (done, number) in numbers.iter().enumerate() {
        assert_eq!(set.remove(&number.to_le_bytes()), Some(f64::from(number % 1000)));
        if done % 10_007 == 0 {
            assert_eq!(set.memory(), set.recount());
        }
    }
    assert!(set.is_empty());
    assert!(set.memory() < full / 50, "{} bytes held by nothing", set.memory());
}

#[test]
fn memory_follows_a_set_that_shrinks_to_scattered_members() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut set = SortedSet::new(false);
    let mut numbers: Vec<u32> = (0..50_000).collect();
    for number in &numbers {
        set.set(&number.to_le_bytes(), f64::from(*number));
    }
    random.shuffle(&mut numbers);
    for number in numbers.iter().skip(1000) {
        set.remove(&number.to_le_bytes());
    }
    assert_eq!(set.len(), 1000);
    assert!(set.memory() < 250_000, "{}", set.memory());
    for number in numbers.iter().take(1000) {
        assert_eq!(set.score(&number.to_le_bytes()), Some(f64::from(*number)));
    }
}

#[test]
fn the_encoding_named_is_the_one_redis_would_have() {
    let mut set = SortedSet::new(false);
    for number in 0..128_u8 {
        set.set(&[number; 64], 0.0);
    }
    assert_eq!(set.encoding(), "listpack");
    set.set(b"one more", 0.0);
    assert_eq!(set.encoding(), "skiplist");
    set.remove_ranks(0..129);
    assert_eq!(set.encoding(), "skiplist");
    let mut set = SortedSet::new(false);
    set.set(&[0; 65], 0.0);
    assert_eq!(set.encoding(), "skiplist");
}

#[test]
fn a_negative_zero_equals_zero_and_keeps_its_sign_where_redis_keeps_it() {
    for others in [0, 200_u8] {
        let mut set = SortedSet::new(false);
        for number in 0..others {
            set.set(&[b'x', number], 1.0);
        }
        set.set(b"b", 0.0);
        set.set(b"a", -0.0);
        set.set(b"b", -0.0);
        let front: Vec<_> = set
            .range(0..2)
            .map(|(member, score)| (member.to_vec(), score.to_bits()))
            .collect();
        let written = if others == 0 { 0.0 } else { -0.0_f64 };
        assert_eq!(front, [(b"a".to_vec(), written.to_bits()), (b"b".to_vec(), 0)]);
    }
}
