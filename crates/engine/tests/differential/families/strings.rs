//! Strings, their bits, and HyperLogLogs, which are strings too.

use super::{Family, PLAIN};

pub(crate) const STRINGS: Family = Family {
    name: "strings",
    forms: &[STRING_FORMS, COMMON_FORMS],
    ..PLAIN
};
pub(crate) const BITS: Family = Family {
    name: "bits",
    forms: &[BIT_FORMS, "12 SET {k} {v}\n4 GET {k}", COMMON_FORMS],
    ..PLAIN
};
pub(crate) const HYPERLOGLOG: Family = Family {
    name: "hyperloglog",
    forms: &[
        HYPERLOGLOG_FORMS,
        "2 SET {k} {v}\n6 GET {k}\n1 APPEND {k} {v}\n2 STRLEN {k}\n",
        COMMON_FORMS,
    ],
    ..PLAIN
};

/// Makes room for new values.
pub(super) const COMMON_FORMS: &str = "
2 DEL {k}
1 TYPE {k}
1 OBJECT ENCODING {k}
1 EXPIRE {k} {ttl}
1 TTL {k}
1 COPY {k} {k} REPLACE
";

pub(super) const STRING_FORMS: &str = "
16 SET {k} {v}
12 SET {k} {v} <[NX|XX] [GET] [EX {ttl}|PX {pttl}|EXAT {at}|PXAT {pat}|KEEPTTL]>
2 SET {k} {v} <[NX] [XX] [GET] [EX {ttl}] [PX {pttl}] [KEEPTTL]>
SETNX {k} {v}
SETEX {k} {ttl} {v}
PSETEX {k} {pttl} {v}
8 GET {k}
GETSET {k} {v}
GETDEL {k}
GETEX {k} [EX {ttl}|PX {pttl}|EXAT {at}|PXAT {pat}|PERSIST]
1 GETEX {k} <[EX {ttl}] [PERSIST] [PX {pttl}]>
MGET {k}*1-4
MSET ({k} {v})*1-3
MSETNX ({k} {v})*1-3
APPEND {k} {v}
STRLEN {k}
GETRANGE {k} {i} {i}
2 SUBSTR {k} {i} {i}
SETRANGE {k} {i} {v}
6 INCR {k}
DECR {k}
8 INCRBY {k} {int}
DECRBY {k} {int}
12 INCRBYFLOAT {k} {float}
LCS {k} {k} <[LEN] [IDX] [MINMATCHLEN {n}] [WITHMATCHLEN]>
TTL {k}
PTTL {k}
1 OBJECT REFCOUNT {k}
";

pub(super) const BIT_FORMS: &str = "
12 SETBIT {k} {offset} {bit}
6 GETBIT {k} {offset}
8 BITCOUNT {k} [{i} {i} [BYTE|BIT]]
10 BITPOS {k} {bit} [{i} [{i} [BYTE|BIT]]]
8 BITOP (AND|OR|XOR|NOT) {k} {k}*1-3
4 BITOP NOT {k} {k}
16 BITFIELD {k} ([OVERFLOW (WRAP|SAT|FAIL)] (GET {field} {slot}|SET {field} {slot} {int}|INCRBY {field} {slot} {int}))*1-3
4 BITFIELD_RO {k} (GET {field} {slot})*0-2
1 BITFIELD_RO {k} SET {field} {slot} {int}
";

pub(super) const HYPERLOGLOG_FORMS: &str = "
16 PFADD {k} {v}*0-5
2 PFADD {k} {m}*30-60
8 PFCOUNT {k}*1-3
6 PFMERGE {k} {k}*0-3
";
