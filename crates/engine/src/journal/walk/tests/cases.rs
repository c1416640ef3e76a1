//! What may happen to a keyspace half told, one by one.

use super::super::BUDGET;
use super::*;
use crate::effect::ValueKind;
use crate::reply::Reply;

const SHORT: usize = 2_000;

/// Makes `big` a large value.
const LARGE: [&str; 6] = [
    "EVAL \"for i=1,20000 do redis.call('APPEND',KEYS[1],i) end\" 1 big",
    "EVAL \"for i=1,2000 do redis.call('HSET',KEYS[1],'f'..i,i%9) end\" 1 big",
    "EVAL \"for i=1,2000 do redis.call('SADD',KEYS[1],'s'..i) end\" 1 big",
    "EVAL \"for i=1,2000 do redis.call('ZADD',KEYS[1],i%7,'m'..i) end\" 1 big",
    "EVAL \"for i=1,4000 do redis.call('RPUSH',KEYS[1],'i'..(i%40)) end\" 1 big",
    "EVAL \"for i=1,2000 do redis.call('XADD',KEYS[1],'*','name',i%9) end redis.call('XGROUP','CREATE',KEYS[1],'g',0) \
     for i=1,500 do redis.call('XREADGROUP','GROUP','g','c'..i,'COUNT',3,'STREAMS',KEYS[1],'>') end\" 1 big",
];

impl Trial {
    /// A walk that has told a part of the one large value there is.
    fn half_told(make: &str, slices: usize) -> Self {
        let mut trial = Self::new();
        trial.ask(make);
        for _ in 0..slices {
            assert!(!trial.slice(SHORT));
        }
        assert!(trial.present.as_ref().unwrap().walk.current.is_some());
        trial
    }

    fn finish_and_check(&mut self) {
        self.finish(SHORT);
        assert_eq!(self.check_all(), Ok(()));
    }

    fn last(&self) -> &Image {
        self.images.last().unwrap()
    }
}

impl Image {
    fn names(&self) -> Vec<&'static [u8]> {
        let name = |effect: &Effect<'static>| match effect {
            Effect::Key { name, .. } => Some(*name),
            _ => None,
        };
        self.effects.iter().filter_map(name).collect()
    }
}

/// What is told of a small value is told anew whenever it is renamed, so these are large.
fn carried_in_mid_walk(carry: impl Fn(u32) -> String, loses_strays: bool) -> Result<(), String> {
    let mut trial = Trial::new();
    trial.loses_strays = loses_strays;
    trial.ask("SELECT 1");
    for number in 0..40 {
        trial.ask(&format!(
            "EVAL \"for i=1,200 do redis.call('HSET',KEYS[1],'f'..i,i%9) end\" 1 k{number}"
        ));
    }
    assert!(!trial.slice(100_000));
    for number in 0..40 {
        trial.ask(&carry(number));
    }
    trial.finish(100_000);
    trial.check_all()
}

#[test]
fn what_is_carried_past_the_walk_is_told_and_without_the_engines_notes_it_is_not() {
    let rename = |number| format!("RENAME k{number} r{number}");
    let relocate = |number| format!("MOVE k{number} 0");
    for carry in [rename, relocate] {
        assert_eq!(carried_in_mid_walk(carry, false), Ok(()));
        let lost = carried_in_mid_walk(carry, true);
        assert!(
            lost.as_ref()
                .is_err_and(|error| error.starts_with("no value for")),
            "{lost:?}"
        );
    }
}

#[test]
fn a_value_carried_elsewhere_half_told_is_followed() {
    for (make, slices) in LARGE.into_iter().flat_map(|make| [(make, 1), (make, 5)]) {
        let mut trial = Trial::half_told(make, slices);
        trial.ask("RENAME big other");
        trial.ask("MOVE other 3");
        trial.ask("SELECT 3");
        trial.ask("RENAME other another");
        trial.finish_and_check();
        assert_eq!(trial.last().names(), [b"big"]);
    }
}

#[test]
fn a_value_that_is_gone_half_told_is_dropped() {
    for make in LARGE {
        for lines in [
            &["DEL big"][..],
            &["DEL big", make],
            &["SET big text"],
            &["SET big text", "APPEND big more", "SETRANGE big 9000 end"],
            &["SETRANGE big 9000 part", "APPEND big more", "SETBIT big 900000 1"],
            &["COPY big spare", "HSET small f v", "COPY small big REPLACE"],
            &["PEXPIRE big 5", "SET clock 1"],
            &["FLUSHALL"],
            &["FLUSHALL", make],
            &["MOVE big 1"],
            &["MOVE big 1", "FLUSHDB", "SELECT 1", "MOVE big 0"],
            &["MOVE big 1", "SELECT 1", "FLUSHDB"],
            &["FLUSHDB", "SELECT 1", make, "MOVE big 0"],
            &[
                "XGROUP DESTROY big g",
                "XGROUP CREATE big g 0",
                "XGROUP CREATECONSUMER big g c9",
            ],
            &[
                "XGROUP DELCONSUMER big g c400",
                "XREADGROUP GROUP g zz STREAMS big >",
            ],
            &["SWAPDB 0 1"],
            &["SWAPDB 0 1", "SELECT 1", "RENAME big other", "SWAPDB 0 2"],
            &["MULTI", "RENAME big other", "DEL other", "SET big 1", "EXEC"],
        ] {
            let mut trial = Trial::half_told(make, 3);
            lines.iter().for_each(|line| trial.ask(line));
            trial.session.advance(10);
            trial.finish_and_check();
        }
    }
}

#[test]
fn a_packed_collection_may_become_large_half_told() {
    for (make, grow) in [
        ("ZADD z 1 a 2 b 3 c 4 d", "'ZADD','z',i%7,'m'..i"),
        ("RPUSH z a b c", "'RPUSH','z',i"),
    ] {
        let mut trial = Trial::new();
        trial.ask(make);
        trial.slice(1);
        trial.ask(&format!("EVAL \"for i=1,500 do redis.call({grow}) end\" 0"));
        trial.finish(40);
        assert_eq!(trial.check_all(), Ok(()));
    }
}

#[test]
fn a_walk_ends_although_all_it_walks_grows_and_is_renamed_all_the_time() {
    for make in LARGE {
        let mut trial = Trial::half_told(make, 1);
        trial.ask("SET small 1");
        let mut names = ["big", "other"];
        while !trial.slice(SHORT) {
            trial.ask(&format!("RENAME {} {}", names[0], names[1]));
            names.reverse();
            let key = names[0];
            for line in [
                format!(
                    "EVAL \"for i=1,200 do redis.call('ZADD',KEYS[1],100,ARGV[1]..'/'..i) end\" 1 {key} {{}}"
                ),
                format!("EVAL \"for i=1,400 do redis.call('RPUSH',KEYS[1],i%40) end\" 1 {key}"),
                format!("EVAL \"for i=1,400 do redis.call('XADD',KEYS[1],'*','name',i%9) end\" 1 {key}"),
                format!("XREADGROUP GROUP g me COUNT 50 STREAMS {key} >"),
                format!(
                    "EVAL \"for i=1,20 do redis.call('XGROUP','CREATECONSUMER',KEYS[1],'g',ARGV[1]..'/'..i) end\" 1 {key} {{}}"
                ),
                format!("APPEND {key} {}", "more".repeat(5000)),
                "RENAME small tiny".to_owned(),
                "RENAME tiny small".to_owned(),
            ] {
                let slices = trial.present.as_ref().unwrap().slices;
                trial.ask(&line.replace("{}", &format!("x{slices}")));
            }
            assert!(trial.present.as_ref().unwrap().slices < 200);
        }
        assert_eq!(trial.check_all(), Ok(()));
    }
}

#[test]
fn pieces_of_a_large_string_and_consumers_of_a_large_group_fit_their_slices() {
    for make in [LARGE[0], LARGE[5]] {
        let mut trial = Trial::new();
        trial.ask(make);
        let (mut told, mut largest) = (0, 0);
        while !trial.slice(SHORT) {
            let effects = &trial.present.as_ref().unwrap().effects;
            let bytes = effects[told..].iter().map(|effect| match effect {
                Effect::Value {
                    kind: ValueKind::String(bytes),
                    ..
                }
                | Effect::Bytes { bytes, .. } => bytes.len(),
                _ => 32,
            });
            largest = largest.max(bytes.sum());
            told = effects.len();
        }
        assert!(largest <= 4096 + 64, "{largest}");
        assert_eq!(trial.check_all(), Ok(()));
    }
}

#[test]
fn many_small_keys_are_told_once_each_in_slices_of_one_size() {
    const KEYS: usize = 20_000;
    let mut trial = Trial::new();
    trial.ask(&format!(
        "EVAL \"for i=1,{KEYS} do redis.call('SET','key:'..i,'v') end\" 0"
    ));
    let (mut told, mut largest) = (0, 0);
    while !trial.slice(10_000) {
        let now = trial.present.as_ref().unwrap().effects.len();
        largest = largest.max(now - told);
        told = now;
    }
    let image = trial.last();
    assert_eq!(image.effects.len(), 1 + 2 * KEYS);
    assert_eq!(image.names().into_iter().collect::<HashSet<_>>().len(), KEYS);
    assert!(largest <= 10_000 / 32, "{largest}");
    assert!((140..160).contains(&image.slices), "{}", image.slices);
    assert_eq!(trial.check_all(), Ok(()));
}

#[test]
fn what_is_made_after_the_beginning_is_left_to_the_log() {
    let mut trial = Trial::new();
    trial.ask("SET old 1");
    trial.begin();
    trial.ask("SET new 1");
    trial.ask("RENAME new newer");
    trial.finish_and_check();
    assert_eq!(trial.last().names(), [b"old"]);
}

#[test]
fn keys_to_be_skipped_are_not_told_under_any_name() {
    let mut trial = Trial::new();
    trial.ask("MSET cache:1 1 kept:1 1 kept:2 2");
    trial.begin();
    trial.ask("RENAME kept:2 cache:2");
    trial.ask("RENAME cache:1 kept:3");
    while !trial.slice_without(50, &|name| name.starts_with(b"cache:")) {}
    let names: HashSet<_> = trial.last().names().into_iter().collect();
    assert_eq!(names, HashSet::from([&b"kept:1"[..], b"kept:3"]));
}

#[test]
fn nothing_is_noted_while_no_image_is_taken() {
    let mut trial = Trial::new();
    let rename = |trial: &Trial| {
        assert_eq!(trial.session.ask("SET a 1"), Reply::OK);
        assert_eq!(trial.session.ask("RENAME a b"), Reply::OK);
        trial.with_core(|core| core.strays.take().len())
    };
    assert_eq!(rename(&trial), 0);
    trial.ask("SET c 1");
    trial.begin();
    trial.ask("RENAME c d");
    trial.finish_and_check();
    assert_eq!(rename(&trial), 0);
    trial.begin();
    trial.ask("RENAME d e");
    let image = trial.present.take().unwrap();
    trial.with_core(|core| image.walk.give_up(core));
    assert_eq!(rename(&trial), 0);
}

#[test]
fn an_empty_engine_takes_one_slice() {
    let mut trial = Trial::new();
    assert!(trial.slice(BUDGET));
    let order = (0..16).collect();
    assert_eq!(trial.last().effects, [Effect::Databases { order }]);
}
