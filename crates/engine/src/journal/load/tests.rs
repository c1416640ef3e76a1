//! What was written comes back: random work on engines, whose effects are kept as bytes and read again.
//!
//! Next: `tests/rules.rs` (what single effects do), `tests/streams.rs`.

mod rules;
mod streams;

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::{Loaded, Loading, Unreadable};
use crate::effect::replica::{Replica, contents};
use crate::effect::tests::{moment, step};
use crate::effect::{Effect, image, state};
use crate::engine::Options;
use crate::journal::codec::{decode, encode};
use crate::keyspace::{Database, NEVER, Value};
use crate::testing::Session;

type Payloads = Arc<Mutex<Vec<Vec<u8>>>>;

/// An engine whose effects are kept.
struct Written {
    session: Session,
    payloads: Payloads,
    elapsed: u64,
}

impl Written {
    fn new() -> Self {
        Self::with(Payloads::default(), 0)
    }

    fn with(payloads: Payloads, elapsed: u64) -> Self {
        let taken = Arc::clone(&payloads);
        let session = Session::with(Options::default().on_change(move |batch| {
            let mut payload = Vec::new();
            encode(batch, &mut payload);
            taken.lock().unwrap().push(payload);
        }));
        session.advance(elapsed);
        Self {
            session,
            payloads,
            elapsed,
        }
    }

    /// Another engine that holds what was read and goes on where this one ends.
    fn again(&self, loaded: Loaded) -> Self {
        let engine = Self::with(Arc::clone(&self.payloads), self.elapsed);
        let mut core = engine.session.engine().shared().lock();
        core.hold(loaded);
        drop(core);
        engine
    }

    fn work(&mut self, lines: &[String]) {
        for line in lines {
            match line.strip_prefix("advance ") {
                Some(millis) => {
                    let millis = millis.parse().unwrap();
                    self.elapsed += millis;
                    self.session.advance(millis);
                }
                None => drop(self.session.ask(line)),
            }
        }
    }

    fn with_databases<R>(&self, look: impl FnOnce(&[Database]) -> R) -> R {
        look(self.session.engine().shared().lock().databases())
    }

    fn payloads(&self) -> Vec<Vec<u8>> {
        self.payloads.lock().unwrap().clone()
    }

    /// All it holds, as an image would have it.
    fn image(&self) -> Vec<u8> {
        self.with_databases(|databases| {
            let order = databases.iter().map(Database::id).collect();
            let mut effects = vec![Effect::Databases { order }];
            for database in databases {
                for (name, entry) in database.iter() {
                    effects.push(Effect::Key {
                        id: entry.id,
                        database: database.id(),
                        name,
                        expires: (entry.expires != NEVER).then_some(entry.expires),
                    });
                    state::all(entry.id, &entry.value, &mut effects);
                }
            }
            let mut image = Vec::new();
            encode(&effects, &mut image);
            image
        })
    }

    /// Whether these databases hold the same, under the same names and numbers.
    fn check(&self, loaded: &Loaded) {
        loaded.databases.iter().for_each(Database::check);
        self.with_databases(|databases| {
            let (held, read) = (contents(databases), contents(&loaded.databases));
            assert!(held == read, "held {held:?}\nread {read:?}");
            for (held, read) in databases.iter().zip(&loaded.databases) {
                assert_eq!(held.id(), read.id());
                for (name, entry) in held.iter() {
                    let copy = read.get(name).unwrap();
                    assert_eq!(copy.id, entry.id);
                    assert!(copy.id <= loaded.next_entry);
                    assert!(held.id() < loaded.next_database);
                    if let (Value::List(held), Value::List(read)) = (&entry.value, &copy.value) {
                        let ids = held.parts().map(|part| part.id().0);
                        assert!(ids.eq(read.parts().map(|part| part.id().0)));
                    }
                    if let (Value::SortedSet(held), Value::SortedSet(read)) = (&entry.value, &copy.value) {
                        let bits = |(member, score): (&[u8], f64)| (member.to_vec(), score.to_bits());
                        assert!(held.iter().map(bits).eq(read.iter().map(bits)));
                    }
                }
            }
        });
    }
}

fn load<'a>(payloads: impl IntoIterator<Item = &'a Vec<u8>>, times: usize) -> Result<Loaded, Unreadable> {
    let mut loading = Loading::new(16, true, 0);
    for payload in payloads {
        for _ in 0..times {
            loading.read(payload)?;
        }
    }
    Ok(loading.finish()?)
}

/// What `step` leaves out: more of streams, large values, values of another type under the same number.
fn special_step() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["a", "b", "c", "d"]);
    let other = prop::sample::select(vec!["a", "b", "c", "e"]);
    (0..20_u8, key, other, 0..6_u32, 1..300_u32).prop_map(|(kind, key, other, small, many)| match kind {
        0 => format!("XACK {key} g{small} 1700000000000-{small} 1700000000005-0"),
        1 => format!("XDEL {key} 1700000000000-{small} 1700000000015-0"),
        2 => format!("XGROUP DELCONSUMER {key} g{small} me"),
        3 => format!("XGROUP CREATECONSUMER {key} g{small} other"),
        4 => format!("XREADGROUP GROUP g{small} other COUNT 5 STREAMS {key} >"),
        5 => format!("XAUTOCLAIM {key} g{small} other 0 0 COUNT 2"),
        6 => format!("XSETID {key} 1700000000{many:03}-{small}"),
        7 => format!("XTRIM {key} MINID 1700000000{many:03}"),
        8 => format!("HSET {key} long{small} {}", "x".repeat(many as usize * 3)),
        9 => format!("SADD {key} {}", "y".repeat(many as usize * 3)),
        10 => format!("ZADD {key} -0.0 m{small} 0.5 m{many}"),
        11 => format!("ZADD {key} 1 {}", "z".repeat(many as usize)),
        12 => format!("SORT {key} BY nosort STORE {other}"),
        13 => format!("SINTERSTORE {key} {other} {other}"),
        14 => format!("ZUNIONSTORE {key} 2 {key} {other}"),
        15 => "FLUSHALL".to_owned(),
        16 => format!("RPUSH {key} {}", vec!["w".repeat(many as usize); 40].join(" ")),
        17 => format!("EVAL \"for n = 1, 150 do redis.call('XADD', '{key}', '*', 'n', n) end\" 0"),
        18 => format!("SETRANGE {key} {many} end"),
        _ => format!("XADD {key} MAXLEN ~ {many} * name {many} other {small}"),
    })
}

fn work(length: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof![3 => step(), 2 => special_step()], 1..length)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn what_an_engine_wrote_comes_back_and_goes_on(first in work(50), second in work(50), third in work(20)) {
        let mut engine = Written::new();
        for lines in [first, second, third] {
            engine.work(&lines);
            let payloads = engine.payloads();
            let loaded = load(&payloads, 1).unwrap();
            engine.check(&loaded);
            engine.check(&load(&payloads, 2).unwrap());
            engine = engine.again(loaded);
        }
    }

    #[test]
    fn an_image_taken_piece_by_piece_and_the_log_since_make_the_whole(
        before in work(40),
        meanwhile in work(40),
        is_late in any::<bool>(),
    ) {
        let mut engine = Written::new();
        engine.work(&before);
        let begin = engine.payloads().len();
        let mut taken = Replica::default();
        let moments = meanwhile.len() as u64 + 1;
        for now in 0..moments {
            let is_due = |id, piece: &[u8]| {
                // The latest image is the one furthest ahead of the first effects.
                now == if is_late { moments - 1 } else { moment(id, piece, moments) }
            };
            engine.with_databases(|databases| image::take(&mut taken, databases, is_due));
            if let Some(line) = meanwhile.get(now as usize) {
                engine.work(std::slice::from_ref(line));
            }
        }
        let mut first = Vec::new();
        encode(&image::effects(&taken), &mut first);
        let payloads = engine.payloads();
        let since = &payloads[begin..];
        engine.check(&load(std::iter::once(&first).chain(since), 1).unwrap());
        engine.check(&load(std::iter::once(&first).chain(since).chain(since), 1).unwrap());
    }

    #[test]
    fn an_image_and_a_log_that_begins_earlier_make_the_whole(
        first in work(30),
        second in work(30),
        third in work(30),
    ) {
        let mut engine = Written::new();
        engine.work(&first);
        let begin = engine.payloads().len();
        engine.work(&second);
        let image = engine.image();
        engine.work(&third);
        let payloads = engine.payloads();
        for begin in [0, begin / 2, begin] {
            let parts = || std::iter::once(&image).chain(&payloads[begin..]);
            engine.check(&load(parts(), 1).unwrap());
            engine.check(&load(parts(), 2).unwrap());
        }
    }
}

#[test]
fn what_commands_made_at_once_weighs_the_same_when_it_is_read() {
    let mut engine = Written::new();
    let numbers = |count: u32| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    let pairs = |count| {
        numbers(count)
            .iter()
            .map(|n| format!("{n} {n}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    engine.work(&[
        "SET string some-text".to_owned(),
        "SET expires some-text PX 100000".to_owned(),
        "HSET job name send data {} opts {} timestamp 1700000000000".to_owned(),
        format!("HSET large {}", pairs(1000)),
        format!("SADD integers {}", numbers(300).join(" ")),
        "SADD words a b c".to_owned(),
        format!("SADD members a {}", numbers(1000).join(" ")),
        format!("ZADD scores {}", pairs(20)),
        format!("ZADD ranks {}", pairs(1000)),
        "XADD stream 5-1 name value other value".to_owned(),
        "XADD stream 5-2 name value other value".to_owned(),
        "XGROUP CREATE stream group 0".to_owned(),
        "XREADGROUP GROUP group me STREAMS stream >".to_owned(),
        "RPUSH list a b c".to_owned(),
    ]);
    let loaded = load(&engine.payloads(), 1).unwrap();
    engine.check(&loaded);
    engine.with_databases(|databases| {
        for (name, entry) in databases[0].iter() {
            let (held, read) = (&entry.value, &loaded.databases[0].get(name).unwrap().value);
            let name = String::from_utf8_lossy(name);
            assert_eq!(held.encoding(), read.encoding(), "{name}");
            match name.as_ref() {
                // These keep room for growth, which what is read does not need.
                "list" => assert!(read.memory() <= held.memory()),
                _ => assert_eq!(read.memory(), held.memory(), "{name}"),
            }
        }
    });
}

#[test]
fn what_was_read_tells_only_what_changes() {
    let mut engine = Written::new();
    let numbers: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let fields: Vec<String> = numbers
        .iter()
        .map(|number| format!("{number} {number}"))
        .collect();
    engine.work(&[
        format!("HSET hash {}", fields.join(" ")),
        format!("SADD set a {}", numbers.join(" ")),
        format!("ZADD scores {}", fields.join(" ")),
        format!("RPUSH list {}", numbers.join(" ")),
        "XADD stream 1-1 a b".to_owned(),
        "XADD stream 1-2 a b".to_owned(),
        "XGROUP CREATE stream g 0".to_owned(),
    ]);
    let before = engine.payloads().len();
    let mut engine = engine.again(load(&engine.payloads(), 1).unwrap());
    let lines = [
        ("HSET hash 5 new", 1),
        ("SREM set 7", 1),
        ("ZADD scores 3 500", 1),
        ("LPUSH list new", 1),
        ("LSET list 500 new", 1),
        ("XADD stream 1-3 a b", 2),
        ("XREADGROUP GROUP g me COUNT 1 STREAMS stream >", 3),
        ("XDEL stream 1-1", 2),
    ];
    engine.work(&lines.map(|(line, _)| line.to_owned()));
    let payloads = engine.payloads();
    let told = payloads[before..].iter().map(|payload| decode(payload).count());
    assert_eq!(told.collect::<Vec<_>>(), lines.map(|(_, effects)| effects));
    engine.check(&load(&payloads, 1).unwrap());
}

#[test]
fn without_a_journal_nothing_is_noted() {
    let mut engine = Written::new();
    let fields: Vec<String> = (0..1000).map(|number| format!("{number} {number}")).collect();
    engine.work(&[
        format!("HSET hash {}", fields.join(" ")),
        "XADD stream 1-1 a b".to_owned(),
    ]);
    let mut loading = Loading::new(16, false, 0);
    engine
        .payloads()
        .iter()
        .for_each(|payload| loading.read(payload).unwrap());
    let mut databases = loading.finish().unwrap().databases;
    let Some(Value::Stream(stream)) = databases[0].get_mut(b"stream").map(|entry| &mut entry.value) else {
        panic!("the stream was read")
    };
    stream.delete(crate::keyspace::StreamId::new(1, 1));
    assert_eq!(stream.take_dirt(), crate::keyspace::Dirt::Parts(Vec::new()));
}

#[test]
fn what_has_expired_meanwhile_is_read_and_then_expires() {
    let mut engine = Written::new();
    engine.work(&["SET a 1 PX 50".to_owned(), "SET b 1".to_owned()]);
    let loaded = load(&engine.payloads(), 1).unwrap();
    assert_eq!(
        (loaded.databases[0].len(), loaded.databases[0].volatile()),
        (2, 1)
    );
    engine.elapsed += 100;
    let mut again = engine.again(loaded);
    again.work(&["advance 0".to_owned(), "SET c 1".to_owned()]);
    let loaded = load(&again.payloads(), 1).unwrap();
    again.check(&loaded);
    assert!(!loaded.databases[0].contains(b"a"));
}

#[test]
fn what_grows_after_it_was_read_tells_only_what_changes_then() {
    let mut engine = Written::new();
    let lines = ["HSET hash f v", "SADD set a", "ZADD scores 1 a"];
    engine.work(&lines.map(str::to_owned));
    let mut engine = engine.again(load(&engine.payloads(), 1).unwrap());
    let pairs: Vec<String> = (0..500).map(|number| format!("{number} {number}")).collect();
    let pairs = pairs.join(" ");
    engine.work(&["HSET hash", "SADD set", "ZADD scores"].map(|start| format!("{start} {pairs}")));
    let before = engine.payloads().len();
    engine.work(&["HSET hash 5 new", "SADD set new", "ZADD scores 7 new"].map(str::to_owned));
    let payloads = engine.payloads();
    assert_eq!(payloads.len(), before + 3);
    assert!(
        payloads[before..]
            .iter()
            .all(|payload| decode(payload).count() == 1)
    );
}
