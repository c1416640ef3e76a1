//! Mistakes made on purpose, in the scripts: the schedules have to find each of them.

use super::campaign;
use super::world::Theatre;
use crate::store::{
    CACHE_CLEAR, CACHE_CONCLUDE, CACHE_FILL, CACHE_INTEND, CACHE_INVALIDATE, CACHE_LEASE, CACHE_REMOVE,
    CACHE_SET, Script,
};

/// Within how many schedules.
const SCHEDULES: u64 = 20_000;

/// Plays with scripts in which `from` reads `to`, until that is found.
fn is_found(what: &str, scripts: &[&Script], from: &str, to: &str) {
    let mut theatre = Theatre::new();
    for script in scripts {
        theatre.spoil(script, |text| text.replace(from, to));
    }
    let (seed, wrong) = campaign(&mut theatre, 1..SCHEDULES).expect_err(what);
    println!("{what}: found by schedule {seed}: {wrong}");
}

macro_rules! mistakes {
    ($($name:ident: $scripts:expr, $from:expr => $to:expr;)*) => {
        $(#[test]
        fn $name() {
            is_found(stringify!($name), &$scripts, $from, $to);
        })*
    };
}

mistakes! {
    a_fill_that_ignores_its_token_is_found: [&CACHE_FILL],
        "if not lease_holds(lease, token)" => "if false";
    a_fill_that_ignores_tags_is_found: [&CACHE_FILL],
        "if not stamp or stamp > as_of then" => "if false then";
    a_fill_that_takes_the_next_stamp_for_its_own_is_found: [&CACHE_FILL],
        "stamp > as_of" => "stamp > as_of + 1";
    a_fill_that_does_without_a_stamp_is_found: [&CACHE_FILL],
        "not stamp or stamp > as_of" => "stamp and stamp > as_of";
    a_fill_that_ignores_a_clearing_is_found: [&CACHE_FILL],
        "redis.call('GET', prefix .. 'n') ~= ARGV[3]" => "false";
    a_clearing_without_a_new_incarnation_is_found: [&CACHE_CLEAR],
        "redis.call('SET', prefix .. 'n', ARGV[1])" => "";
    an_invalidation_that_does_not_count_is_found: [&CACHE_INVALIDATE],
        "count + 1" => "count";
    a_removal_that_leaves_the_lease_is_found: [&CACHE_REMOVE],
        "end_lease(channel, prefix .. 'l:' .. key)\nif" => "if";
    a_removal_without_a_fence_is_found: [&CACHE_REMOVE],
        "raise_fence(prefix .. 'f:' .. key, version, ARGV[3])" => "";
    a_write_that_ignores_versions_is_found: [&CACHE_SET],
        "if is_outdated(fence, entry, version) then" => "if false then";
    a_count_that_begins_anew_under_the_same_incarnation_is_found: [&CACHE_LEASE, &CACHE_INVALIDATE, &CACHE_SET],
        "redis.call('SET', prefix .. 'n', fresh)" => "fresh = incarnation or fresh redis.call('SET', prefix .. 'n', fresh)";
    a_lost_stamp_that_is_made_as_of_the_beginning_is_found: [&CACHE_LEASE, &CACHE_FILL, &CACHE_SET],
        "redis.call('SET', key, string.format('%.0f', count), 'PX', life)" => "redis.call('SET', key, '0', 'PX', life)";
    an_announcement_that_nobody_heeds_is_found: [&CACHE_LEASE, &CACHE_FILL],
        "if is_marked(prefix .. 'w:' .. key) then" => "if false then";
    an_announcement_that_leaves_the_lease_is_found: [&CACHE_INTEND, &CACHE_CONCLUDE],
        "end_lease(channel, prefix .. 'l:' .. key)\nannounce" => "announce";
    a_conclusion_that_leaves_the_entry_is_found: [&CACHE_CONCLUDE, &CACHE_INTEND],
        "redis.call('UNLINK', entry)" => "";
}
