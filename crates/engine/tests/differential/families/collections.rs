//! Hashes, lists, sets, and SORT over all of them.

use super::strings::COMMON_FORMS;
use super::{Family, OTHER_KEYS, PLAIN};

pub(crate) const HASHES: Family = Family {
    name: "hashes",
    forms: &[HASH_FORMS, COMMON_FORMS],
    ..PLAIN
};
pub(crate) const LISTS: Family = Family {
    name: "lists",
    forms: &[LIST_FORMS, COMMON_FORMS],
    ..PLAIN
};
pub(crate) const SETS: Family = Family {
    name: "sets",
    forms: &[SET_FORMS, COMMON_FORMS],
    ..PLAIN
};
pub(crate) const SORT: Family = Family {
    name: "sort",
    forms: &[SORT_FORMS, SORTABLE_FORMS, COMMON_FORMS],
    pools: &[OTHER_KEYS, SORT_POOLS],
    ..PLAIN
};

pub(super) const HASH_FORMS: &str = "
14 HSET {k} ({f} {v})*1-3
1 HSET {k} ({many} {v})*130-200
HSETNX {k} {f} {v}
8 HGET {k} {f}
HMGET {k} {f}*1-4
HMSET {k} ({f} {v})*1-3
6 HDEL {k} {f}*1-3
HLEN {k}
HSTRLEN {k} {f}
HEXISTS {k} {f}
OBJECT ENCODING {k} ;; HKEYS {^}
OBJECT ENCODING {k} ;; HVALS {^}
6 OBJECT ENCODING {k} ;; HGETALL {^}
2 HGETALL {k}
8 HINCRBY {k} {f} {int}
10 HINCRBYFLOAT {k} {f} {float}
HKEYS {k} ;; HRANDFIELD {^} [{count}]
HGETALL {k} ;; HRANDFIELD {^} {count} WITHVALUES
1 HRANDFIELD {k} {count} {junk}
!iterate HSCAN {k} <[MATCH {glob}] [COUNT {positive}]>
";

pub(super) const LIST_FORMS: &str = "
12 LPUSH {k} {v}*1-4
12 RPUSH {k} {v}*1-4
1 RPUSH {k} {v}*150-200
3 LPUSHX {k} {v}*1-2
3 RPUSHX {k} {v}*1-2
6 LPOP {k} [{count}]
6 RPOP {k} [{count}]
LLEN {k}
8 LRANGE {k} {i} {i}
LINDEX {k} {i}
LSET {k} {i} {v}
LINSERT {k} (BEFORE|AFTER) {v} {v}
8 LREM {k} {count} {v}
LTRIM {k} {i} {i}
10 LPOS {k} {v} <[RANK {count}] [COUNT {n}] [MAXLEN {n}]>
RPOPLPUSH {k} {k}
LMOVE {k} {k} (LEFT|RIGHT) (LEFT|RIGHT)
6 LMPOP #{k}*1-3 (LEFT|RIGHT) [COUNT {n}]
2 LMPOP {n} {k}*1-3 (LEFT|RIGHT) [COUNT {n}]
";

pub(super) const SET_FORMS: &str = "
14 SADD {k} {m}*1-4
6 SADD {k} {number}*1-4
1 SADD {k} {many}*100-200
1 SADD {k} {number}*400-600
8 SREM {k} {m}*1-3
SCARD {k}
SISMEMBER {k} {m}
SMISMEMBER {k} {m}*1-3
OBJECT ENCODING {k} ;; SMEMBERS {^}
SMOVE {k} {k} {m}
SMEMBERS {k} ;; SPOP {^} [{count}]
SMEMBERS {k} ;; SRANDMEMBER {^} [{count}]
SUNION {k}*1-3
SINTER {k}*1-3
SDIFF {k}*1-3
SUNIONSTORE {k} {k}*1-3
SINTERSTORE {k} {k}*1-3
SDIFFSTORE {k} {k}*1-3
SINTERCARD #{k}*1-3 [LIMIT {n}]
2 SINTERCARD {n} {k}*1-3 [LIMIT {n}]
!iterate SSCAN {k} <[MATCH {glob}] [COUNT {positive}]>
";

pub(super) const SORT_FORMS: &str = "
20 SORT {k} <[BY {by}] [LIMIT {i} {i}] [GET {get}] [GET {get}] [ASC|DESC] [ALPHA] [STORE {k}]>
12 SORT {k} <[BY {by}] [LIMIT {i} {i}] [GET {get}] [ASC|DESC]> ALPHA
6 SORT_RO {k} <[BY {by}] [LIMIT {i} {i}] [GET {get}] [GET {get}] [ASC|DESC] [ALPHA]>
1 SORT_RO {k} STORE {k}
";

// Numbers out of range are left out: one that any command meets leaves its mark in the server's errno, which SORT does
// not reset and takes for its own.
/// What SORT sorts, and the keys it looks up.
const SORTABLE_FORMS: &str = "
10 RPUSH {k} {number}*1-5
6 RPUSH {k} {weight}*1-4
6 RPUSH {k} {v}*1-4
6 SADD {k} {number}*1-5
4 SADD {k} {v}*1-5
8 ZADD {k} ({weight} {m})*1-4
MSET (weight_1 {weight} weight_2 {weight} weight_3 {weight} weight_a {weight}|weight_1 3 weight_2 2 weight_3 1 weight_a 4)
2 SET weight_1 {weight}
HSET weights_1 f {weight} g {v}
2 HSET weights_2 f {weight}
2 HSET weights_a f {weight}
2 DEL (weight_1|weights_1|weight_2)
LRANGE {k} 0 -1
";

/// Weights are never so large or small that `strtod` complains: the complaint sticks and makes later ones fail.
///
/// No value has a zero in it, where the comparison of texts ends.
pub(super) const SORT_POOLS: &str = "
v       a b c 1 2 10 -5 3.5 hello world foobar 12345 ~ \"\" \" \" \"a b\" \"\\xff\\x80\" 007 0 -0 1e3 0.1 inf nan OK
weight  0 1 -1 1.5 2.25 0.1 -0.5 3.0e2 10 100.001 ~ inf -inf nan 1e308 1e-5 -0 \" 1\" \"1 \" 1_0 \"\" abc 1. 0x10
by      weight_* weights_*->f nosort weight_* ~ *->f missing_* weight_ * weights_*-> \"\" a*b* hash->f
get     # weight_* weights_*->f weights_*->g * ~ weights_*-> missing_* \"\" weight_ ## hash->f
number  1 2 3 4 5 10 -1 100 7 8 9 0 32767 32768 2147483648
float   0 1 -1 1.5 2.25 0.1 -0.5 3.0e2 10 100.001 ~ inf -inf nan 1e308 1e-5 1e17 -0 0x1p3 \" 1\" \"1 \" \"\" abc 1. .5 1e
score   0 1 2 3 -1 1.5 0.1 2.5 10 100 ~ inf -inf nan 1e308 1e-5 1e17 \"\" abc -0 0x10 (1
";
