//! Keys whatever their type: names, lives, databases, iteration.

use super::strings::COMMON_FORMS;
use super::{Family, OTHER_KEYS, PLAIN};

const ANY_KEY: &str = "k a b str list set words hash zset stream missing";

pub(crate) const KEYS: Family = Family {
    name: "keys",
    forms: &[KEY_FORMS, VALUE_FORMS, "4 !iterate SCAN COUNT 1000 ;; DBSIZE"],
    pools: &[OTHER_KEYS, ANY_KEY],
    ..PLAIN
};
pub(crate) const EXPIRY: Family = Family {
    name: "expiry",
    forms: &[EXPIRY_FORMS, KEY_FORMS, VALUE_FORMS],
    pools: &[OTHER_KEYS, ANY_KEY],
    length: 60,
    ..PLAIN
};
pub(crate) const DATABASES: Family = Family {
    name: "databases",
    forms: &[DATABASE_FORMS, KEY_FORMS, VALUE_FORMS],
    pools: &[OTHER_KEYS, ANY_KEY],
    ..PLAIN
};
pub(crate) const SCAN: Family = Family {
    name: "scan",
    forms: &[SCAN_FORMS, FILLING_FORMS, COMMON_FORMS],
    pools: &[OTHER_KEYS, ANY_KEY],
    ..PLAIN
};

pub(super) const KEY_FORMS: &str = "
EXISTS {k}*1-3
DEL {k}*1-3
1 UNLINK {k}*1-3
2 TYPE {k}
TTL {k}
PTTL {k}
2 EXPIRETIME {k}
2 PEXPIRETIME {k}
6 EXPIRE {k} {ttl} [NX|XX]
PEXPIRE {k} {pttl} [NX|XX]
3 EXPIREAT {k} {at} ;; EXPIRE {^} {ttl} (GT|LT)
2 EXPIREAT {k} {at} ;; PEXPIRE {^} {pttl} (GT|LT)
3 EXPIREAT {k} {at} [NX|XX|GT|LT]
3 PEXPIREAT {k} {pat} [NX|XX|GT|LT]
2 EXPIREAT {k} {at} <[NX] [XX] [GT] [LT]>
PERSIST {k}
6 RENAME {k} {k}
RENAMENX {k} {k}
6 COPY {k} {k} <[DB {db}] [REPLACE]>
2 KEYS {glob}
1 KEYS * ;; RANDOMKEY
1 TOUCH {k}*1-3
3 OBJECT ENCODING {k}
1 OBJECT REFCOUNT {k}
1 OBJECT IDLETIME {k}
1 OBJECT FREQ {k}
1 OBJECT HELP
1 MEMORY USAGE {k} [SAMPLES {n}]
";

const VALUE_FORMS: &str = "
SET {k} {v} [KEEPTTL|PXAT {pat}|EX {ttl}]
GET {k}
1 INCR {k}
LPUSH {k} {v}*1-3
LPOP {k}
SADD {k} {m}*1-3
SREM {k} {m}*1-3
HSET {k} ({f} {v})*1-2
HDEL {k} {f}
ZADD {k} ({score} {m})*1-2
ZREM {k} {m}
1 XADD {k} 1-1 f v
";

const EXPIRY_FORMS: &str = "
20 PEXPIREAT {k} @soon [NX|XX|GT|LT]
6 PEXPIRE {k} @soon-duration
6 SET {k} {v} (PXAT @soon|PX @soon-duration)
3 GETEX {k} (PXAT @soon|PX @soon-duration)
12 !pass
3 !pass ;; !iterate SCAN COUNT 1000 ;; DBSIZE
SUNIONSTORE {k} {k} {k}
RPOPLPUSH {k} {k}
SINTERSTORE {k} {k} {k}
SETRANGE {k} {i} {v}
BITOP OR {k} {k} {k}
MGET {k}*2-4
2 SORT {k} ALPHA STORE {k}
ZUNIONSTORE {k} 2 {k} {k}
2 LPUSHX {k} {v}
2 HSETNX {k} {f} {v}
2 SETNX {k} {v}
2 GETSET {k} {v}
2 APPEND {k} {v}
";

const DATABASE_FORMS: &str = "
16 SELECT {db}
12 MOVE {k} {db}
12 COPY {k} {k} <[DB {db}] [REPLACE]>
8 SWAPDB {db} {db}
1 FLUSHDB [ASYNC|SYNC]
1 FLUSHALL [ASYNC|SYNC]
4 !iterate SCAN COUNT 1000 ;; DBSIZE
4 KEYS {glob}
";

pub(super) const SCAN_FORMS: &str = "
8 !iterate SCAN <[MATCH {glob}] [COUNT {positive}] [TYPE {type}]>
6 !iterate HSCAN {k} <[MATCH {glob}] [COUNT {positive}]>
6 !iterate SSCAN {k} <[MATCH {glob}] [COUNT {positive}]>
6 !iterate ZSCAN {k} <[MATCH {glob}] [COUNT {positive}]>
2 SCAN {cursor} <[MATCH nothing] [COUNT {count}] [TYPE nothing]>
2 (HSCAN|SSCAN|ZSCAN) missing {cursor} <[MATCH {glob}] [COUNT {count}]>
2 (HSCAN|SSCAN|ZSCAN) {k} {cursor} <[MATCH {glob}] [COUNT {count}] [TYPE hash]>
";

const FILLING_FORMS: &str = "
SET {m} {v}
MSET ({many} {v})*40-90
HSET {k} ({f} {v})*1-3
2 HSET {k} ({many} {v})*300-300
SADD {k} {m}*1-5
2 SADD {k} {many}*300-300
2 SADD {k} {many}*40-90
ZADD {k} ({score} {m})*1-5
2 ZADD {k} ({score} {many})*80-200
HDEL {k} {many}*20-40
SREM {k} {many}*20-40
1 DEL {many}*20-40
";
