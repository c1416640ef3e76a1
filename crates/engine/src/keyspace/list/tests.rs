//! The list against a plain deque, its parts against a pretended journal.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::index::Whereabouts;
use super::{ChunkId, List};
use crate::keyspace::dirt::Dirt;

#[derive(Debug, Clone)]
enum Step {
    PushFront(Vec<u8>),
    PushBack(Vec<u8>),
    PushMany(u16, bool),
    PopFront,
    PopBack,
    PopMany(u8, bool),
    Set(usize, Vec<u8>),
    InsertBefore(Vec<u8>, Vec<u8>),
    InsertAfter(Vec<u8>, Vec<u8>),
    InsertOften(usize, u8),
    Remove(i64, Vec<u8>),
    Trim(u8, u8),
    Positions(Vec<u8>, i64, usize, usize),
    BuildIndex,
    DropIndex,
    Write,
    CopyList,
}

/// Few values, so that they meet again; some long, some empty.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0_u16..40).prop_map(|number| number.to_string().into_bytes()),
        3 => (0_u16..2000).prop_map(|number| number.to_string().into_bytes()),
        1 => Just(Vec::new()),
        1 => (0_u8..4, 120_usize..140).prop_map(|(byte, len)| vec![byte; len]),
        1 => (0_u8..3, prop_oneof![Just(3000_usize), Just(8187), Just(8190), Just(20_000)])
            .prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => value().prop_map(Step::PushFront),
        4 => value().prop_map(Step::PushBack),
        3 => (0_u16..700, any::<bool>()).prop_map(|(count, front)| Step::PushMany(count, front)),
        2 => Just(Step::PopFront),
        2 => Just(Step::PopBack),
        2 => (0_u8..200, any::<bool>()).prop_map(|(count, front)| Step::PopMany(count, front)),
        4 => (any::<usize>(), value()).prop_map(|(index, value)| Step::Set(index, value)),
        3 => (value(), value()).prop_map(|(pivot, value)| Step::InsertBefore(pivot, value)),
        3 => (value(), value()).prop_map(|(pivot, value)| Step::InsertAfter(pivot, value)),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(index, count)| Step::InsertOften(index, count)),
        6 => (-20_i64..20, value()).prop_map(|(count, value)| Step::Remove(count, value)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(before, behind)| Step::Trim(before, behind)),
        4 => (value(), -6_i64..6, 0_usize..5, prop_oneof![Just(0_usize), 0_usize..400])
            .prop_map(|(value, rank, count, len)| Step::Positions(value, if rank == 0 { 1 } else { rank }, count, len)),
        2 => Just(Step::BuildIndex),
        1 => Just(Step::DropIndex),
        3 => Just(Step::Write),
        1 => Just(Step::CopyList),
    ]
}

/// What a journal would hold.
enum Written {
    Small(Vec<Vec<u8>>),
    Parted(BTreeMap<ChunkId, Vec<Vec<u8>>>),
}

impl Written {
    fn write(&mut self, list: &mut List) {
        match list.take_dirt() {
            Dirt::Whole if list.is_parted() => {
                *self = Self::Parted(
                    list.parts()
                        .map(|part| (part.id(), part.items().map(<[u8]>::to_vec).collect()))
                        .collect(),
                );
            }
            Dirt::Whole => *self = Self::Small(list.iter().map(<[u8]>::to_vec).collect()),
            Dirt::Parts(names) => {
                let mut once = names.clone();
                once.sort();
                once.dedup();
                assert_eq!(once.len(), names.len(), "a part is named once");
                for name in names {
                    let Self::Parted(parts) = self else {
                        panic!("parts of a small list")
                    };
                    match list.part(name) {
                        Some(part) => parts.insert(name, part.items().map(<[u8]>::to_vec).collect()),
                        None => parts.remove(&name),
                    };
                }
            }
        }
    }

    fn read(&self) -> List {
        match self {
            Self::Small(items) => {
                let mut list = List::new(true);
                items.iter().for_each(|item| list.push_back(item));
                list
            }
            Self::Parted(parts) => {
                let mut list = List::new(false);
                // Not in their order, and some of them twice.
                for (id, items) in parts.iter().rev().chain(parts) {
                    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
                    assert!(list.load_chunk(*id, &items));
                }
                list.loaded(true);
                assert_eq!(list.memory(), list.recount());
                list
            }
        }
    }
}

fn check(list: &List, model: &VecDeque<Vec<u8>>) {
    assert_eq!(list.len(), model.len());
    assert!(list.iter().eq(model.iter().map(Vec::as_slice)));
    assert_eq!(list.memory(), list.recount());
    assert_eq!(list.front(), model.front().map(Vec::as_slice));
    assert_eq!(list.back(), model.back().map(Vec::as_slice));
    let names: Vec<_> = list.parts().map(super::parts::Part::id).collect();
    assert!(
        names.is_sorted_by(|one, next| one < next),
        "names ascend: {names:?}"
    );
    assert_eq!(list.last_part(), names.last().copied());
    assert_eq!(list.parts_after(None).count(), names.len());
    for (index, name) in names.iter().enumerate() {
        let next = list.parts_after(Some(*name)).next().map(super::parts::Part::id);
        assert_eq!(next, names.get(index + 1).copied());
        let before = ChunkId(name.0 - 1);
        assert_eq!(
            list.parts_after(Some(before)).next().map(super::parts::Part::id),
            Some(*name)
        );
    }
    for chunk in list.sequence.iter() {
        assert!(!chunk.is_empty() && chunk.iter().count() == chunk.count() && chunk.count() <= 128);
        assert!(chunk.iter().rev().count() == chunk.count());
        assert!(chunk.room > chunk.id.0);
    }
}

/// Every item is known to the index, and nothing else.
fn check_index(list: &mut List) {
    let items: Vec<_> = list
        .parts()
        .flat_map(|part| part.items().map(move |item| (item.to_vec(), part.id())))
        .collect();
    let Some(index) = &mut list.index else { return };
    let mut by_value: BTreeMap<Vec<u8>, Vec<ChunkId>> = BTreeMap::new();
    items
        .into_iter()
        .for_each(|(item, chunk)| by_value.entry(item).or_default().push(chunk));
    for (item, mut chunks) in by_value {
        match index.whereabouts(&item) {
            Whereabouts::Counted(count) => assert!(count >= chunks.len()),
            Whereabouts::Chunks(mut found) => {
                found.sort();
                chunks.sort();
                chunks.dedup();
                assert!(chunks.iter().all(|chunk| found.contains(chunk)));
            }
        }
    }
    assert!(matches!(index.whereabouts(b"never there"), Whereabouts::Chunks(chunks) if chunks.is_empty()));
}

fn model_positions(
    model: &VecDeque<Vec<u8>>,
    value: &[u8],
    rank: i64,
    count: usize,
    max_len: usize,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..model.len()).collect();
    if rank < 0 {
        order.reverse();
    }
    order.truncate(if max_len == 0 { usize::MAX } else { max_len });
    let matches = order.into_iter().filter(|index| model[*index] == value);
    matches
        .skip(rank.unsigned_abs() as usize - 1)
        .take(if count == 0 { usize::MAX } else { count })
        .collect()
}

fn model_remove(model: &mut VecDeque<Vec<u8>>, count: i64, value: &[u8]) -> usize {
    let rank = if count < 0 { -1 } else { 1 };
    let mut doomed = model_positions(model, value, rank, count.unsigned_abs() as usize, 0);
    doomed.sort_unstable();
    for index in doomed.iter().rev() {
        model.remove(*index);
    }
    doomed.len()
}

fn apply(list: &mut List, model: &mut VecDeque<Vec<u8>>, written: &mut Written, step: Step) {
    match step {
        Step::PushFront(value) => {
            list.push_front(&value);
            model.push_front(value);
        }
        Step::PushBack(value) => {
            list.push_back(&value);
            model.push_back(value);
        }
        Step::PushMany(count, front) => {
            for number in 0..count {
                let step = if front { Step::PushFront } else { Step::PushBack };
                apply(list, model, written, step(number.to_string().into_bytes()));
            }
        }
        Step::PopFront => assert_eq!(list.pop_front(), model.pop_front()),
        Step::PopBack => assert_eq!(list.pop_back(), model.pop_back()),
        Step::PopMany(count, front) => {
            for _ in 0..count {
                apply(
                    list,
                    model,
                    written,
                    if front { Step::PopFront } else { Step::PopBack },
                );
            }
        }
        Step::Set(index, value) => {
            let index = if model.is_empty() {
                index
            } else {
                index % (model.len() + 1)
            };
            assert_eq!(list.set(index, &value), index < model.len());
            if let Some(item) = model.get_mut(index) {
                *item = value;
                assert_eq!(list.get(index), model.get(index).map(Vec::as_slice));
            }
        }
        Step::InsertBefore(pivot, value) => {
            let found = model.iter().position(|item| *item == pivot);
            assert_eq!(list.insert_before(&pivot, &value), found.is_some());
            found
                .into_iter()
                .for_each(|index| model.insert(index, value.clone()));
        }
        Step::InsertAfter(pivot, value) => {
            let found = model.iter().position(|item| *item == pivot);
            assert_eq!(list.insert_after(&pivot, &value), found.is_some());
            found
                .into_iter()
                .for_each(|index| model.insert(index + 1, value.clone()));
        }
        Step::InsertOften(index, count) => {
            let Some(pivot) = model.get(index % model.len().max(1)).cloned() else {
                return;
            };
            for number in 0..count {
                let value = vec![number; usize::from(number) * 9];
                apply(list, model, written, Step::InsertBefore(pivot.clone(), value));
            }
        }
        Step::Remove(count, value) => {
            assert_eq!(list.remove(count, &value), model_remove(model, count, &value));
        }
        Step::Trim(before, behind) => {
            let start = usize::from(before);
            let count = model.len().saturating_sub(start + usize::from(behind));
            list.trim(start, count);
            *model = model.iter().skip(start).take(count).cloned().collect();
        }
        Step::Positions(value, rank, count, max_len) => {
            let expected = model_positions(model, &value, rank, count, max_len);
            assert_eq!(list.positions(&value, rank, count, max_len), expected);
        }
        Step::BuildIndex => list.build_index(),
        Step::DropIndex => list.index = None,
        Step::Write => {
            written.write(list);
            assert!(matches!(list.take_dirt(), Dirt::Parts(parts) if parts.is_empty()));
            check(&written.read(), model);
        }
        Step::CopyList => {
            *list = list.clone();
            *written = Written::Small(Vec::new());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_like_a_deque(steps in prop::collection::vec(step(), 1..80)) {
        let (mut list, mut model) = (List::new(true), VecDeque::new());
        let mut written = Written::Small(Vec::new());
        for step in steps {
            apply(&mut list, &mut model, &mut written, step);
            check(&list, &model);
            check_index(&mut list);
        }
        written.write(&mut list);
        check(&written.read(), &model);
        for start in [0, 1, model.len() / 3, model.len().saturating_sub(2)] {
            let some: Vec<_> = list.range(start, 300).collect();
            let expected: Vec<_> = model.iter().skip(start).take(300).map(Vec::as_slice).collect();
            prop_assert_eq!(some, expected);
        }
        for (index, item) in model.iter().enumerate() {
            prop_assert_eq!(list.get(index), Some(item.as_slice()));
        }
    }
}

fn numbers(count: usize) -> List {
    let mut list = List::new(true);
    (0..count).for_each(|number| list.push_back(number.to_string().as_bytes()));
    list
}

#[test]
fn an_index_appears_when_a_long_list_is_searched_and_goes_when_nobody_asks() {
    let mut list = numbers(2000);
    for number in 0..10 {
        assert_eq!(list.remove(0, (1000 + number).to_string().as_bytes()), 1);
    }
    assert!(list.index.is_some());
    for _ in 0..10_000 {
        let item = list.pop_front().unwrap();
        list.push_back(&item);
    }
    assert!(list.index.is_none());
}

#[test]
fn an_index_goes_when_the_list_becomes_short() {
    let mut list = numbers(2000);
    list.build_index();
    for number in 0..1800 {
        assert_eq!(list.remove(1, number.to_string().as_bytes()), 1);
    }
    assert!(list.index.is_none());
}

#[test]
fn a_value_that_became_rare_is_listed_again() {
    let mut list = numbers(3000);
    (0..40).for_each(|_| list.push_front(b"common"));
    list.build_index();
    assert_eq!(list.remove(-35, b"common"), 35);
    assert_eq!(list.positions(b"common", 1, 0, 0), [0, 1, 2, 3, 4]);
    let index = list.index.as_mut().unwrap();
    assert!(matches!(index.whereabouts(b"common"), Whereabouts::Chunks(chunks) if chunks.len() == 1));
}

#[test]
fn a_small_list_is_written_whole_and_a_long_one_by_chunk() {
    let mut list = numbers(100);
    assert_eq!(list.take_dirt(), Dirt::Whole);
    list.push_back(b"more");
    assert_eq!(list.take_dirt(), Dirt::Whole);
    assert!(!list.is_parted());
    (0..100).for_each(|_| list.push_back(b"more"));
    assert_eq!(list.take_dirt(), Dirt::Whole);
    assert!(list.is_parted());
    list.push_back(b"more");
    list.push_back(b"more");
    assert_eq!(list.take_dirt(), Dirt::Parts(vec![ChunkId(1 << 24)]));
    (0..150).for_each(|_| drop(list.pop_front()));
    assert_eq!(list.take_dirt(), Dirt::Parts(vec![ChunkId(0), ChunkId(1 << 24)]));
    assert!(list.part(ChunkId(0)).is_none());
}

#[test]
fn an_untracked_list_remembers_nothing() {
    let mut list = List::new(false);
    (0..1000).for_each(|_| list.push_front(b"item"));
    assert_eq!(list.take_dirt(), Dirt::Parts(Vec::new()));
}

#[test]
fn chunks_are_named_anew_when_no_number_is_left_between_two() {
    let mut list = numbers(300);
    list.take_dirt();
    let mut renamed = false;
    // Chunks of one item each, always right behind the same one.
    for number in 0..100_u8 {
        assert!(list.insert_after(b"100", &vec![number; 9000]));
        renamed |= list.take_dirt() == Dirt::Whole;
    }
    assert!(renamed);
    let expected: Vec<_> = (0..100).rev().collect();
    assert!(list.range(101, 100).map(|item| item[0]).eq(expected));
    check(&list, &list.iter().map(<[u8]>::to_vec).collect());
}

#[test]
fn an_item_finds_its_place_among_very_many_chunks() {
    let mut list = numbers(40_000);
    let mut model: VecDeque<_> = list.iter().map(<[u8]>::to_vec).collect();
    // From the back, so that the positions in the model stay what they are.
    for number in (7..40_000).rev().step_by(77) {
        let pivot = number.to_string().into_bytes();
        assert!(list.insert_before(&pivot, b"new"));
        model.insert(number, b"new".to_vec());
    }
    check(&list, &model);
    assert!((0..model.len()).all(|index| list.get(index) == model.get(index).map(Vec::as_slice)));
    // And back again: chunks are joined and segments with them.
    assert_eq!(list.remove(0, b"new"), 520);
    for number in 0..40_000 {
        if number % 50 > 0 {
            assert_eq!(list.remove(1, number.to_string().as_bytes()), 1);
        }
    }
    let rest = (0..40_000)
        .step_by(50)
        .map(|number| number.to_string().into_bytes())
        .collect();
    check(&list, &rest);
    check_index(&mut list);
}

#[test]
fn names_are_not_used_twice() {
    let mut list = numbers(300);
    let mut seen: Vec<ChunkId> = Vec::new();
    for _ in 0..10 {
        assert!(list.insert_after(b"100", &[1; 9000]));
        let name = list
            .sequence
            .get(list.sequence.locate(101).unwrap().0)
            .unwrap()
            .id;
        assert!(!seen.contains(&name));
        seen.push(name);
        assert_eq!(list.remove(1, &[1; 9000]), 1);
    }
}

#[test]
fn a_chunk_of_no_items_or_of_too_many_is_refused() {
    let mut list = List::new(false);
    assert!(!list.load_chunk(ChunkId(0), &[]));
    assert!(!list.load_chunk(ChunkId(0), &[b"x".as_slice(); 129]));
    assert!(list.load_chunk(ChunkId(i64::MAX), &[b"x".as_slice(); 128]));
    assert!(list.load_chunk(ChunkId(i64::MIN), &[b""]));
    list.loaded(true);
    list.push_back(b"last");
    list.push_front(b"first");
    assert_eq!(list.len(), 131);
    assert!(list.parts().map(|part| part.id().0).is_sorted());
}

#[test]
fn a_list_just_read_is_clean_and_gives_new_names() {
    let mut list = List::new(false);
    for id in [7, -3, 40] {
        list.load_chunk(ChunkId(id), &[b"x".as_slice(); 128]);
    }
    list.load_gone(ChunkId(40));
    list.loaded(true);
    assert_eq!(list.take_dirt(), Dirt::Parts(Vec::new()));
    list.push_back(b"y");
    let Dirt::Parts(parts) = list.take_dirt() else {
        panic!("one chunk is new")
    };
    assert!(parts.len() == 1 && parts[0] > ChunkId(40), "{parts:?}");
}
