//! Streams, and groups of consumers on them.
//!
//! Ids are explicit and thresholds of idle time far from any idle time that comes up.

use super::strings::COMMON_FORMS;
use super::{Family, OTHER_KEYS, PLAIN};

pub(crate) const STREAMS: Family = Family {
    name: "streams",
    forms: &[STREAM_FORMS, "2 XGROUP CREATE {k} {g} {id}", COMMON_FORMS],
    pools: &[OTHER_KEYS, POOLS],
    ..PLAIN
};
pub(crate) const GROUPS: Family = Family {
    name: "stream groups",
    forms: &[
        GROUP_FORMS,
        "20 XADD {k} {add} f v\n3 XDEL {k} {id}*1-2\n2 XTRIM {k} MAXLEN {n}\n2 XLEN {k}",
        COMMON_FORMS,
    ],
    pools: &[OTHER_KEYS, POOLS],
    ..PLAIN
};

pub(super) const STREAM_FORMS: &str = "
24 XADD {k} {add} ({f} {v})*1-2
8 XADD {k} <[NOMKSTREAM] [(MAXLEN|MINID) [=|{about}] {n} [LIMIT {n}]]> {add} {f} {v}
4 XADD {k} MINID [=|{about}] {id} {add} {f} {v}
1 XADD {k} {add} {f} {v} {f}
XTRIM {k} (MAXLEN|MINID) [=|{about}] {n} [LIMIT {n}]
2 XTRIM {k} MINID {id}
6 XDEL {k} {id}*1-3
XLEN {k}
8 XRANGE {k} {from} {to} [COUNT {count}]
6 XREVRANGE {k} {to} {from} [COUNT {count}]
6 XREAD [COUNT {count}] STREAMS {k} {id}
4 XREAD [COUNT {count}] STREAMS {k} {k} {id} {id}
1 XREAD [COUNT {count}] STREAMS {k} (($)|({k} {id}))
XINFO STREAM {k} [FULL [COUNT {count}]]
3 XSETID {k} {id} <[ENTRIESADDED {n}] [MAXDELETEDID {id}]>
1 XINFO HELP
";

pub(super) const GROUP_FORMS: &str = "
10 XGROUP CREATE {k} {g} ({id}|$) <[MKSTREAM] [ENTRIESREAD {n}]>
2 XGROUP SETID {k} {g} ({id}|$) [ENTRIESREAD {n}]
1 XGROUP DESTROY {k} {g}
3 XGROUP CREATECONSUMER {k} {g} {c}
2 XGROUP DELCONSUMER {k} {g} {c}
1 XGROUP HELP
20 XREADGROUP GROUP {g} {c} [COUNT {count}] [NOACK] STREAMS {k} {next}
6 XREADGROUP GROUP {g} {c} <[COUNT {count}] [NOACK]> STREAMS {k} ({id}|{next})
3 XREADGROUP GROUP {g} {c} [COUNT {count}] STREAMS {k} {k} ({id}|{next})*2-2
10 XACK {k} {g} {id}*1-3
8 XPENDING {k} {g}
8 XPENDING {k} {g} [IDLE {idle}] {from} {to} {count} [{c}]
10 XCLAIM {k} {g} {c} {idle} {id}*1-3 <[IDLE {idle}] [TIME {time}] [RETRYCOUNT {n}] [FORCE] [JUSTID] [LASTID {id}]>
8 XAUTOCLAIM {k} {g} {c} {idle} {from} <[COUNT {count}] [JUSTID]>
3 XINFO GROUPS {k}
3 XINFO CONSUMERS {k} {g}
3 XINFO STREAM {k} FULL [COUNT {count}]
";

pub(super) const POOLS: &str = "
add     1-1 1-2 2-1 3-* 3-1 4-1 5-5 6-* 7-* 8-0 9-9 10-1 11-* 12-* 13 14-1 15-1 ~ 0-0 0-1 0-* 5 -1 \"\" a 1-a 18446744073709551615-18446744073709551615 18446744073709551615-* 18446744073709551616-0 1-1-1 +1-1 01-01 \"1 -1\" -
id      0 1-1 2-1 3 4-1 5-5 7-0 1-2 8-0 10 0-0 ~ \"\" a - + 1- -1 18446744073709551615 18446744073709551616-1 1-1-1 $ 100-1 5-* (1-1
from    - 0 1-1 1 3 5 (1-1 (3 (5 ~ + (- (+ ( a \"\" (18446744073709551615-18446744073709551615 (0-0
to      + 5 10 1-2 3 (10 (3 (5-5 18446744073709551615 ~ - (- ( a \"\" (0-0 (0
about   \"~\"
g       g g h ~ \"\" missing
c       alice alice bob ~ \"\" carol
idle    0 0 0 1000000 ~ -1 a \"\" 9223372036854775807 500000
time    1000 1000000000000 ~ -1 a 0
next    > > > 0 ~ 1-1 $ -
";
