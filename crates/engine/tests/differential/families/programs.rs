//! Several commands as one: scripts and transactions.

use super::{Family, OTHER_KEYS, PLAIN};
use super::{collections, keyspace, sorted, streams, strings};

pub(crate) const SCRIPTS: Family = Family {
    name: "scripts",
    forms: &[SCRIPT_FORMS],
    pools: &[OTHER_KEYS, SCRIPT_POOLS],
    length: 60,
    ..PLAIN
};
pub(crate) const TRANSACTIONS: Family = Family {
    name: "transactions",
    forms: &[
        TRANSACTION_FORMS,
        QUEUED_FORMS,
        strings::STRING_FORMS,
        collections::LIST_FORMS,
        collections::HASH_FORMS,
        keyspace::KEY_FORMS,
        sorted::SORTED_SET_FORMS,
        streams::STREAM_FORMS,
    ],
    pools: &[OTHER_KEYS, streams::POOLS],
    clients: 2,
    ..PLAIN
};

const SCRIPT_FORMS: &str = "
40 EVAL {script} 2 {k} {k} {v}*0-3
4 EVAL {script} {n} {k}*0-3 {v}*0-2
6 EVAL_RO {script} 2 {k} {k} {v}*0-3
4 SCRIPT LOAD {script}
1 SCRIPT LOAD {script} ;; SCRIPT EXISTS 0123456789012345678901234567890123456789 {v}
3 SCRIPT EXISTS {sha}*0-3
2 SCRIPT LOAD (\"return 1\"|\"return {KEYS[1],ARGV[1]}\"|\"return redis.call('INCR',KEYS[1])\")
6 EVALSHA {sha} 1 {k} {v}
2 EVALSHA_RO {sha} 1 {k} {v}
1 SCRIPT FLUSH [ASYNC|SYNC|{v}]
1 SCRIPT KILL
1 SCRIPT HELP
6 SET {k} {v}
4 RPUSH {k} {v}*1-3
4 HSET {k} ({f} {v})*1-2
4 ZADD {k} ({score} {m})*1-2
4 SADD {k} {m}*1-3
2 DEL {k}
";

/// The sums of the three scripts that are loaded.
const SCRIPT_POOLS: &str = "
sha e0e1f9fabfc9d4800c877a703b823ac0578ff8db bfbf458525d6a0b19200bfd6db3af481156b367b da8455f0535fd532821b3713a4eccd80fc4b8457 ~ E0E1F9FABFC9D4800C877A703B823AC0578FF8DB \"\" abc
";

const TRANSACTION_FORMS: &str = "
30 MULTI
40 EXEC
6 DISCARD
20 WATCH {k}*1-2
4 UNWATCH
20 other! SET {k} {v}
6 other! DEL {k}
6 other! GET {k}
4 other! EXPIRE {k} {ttl}
2 other! SWAPDB {db} {db}
2 other! FLUSHDB
1 other! FLUSHALL
1 other! RENAME {k} {k}
6 WATCH {k} ;; other! SET {^} {v} ;; MULTI ;; INCR {^} ;; EXEC
6 WATCH {k} ;; other! GET {^} ;; MULTI ;; INCR {^} ;; EXEC
6 WATCH {k} ;; other! (DEL {^}|EXPIRE {^} {ttl}|SADD {^} {m}|LPUSH {^} {v}|HSET {^} {f} {v}|APPEND {^} {v}|PERSIST {^}|SETRANGE {^} 0 x|ZADD {^} 1 a|INCR {^}|TOUCH {^}|GETEX {^} PERSIST|SWAPDB 0 1|FLUSHDB|MOVE {^} 1) ;; MULTI ;; SET {^} {v} ;; EXEC
3 SELECT {db}
";

/// What behaves in its own way between MULTI and EXEC.
const QUEUED_FORMS: &str = "
4 MULTI ;; (NOSUCHCOMMAND|GET|SET a|LPUSH list) ;; SET {k} {v} ;; EXEC
4 EVAL \"return redis.call('INCR',KEYS[1])\" 1 {k}
2 PUBLISH channel message
2 PING [{v}]
1 ECHO {v}
";
