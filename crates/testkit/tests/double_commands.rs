//! The double against a real server, command by command: same replies, same errors, same kinds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

mod support;

use support::Both;

async fn same(script: &str, at_least: usize) {
    let mut both = Both::start().await;
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        both.compare(line).await;
    }
    both.finish(at_least);
}

#[tokio::test]
async fn keys_and_strings_answer_alike() {
    let script = r#"
        PING
        PING hello
        PING a b
        ECHO "two words"
        ECHO
        NOSUCH a b
        SELECT 0
        SELECT x
        GET k
        SET k v
        GET k
        get k
        SET k v2 NX
        SET k v3 XX
        SET k v4 XX GET
        SET new v NX GET
        SET new w NX GET
        SET k v EX 0
        SET k v PX x
        SET k v PX
        SET k v NX XX
        SET k v EX 10 PX 10
        SET k v BOGUS
        SET k v PX 100000
        ~close PTTL k
        TTL k
        SET k w KEEPTTL
        ~close PTTL k
        SET k w EX 9 KEEPTTL
        SET k w
        PTTL k
        TTL k
        PTTL missing
        TTL missing
        EXPIRE k 100
        EXPIRE k 100 NX
        EXPIRE k 200 GT
        EXPIRE k 100 GT
        EXPIRE k 50 LT
        EXPIRE k 50 NX GT
        EXPIRE k 50 GT LT
        EXPIRE k 50 FOO
        EXPIRE k x
        EXPIRE missing 10
        PEXPIRE k 9223372036854775807
        PERSIST k
        PERSIST k
        PERSIST missing
        EXPIRE k 10 XX
        EXPIRE k 10 GT
        EXPIRE k 10 LT
        PEXPIRE k -1
        EXISTS k
        SET a 1
        SET b 2
        EXISTS a b c a
        DEL a c
        UNLINK b
        TYPE a
        SET t 1
        TYPE t
        RENAME missing x
        RENAME t t2
        RENAME t2 t2
        GET t2
        INCR n
        INCR n
        INCRBY n 40
        INCRBY n x
        INCRBY n -50
        DECR n
        SET n 9223372036854775807
        INCR n
        SET n 007
        INCR n
        SET n " 1"
        INCR n
        SET n abc
        INCR n
        HSET h f v
        GET h
        INCR h
        SET h v GET
        LPUSH l a
        ~sorted KEYS *
        ~sorted KEYS n*
        ~sorted KEYS [^hl]*
        ~sorted SCAN 0
        ~sorted SCAN 0 MATCH n* COUNT 100
        ~sorted SCAN 0 TYPE hash
        SCAN x
        SCAN 0 COUNT 0
        SCAN 0 COUNT x
        SCAN 0 FOO
        DBSIZE
        GET
        GET a b
        SET a
        DEL
        FLUSHALL NOW
        FLUSHALL
        DBSIZE
        ~kind TIME
        CONFIG GET maxmemory-policy
        CONFIG GET appendonly
        CONFIG GET
        CONFIG FOO
        CLIENT SETNAME worker
        CLIENT GETNAME
        CLIENT SETNAME "a b"
        CLIENT SETNAME
        CLIENT FOO
        ~kind CLIENT ID
        ~kind CLIENT LIST
        CLIENT LIST TYPE pubsub
        ~kind HELLO
        ~kind HELLO 2
        HELLO 2 FOO
        HELLO x
        HELLO 4
    "#;
    same(script, 100).await;
}

#[tokio::test]
async fn hashes_and_sets_answer_alike() {
    let script = r#"
        HSET h f1 v1 f2 v2
        HSET h f1 new f3 v3
        HSET h f1
        HSET h f1 v1 f2
        HMSET h f4 v4
        HMSET h f4
        HMSET h f4 v f5
        HGET h f1
        HGET h none
        HGET none f
        HMGET h f1 none f2
        HMGET none a b
        ~pairs HGETALL h
        HGETALL none
        HDEL h f1 f1 none
        HDEL none f
        HEXISTS h f2
        HEXISTS h f1
        HINCRBY h n 5
        HINCRBY h n -7
        HINCRBY h f2 1
        HINCRBY h n x
        HINCRBY h n 9223372036854775807
        HINCRBY h n 9223372036854775807
        HLEN h
        HLEN none
        HSCAN h 0 MATCH n*
        HSCAN none 0
        HSCAN h x
        HSCAN h 0 TYPE string
        HDEL h f2 f3 f4 n
        EXISTS h
        HSET bin "a\x00b" "\xff\xfe"
        HGETALL bin
        SADD s a b c a
        SADD s c d
        SREM s a x
        ~sorted SMEMBERS s
        SMEMBERS none
        SCARD s
        SCARD none
        SISMEMBER s b
        SISMEMBER s a
        SISMEMBER none a
        ~sorted SSCAN s 0
        SSCAN s 0 MATCH b
        SSCAN none 0
        SREM s b c d
        TYPE s
        SET str x
        SADD str a
        HSET str a b
        SMEMBERS str
        HGETALL str
        HDEL str a
        SREM str a
        HSCAN str 0
    "#;
    same(script, 50).await;
}

#[tokio::test]
async fn lists_answer_alike() {
    let script = r#"
        RPUSH l a b c
        LPUSH l z y
        LRANGE l 0 -1
        LRANGE l 1 2
        LRANGE l -2 -1
        LRANGE l 3 1
        LRANGE l -100 100
        LRANGE l x 1
        LRANGE none 0 -1
        LLEN l
        LLEN none
        LINDEX l 0
        LINDEX l -1
        LINDEX l 99
        LINDEX l -99
        LINDEX none 0
        LSET l 0 first
        LSET l -1 last
        LSET l 99 x
        LSET none 0 x
        LSET l x x
        LPOP l
        RPOP l
        LPOP l 2
        LPOP l 0
        LPOP l -1
        LPOP l x
        LPOP l 9
        LPOP l
        LPOP none 2
        LPOP l 1 2
        RPUSH m a b a c a d a
        LPOS m a
        LPOS m a RANK 2
        LPOS m a RANK -1
        LPOS m a COUNT 0
        LPOS m a COUNT 2
        LPOS m a COUNT 2 RANK -1
        LPOS m a RANK 2 COUNT 2 MAXLEN 3
        LPOS m x
        LPOS m x COUNT 0
        LPOS none x
        LPOS none x COUNT 1
        LPOS m a RANK 0
        LPOS m a COUNT -1
        LPOS m a MAXLEN -1
        LPOS m a FOO
        LREM m 1 a
        LRANGE m 0 -1
        LREM m -1 a
        LRANGE m 0 -1
        LREM m 0 a
        LREM m 0 none
        LREM none 0 a
        LREM m x a
        LRANGE m 0 -1
        LTRIM m 1 1
        LRANGE m 0 -1
        LTRIM m 5 9
        EXISTS m
        LTRIM none 0 1
        RPUSH src 1 2 3
        RPOPLPUSH src dst
        LRANGE dst 0 -1
        LMOVE src dst LEFT RIGHT
        LMOVE src dst left right
        LRANGE dst 0 -1
        EXISTS src
        LMOVE src dst LEFT UP
        RPOPLPUSH src dst
        RPOPLPUSH dst dst
        LRANGE dst 0 -1
        SET str x
        RPOPLPUSH dst str
        LRANGE dst 0 -1
        RPOPLPUSH str dst
        LPUSH str a
        LRANGE str 0 1
        LPUSH l
    "#;
    same(script, 70).await;
}

#[tokio::test]
async fn sorted_sets_answer_alike() {
    let script = r#"
        ZADD z 1 a 2 b 3 c
        ZADD z 5 a 4 d
        ZADD z CH 5 a 6 d
        ZADD z NX 9 a 7 e
        ZADD z XX 8 e 1 f
        ZADD z XX CH GT 1 e 10 a
        ZADD z LT CH 1 e 11 a
        ZADD z GT LT 1 a
        ZADD z NX GT 1 a
        ZADD z NX XX 1 a
        ZADD z 1
        ZADD z 1 a 2
        ZADD z x a
        ZADD z nan a
        ZADD z XX 1
        ZADD none XX 1 a
        EXISTS none
        ZADD z inf top -inf bottom +inf other
        ZADD z 0.1 f 1.5 g 1e20 h 1764000000000123 i 3.0 j -2.5e-7 k
        ZRANGE z 0 -1 WITHSCORES
        ZSCORE z f
        ZSCORE z h
        ZSCORE z top
        ZSCORE z none
        ZSCORE none a
        ZMSCORE z a none bottom
        ZMSCORE none a
        ZCARD z
        ZCARD none
        ZCOUNT z -inf +inf
        ZCOUNT z (2 (10
        ZCOUNT z (inf +inf
        ZCOUNT z -inf (-inf
        ZCOUNT z 10 2
        ZCOUNT z a b
        ZRANGE z 0 2
        ZRANGE z -3 -1
        ZRANGE z 5 2
        ZRANGE z 0 2 REV
        ZRANGE z 0 2 REV WITHSCORES
        ZRANGE z 1 3 BYSCORE
        ZRANGE z (1 (3 BYSCORE WITHSCORES
        ZRANGE z 3 1 BYSCORE REV
        ZRANGE z 3 1 BYSCORE REV LIMIT 0 1
        ZRANGE z -inf +inf BYSCORE LIMIT 2 3
        ZRANGE z -inf +inf BYSCORE LIMIT -1 3
        ZRANGE z -inf +inf BYSCORE LIMIT 12 -1
        ZRANGE z 0 1 LIMIT 0 1
        ZRANGE z x 1
        ZRANGE z x 1 BYSCORE
        ZRANGE z 0 1 FOO
        ZREVRANGE z 0 1
        ZREVRANGE z 0 1 WITHSCORES
        ZREVRANGE z 0 1 REV
        ZRANGEBYSCORE z 0 5
        ZRANGEBYSCORE z (0 5 WITHSCORES LIMIT 1 2
        ZRANGEBYSCORE z 0 5 LIMIT 1
        ZRANGEBYSCORE z 0 5 LIMIT a b
        ZRANGEBYSCORE z 0 x
        ZREVRANGEBYSCORE z 5 0
        ZREVRANGEBYSCORE z 5 0 WITHSCORES LIMIT 0 2
        ZRANGEBYSCORE none 0 5
        ZREM z a none
        ZREM none a
        ZREMRANGEBYRANK z 0 1
        ZREMRANGEBYRANK z x 1
        ZREMRANGEBYRANK z 90 91
        ZREMRANGEBYSCORE z -inf (1
        ZREMRANGEBYSCORE z x 1
        ZREMRANGEBYSCORE none 0 1
        ZRANGE z 0 -1 WITHSCORES
        ZPOPMIN z
        ZPOPMIN z 2
        ZPOPMIN z 0
        ZPOPMIN z -1
        ZPOPMIN z x
        ZPOPMIN none
        BZPOPMIN z 1
        BZPOPMIN none z 0
        BZPOPMIN z -1
        BZPOPMIN z x
        BZPOPMIN none 0.01
        ZPOPMIN z 100
        EXISTS z
        SET str x
        ZADD str 1 a
        ZRANGE str 0 1
        ZREM str a
        BZPOPMIN str 1
        ZADD same 1 b 1 a 1 c 1 B
        ZRANGE same 0 -1
        ZRANGE same 0 -1 REV
    "#;
    same(script, 80).await;
}

#[tokio::test]
async fn streams_answer_alike() {
    let mut script = String::from(
        r#"
        XADD s 1-1 f v
        XADD s 1-1 f v
        XADD s 1-* f v2 g w
        XADD s 0-* f v
        XADD s 5 f v3
        XADD s 0-0 f v
        XADD s x f v
        XADD s 6-1 f
        XADD s 6-1
        XADD none NOMKSTREAM 1-1 f v
        EXISTS none
        ~kind XADD auto * f v
        XLEN s
        XLEN none
        XRANGE s - +
        XRANGE s 1 1
        XRANGE s 1-2 +
        XRANGE s (1-1 (5
        XRANGE s - + COUNT 1
        XRANGE s - + COUNT 0
        XRANGE s - + COUNT -1
        XRANGE s - + FOO
        XRANGE s + -
        XRANGE s x +
        XRANGE none - +
        XREVRANGE s + -
        XREVRANGE s + - COUNT 2
        XREVRANGE s 1 1
        XREAD STREAMS s 0
        XREAD COUNT 1 STREAMS s 0
        XREAD STREAMS s none 1-1 0
        XREAD STREAMS s $
        XREAD BLOCK 1 STREAMS s $
        XREAD BLOCK -1 STREAMS s $
        XREAD BLOCK x STREAMS s $
        XREAD BLOCK 1000 STREAMS s 0
        XREAD STREAMS s
        XREAD STREAMS s 0 1
        XREAD STREAMS s x
        XREAD FOO STREAMS s 0
        XTRIM s MAXLEN 2
        XTRIM s MAXLEN = 2
        XTRIM s MINID 5
        XTRIM s MAXLEN 1 LIMIT 1
        XTRIM s MAXLEN ~ 1 LIMIT 1
        XTRIM s FOO 1
        XTRIM s MAXLEN x
        XTRIM s MAXLEN -1
        XTRIM none MAXLEN 1
        XRANGE s - +
        XTRIM s MAXLEN 0
        XLEN s
        TYPE s
        XADD s 5-0 f v
        XADD s MAXLEN 1 7-1 a b
        XADD s MAXLEN = 1 7-2 a b
        XADD s MINID 8 8-1 a b
        XRANGE s - +
        SET str x
        XADD str * f v
        XLEN str
        XREAD STREAMS str 0
        XRANGE str - +
    "#,
    );
    for number in 1..=250 {
        script.push_str(&format!(
            "XADD long MAXLEN ~ 20 {number}-0 n {number}\nXLEN long\n"
        ));
    }
    script.push_str("XTRIM long MAXLEN ~ 5\nXRANGE long - + COUNT 1\nXTRIM long MINID ~ 240\nXLEN long\n");
    same(&script, 60).await;
}
