//! Mistakes made on purpose, in the scripts: the schedules have to find each of them.

use super::campaign;
use super::world::Theatre;
use crate::store::{
    CACHE_CLEAR, CACHE_CONCLUDE, CACHE_FILL, CACHE_INCREMENT, CACHE_INTEND, CACHE_INVALIDATE, CACHE_LEASE,
    CACHE_REMOVE, CACHE_SET, Script,
};

/// Within how many schedules.
const SCHEDULES: u64 = 8_000;

/// Plays, from the schedule `first` on, with scripts in which `from` reads `to`, until that is found.
fn is_found(what: &str, first: u64, scripts: &[&Script], from: &str, to: &str) {
    let mut theatre = Theatre::new();
    for script in scripts {
        theatre.spoil(script, |text| text.replace(from, to));
    }
    let (seed, wrong) = campaign(&mut theatre, first..first + SCHEDULES).expect_err(what);
    println!("{what}: found by schedule {seed}: {wrong}");
}

macro_rules! mistakes {
    ($($name:ident: $first:literal, $scripts:expr, $from:expr => $to:expr;)*) => {
        $(#[test]
        fn $name() {
            is_found(stringify!($name), $first, &$scripts, $from, $to);
        })*
    };
}

// Those that take many schedules begin near one that shows them.
mistakes! {
    a_fill_that_ignores_its_token_is_found: 1, [&CACHE_FILL],
        "if not lease_holds(lease, token)" => "if false";
    a_fill_that_ignores_the_fence_is_found: 700, [&CACHE_FILL],
        "newer_than(prefix .. 'f:' .. key, entry, ARGV[5])" => "nil";
    a_clearing_of_another_name_is_found: 1, [&CACHE_CLEAR],
        "prefix .. 'n'" => "prefix .. 'x'";
    an_invalidation_that_does_not_count_is_found: 1, [&CACHE_INVALIDATE],
        "count + 1" => "count";
    a_removal_that_leaves_the_lease_is_found: 2_500, [&CACHE_REMOVE],
        "end_lease(channel, prefix .. 'l:' .. key)\nlocal" => "local";
    a_removal_without_a_fence_is_found: 1, [&CACHE_REMOVE],
        "raise_fence(prefix .. 'f:' .. key, version, ARGV[3])" => "";
    a_write_that_ignores_versions_is_found: 1, [&CACHE_SET],
        "if newer_than(fence, entry, version) then" => "if false then";
    an_announcement_that_nobody_heeds_is_found: 1, [&CACHE_LEASE, &CACHE_FILL],
        "if is_marked(prefix .. 'w:' .. key) then" => "if false then";
    an_announcement_that_leaves_the_lease_is_found: 1_700, [&CACHE_INTEND, &CACHE_CONCLUDE],
        "end_lease(channel, prefix .. 'l:' .. key)\nannounce" => "announce";
    a_conclusion_that_leaves_the_entry_is_found: 500, [&CACHE_CONCLUDE, &CACHE_INTEND],
        "redis.call('UNLINK', entry)" => "";
    a_removal_that_is_not_announced_is_found: 1, [&CACHE_REMOVE],
        "  announce(channel, entry)\n" => "";
    an_invalidation_that_is_not_announced_is_found: 1, [&CACHE_INVALIDATE],
        "  announce(channel, key)\n" => "";
    a_clearing_that_is_not_announced_is_found: 1_050, [&CACHE_CLEAR],
        "announce(ARGV[2], prefix .. 'n')\n" => "";
    an_increment_that_is_not_announced_is_found: 1, [&CACHE_INCREMENT],
        "announce(channel, entry)\n" => "";
    an_increment_that_forgets_the_sum_is_found: 1, [&CACHE_INCREMENT],
        "sum = tonumber(digits) + by" => "sum = by";
    an_increment_of_a_counter_that_was_cleared_is_found: 700, [&CACHE_INCREMENT],
        "if string.sub(entry, 29, 36) ~= incarnation then return false end\n" => "";
}
