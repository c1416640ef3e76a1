//! Volatile keys, and values on their way from and to them.

use super::*;
use crate::keyspace::Value;

/// Of each type one value, small and large.
const MAKERS: [&str; 10] = [
    "SET v:a text",
    "EVAL \"for i=1,3000 do redis.call('APPEND',KEYS[1],i) end\" 1 v:a",
    "HSET v:a f 1",
    "EVAL \"for i=1,300 do redis.call('HSET',KEYS[1],'f'..i,i) end\" 1 v:a",
    "SADD v:a 1 two",
    "EVAL \"for i=1,300 do redis.call('SADD',KEYS[1],'s'..i) end\" 1 v:a",
    "EVAL \"for i=1,300 do redis.call('ZADD',KEYS[1],i,'m'..i) end\" 1 v:a",
    "RPUSH v:a one two",
    "EVAL \"for i=1,3000 do redis.call('RPUSH',KEYS[1],'item'..i) end\" 1 v:a",
    "EVAL \"for i=1,300 do redis.call('XADD',KEYS[1],'*','name',i) end redis.call('XGROUP','CREATE',KEYS[1],'g',0) \
     redis.call('XREADGROUP','GROUP','g','me','COUNT',5,'STREAMS',KEYS[1],'>')\" 1 v:a",
];

/// Changes a part of whatever `key` holds.
fn change(key: &str) -> String {
    let script = "local t = redis.call('TYPE',KEYS[1]).ok local n = redis.call('INCR','v:count') \
                  if t == 'none' then return end \
                  if t == 'string' then redis.call('SETRANGE',KEYS[1],3,n) \
                  elseif t == 'hash' then redis.call('HSET',KEYS[1],'f1',n) redis.call('HDEL',KEYS[1],'f'..n+2) \
                  elseif t == 'set' then redis.call('SADD',KEYS[1],'new'..n) redis.call('SREM',KEYS[1],'s'..n) \
                  elseif t == 'zset' then redis.call('ZADD',KEYS[1],n,'new'..n) redis.call('ZREM',KEYS[1],'m'..n) \
                  elseif t == 'list' then redis.call('LSET',KEYS[1],0,'set'..n) redis.call('RPUSH',KEYS[1],n) \
                  redis.call('LINSERT',KEYS[1],'BEFORE','item1500','n'..n) \
                  else redis.call('XADD',KEYS[1],'*','n',n) redis.call('XTRIM',KEYS[1],'MINID','=','1700000000000-'..n) \
                  redis.call('XREADGROUP','GROUP','g','c'..n%3,'COUNT',2,'STREAMS',KEYS[1],'>') end";
    format!("EVAL \"{script}\" 1 {key}")
}

fn pair() -> Pair {
    Pair::with_volatile(&["v:", "w:"])
}

impl Pair {
    fn done(&self, line: &str) {
        let reply = self.session.ask(line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
        self.check(line);
    }

    /// Whether the value of a key of database 0 notes what changes in it; always of what has no parts.
    fn tracks(&self, key: &str) -> bool {
        let mut core = self.session.engine().shared().lock();
        let entry = core.database(0).get_mut(key.as_bytes()).unwrap();
        match &mut entry.value {
            Value::String(_) => true,
            Value::List(list) => list.is_tracked(),
            Value::Hash(hash) => hash.is_tracked(),
            Value::Set(set) => set.is_tracked(),
            Value::SortedSet(set) => set.is_tracked(),
            Value::Stream(stream) => stream.is_tracked(),
        }
    }
}

#[test]
fn nothing_is_told_of_a_volatile_key() {
    let told = Told::of(Options::default().volatile(["v:"]));
    for line in MAKERS
        .into_iter()
        .flat_map(|make| [make, "EXPIRE v:a 100", "PERSIST v:a", "DEL v:a"])
    {
        assert_eq!(told.ask(line), Vec::<String>::new(), "{line}");
    }
    for line in [
        "SET v:a 1",
        "INCR v:a",
        "SETRANGE v:a 5000 x",
        "RENAME v:a v:b",
        "MOVE v:b 1",
        "SET v:c 1 PX 5",
        "SELECT 1",
        "COPY v:b v:c",
        "GETEX v:b PX 5",
    ] {
        assert_eq!(told.ask(line), Vec::<String>::new(), "{line}");
    }
    told.session.advance(10);
    assert_eq!(told.session.ask("EXISTS v:b"), Reply::Int(0));
    assert!(told.batches.lock().unwrap().is_empty());
    let one = told.ask("MSET v:a 1 kept 2").join("");
    assert!(
        one.contains("kept") || one.contains("[107, 101, 112, 116]"),
        "{one}"
    );
    assert!(!one.contains("[118, 58, 97]"), "{one}");
}

#[test]
fn a_value_that_becomes_volatile_is_gone_and_one_that_is_kept_from_then_on_comes_whole() {
    for make in MAKERS {
        let pair = pair();
        pair.done(make);
        pair.done("RENAME v:a kept");
        assert!(pair.tracks("kept"), "{make}");
        for _ in 0..3 {
            pair.done(&change("kept"));
        }
        pair.done("RENAME kept v:b");
        for _ in 0..3 {
            pair.done(&change("v:b"));
        }
        pair.done("RENAME v:b w:b");
        pair.done("RENAMENX w:b again");
        for _ in 0..3 {
            pair.done(&change("again"));
        }
        pair.done("EXPIRE again 100");
        pair.done("MOVE again 1");
        assert!(pair.replica.lock().unwrap().contents().len() == 1);
    }
}

#[test]
fn both_ways_within_one_unit_are_told_as_they_end() {
    for make in MAKERS {
        for ways in [
            ["RENAME v:a kept", "RENAME kept v:a", "RENAME v:a kept"],
            ["RENAME v:a kept", "RENAME kept v:a", "RENAME v:a other"],
            ["RENAME v:a kept", "SET other 1", "RENAME kept other"],
            ["COPY v:a kept", "RENAME v:a kept", "RENAME kept v:a"],
            ["RENAME v:a kept", "MOVE kept 1", "FLUSHDB"],
            ["MOVE v:a 1", "SWAPDB 0 1", "RENAME v:a kept"],
        ] {
            let pair = pair();
            pair.done("SET kept before");
            pair.done(make);
            pair.done("MULTI");
            ways.iter().for_each(|way| drop(pair.session.ask(way)));
            let Reply::Array(replies) = pair.session.ask("EXEC") else {
                panic!("{ways:?} did not run");
            };
            assert!(!replies.iter().any(Reply::is_error), "{ways:?}: {replies:?}");
            pair.check(&format!("{make}, {ways:?}"));
            pair.done(&change("kept"));
        }
    }
}

#[test]
fn what_is_volatile_notes_no_changes_and_what_is_kept_does() {
    for make in MAKERS {
        let pair = pair();
        pair.done(make);
        let has_parts = pair.session.ask("TYPE v:a") != Reply::status("string");
        for (line, key) in [
            ("COPY v:a v:b", "v:b"),
            ("COPY v:a kept", "kept"),
            ("COPY kept v:c", "v:c"),
            ("COPY kept other", "other"),
            ("RENAME other w:c", "w:c"),
        ] {
            pair.done(line);
            let is_kept = !key.contains(':');
            assert_eq!(pair.tracks(key), is_kept || !has_parts, "{make}, {line}");
            pair.done(&change(key));
            pair.done(&change("kept"));
        }
    }
}

#[test]
fn each_command_that_stores_a_result_may_cross_the_border() {
    let lines = [
        "SADD v:s 1 2 3",
        "SADD s 2 3 4",
        "ZADD v:z 1 a 2 b",
        "ZADD z 2 b 3 c",
        "RPUSH v:l 3 1 2",
        "RPUSH l 6 5 4",
        "SET v:t text",
        "SET t other",
    ];
    let crossings = [
        "SUNIONSTORE {to} {from}s",
        "SINTERSTORE {to} s v:s",
        "SDIFFSTORE {to} {from}s",
        "ZUNIONSTORE {to} 1 {from}z",
        "ZINTERSTORE {to} 2 z v:z",
        "ZDIFFSTORE {to} 1 {from}z",
        "ZRANGESTORE {to} {from}z 0 -1",
        "SORT {from}l STORE {to}",
        "LMOVE {from}l {to} LEFT RIGHT",
        "RPOPLPUSH {from}l {to}",
        "BLMOVE {from}l {to} LEFT LEFT 0",
        "BRPOPLPUSH {from}l {to} 0",
        "SMOVE {from}s {to} 2",
        "BITOP NOT {to} {from}t",
        "COPY {from}s {to} REPLACE",
        "RENAME {from}z {to}",
        "MSET {to} 1 {from}new 2",
        "MSETNX {to} 1 {from}new 2",
        "PFMERGE {to} {from}none",
        "EVAL \"redis.call('SET',KEYS[2],redis.call('TYPE',KEYS[1]).ok)\" 2 {from}s {to}",
    ];
    for crossing in crossings {
        for (from, to) in [("v:", "to"), ("", "v:to"), ("v:", "v:to"), ("", "to")] {
            let pair = pair();
            lines.iter().for_each(|line| pair.done(line));
            pair.done(&crossing.replace("{from}", from).replace("{to}", to));
            pair.done(&format!("EXPIRE {to} 5"));
            pair.session.advance(6_000);
            pair.check(crossing);
        }
    }
}

#[test]
fn a_client_that_waits_may_carry_an_element_over_the_border() {
    for (from, to) in [("v:l", "l"), ("l", "v:l"), ("v:l", "w:l")] {
        let pair = pair();
        let other = pair.session.other();
        let waiting = other.wait(&format!("BLMOVE {from} {to} LEFT RIGHT 0"));
        pair.done(&format!("RPUSH {from} one"));
        drop(waiting);
        pair.check("the move");
        assert_eq!(pair.session.ask(&format!("LLEN {to}")), Reply::Int(1));
    }
}

#[test]
fn watching_and_statistics_know_volatile_keys_as_any_other() {
    let pair = pair();
    let other = pair.session.other();
    pair.session.ask("WATCH v:a");
    other.ask("SET v:a 1");
    pair.session.ask("MULTI");
    assert_eq!(pair.session.ask("EXEC"), Reply::NilArray);
    assert_eq!(pair.session.ask("DBSIZE"), Reply::Int(1));
    assert!(pair.session.engine().usage().memory > 0);
    pair.done("FLUSHDB");
    assert_eq!(pair.session.ask("DBSIZE"), Reply::Int(0));
}
