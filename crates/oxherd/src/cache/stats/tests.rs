//! The recorder and its pictures.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use proptest::prelude::*;

use super::counts::Count;
use super::*;
use crate::clock::{Clock, ManualClock, Timestamp};

fn recorder() -> (Recorder, ManualClock) {
    let (clock, hand) = Clock::manual(Timestamp::from_millis(1_000_000));
    (Recorder::new(clock), hand)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn each_thing_that_happens_is_counted_under_its_name() {
    let (recorder, _hand) = recorder();
    recorder.local_hit();
    recorder.shared_hit(":a:", 100, millis(1));
    recorder.hit_was_absent();
    recorder.missed(":b:", Some(millis(2)));
    recorder.missed(":b:", None);
    recorder.served_stale(StaleReason::Revalidating);
    recorder.served_stale(StaleReason::Error);
    recorder.served_stale(StaleReason::Timeout);
    recorder.load_ended(LoadReason::Miss, LoadEnd::Ok, millis(10));
    recorder.load_ended(LoadReason::Miss, LoadEnd::Failed, millis(30));
    recorder.load_ended(LoadReason::Refresh, LoadEnd::TimedOut, millis(500));
    recorder.waited_here(millis(3));
    recorder.waited_elsewhere(millis(3));
    recorder.fill_taken(":b:", 1000);
    for reason in [
        FillRefusal::Voided,
        FillRefusal::Cleared,
        FillRefusal::Fenced,
        FillRefusal::Tagged,
        FillRefusal::Marked,
        FillRefusal::TooLarge,
    ] {
        recorder.fill_refused(reason);
    }
    recorder.invalidated_keys(2);
    recorder.invalidated_tags(3);
    recorder.invalidated_tenant();
    recorder.invalidated_namespace();
    recorder.invalidated_by_pattern(40);
    recorder.found_foreign();
    recorder.found_garbage();
    recorder.store_failed();
    recorder.skipped_by_breaker();
    recorder.read_bytes(100);
    recorder.verified(false);
    recorder.verified(true);

    let stats = recorder.snapshot(LocalStats::new(1, 2, 3));
    let counts = &stats.counts;
    assert!(counts.named().iter().all(|(_, number)| *number > 0), "{counts:?}");
    assert_eq!((counts.hits(), counts.misses, counts.reads()), (2, 2, 4));
    assert_eq!(counts.hit_rate(), Some(0.5));
    assert_eq!((counts.stale_served(), counts.fills_refused()), (3, 6));
    assert_eq!(counts.miss_penalty(), Some(millis(20)));
    assert_eq!(counts.stale_rate(), Some(0.5));
    assert_eq!((counts.invalidated_tags, counts.invalidated_by_pattern), (3, 40));
    assert_eq!((counts.bytes_written, counts.bytes_read), (1000, 100));
    assert_eq!((stats.latency.loads.count, stats.latency.waits.count), (3, 2));
    assert_eq!(stats.latency.shared_gets.count, 2);
    assert_eq!(stats.top.keys[0].key, "b");
    assert_eq!(stats.big[0].bytes, 1000);
}

#[test]
fn a_timed_local_hit_stands_for_sixty_four() {
    let (recorder, _hand) = recorder();
    recorder.local_hit_in_detail("acme:a:", 10, Duration::from_nanos(60));
    recorder.shared_hit("acme:a:", 10, millis(1));
    let stats = recorder.snapshot(LocalStats::default());
    let gets = stats.latency.gets();
    assert_eq!(gets.count, 65);
    assert_eq!(gets.quantile(0.5), Some(Duration::from_nanos(60)));
    assert!(gets.quantile(1.0).unwrap() > Duration::from_micros(980));
    assert!(stats.top.keys[0].reads >= 64);
}

#[test]
fn the_last_minute_forgets_what_was_before_it() {
    let (recorder, hand) = recorder();
    let look = || recorder.snapshot(LocalStats::default()).last_minute;
    (0..10).for_each(|_| recorder.missed(":a:", None));
    assert_eq!(look().misses, 10);
    for _ in 0..20 {
        hand.advance(Duration::from_secs(5));
        recorder.local_hit();
        look();
    }
    let last = look();
    assert_eq!((last.millis, last.hits, last.misses), (60_000, 12, 0));
    assert_eq!(last.hit_rate(), Some(1.0));
    assert!((last.reads_per_second() - 0.2).abs() < 1e-9);
}

#[test]
fn one_who_looks_often_does_not_shorten_the_minute() {
    let (recorder, hand) = recorder();
    for _ in 0..600 {
        hand.advance(millis(100));
        recorder.local_hit();
        recorder.snapshot(LocalStats::default());
    }
    let last = recorder.snapshot(LocalStats::default()).last_minute;
    assert_eq!((last.millis, last.hits), (60_000, 600));
}

#[test]
fn threads_count_together() {
    let (recorder, _hand) = recorder();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let recorder = &recorder;
            scope.spawn(move || {
                for number in 0..5000 {
                    recorder.local_hit();
                    if recorder.sample() {
                        recorder.local_hit_in_detail(":hot:", 1, Duration::from_nanos(50));
                    }
                    recorder.missed(&format!(":{thread}/{number}:"), None);
                }
            });
        }
    });
    let stats = recorder.snapshot(LocalStats::default());
    assert_eq!((stats.counts.hits_local, stats.counts.misses), (20_000, 20_000));
    assert_eq!(stats.top.keys[0].key, "hot");
    assert!(stats.top.hot(0.2).count() == 1, "{:?}", stats.top.keys[0]);
}

#[test]
fn names_in_json_are_those_that_programs_rely_on() {
    let (recorder, _hand) = recorder();
    recorder.missed("acme:a:", None);
    let json = serde_json::to_value(recorder.snapshot(LocalStats::default())).unwrap();
    for pointer in [
        "/counts/hitsLocal",
        "/counts/hitsShared",
        "/counts/misses",
        "/counts/absentHits",
        "/counts/staleRevalidating",
        "/counts/loadsTimedOut",
        "/counts/waitsAcrossProcesses",
        "/counts/fillsRefusedTag",
        "/counts/invalidatedByPattern",
        "/counts/bytesWritten",
        "/latency/localGets/count",
        "/latency/loads/sumMicros",
        "/lastMinute/millis",
        "/top/keys/0/tenant",
        "/local/capacityBytes",
    ] {
        assert!(json.pointer(pointer).is_some(), "{pointer} of {json}");
    }
}

#[test]
fn what_an_older_process_does_not_write_reads_as_nothing() {
    let stats: CacheStats =
        serde_json::from_str(r#"{"namespaces":{"a@1":{"counts":{"misses":3},"newer":1}}}"#).unwrap();
    assert_eq!(stats.namespaces["a@1"].counts.misses, 3);
}

fn some_stats() -> impl Strategy<Value = CacheStats> {
    let counts = prop::collection::vec(0..1_000_000_u64, Count::ALL);
    let namespace = (counts, 0..100_u64).prop_map(|(counts, local)| NamespaceStats {
        counts: Counts::of(counts.try_into().unwrap()),
        last_minute: LastMinute {
            millis: local,
            hits: local,
            misses: 1,
            loads: 2,
        },
        local: LocalStats::new(local, local, 0),
        ..NamespaceStats::default()
    });
    prop::collection::btree_map("[abc]@[12]", namespace, 0..5).prop_map(|namespaces| CacheStats {
        namespaces,
        local: LocalStats::new(1, 2, 3),
    })
}

proptest! {
    #[test]
    fn pictures_of_processes_add_up_in_any_order(one in some_stats(), two in some_stats(), three in some_stats()) {
        let sum = |parts: [&CacheStats; 3]| {
            let mut sum = CacheStats::default();
            parts.iter().for_each(|part| sum.merge(part));
            sum
        };
        let merged = sum([&one, &two, &three]);
        prop_assert_eq!(&merged, &sum([&three, &one, &two]));
        let misses = |stats: &CacheStats| stats.total().0.misses;
        prop_assert_eq!(misses(&merged), misses(&one) + misses(&two) + misses(&three));
        let text = serde_json::to_string(&merged).unwrap();
        prop_assert_eq!(serde_json::from_str::<CacheStats>(&text).unwrap(), merged);
    }
}
