//! Random contents of a store, and what a store holds in a form that can be compared.

use std::collections::BTreeMap;

use oxherd::{DumpFormat, Transfer};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::scene::Scene;

/// A key's value, made by ordinary commands.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    commands: Vec<Vec<Vec<u8>>>,
    expires_at: Option<i64>,
}

/// Bytes of every sort: words, numbers, no UTF-8, nothing.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z0-9:{}\"\\\\\u{e4}\u{1f402}\n]{0,12}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..12),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        Just(vec![b'x'; 300]),
    ]
}

fn score() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just("inf".to_owned()),
        Just("-inf".to_owned()),
        any::<i32>().prop_map(|number| number.to_string()),
        any::<f64>()
            // Redis keeps the sign of a zero in large sorted sets only.
            .prop_filter("no score", |number| number.is_finite() && *number != 0.0)
            .prop_map(|number| format!("{number:e}")),
    ]
    .prop_map(String::into_bytes)
}

/// A command in which KEY stands for the key.
fn command(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

fn one(
    name: &'static str,
    elements: impl Strategy<Value = Vec<u8>>,
) -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    vec(elements, 1..30).prop_map(move |elements| {
        let mut words = command(&[name.as_bytes(), b"KEY"]);
        words.extend(elements);
        vec![words]
    })
}

fn two(
    name: &'static str,
    elements: impl Strategy<Value = (Vec<u8>, Vec<u8>)>,
) -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    vec(elements, 1..30).prop_map(move |elements| {
        let mut words = command(&[name.as_bytes(), b"KEY"]);
        words.extend(elements.into_iter().flat_map(|(one, other)| [one, other]));
        vec![words]
    })
}

/// Entries, groups that read some, acknowledgements, removals.
fn stream() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    let step = prop_oneof![
        4 => (bytes(), bytes()).prop_map(|(field, value)| command(&[b"XADD", b"KEY", b"*", &field, &value])),
        1 => bytes().prop_map(|name| command(&[b"XGROUP", b"CREATE", b"KEY", &name, b"0"])),
        1 => Just(command(&[b"XGROUP", b"CREATE", b"KEY", b"g", b"$"])),
        3 => (0..3_u8, 1..4_u8).prop_map(|(who, count)| command(&[
            b"XREADGROUP", b"GROUP", b"g", &[b'a' + who], b"COUNT", count.to_string().as_bytes(),
            b"STREAMS", b"KEY", b">",
        ])),
        1 => Just(command(&[b"XREADGROUP", b"GROUP", b"g", b"z", b"NOACK", b"STREAMS", b"KEY", b">"])),
        2 => (0..9_u8).prop_map(|number| command(&[b"XDEL", b"KEY", format!("{number}-0").as_bytes()])),
        1 => (0..9_u8).prop_map(|number| command(&[b"XACK", b"KEY", b"g", format!("{number}-0").as_bytes()])),
        1 => (0..4_u8).prop_map(|most| command(&[b"XTRIM", b"KEY", b"MAXLEN", most.to_string().as_bytes()])),
        1 => Just(command(&[b"XAUTOCLAIM", b"KEY", b"g", b"thief", b"0", b"0", b"COUNT", b"1"])),
    ];
    vec(step, 0..40).prop_map(|steps| {
        let mut commands = vec![command(&[b"XGROUP", b"CREATE", b"KEY", b"g", b"0", b"MKSTREAM"])];
        // Ids that removals can name.
        let mut next = 0;
        commands.extend(steps.into_iter().map(|mut step| {
            if step[0] == b"XADD" {
                next += 1;
                step[2] = format!("{next}-0").into_bytes();
            }
            step
        }));
        commands
    })
}

fn value() -> impl Strategy<Value = Value> {
    let commands = prop_oneof![
        bytes().prop_map(|text| vec![command(&[b"SET", b"KEY", &text])]),
        two("HSET", (bytes(), bytes())),
        one("RPUSH", bytes()),
        one("SADD", bytes()),
        two("ZADD", (score(), bytes())),
        stream(),
    ];
    let expiry = proptest::option::of(4_000_000_000_000_i64..9_000_000_000_000);
    (commands, expiry).prop_map(|(commands, expires_at)| Value { commands, expires_at })
}

/// Keys with values.
pub(crate) fn values() -> impl Strategy<Value = Vec<(Vec<u8>, Value)>> {
    btree_map(bytes(), value(), 0..12).prop_map(|values| values.into_iter().collect())
}

/// Makes the keys in a store.
pub(crate) async fn build(scene: &Scene, values: &[(Vec<u8>, Value)]) {
    for (key, value) in values {
        for words in &value.commands {
            let words: Vec<&[u8]> = words
                .iter()
                .map(|word| {
                    if word == b"KEY" {
                        key.as_slice()
                    } else {
                        word.as_slice()
                    }
                })
                .collect();
            // A group that is there already is refused, which is as good.
            let _ = scene.try_ask::<redis::Value>(&words).await;
        }
        if let Some(at) = value.expires_at {
            let at = at.to_string();
            scene
                .try_ask::<bool>(&[b"PEXPIREAT", key, at.as_bytes()])
                .await
                .unwrap();
        }
    }
}

/// Everything the store holds, key by key, without the order that hashes and sets do not have, and without the time
/// at which entries were delivered, which a copy knows to a few milliseconds.
pub(crate) async fn as_dumped(scene: &Scene) -> BTreeMap<String, String> {
    let mut file = Vec::new();
    let dump = Transfer::new().dump(scene.oxherd.store(), DumpFormat::Jsonl, &mut file);
    let report = dump.await.unwrap();
    assert!(report.is_faithful(), "{report:?}");
    let mut keys = BTreeMap::new();
    for line in String::from_utf8(file).unwrap().lines() {
        let mut line: Json = serde_json::from_str(line).unwrap();
        if line.get("end").is_some() {
            continue;
        }
        match line["type"].as_str().unwrap() {
            "hash" | "set" => line["value"]
                .as_array_mut()
                .unwrap()
                .sort_by_key(ToString::to_string),
            "stream" => {
                for group in line["value"]["groups"].as_array_mut().unwrap() {
                    for pending in group["pending"].as_array_mut().unwrap() {
                        pending[2] = Json::Null;
                    }
                }
            }
            _ => {}
        }
        let key = line["key"].to_string();
        assert!(keys.insert(key, line.to_string()).is_none(), "no key comes twice");
    }
    keys
}
