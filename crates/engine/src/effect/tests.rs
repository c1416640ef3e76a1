//! The effects of random work, applied to a copy, give what the engine holds.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::replica::{Replica, contents, without};
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
        Self::with_volatile(&[])
    }

    fn with_volatile(prefixes: &[&str]) -> Self {
        let replica = Arc::new(Mutex::new(Replica::new(16)));
        let batches = Arc::new(Mutex::new(0));
        let (copy, count) = (Arc::clone(&replica), Arc::clone(&batches));
        let options = Options::default().volatile(prefixes.iter().copied());
        let session = Session::with(options.on_change(move |batch| {
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
        let core = self.session.engine().shared().lock();
        let held = without(core.volatile(), contents(core.databases()));
        drop(core);
        let told = self.replica.lock().unwrap().contents();
        assert!(held == told, "after {what}: held {held:?}\ntold {told:?}");
    }
}

/// Something to do, on few keys.
pub(crate) fn step() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["a", "b", "c", "d"]);
    let other = prop::sample::select(vec!["a", "b", "c", "d", "e"]);
    let small = 0..6u32;
    let many = 1..400u32;
    (0..68u8, key, other, small, many).prop_map(|(kind, key, other, small, many)| {
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
            40 => if small == 0 { "FLUSHALL" } else { "FLUSHDB" }.to_owned(),
            41 => "MULTI".to_owned(),
            42 | 43 => "EXEC".to_owned(),
            44 => format!("SETRANGE {key} {} part{small}", many * 30),
            45 => format!("SETBIT {key} {} {}", many * 301, small % 2),
            46 => format!("BITFIELD {key} SET u8 {} {many} INCRBY i16 {} 1", many * 100, many),
            47 => format!("SETRANGE {key} {} {}", small, "x".repeat(5000)),
            48 => format!("GETEX {key} PX {}", small * 20 + 5),
            49 => format!("XADD {key} {small}-{many} name other"),
            50 => format!("XSETID {key} {small}-{many}"),
            51 => format!("XTRIM {key} MINID {small}-{many}"),
            52 => format!("XREADGROUP GROUP g{small} c{} STREAMS {key} >", many % 4),
            53 => format!("XREADGROUP GROUP g{small} c{} STREAMS {key} 0", many % 4),
            54 => format!("XAUTOCLAIM {key} g{small} c{} 0 0 COUNT 2", many % 4),
            55 => format!("XGROUP DELCONSUMER {key} g{small} c{}", many % 4),
            56 => format!("XGROUP SETID {key} g{small} {small}-{many}"),
            57 => format!("XGROUP CREATECONSUMER {key} g{small} c{}", many % 4),
            58 => format!("SPOP {key} {small}"),
            59 => format!("ZUNIONSTORE {key} 2 {key} {other}"),
            60 => format!("SORT {key} ALPHA STORE {other}"),
            61 => format!("PFADD {key} {many}"),
            62 => format!("BITOP NOT {key} {other}"),
            63 => format!("MSET {key} {many} {other} {small}"),
            64 => format!("RENAMENX {key} {other}"),
            65 => format!("EVAL \"redis.call('hset',KEYS[1],'f1','{many}') redis.call('rename',KEYS[1],KEYS[2]) redis.call('lpush',KEYS[2],1)\" 2 {key} {other}"),
            _ => format!("advance {}", small * 15),
        }
    })
}

/// Runs a step; time is a step too.
pub(crate) fn run(session: &Session, line: &str) {
    match line.strip_prefix("advance ") {
        Some(millis) => session.advance(millis.parse().unwrap()),
        None => drop(session.ask(line)),
    }
}

/// The moment at which a piece of an image is taken.
pub(crate) fn moment(id: u64, piece: &[u8], moments: u64) -> u64 {
    let bytes = piece.iter().map(|byte| u64::from(*byte));
    let mixed = bytes.fold(id + 1, |mixed, byte| {
        (mixed ^ byte).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    });
    mixed % moments
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_kept_by_effects_alone_holds_the_same(steps in prop::collection::vec(step(), 1..60)) {
        let pair = Pair::new();
        for line in steps {
            run(&pair.session, &line);
            pair.check(&line);
        }
    }

    #[test]
    fn a_copy_kept_by_effects_alone_holds_what_is_not_volatile_and_nothing_else(
        volatile in prop::sample::subsequence(vec!["a", "b", "c", "d", "e"], 1..4),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let pair = Pair::with_volatile(&volatile);
        for line in steps {
            run(&pair.session, &line);
            pair.check(&line);
        }
    }
}

mod volatile;

/// An engine that says in words what each command has changed.
struct Told {
    session: Session,
    batches: Arc<Mutex<Vec<String>>>,
}

impl Told {
    fn new() -> Self {
        Self::of(Options::default())
    }

    fn of(options: Options) -> Self {
        let batches = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&batches);
        let session = Session::with(options.on_change(move |batch| {
            let mut told = told.lock().unwrap();
            told.extend(batch.iter().map(|effect| format!("{effect:?}")));
        }));
        Self { session, batches }
    }

    /// Runs a command and says what it has changed.
    fn ask(&self, line: &str) -> Vec<String> {
        let reply = self.session.ask(line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
        std::mem::take(&mut self.batches.lock().unwrap())
    }
}

#[test]
fn a_new_name_or_expiry_leaves_the_value_alone() {
    let told = Told::new();
    told.ask("SET a text");
    told.ask("HSET h field value");
    for line in [
        "PEXPIRE a 1000",
        "PERSIST a",
        "GETEX a PX 500",
        "RENAME a b",
        "PEXPIRE h 1000",
        "RENAME h g",
    ] {
        let effects = told.ask(line);
        let are_keys = effects.iter().all(|effect| effect.starts_with("Key "));
        assert!(effects.len() == 1 && are_keys, "{line}: {effects:?}");
    }
    for line in ["MULTI", "HSET g field other", "RENAME g h", "EXPIRE h 5"] {
        told.ask(line);
    }
    let effects = told.ask("EXEC").join("");
    assert!(effects.contains("Field"), "{effects}");
}

#[test]
fn a_part_of_a_large_string_is_told_alone() {
    let told = Told::new();
    told.ask(&format!("SET a {}", "x".repeat(10_000)));
    for (line, at) in [
        ("SETBIT a 8008 1", 1001),
        ("APPEND a more", 10_000),
        ("SETRANGE a 20000 end", 20_000),
        ("BITFIELD a SET u8 24000 5", 3000),
    ] {
        let effects = told.ask(line).join("");
        let beginning = format!("Bytes {{ id: 1, at: {at}, bytes: ");
        assert!(
            effects.starts_with(&beginning) && effects.len() < 100,
            "{line}: {effects}"
        );
    }
    let whole = told.ask(&format!("SETRANGE a 0 {}", "y".repeat(15_000))).join("");
    assert!(whole.starts_with("Value"));
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
fn what_comes_and_goes_around_a_flush_is_told() {
    for steps in [
        ["SWAPDB 0 1", "FLUSHDB", "SELECT 1", "MOVE a 0"],
        ["MOVE a 1", "FLUSHDB", "SELECT 1", "MOVE a 0"],
        ["MOVE a 1", "SELECT 1", "FLUSHDB", "SET a 1"],
        ["XADD a * name 2", "MOVE a 1", "FLUSHDB", "FLUSHDB"],
        ["MOVE a 1", "FLUSHALL", "SET a 1", "MOVE a 1"],
    ] {
        let pair = Pair::new();
        let transaction = ["XADD a * name 1", "MULTI"]
            .into_iter()
            .chain(steps)
            .chain(["EXEC"]);
        for line in transaction {
            assert!(!pair.session.ask(line).is_error(), "{line}");
        }
        pair.check(&format!("{steps:?}"));
    }
}

#[test]
fn a_key_moves_without_its_value() {
    let told = Told::new();
    told.ask("SADD s a b c");
    let effects = told.ask("MOVE s 1");
    assert!(
        effects.len() == 1 && effects.join("").starts_with("Key"),
        "{effects:?}"
    );
}

#[test]
fn a_taker_that_panics_once_gets_the_next_batch() {
    let batches = Arc::new(Mutex::new(0));
    let count = Arc::clone(&batches);
    let session = Session::with(Options::default().on_change(move |_| {
        let is_first = {
            let mut count = count.lock().unwrap();
            *count += 1;
            *count == 1
        };
        assert!(!is_first, "the first batch is too much");
    }));
    let first = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| session.ask("SET a 1")));
    assert!(first.is_err());
    session.ask("SET a 2");
    assert_eq!(*batches.lock().unwrap(), 2);
}
