//! The effects of random work, applied to a copy, give what the engine holds.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::replica::{Replica, contents};
use crate::engine::Options;
use crate::reply::Reply;
use crate::testing::Session;

struct Pair {
    session: Session,
    replica: Arc<Mutex<Replica>>,
    batches: Arc<Mutex<usize>>,
}

impl Pair {
    fn new() -> Self {
        let replica = Arc::new(Mutex::new(Replica::new(16)));
        let batches = Arc::new(Mutex::new(0));
        let (copy, count) = (Arc::clone(&replica), Arc::clone(&batches));
        let session = Session::with(Options::default().on_change(move |batch| {
            let mut copy = copy.lock().unwrap();
            copy.apply(batch);
            // What is known already changes nothing.
            copy.apply(batch);
            *count.lock().unwrap() += 1;
        }));
        Self {
            session,
            replica,
            batches,
        }
    }

    fn check(&self, what: &str) {
        let held = contents(self.session.engine().shared().lock().databases());
        let told = self.replica.lock().unwrap().contents();
        assert!(held == told, "after {what}: held {held:?}\ntold {told:?}");
    }
}

fn step() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["a", "b", "c", "d"]);
    let other = prop::sample::select(vec!["a", "b", "c", "d", "e"]);
    let small = 0..6u32;
    let many = 1..400u32;
    (0..44u8, key, other, small, many).prop_map(|(kind, key, other, small, many)| {
        let list = |prefix: &str, count: u32| {
            (0..count)
                .map(|number| format!("{prefix}{number}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let pairs = |count: u32| {
            (0..count)
                .map(|number| format!("f{number} {many}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let scores = |count: u32| {
            (0..count)
                .map(|number| format!("{number} m{number}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        match kind {
            0 => format!("SET {key} {many}"),
            1 => format!("SET {key} {many} PX {}", small * 20 + 5),
            2 => format!("APPEND {key} x{many}"),
            3 => format!("INCR {key}"),
            4 => format!("DEL {key} {other}"),
            5 => format!("RENAME {key} {other}"),
            6 => format!("COPY {key} {other} REPLACE"),
            7 => format!("PEXPIRE {key} {}", small * 20 + 5),
            8 => format!("PERSIST {key}"),
            9 => format!("HSET {key} {}", pairs(many)),
            10 => format!("HSET {key} f{small} {many}"),
            11 => format!("HDEL {key} f{small} f{many}"),
            12 => format!("HINCRBY {key} f{small} 1"),
            13 => format!("SADD {key} {}", list("s", many)),
            14 => format!("SADD {key} {small} {many}"),
            15 => format!("SREM {key} s{small} s{many} {small}"),
            16 => format!("SMOVE {key} {other} s{small}"),
            17 => format!("SUNIONSTORE {key} {key} {other}"),
            18 => format!("ZADD {key} {}", scores(many)),
            19 => format!("ZADD {key} {many} m{small}"),
            20 => format!("ZREM {key} m{small} m{many}"),
            21 => format!("ZPOPMIN {key} {small}"),
            22 => format!("ZREMRANGEBYRANK {key} {small} {many}"),
            23 => format!("RPUSH {key} {}", list("i", many)),
            24 => format!("LPUSH {key} i{small}"),
            25 => format!("LREM {key} 0 i{small}"),
            26 => format!("LTRIM {key} {small} {many}"),
            27 => format!("LINSERT {key} BEFORE i{small} new{many}"),
            28 => format!("LSET {key} {small} set{many}"),
            29 => format!("LMOVE {key} {other} LEFT RIGHT"),
            30 => format!("RPOP {key} {many}"),
            31 => format!("XADD {key} * name {many} other {small}"),
            32 => format!("XADD {key} MAXLEN {small} * name {many}"),
            33 => format!("XTRIM {key} MAXLEN ~ {small}"),
            34 => format!("XGROUP CREATE {key} g{small} 0 MKSTREAM"),
            35 => format!("XREADGROUP GROUP g{small} me COUNT 3 STREAMS {key} >"),
            36 => format!("XGROUP DESTROY {key} g{small}"),
            37 => format!("SWAPDB 0 {}", small % 3),
            38 => format!("MOVE {key} {}", small % 3),
            39 => format!("SELECT {}", small % 3),
            40 => "FLUSHDB".to_owned(),
            41 => "MULTI".to_owned(),
            42 => "EXEC".to_owned(),
            _ => format!("advance {}", small * 15),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_kept_by_effects_alone_holds_the_same(steps in prop::collection::vec(step(), 1..60)) {
        let pair = Pair::new();
        for line in steps {
            match line.strip_prefix("advance ") {
                Some(millis) => pair.session.advance(millis.parse().unwrap()),
                None => drop(pair.session.ask(&line)),
            }
            pair.check(&line);
        }
    }
}

#[test]
fn a_transaction_is_one_batch_and_reading_is_none() {
    let pair = Pair::new();
    for line in ["MULTI", "SET a 1", "RENAME a b", "HSET h f v", "EXEC"] {
        pair.session.ask(line);
    }
    assert_eq!(*pair.batches.lock().unwrap(), 1);
    assert_eq!(pair.session.ask("GET b"), Reply::bulk("1"));
    assert_eq!(*pair.batches.lock().unwrap(), 1);
    pair.check("the transaction");
}

#[test]
fn what_moves_into_a_database_just_flushed_is_told_as_a_whole() {
    let pair = Pair::new();
    for line in [
        "XADD a * name 1",
        "MULTI",
        "SWAPDB 0 1",
        "FLUSHDB",
        "SELECT 1",
        "MOVE a 0",
        "EXEC",
    ] {
        pair.session.ask(line);
    }
    pair.check("the transaction");
}
