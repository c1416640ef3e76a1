//! The engine against a real redis-server: the same random commands on both, reply by reply.
//!
//! Each test takes one family of commands, starts a server of its own and compares every reply and the final state.
//! A difference is cut down to a few commands and printed with the seed of its sequence.
//! Next: `families/mod.rs` (what is generated), `compare.rs` (what counts as equal), `campaign.rs` (for how long).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    // In `compare.rs` each exception stands by itself.
    clippy::match_same_arms,
    missing_docs,
    reason = "tests"
)]

mod campaign;
mod compare;
mod dump;
mod embedded;
mod families;
mod frame;
mod grammar;
mod link;
mod mutation;
mod notation;
mod pools;
mod random;
mod real;
mod regressions;
mod runner;
mod scripts;
mod shrink;
mod side;
mod statistics;
mod step;

use families::Family;
use side::Side;

/// The oracle and its subject; with `OXHERD_DIFFERENTIAL_SUBJECT=redis`, a second server, to test these tests.
fn sides() -> (Box<dyn Side>, Box<dyn Side>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let oracle = Box::new(real::RealServer::start(&runtime));
    match std::env::var("OXHERD_DIFFERENTIAL_SUBJECT").as_deref() {
        Ok("redis") => (oracle, Box::new(real::RealServer::start(&runtime))),
        _ => (oracle, Box::new(embedded::Embedded::start(runtime))),
    }
}

fn compare_on(family: &'static Family) {
    let (oracle, subject) = sides();
    campaign::run(family, oracle, subject);
}

macro_rules! families_agree {
    ($($test:ident: $family:path;)*) => {
        $(#[test]
        fn $test() {
            compare_on(&$family);
        })*
    };
}

families_agree! {
    strings_agree: families::strings::STRINGS;
    bits_agree: families::strings::BITS;
    hyperloglogs_agree: families::strings::HYPERLOGLOG;
    keys_agree: families::keyspace::KEYS;
    expiry_agrees: families::keyspace::EXPIRY;
    databases_agree: families::keyspace::DATABASES;
    scans_agree: families::keyspace::SCAN;
    hashes_agree: families::collections::HASHES;
    lists_agree: families::collections::LISTS;
    sets_agree: families::collections::SETS;
    sort_agrees: families::collections::SORT;
    sorted_sets_agree: families::sorted::SORTED_SETS;
    streams_agree: families::streams::STREAMS;
    groups_agree: families::streams::GROUPS;
    scripts_agree: families::programs::SCRIPTS;
    transactions_agree: families::programs::TRANSACTIONS;
    blocking_agrees: families::clients::BLOCKING;
    publishing_agrees: families::clients::PUBLISHING;
    tracking_agrees: families::clients::TRACKING;
    connections_agree: families::clients::CONNECTION;
    everything_agrees: families::EVERYTHING;
}

#[test]
fn kept_cases_are_answered_as_written() {
    let (mut oracle, mut subject) = sides();
    regressions::check(&mut *oracle, &mut *subject);
}
