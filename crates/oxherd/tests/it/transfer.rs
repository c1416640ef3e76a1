//! Whole stores on the move: copied in both directions, dumped and loaded.
//!
//! Next: `transfer/contents.rs` (random contents and their normal form), `transfer/dump.rs` (files),
//! `transfer/queue.rs` (a queue at its new place).

mod contents;
mod dump;
mod queue;

use std::sync::Mutex;

use oxherd::{Error, Transfer, TransferReport};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use self::contents::{Value, as_dumped, build, values};
use crate::scene::{Scene, on_every_store};

pub(crate) async fn copy(from: &Scene, to: &Scene) -> TransferReport {
    let transfer = Transfer::new().copy(from.oxherd.store(), to.oxherd.store());
    let report = transfer.await.unwrap();
    assert!(report.is_faithful(), "{report:?}");
    report
}

/// Another store of the other sort: from Redis to memory and back.
async fn other(scene: &Scene) -> Scene {
    if scene.oxherd.store().engine().is_some() {
        Scene::on_redis().await
    } else {
        Scene::in_memory().await
    }
}

on_every_store! {
    async fn keys_of_every_type_arrive_with_their_expiry(scene: Scene) {
        for command in [
            "SET plain text",
            "SET empty x",
            "SETRANGE zeros 20 x",
            "SET soon v PXAT 9999999999999",
            "RPUSH list a b a",
            "HSET hash f v g w",
            "SADD set 1 2 three",
            "ZADD zset inf last -inf first 0.1 tenth 1e300 huge 1700000000000 when -0 zero",
            "PEXPIREAT zset 8888888888888",
            "XGROUP CREATE bare g 0 MKSTREAM",
            "XADD full 18446744073709551615-18446744073709551615 f v",
            "XGROUP CREATE full g 0",
            "XREADGROUP GROUP g c STREAMS full >",
            "XADD trimmed 5-3 f v",
            "XTRIM trimmed MAXLEN 0",
        ] {
            scene.tell(command).await;
        }
        scene.ask::<redis::Value>(&["SET", "empty", ""]).await;
        let to = other(&scene).await;
        let report = copy(&scene, &to).await;
        assert_eq!(report.written(), 11);
        assert_eq!(report.keys["string"], 4);
        assert_eq!(report.keys["stream"], 3);
        assert_eq!(as_dumped(&to).await, as_dumped(&scene).await);
        assert_eq!(to.contents().await.len(), 11);
        assert_eq!(to.ask::<i64>(&["PEXPIRETIME", "zset"]).await, 8_888_888_888_888);
        assert_eq!(to.ask::<i64>(&["PEXPIRETIME", "list"]).await, -1);
        assert_eq!(to.ask::<String>(&["ZSCORE", "zset", "last"]).await, "inf");
        assert_eq!(to.ask::<String>(&["GETRANGE", "zeros", "0", "-1"]).await.len(), 21);
    }
}

on_every_store! {
    async fn a_stream_arrives_with_groups_and_what_is_pending(scene: Scene) {
        for id in 1..=6 {
            scene.tell(&format!("XADD s {id}-0 n {id}")).await;
        }
        scene.tell("XGROUP CREATE s readers 0").await;
        scene.tell("XGROUP CREATE s late 3-0").await;
        scene.tell("XGROUP CREATECONSUMER s readers idle").await;
        scene.tell("XREADGROUP GROUP readers ann COUNT 3 STREAMS s >").await;
        scene.tell("XREADGROUP GROUP readers bob COUNT 2 STREAMS s >").await;
        scene.tell("XACK s readers 2-0").await;
        scene.tell("XCLAIM s readers bob 0 1-0 TIME 1000 RETRYCOUNT 7 JUSTID").await;
        // Gone, but still pending: one before the first entry that stays, one in between, one behind the last.
        scene.tell("XDEL s 1-0 3-0 5-0 6-0").await;
        scene.tell("XSETID s 9-1 ENTRIESADDED 20 MAXDELETEDID 6-0").await;
        let to = other(&scene).await;
        copy(&scene, &to).await;
        assert_eq!(as_dumped(&to).await, as_dumped(&scene).await);
        for question in ["XINFO STREAM s", "XINFO GROUPS s", "XRANGE s - +"] {
            let words: Vec<&str> = question.split(' ').collect();
            let facts = |value: redis::Value| without(format!("{value:?}"), "radix-tree-nodes");
            assert_eq!(
                facts(to.ask(&words).await),
                facts(scene.ask(&words).await),
                "{question}"
            );
        }
        let pending: Vec<(String, String, u64, u64)> = to.ask(&["XPENDING", "s", "readers", "-", "+", "10"]).await;
        let pending: Vec<_> = pending.into_iter().map(|(id, who, _, count)| (id, who, count)).collect();
        let expected = [("1-0", "bob", 7), ("3-0", "ann", 1), ("4-0", "bob", 1), ("5-0", "bob", 1)];
        assert_eq!(pending, expected.map(|(id, who, count)| (id.to_owned(), who.to_owned(), count)));
        // The copy goes on where the original would.
        let next: String = to.ask(&["XADD", "s", "9-*", "n", "v"]).await;
        assert_eq!(next, "9-2");
    }
}

on_every_store! {
    async fn large_keys_travel_in_pieces(scene: Scene) {
        let long = "x".repeat(100);
        for at in 0..40_u32 {
            let numbers = at * 500..(at + 1) * 500;
            let words = |name: &str, each: &dyn Fn(u32) -> Vec<String>| {
                let mut words = vec![name.to_owned(), name.to_lowercase()];
                words.extend(numbers.clone().flat_map(each));
                words
            };
            let commands = [
                words("RPUSH", &|n| vec![format!("{n}{long}")]),
                words("SADD", &|n| vec![format!("{n}{long}")]),
                words("HSET", &|n| vec![n.to_string(), long.clone()]),
                words("ZADD", &|n| vec![format!("{}.5", n % 7), format!("{n}{long}")]),
            ];
            for command in commands {
                let command: Vec<&str> = command.iter().map(String::as_str).collect();
                scene.ask::<redis::Value>(&command).await;
            }
            for number in numbers {
                scene.tell(&format!("XADD xadd {}-0 n {long}", number + 1)).await;
            }
        }
        let to = other(&scene).await;
        let report = copy(&scene, &to).await;
        assert_eq!(report.written(), 5);
        assert_eq!(as_dumped(&to).await, as_dumped(&scene).await);
        assert_eq!(to.ask::<u64>(&["XLEN", "xadd"]).await, 20_000);
    }
}

on_every_store! {
    async fn only_keys_that_match_are_copied(scene: Scene) {
        scene.tell("MSET bull:q:1 a app:1 b bullet c").await;
        let to = other(&scene).await;
        let transfer = Transfer::new().matching("bull:*").copy(scene.oxherd.store(), to.oxherd.store());
        assert_eq!(transfer.await.unwrap().written(), 1);
        assert_eq!(to.contents().await.into_keys().collect::<Vec<_>>(), ["bull:q:1"]);
    }
}

on_every_store! {
    async fn keys_that_are_there_are_kept_unless_they_may_be_replaced(scene: Scene) {
        scene.tell("MSET a new b new c new").await;
        let to = other(&scene).await;
        to.tell("RPUSH b old").await;
        to.tell("EXPIRE b 1000").await;
        to.tell("SET c old").await;
        to.tell("SET d old").await;
        let before = to.contents().await;
        let (source, target) = (scene.oxherd.store(), to.oxherd.store());
        let error = Transfer::new().copy(source, target).await.unwrap_err();
        assert!(matches!(&error, Error::KeysExist { key, count: 2, .. } if key == "b"), "{error}");
        to.assert_unchanged(&before, "the refused copy").await;

        let report = Transfer::new().with_replacing(true).copy(source, target).await.unwrap();
        assert_eq!(report.written(), 3);
        assert_eq!(to.ask::<String>(&["GET", "b"]).await, "new");
        assert_eq!(to.ask::<i64>(&["PTTL", "b"]).await, -1);
        assert_eq!(to.contents().await.len(), 4);
    }
}

on_every_store! {
    async fn a_store_is_not_copied_onto_itself(scene: Scene) {
        scene.tell("SET a b").await;
        let same = scene.other_process().await;
        for replaces in [false, true] {
            let transfer = Transfer::new().with_replacing(replaces);
            let error = transfer.copy(scene.oxherd.store(), same.store()).await.unwrap_err();
            assert!(matches!(error, Error::SameStore { .. }), "{error}");
        }
        assert_eq!(scene.contents().await.len(), 1);
    }
}

on_every_store! {
    async fn what_changes_in_the_source_meanwhile_is_told(scene: Scene) {
        scene.tell("RPUSH grows a").await;
        scene.tell("SET stays v").await;
        scene.tell("SET goes v").await;
        scene.tell("SET lives v").await;
        scene.tell("XADD log 1-0 f v").await;
        scene.tell("XADD quiet 1-0 f v").await;
        let to = other(&scene).await;
        // The listener is called when all keys have been read, before they are compared.
        let mut is_first = true;
        let handle = tokio::runtime::Handle::current();
        let scene_ref = &scene;
        let transfer = Transfer::new().on_progress(move |_| {
            if !std::mem::replace(&mut is_first, false) {
                return;
            }
            tokio::task::block_in_place(|| handle.block_on(async {
                scene_ref.tell("RPUSH grows b").await;
                scene_ref.tell("DEL goes").await;
                scene_ref.tell("EXPIRE lives 1000").await;
                scene_ref.tell("XADD log 2-0 f v").await;
                scene_ref.tell("XDEL log 1-0").await;
                scene_ref.tell("SET comes v").await;
            }));
        });
        let report = transfer.copy(scene.oxherd.store(), to.oxherd.store()).await.unwrap();
        assert_eq!(report.written(), 6);
        assert!(!report.is_faithful());
        let mut changed: Vec<String> = report.changed.iter().map(|fault| format!("{} {}", fault.key, fault.reason)).collect();
        changed.sort();
        assert_eq!(
            changed,
            ["comes appeared", "goes was removed", "grows was changed", "lives expires at another time", "log was changed"]
        );
    }
}

on_every_store! {
    async fn keys_whose_time_is_over_are_counted_and_no_fault(scene: Scene) {
        let now = scene.ask::<(i64, i64)>(&["TIME"]).await.0 * 1000;
        scene.tell("SET stays v").await;
        let dump = format!(
            "{{\"key\":\"old\",\"type\":\"string\",\"expires_at\":{},\"value\":\"v\"}}\n{{\"end\":1}}\n",
            now - 5000
        );
        let report = Transfer::new().load(dump.as_bytes(), None, scene.oxherd.store()).await.unwrap();
        assert_eq!((report.written(), report.expired), (0, 1));
        assert_eq!(scene.contents().await.into_keys().collect::<Vec<_>>(), ["stays"]);
    }
}

on_every_store! {
    async fn a_target_without_room_holds_whole_keys_only(scene: Scene) {
        let long = "x".repeat(50_000);
        for at in 0..200 {
            scene.tell(&format!("RPUSH large {at}{long}")).await;
        }
        scene.tell("SET little v").await;
        let to = other(&scene).await;
        to.tell("SET kept v").await;
        let memory: String = to.ask(&["INFO", "memory"]).await;
        let used = memory.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        let limit = used.trim().parse::<u64>().unwrap() + 5_000_000;
        to.tell(&format!("CONFIG SET maxmemory {limit}")).await;
        let transfer = Transfer::new().copy(scene.oxherd.store(), to.oxherd.store());
        let Error::TransferStopped { written: 0, source } = transfer.await.unwrap_err() else {
            panic!("the first key does not fit");
        };
        assert!(source.to_string().starts_with("cannot write key \"large\": "), "{source}");
        assert!(source.to_string().contains("OOM"), "{source}");
        assert_eq!(to.contents().await.into_keys().collect::<Vec<_>>(), ["kept"]);
    }
}

fn without(text: String, fact: &str) -> String {
    match text.split_once(fact) {
        Some((before, after)) => format!(
            "{before}{}",
            after.split_once("bulk").map_or(after, |(_, rest)| rest)
        ),
        None => text,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_contents_survive_every_way() {
    let (redis, memory) = (Scene::on_redis().await, Scene::in_memory().await);
    let scenes = Mutex::new((redis, memory));
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(60));
        runner
            .run(&values(), |values| {
                let scenes = scenes.lock().unwrap();
                handle.block_on(round(&scenes.0, &scenes.1, &values));
                Ok(())
            })
            .unwrap();
    });
}

/// Redis to memory, memory to Redis, and through both formats of a dump: the same at the end.
async fn round(redis: &Scene, memory: &Scene, values: &[(Vec<u8>, Value)]) {
    for (from, to) in [(redis, memory), (memory, redis)] {
        from.tell("FLUSHALL").await;
        to.tell("FLUSHALL").await;
        build(from, values).await;
        let original = as_dumped(from).await;
        copy(from, to).await;
        assert_eq!(as_dumped(to).await, original);
        for format in [oxherd::DumpFormat::Resp, oxherd::DumpFormat::Jsonl] {
            let mut file = Vec::new();
            let report = Transfer::new()
                .dump(from.oxherd.store(), format, &mut file)
                .await
                .unwrap();
            assert!(report.is_faithful(), "{report:?}");
            to.tell("FLUSHALL").await;
            let loaded = Transfer::new()
                .load(file.as_slice(), None, to.oxherd.store())
                .await
                .unwrap();
            assert_eq!(loaded.keys, report.keys);
            assert_eq!(as_dumped(to).await, original, "{format:?}");
        }
    }
}
