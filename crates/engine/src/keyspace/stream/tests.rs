//! The stream against a naive model: a sorted map of entries, and groups that are plain maps.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::consumer::ConsumerId;
use super::*;

type Fields = Vec<Vec<u8>>;
type Model = BTreeMap<StreamId, Fields>;

#[derive(Clone, Debug)]
enum Step {
    Append {
        ahead: u64,
        sequence: u64,
        fields: Fields,
    },
    Delete(usize),
    Trim {
        keep: usize,
        by_id: bool,
        approximate: bool,
        limit: u64,
    },
    Take,
}

fn fields() -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        4 => Just(b"event".to_vec()),
        2 => Just(b"job".to_vec()),
        1 => vec(any::<u8>(), 0..70)
    ];
    let value = prop_oneof![
        4 => (0_u32..100_000).prop_map(|number| number.to_string().into_bytes()),
        2 => vec(any::<u8>(), 0..40),
        1 => vec(any::<u8>(), 0..5000),
    ];
    vec((name, value), 1..4).prop_map(|pairs| {
        pairs
            .into_iter()
            .flat_map(|(name, value)| [name, value])
            .collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (prop_oneof![Just(0), 1_u64..5], 0_u64..3, fields())
            .prop_map(|(ahead, sequence, fields)| Step::Append { ahead, sequence, fields }),
        6 => any::<usize>().prop_map(Step::Delete),
        1 => (0_usize..200, any::<bool>(), any::<bool>(), prop_oneof![Just(0), 1_u64..150])
            .prop_map(|(keep, by_id, approximate, limit)| Step::Trim { keep, by_id, approximate, limit }),
        1 => Just(Step::Take),
    ]
}

fn listed<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<(StreamId, Fields)> {
    let list = |entry: Entry<'a>| {
        let fields: Fields = entry
            .fields()
            .flat_map(|(name, value)| [name.to_vec(), value.to_vec()])
            .collect();
        assert_eq!(fields.len(), 2 * entry.field_count());
        (entry.id(), fields)
    };
    entries.map(list).collect()
}

fn of_model(model: &Model) -> Vec<(StreamId, Fields)> {
    model.iter().map(|(id, fields)| (*id, fields.clone())).collect()
}

/// What somebody knows who only ever writes the parts that `take_dirt` names.
#[derive(Default)]
struct Written(Model, StreamMeta);

impl Written {
    fn write(&mut self, stream: &mut Stream) {
        match stream.take_dirt() {
            Dirt::Whole => {
                let entries = listed(stream.log().range(StreamId::MIN, StreamId::MAX));
                *self = Self(entries.into_iter().collect(), stream.log().meta());
            }
            Dirt::Parts(parts) => parts.iter().for_each(|part| self.write_part(stream, part)),
        }
    }

    fn write_part(&mut self, stream: &Stream, part: &StreamPart) {
        match part {
            StreamPart::GoneUpTo(gone) => self.0.retain(|id, _| id > gone),
            StreamPart::Entry(id) => {
                let _ = self.0.remove(id);
                self.0.extend(listed(stream.log().get(*id).into_iter()));
            }
            StreamPart::Meta => self.1 = stream.log().meta(),
            part => panic!("no groups here: {part:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_stream_behaves_as_a_sorted_map(steps in vec(step(), 1..600)) {
        let mut stream = Stream::new(true);
        let mut model = Model::new();
        let mut meta = StreamMeta::default();
        let mut written = Written::default();
        for step in steps {
            match step {
                Step::Append { ahead, sequence, fields } => {
                    let id = StreamId::new(meta.last_id.milliseconds + ahead, sequence);
                    let is_new = id > meta.last_id;
                    prop_assert_eq!(stream.append(id, &fields), is_new);
                    if is_new {
                        model.insert(id, fields);
                        meta.last_id = id;
                        meta.entries_added += 1;
                    }
                }
                Step::Delete(index) => {
                    let id = model.keys().nth(index % model.len().max(1)).copied();
                    let id = id.unwrap_or(StreamId::new(3, 3));
                    let there = model.remove(&id).is_some();
                    prop_assert_eq!(stream.delete(id), there);
                    prop_assert!(!stream.delete(id));
                    if there {
                        meta.max_deleted = meta.max_deleted.max(id);
                    }
                }
                Step::Trim { keep, by_id, approximate, limit } => {
                    let least = model.keys().nth(keep).copied().unwrap_or(StreamId::MAX);
                    let keep = if by_id { Keep::From(least) } else { Keep::Newest(keep as u64) };
                    let before = model.len();
                    let limit = if approximate { limit } else { 0 };
                    let dropped = stream.trim(&Trim { keep, approximate, limit });
                    prop_assert!(limit == 0 || dropped <= limit);
                    model = model.into_iter().skip(dropped as usize).collect();
                    let asked: usize = match keep {
                        Keep::Newest(length) => before.saturating_sub(length as usize),
                        Keep::From(least) => before - model.range(least..).count(),
                    };
                    if approximate {
                        prop_assert!(dropped <= asked as u64);
                    } else {
                        prop_assert_eq!(dropped, asked as u64);
                    }
                }
                Step::Take => written.write(&mut stream),
            }
            prop_assert_eq!(stream.len(), model.len());
            prop_assert_eq!(stream.log().meta(), meta);
            prop_assert_eq!(stream.log().first_id(), model.keys().next().copied().unwrap_or_default());
            prop_assert_eq!(stream.log().last_living_id(), model.keys().last().copied().unwrap_or_default());
        }
        prop_assert_eq!(stream.memory(), stream.recount());
        prop_assert_eq!(listed(stream.log().range(StreamId::MIN, StreamId::MAX)), of_model(&model));
        for id in model.keys().copied().step_by(17).chain([StreamId::MIN, StreamId::MAX]) {
            let upwards: Model = model.range(id..).map(|(id, fields)| (*id, fields.clone())).collect();
            prop_assert_eq!(listed(stream.log().range(id, StreamId::MAX)), of_model(&upwards));
            let mut downwards: Vec<_> = of_model(&model);
            downwards.retain(|(other, _)| *other <= id);
            downwards.reverse();
            prop_assert_eq!(listed(stream.log().range_reversed(StreamId::MIN, id)), downwards);
            prop_assert_eq!(stream.log().contains(id), model.contains_key(&id));
            prop_assert_eq!(
                listed(stream.log().after(id)).first().map(|(id, _)| *id),
                model.range(id..).map(|(id, _)| *id).find(|other| *other > id)
            );
        }
        written.write(&mut stream);
        prop_assert_eq!(&written.0, &model);
        prop_assert_eq!(written.1, meta);
        prop_assert_eq!(stream.take_dirt(), Dirt::Parts(Vec::new()));
    }
}

#[derive(Clone, Debug)]
enum GroupStep {
    Create(u8),
    Destroy(u8),
    Deliver { group: u8, consumer: u8, id: u64 },
    Acknowledge { group: u8, id: u64 },
    DeleteConsumer { group: u8, consumer: u8 },
    Move { group: u8, id: u64 },
    Take,
}

fn group_step() -> impl Strategy<Value = GroupStep> {
    let group = 0_u8..3;
    let consumer = 0_u8..4;
    let id = 1_u64..60;
    prop_oneof![
        2 => group.clone().prop_map(GroupStep::Create),
        1 => group.clone().prop_map(GroupStep::Destroy),
        20 => (group.clone(), consumer.clone(), id.clone())
            .prop_map(|(group, consumer, id)| GroupStep::Deliver { group, consumer, id }),
        10 => (group.clone(), id.clone()).prop_map(|(group, id)| GroupStep::Acknowledge { group, id }),
        2 => (group.clone(), consumer).prop_map(|(group, consumer)| GroupStep::DeleteConsumer { group, consumer }),
        1 => (group, id).prop_map(|(group, id)| GroupStep::Move { group, id }),
        1 => Just(GroupStep::Take),
    ]
}

/// Position, consumers, and for each pending id its owner and the count of deliveries.
#[derive(Clone, Debug, Default, PartialEq)]
struct GroupModel(StreamId, BTreeSet<Vec<u8>>, BTreeMap<StreamId, (Vec<u8>, u64)>);

fn group_seen(group: &Group) -> GroupModel {
    let name = |consumer: ConsumerId| group.consumers().get(consumer).unwrap().name().to_vec();
    let pending = group
        .pending_range(StreamId::MIN, StreamId::MAX)
        .map(|(id, pending)| (id, (name(pending.consumer), pending.deliveries)));
    let consumers = group.consumers().iter().map(|consumer| consumer.name().to_vec());
    GroupModel(group.last_delivered(), consumers.collect(), pending.collect())
}

fn write_groups(written: &mut BTreeMap<Vec<u8>, GroupModel>, stream: &mut Stream) {
    let parts = match stream.take_dirt() {
        Dirt::Whole => {
            *written = stream
                .groups()
                .iter()
                .map(|(name, group)| (name.to_vec(), group_seen(group)))
                .collect();
            return;
        }
        Dirt::Parts(parts) => parts,
    };
    for part in parts {
        match part {
            StreamPart::Group(name) => {
                written.remove(&*name);
                let group = stream.groups().get(&name);
                written.extend(group.map(|group| (name.to_vec(), group_seen(group))));
            }
            StreamPart::GroupMeta(name) => {
                let seen = group_seen(stream.groups().get(&name).unwrap());
                written.get_mut(&*name).unwrap().0 = seen.0;
            }
            StreamPart::Consumer(name, consumer) => {
                let group = stream.groups().get(&name).unwrap();
                let known = &mut written.get_mut(&*name).unwrap().1;
                if group.consumer(&consumer).is_some() {
                    known.insert(consumer.into());
                } else {
                    known.remove(&*consumer);
                }
            }
            StreamPart::Pending(name, id) => {
                let mut seen = group_seen(stream.groups().get(&name).unwrap());
                let known = &mut written.get_mut(&*name).unwrap().2;
                known.remove(&id);
                known.extend(seen.2.remove_entry(&id));
            }
            part => panic!("no entries here: {part:?}"),
        }
    }
}

fn apply(stream: &mut Stream, model: &mut BTreeMap<Vec<u8>, GroupModel>, step: &GroupStep) {
    let id = |number| StreamId::new(number, 0);
    match *step {
        GroupStep::Create(group) => {
            let created = stream.create_group(&[group], StreamId::MIN, None);
            assert_eq!(created, !model.contains_key(&vec![group]));
            model.entry(vec![group]).or_default();
        }
        GroupStep::Destroy(group) => {
            assert_eq!(
                stream.destroy_group(&[group]),
                model.remove(&vec![group]).is_some()
            );
        }
        GroupStep::Deliver {
            group,
            consumer,
            id: number,
        } => {
            let Some((mut changed, _)) = stream.group_mut(&[group]) else {
                return;
            };
            let owner = changed.seen_consumer(&[consumer], 5);
            let deliveries = changed
                .pending(id(number))
                .map_or(1, |pending| pending.deliveries + 1);
            changed.set_pending(
                id(number),
                Pending {
                    consumer: owner,
                    delivered_at: 5,
                    deliveries,
                },
            );
            let known = model.get_mut(&vec![group]).unwrap();
            known.1.insert(vec![consumer]);
            known.2.insert(id(number), (vec![consumer], deliveries));
        }
        GroupStep::Acknowledge { group, id: number } => {
            let Some((mut changed, _)) = stream.group_mut(&[group]) else {
                return;
            };
            let was = changed.acknowledge(id(number));
            assert_eq!(
                was,
                model
                    .get_mut(&vec![group])
                    .unwrap()
                    .2
                    .remove(&id(number))
                    .is_some()
            );
        }
        GroupStep::DeleteConsumer { group, consumer } => {
            let Some((mut changed, _)) = stream.group_mut(&[group]) else {
                return;
            };
            let known = model.get_mut(&vec![group]).unwrap();
            let held = known.2.len();
            known.2.retain(|_, (owner, _)| *owner != [consumer]);
            let existed = known.1.remove(&vec![consumer]);
            assert_eq!(
                changed.delete_consumer(&[consumer]),
                existed.then_some(held - known.2.len())
            );
        }
        GroupStep::Move { group, id: number } => {
            let Some((mut changed, _)) = stream.group_mut(&[group]) else {
                return;
            };
            changed.set_position(id(number), None);
            model.get_mut(&vec![group]).unwrap().0 = id(number);
        }
        GroupStep::Take => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn groups_behave_as_plain_maps(steps in vec(group_step(), 1..300)) {
        let mut stream = Stream::new(true);
        let mut model = BTreeMap::new();
        let mut written = BTreeMap::new();
        for step in steps {
            if matches!(step, GroupStep::Take) {
                write_groups(&mut written, &mut stream);
                prop_assert_eq!(&written, &model);
            }
            apply(&mut stream, &mut model, &step);
            prop_assert_eq!(stream.memory(), stream.recount());
            prop_assert!(stream.groups().iter().all(|(_, group)| group.owners_agree()));
        }
        let seen: BTreeMap<_, _> =
            stream.groups().iter().map(|(name, group)| (name.to_vec(), group_seen(group))).collect();
        prop_assert_eq!(&seen, &model);
        write_groups(&mut written, &mut stream);
        prop_assert_eq!(&written, &model);
        prop_assert_eq!(stream.take_dirt(), Dirt::Parts(Vec::new()));
    }
}

fn numbered(count: u64) -> Stream {
    let mut stream = Stream::new(false);
    for number in 1..=count {
        assert!(stream.append(StreamId::new(number, 0), &["n", "x"]));
    }
    stream
}

#[test]
fn approximate_trimming_leaves_whole_blocks_of_a_hundred() {
    let mut stream = numbered(1000);
    let trim = Trim {
        keep: Keep::Newest(250),
        approximate: true,
        limit: 0,
    };
    assert_eq!(stream.trim(&trim), 700);
    assert_eq!(stream.log().first_id(), StreamId::new(701, 0));
    assert_eq!(stream.trim(&trim), 0);
    assert_eq!(
        stream.trim(&Trim {
            approximate: false,
            ..trim
        }),
        50
    );
    assert_eq!(stream.log().first_id(), StreamId::new(751, 0));
}

#[test]
fn trimming_is_no_deleting() {
    let mut stream = numbered(10);
    stream.trim(&Trim {
        keep: Keep::From(StreamId::new(5, 0)),
        approximate: false,
        limit: 0,
    });
    assert_eq!(stream.len(), 6);
    assert_eq!(stream.log().meta().max_deleted, StreamId::MIN);
}

#[test]
fn an_untracked_stream_remembers_nothing() {
    let mut stream = numbered(500);
    stream.delete(StreamId::new(7, 0));
    assert_eq!(stream.take_dirt(), Dirt::Parts(Vec::new()));
}

#[test]
fn a_stream_held_at_a_length_remembers_only_what_is_left() {
    let mut stream = Stream::new(true);
    stream.take_dirt();
    for number in 1..=10_000 {
        stream.append(StreamId::new(number, 0), &["n", "x"]);
        stream.trim(&Trim {
            keep: Keep::Newest(10),
            approximate: false,
            limit: 0,
        });
    }
    let Dirt::Parts(parts) = stream.take_dirt() else {
        panic!("changed in parts")
    };
    assert_eq!(parts.len(), 12);
    assert_eq!(parts.first(), Some(&StreamPart::GoneUpTo(StreamId::new(9990, 0))));
}

#[test]
fn ids_that_come_again_after_the_last_id_was_set_back_are_told() {
    let mut stream = Stream::new(true);
    let mut written = Written::default();
    for number in 1..=9 {
        stream.append(StreamId::new(number, 0), &["n", "x"]);
    }
    written.write(&mut stream);
    let all = Trim {
        keep: Keep::Newest(0),
        approximate: false,
        limit: 0,
    };
    stream.trim(&all);
    stream.set_meta(StreamMeta {
        last_id: StreamId::new(2, 0),
        ..stream.log().meta()
    });
    for number in 3..=6 {
        stream.append(StreamId::new(number, 0), &["n", "y"]);
    }
    stream.trim(&Trim {
        keep: Keep::Newest(2),
        ..all
    });
    written.write(&mut stream);
    let held = listed(stream.log().range(StreamId::MIN, StreamId::MAX));
    assert_eq!(held.len(), 2);
    assert_eq!(written.0, held.into_iter().collect());
    assert_eq!(written.1, stream.log().meta());
}

#[test]
fn setting_the_last_id_back_is_told_without_the_entries() {
    let mut stream = Stream::new(true);
    for number in 1..=500 {
        stream.append(StreamId::new(number, 0), &["n", "x"]);
    }
    stream.take_dirt();
    stream.delete(StreamId::new(500, 0));
    stream.set_meta(StreamMeta {
        last_id: StreamId::new(499, 0),
        ..stream.log().meta()
    });
    let expected = vec![StreamPart::Entry(StreamId::new(500, 0)), StreamPart::Meta];
    assert_eq!(stream.take_dirt(), Dirt::Parts(expected));
}

#[test]
fn only_the_consumer_that_was_seen_is_told() {
    let mut stream = Stream::new(true);
    stream.create_group(b"g", StreamId::MIN, None);
    for number in 0..50_u8 {
        let (mut group, _) = stream.group_mut(b"g").unwrap();
        group.seen_consumer(&[number], 1);
    }
    stream.take_dirt();
    stream.group_mut(b"g").unwrap().0.seen_consumer(&[7], 2);
    let seen = StreamPart::Consumer(b"g".as_slice().into(), [7].into());
    assert_eq!(stream.take_dirt(), Dirt::Parts(vec![seen]));
    // Looking at a group changes nothing.
    drop(stream.group_mut(b"g"));
    assert_eq!(stream.take_dirt(), Dirt::Parts(Vec::new()));
}

#[test]
fn repeated_field_names_are_kept_once_a_block() {
    let long = "a field name that nobody would want to keep a hundred times over";
    let mut shared = Stream::new(false);
    let mut single = Stream::new(false);
    for number in 1..=30 {
        shared.append(StreamId::new(number, 0), &[long, "x"]);
        single.append(
            StreamId::new(number, 0),
            &[format!("{long}{number}").as_str(), "x"],
        );
    }
    assert!(
        shared.memory() * 3 < single.memory(),
        "{} {}",
        shared.memory(),
        single.memory()
    );
}
