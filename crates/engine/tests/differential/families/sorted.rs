//! Sorted sets.
//!
//! Ranges by name are defined where all scores are equal, so they have keys of their own.

use super::strings::COMMON_FORMS;
use super::{Family, PLAIN};

pub(crate) const SORTED_SETS: Family = Family {
    name: "sorted sets",
    forms: &[SORTED_SET_FORMS, COMMON_FORMS],
    ..PLAIN
};

pub(super) const SORTED_SET_FORMS: &str = "
16 ZADD {k} ({score} {m})*1-4
6 ZADD {k} (0 {m})*2-6
1 ZADD {k} ({score} {many})*130-200
12 ZADD {k} <[NX|XX] [GT|LT] [CH] [INCR]> ({score} {m})*1-2
4 ZADD {k} <[NX] [XX] [GT] [LT] [CH] [INCR]> {score} {m}
8 ZINCRBY {k} {score} {m}
6 ZREM {k} {m}*1-3
ZCARD {k}
ZSCORE {k} {m}
ZMSCORE {k} {m}*1-3
ZRANK {k} {m}
ZREVRANK {k} {m}
1 ZRANK {k} {m} WITHSCORE
6 ZCOUNT {k} {bound} {bound}
6 ZADD {l} (0 {m})*2-6
6 ZLEXCOUNT {l} {lex} {lex}
8 ZRANGE {k} {i} {i} <[REV] [WITHSCORES]>
8 ZRANGE {k} {bound} {bound} BYSCORE <[REV] [WITHSCORES] [LIMIT {i} {i}]>
8 ZRANGE {l} {lex} {lex} BYLEX <[REV] [LIMIT {i} {i}]>
4 ZRANGE {l} ({i} {i}|{bound} {bound}|{lex} {lex}) <[BYSCORE] [BYLEX] [REV] [LIMIT {i} {i}] [WITHSCORES]>
ZRANGESTORE {k} {k} {i} {i} [REV]
ZRANGESTORE {k} {k} {bound} {bound} BYSCORE <[REV] [LIMIT {i} {i}]>
ZRANGESTORE {l} {l} {lex} {lex} BYLEX <[REV] [LIMIT {i} {i}]>
1 ZRANGESTORE {k} {k} {i} {i} WITHSCORES
ZREVRANGE {k} {i} {i} [WITHSCORES]
6 ZRANGEBYSCORE {k} {bound} {bound} <[WITHSCORES] [LIMIT {i} {i}]>
6 ZREVRANGEBYSCORE {k} {bound} {bound} <[WITHSCORES] [LIMIT {i} {i}]>
ZRANGEBYLEX {l} {lex} {lex} [LIMIT {i} {i}]
ZREVRANGEBYLEX {l} {lex} {lex} [LIMIT {i} {i}]
2 ZREMRANGEBYRANK {k} {i} {i}
2 ZREMRANGEBYSCORE {k} {bound} {bound}
2 ZREMRANGEBYLEX {l} {lex} {lex}
ZPOPMIN {k} [{count}]
ZPOPMAX {k} [{count}]
ZMPOP #{k}*1-3 (MIN|MAX) [COUNT {n}]
1 ZMPOP {n} {k}*1-2 (MIN|MAX) [COUNT {n}]
ZRANGE {k} 0 -1 ;; ZRANDMEMBER {^} [{count}]
ZRANGE {k} 0 -1 WITHSCORES ;; ZRANDMEMBER {^} {count} WITHSCORES
6 ZUNION #{x}*1-3 <[WEIGHTS {float}*@] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]>
6 ZINTER #{x}*1-3 <[WEIGHTS {float}*@] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]>
ZDIFF #{x}*1-3 [WITHSCORES]
6 ZUNIONSTORE {k} #{x}*1-3 <[WEIGHTS {float}*@] [AGGREGATE (SUM|MIN|MAX)]>
6 ZINTERSTORE {k} #{x}*1-3 <[WEIGHTS {float}*@] [AGGREGATE (SUM|MIN|MAX)]>
ZDIFFSTORE {k} #{x}*1-3
1 (ZUNIONSTORE|ZINTERSTORE|ZDIFFSTORE) {k} {n} {x}*1-3 [WITHSCORES]
ZINTERCARD #{x}*1-3 [LIMIT {n}]
1 ZINTERCARD {n} {x}*1-3 [LIMIT {n}]
!iterate ZSCAN {k} <[MATCH {glob}] [COUNT {positive}]>
";
