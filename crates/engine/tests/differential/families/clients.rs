//! What one client's command means for others: waiting, publishing, tracking; and the connection itself.
//!
//! These run step by step: after each command, everything that reached any client is compared.

use super::{Family, OTHER_KEYS, PLAIN};
use super::{keyspace, streams};

pub(crate) const BLOCKING: Family = Family {
    name: "blocking",
    forms: &[WAITING_FORMS, SERVING_FORMS],
    pools: &[OTHER_KEYS, streams::POOLS, WAITING_POOLS],
    setup: "SET str 10\nXADD stream 1-1 f v\nXGROUP CREATE stream g 0\n",
    clients: 3,
    is_stepwise: true,
    length: 60,
    ..PLAIN
};
pub(crate) const PUBLISHING: Family = Family {
    name: "publishing",
    forms: &[PUBLISHING_FORMS],
    pools: &[OTHER_KEYS, PUBLISHING_POOLS],
    setup: "",
    clients: 3,
    is_stepwise: true,
    length: 60,
    ..PLAIN
};
pub(crate) const TRACKING: Family = Family {
    name: "tracking",
    forms: &[TRACKING_FORMS, keyspace::KEY_FORMS, TRACKED_FORMS],
    pools: &[OTHER_KEYS, TRACKING_POOLS],
    clients: 2,
    is_stepwise: true,
    is_resp3: true,
    length: 60,
    ..PLAIN
};
pub(crate) const CONNECTION: Family = Family {
    name: "connection",
    forms: &[CONNECTION_FORMS],
    pools: &[OTHER_KEYS, CONNECTION_POOLS],
    clients: 2,
    is_stepwise: true,
    length: 60,
    ..PLAIN
};

const WAITING_FORMS: &str = "
32 (BLPOP|BRPOP) {k}*1-3 {forever}
16 BLMOVE {k} {k} (LEFT|RIGHT) (LEFT|RIGHT) {forever}
12 BRPOPLPUSH {k} {k} {forever}
16 BLMPOP {forever} #{k}*1-3 (LEFT|RIGHT) [COUNT {n}]
20 (BZPOPMIN|BZPOPMAX) {k}*1-3 {forever}
12 BZMPOP {forever} #{k}*1-3 (MIN|MAX) [COUNT {n}]
20 XREAD <[COUNT {count}] BLOCK {forever-ms}> STREAMS {k} ($|$|{id})
4 XREAD <[COUNT {count}] BLOCK {forever-ms}> STREAMS {k} {k} ($|{id})*2-2
20 XREADGROUP GROUP {g} {c} <[COUNT {count}] BLOCK {forever-ms}> STREAMS {k} {next}
1 BLPOP {k} {short} ;; !await
1 BLMOVE {k} {k} LEFT LEFT {short} ;; !await
1 BLMPOP {short} 1 {k} LEFT ;; !await
1 BZPOPMIN {k} {short} ;; !await
1 BZMPOP {short} 1 {k} MAX ;; !await
1 XREAD BLOCK 12 STREAMS {k} $ ;; !await
1 XREADGROUP GROUP {g} {c} BLOCK 12 STREAMS {k} {new} ;; !await
1 BRPOPLPUSH {k} {k} {short} ;; !await
";

/// Where a key is overwritten by another type, Redis serves its waiters neither then nor at the next push, and the
/// engine does at the next push; so what is stored goes to a key that nobody waits for, and from there on.
const SERVING_FORMS: &str = "
40 LPUSH {k} {v}*1-3
40 RPUSH {k} {v}*1-3
32 ZADD {k} ({score} {m})*1-3
32 XADD {k} {add} f v
4 XGROUP CREATE {k} {g} ({id}|$) MKSTREAM
2 XGROUP DESTROY {k} {g}
3 SET {k} {v}
4 DEL {k}
4 RENAME {k} {k}
4 COPY {k} {k} REPLACE
3 RPOPLPUSH {k} {k}
3 LMOVE {k} {k} LEFT RIGHT
4 (ZUNIONSTORE stored 2 {k} {k}|ZRANGESTORE stored {k} 0 -1|SORT {k} ALPHA STORE stored) ;; (RENAME stored {k}|COPY stored {k} REPLACE)
2 LINSERT {k} BEFORE a b
2 LPUSHX {k} {v}
2 ZINCRBY {k} 1 {m}
4 LRANGE {k} 0 -1
4 MULTI ;; RPUSH {k} {v}*1-2 ;; LPOP {k} ;; EXEC
4 MULTI ;; RPUSH {k} a ;; DEL {^} ;; ZADD {^} 1 m ;; EXEC
4 MULTI ;; LPUSH {k} {v} ;; RPUSH {k} {v}*2-3 ;; SET {k} {v} ;; EXEC
4 MULTI ;; ZADD {k} 1 m 2 n ;; RPUSH {k} {v} ;; XADD {k} {add} f v ;; EXEC
4 EVAL \"redis.call('RPUSH',KEYS[1],'a','b') redis.call('LPUSH',KEYS[2],'c') return redis.call('LLEN',KEYS[1])\" 2 {k} {k}
2 EVAL \"redis.call('ZADD',KEYS[1],1,'a',2,'b') return redis.call('BLPOP',KEYS[2],0)\" 2 {k} {k}
4 MULTI ;; BLPOP {k} {k} 0 ;; BRPOPLPUSH {k} {k} 0 ;; BLMOVE {k} {k} LEFT RIGHT 0 ;; BZPOPMIN {k} 0 ;; BLMPOP 0 1 {k} LEFT ;; BZMPOP 0 1 {k} MIN ;; XREAD BLOCK 0 STREAMS stream $ ;; EXEC
3 CLIENT UNBLOCK @id0 [TIMEOUT|ERROR]
3 CLIENT UNBLOCK @id1 [TIMEOUT|ERROR]
3 CLIENT UNBLOCK @id2 [TIMEOUT|ERROR]
1 CLIENT UNBLOCK 999999 [TIMEOUT|ERROR|{v}]
1 CLIENT KILL ID @id1
1 FLUSHDB
1 SWAPDB 0 1 ;; SWAPDB 0 1
1 SELECT 1 ;; RPUSH {k} {v} ;; MOVE {^} 0 ;; SELECT 0
1 SELECT 1 ;; RPUSH {k} {v} ;; SWAPDB 0 1 ;; SELECT 0
2 SET {k} {v} ;; DEL {^}
";

const WAITING_POOLS: &str = "
k a b a b c ~ str list stream
forever 0 ~ -1 a \"\" 1e400 inf nan 100 0.0 99999999999999999999 9223372036854775807 -0 -0.5
forever-ms 0 ~ -1 a \"\" 1.5 100000 9223372036854775807 9223372036854775808
new >
short 0.012 0.02
add 1-1 2-* 3-* 4-1 5-* 6-* 7-* 9-* ~ 1 a
id 0 1 2 3-0 ~ a
g g g h
";

const PUBLISHING_FORMS: &str = "
16 SUBSCRIBE {channel}*1-3
12 PSUBSCRIBE {pattern}*1-2
10 UNSUBSCRIBE {channel}*0-2
8 PUNSUBSCRIBE {pattern}*0-2
4 SSUBSCRIBE {channel}*1-2
3 SUNSUBSCRIBE {channel}*0-2
4 SPUBLISH {channel} {v}
30 PUBLISH {channel} {v}
4 PUBSUB CHANNELS [{pattern}]
4 PUBSUB NUMSUB {channel}*0-3
4 PUBSUB NUMPAT
2 PUBSUB SHARDCHANNELS [{pattern}]
2 PUBSUB SHARDNUMSUB {channel}*0-2
1 PUBSUB HELP
4 PING [{v}]
3 GET {k}
2 SET {k} {v}
4 MULTI ;; PUBLISH {channel} {v} ;; PUBLISH {channel} {v} ;; EXEC
2 MULTI ;; SUBSCRIBE {channel} ;; PUBLISH {channel} {v} ;; EXEC
2 MULTI ;; UNSUBSCRIBE {channel} ;; EXEC
2 EVAL \"redis.call('PUBLISH',KEYS[1],'x') return redis.call('PUBLISH',KEYS[2],'y')\" 2 {channel} {channel}
1 EVAL \"return redis.pcall('SUBSCRIBE','x')\" 0
1 RESET
1 HELLO (2|3)
1 CLIENT KILL ID @id2
1 BLPOP {k} 0
";

const PUBLISHING_POOLS: &str = "
channel one two three a.b ~ \"\" * one*
pattern one* * t* ?ne a.? ~ \"\" [ot]* one
";

const TRACKING_FORMS: &str = "
8 CLIENT TRACKING ON
6 CLIENT TRACKING ON <[BCAST] [NOLOOP] [PREFIX {prefix}]>
6 CLIENT TRACKING ON BCAST <[PREFIX {prefix}] [PREFIX {prefix}] [NOLOOP]>
6 CLIENT TRACKING ON <(OPTIN|OPTOUT) [NOLOOP]>
4 CLIENT TRACKING ON <[BCAST] [OPTIN] [OPTOUT] [NOLOOP] [PREFIX {prefix}] [REDIRECT @id1]>
1 CLIENT TRACKING ON REDIRECT 999999
8 CLIENT TRACKING OFF
6 CLIENT CACHING (YES|NO) ;; GET {k}
2 CLIENT CACHING (YES|NO|{v})
4 CLIENT TRACKINGINFO
3 CLIENT GETREDIR
2 HELLO 2
2 HELLO 3
1 RESET
2 SUBSCRIBE __redis__:invalidate
";

const TRACKED_FORMS: &str = "
30 GET {k}
10 MGET {k}*2-3
6 LRANGE {k} 0 -1
4 HGETALL {k}
30 SET {k} {v}
10 other! SET {k} {v}
10 other! DEL {k}*1-3
6 other! MSET ({k} {v})*2-3
4 other! LPUSH {k} {v}
4 other! HSET {k} {f} {v}
4 INCR {k}
4 MULTI ;; SET {k} {v} ;; GET {k} ;; SET {k} {v} ;; EXEC
3 EVAL \"redis.call('GET',KEYS[1]) redis.call('SET',KEYS[2],'x') return redis.call('GET',KEYS[2])\" 2 {k} {k}
2 FLUSHDB
1 FLUSHALL
1 SWAPDB 0 1
2 SELECT {db}
2 RENAME {k} {k}
2 BLPOP list 1
";

const TRACKING_POOLS: &str = "
prefix a b ab s str ~ \"\" hash abc
k a ab b str list hash ~ set missing
";

const CONNECTION_FORMS: &str = "
8 PING [{v}]
4 ECHO {v}
8 SELECT {db}
8 HELLO
12 HELLO {version} [SETNAME {name}]
2 HELLO {version} AUTH {v} {v} [SETNAME {name}]
4 AUTH {v} [{v}]
8 CLIENT SETNAME {name}
8 CLIENT GETNAME
3 CLIENT ID
3 CLIENT INFO
3 CLIENT LIST [TYPE (NORMAL|PUBSUB|{v})]
3 CLIENT LIST ID @id0 [@id1]
3 CLIENT REPLY (ON|SKIP|{v})
2 CLIENT REPLY OFF ;; GET {k} ;; CLIENT REPLY ON
2 CLIENT NO-EVICT (ON|OFF|{v})
2 CLIENT PAUSE (a|-1)
2 CLIENT UNPAUSE
1 CLIENT HELP
2 CLIENT KILL (ID 999999|TYPE {v}|ADDR 1.2.3.4:5|{v}|SKIPME {v})
6 RESET
2 MULTI ;; RESET ;; GET {k}
2 TIME
2 LASTSAVE
4 COMMAND COUNT {v}*1-1
6 COMMAND INFO {command}*1-3
4 COMMAND GETKEYS (GET a|MSET a 1 b 2|EVAL x 2 a b|ZUNIONSTORE d 2 a b|XREAD STREAMS a b 0 0|SORT a STORE b|PING|GET|NOSUCH a|XREADGROUP GROUP g c STREAMS a 0|BLMPOP 0 2 a b LEFT|OBJECT ENCODING k|EVAL x 0|SORT a BY b GET c|XREAD COUNT 1|ZUNION 9 a)
2 COMMAND DOCS nosuch
1 COMMAND LIST FILTERBY PATTERN nosuch*
2 CONFIG GET {setting}
1 CONFIG RESETSTAT
1 CONFIG SET {v} {v}
3 OBJECT {v}
3 {v} {v}
2 NOSUCH {v}*0-4
3 GET {k}
3 SET {k} {v}
1 QUIT
1 WAIT 0 10
1 SUBSCRIBE one ;; PING ;; GET {k} ;; UNSUBSCRIBE one
1 READONLY
1 SWAPDB {db} {db}
";

const CONNECTION_POOLS: &str = "
version 2 3 ~ 1 4 a \"\" 03
name one two ~ \"\" \"a b\" \"\\n\" é
setting maxmemory databases timeout appendonly ~ \"\" nosuch*
command get set mset eval xread client|list object|encoding sort zunionstore blpop ~ nosuch \"\" GET object
";
