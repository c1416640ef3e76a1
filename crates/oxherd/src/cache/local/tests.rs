#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use super::{Held, Local, Meta, Moment, NamespaceNumber, Usage, Validity};
use crate::clock::Timestamp;

const NAMESPACE: NamespaceNumber = NamespaceNumber(7);
const OTHER: NamespaceNumber = NamespaceNumber(8);

fn meta() -> Meta {
    let created = Timestamp::from_millis(1_000);
    Meta {
        fresh_until: created.after(Duration::from_secs(60)),
        refresh_from: created.after(Duration::from_secs(30)),
        ends: created.after(Duration::from_secs(60)),
        lasts: Duration::from_secs(60),
        id: [1; 16],
        version: 0,
        created,
        ttl: Duration::from_secs(60),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        load_micros: 300,
        tags: Box::default(),
        is_sliding: false,
    }
}

fn local() -> Arc<Local> {
    Arc::new(Local::new(64 << 20, None))
}

/// What a read of the store that began at `as_of` makes of `value`.
fn held<V: Send + Sync + 'static>(local: &Local, value: V, tags: &[&str], as_of: Moment) -> Arc<Held> {
    let cells = local.cells(NAMESPACE, "acme", tags.iter().copied());
    Arc::new(Held::new(Some(Arc::new(value)), 100, meta(), cells, as_of, 0))
}

/// A read with nothing in between.
fn put<V: Send + Sync + 'static>(local: &Arc<Local>, key: &str, value: V, tags: &[&str]) -> Arc<Held> {
    let pending = local.pending(NAMESPACE, key.as_bytes());
    let held = held(local, value, tags, local.moment());
    assert!(pending.fill(&held));
    held
}

fn valid<V: Copy + Send + Sync + 'static>(local: &Local, key: &str) -> Option<V> {
    let held = local.get(NAMESPACE, key.as_bytes())?;
    (local.validity(&held) == Validity::Valid).then(|| *held.value_ref::<V>().unwrap())
}

fn worth(local: &Local, key: &str) -> Option<Validity> {
    local
        .get(NAMESPACE, key.as_bytes())
        .map(|held| local.validity(&held))
}

#[test]
fn a_kept_value_is_shared_as_the_type_it_had() {
    let local = local();
    put(&local, "acme:a", String::from("value"), &[]);
    let found = local.get(NAMESPACE, b"acme:a").unwrap();
    assert_eq!(*found.value::<String>().unwrap(), "value");
    assert!(found.value::<u64>().is_none());
    assert!(!found.is_absent());
    assert!(local.get(NAMESPACE, b"acme:b").is_none());
}

#[test]
fn namespaces_and_long_keys_are_kept_apart() {
    let local = local();
    let long = format!("acme:{}", "x".repeat(300));
    put(&local, &long, 1_u64, &[]);
    assert_eq!(valid(&local, &long), Some(1_u64));
    assert!(local.get(OTHER, long.as_bytes()).is_none());
    assert!(local.get(NAMESPACE, &long.as_bytes()[..300]).is_none());
}

#[test]
fn what_is_known_to_be_absent_is_kept_without_a_value() {
    let local = local();
    let pending = local.pending(NAMESPACE, b"acme:a");
    let cells = local.cells(NAMESPACE, "acme", []);
    assert!(pending.fill(&Arc::new(Held::new(None, 60, meta(), cells, local.moment(), 0))));
    assert!(local.get(NAMESPACE, b"acme:a").unwrap().is_absent());
}

#[test]
fn a_change_of_the_key_takes_the_entry_away_and_refuses_reads_under_way() {
    let local = local();
    put(&local, "acme:a", 1_u64, &[]);
    let before = local.pending(NAMESPACE, b"acme:a");
    let elsewhere = local.pending(NAMESPACE, b"acme:b");
    let old = held(&local, 1_u64, &[], local.moment());
    local.changed(NAMESPACE, b"acme:a");
    let after = local.pending(NAMESPACE, b"acme:a");

    assert!(local.get(NAMESPACE, b"acme:a").is_none());
    assert!(before.is_dirty() && !after.is_dirty() && !elsewhere.is_dirty());
    assert!(!before.fill(&old));
    assert!(local.get(NAMESPACE, b"acme:a").is_none());
    assert!(after.fill(&held(&local, 2_u64, &[], local.moment())));
    assert!(elsewhere.fill(&held(&local, 3_u64, &[], local.moment())));
    assert_eq!(valid(&local, "acme:a"), Some(2_u64));
}

#[test]
fn marks_end_with_the_reads_that_made_them() {
    let local = local();
    let first = local.pending(NAMESPACE, b"acme:a");
    let second = local.pending(NAMESPACE, b"acme:a");
    assert_eq!(local.marks.len(), 1);
    drop(first);
    local.changed(NAMESPACE, b"acme:a");
    assert!(second.is_dirty());
    drop(second);
    assert_eq!(local.marks.len(), 0);
    // A mark made anew knows nothing of the former changes.
    assert!(!local.pending(NAMESPACE, b"acme:a").is_dirty());
}

#[test]
fn a_write_refuses_other_fills_but_not_its_own() {
    let local = local();
    let read = local.pending(NAMESPACE, b"acme:a");
    let old = held(&local, 1_u64, &[], local.moment());
    let mut write = local.pending(NAMESPACE, b"acme:a");
    assert!(write.write(&held(&local, 2_u64, &[], local.moment())));
    assert!(!read.fill(&old));
    assert_eq!(valid(&local, "acme:a"), Some(2_u64));
}

#[test]
fn of_two_writes_at_once_neither_is_kept_when_the_order_is_unknown() {
    let local = local();
    let mut first = local.pending(NAMESPACE, b"acme:a");
    let mut second = local.pending(NAMESPACE, b"acme:a");
    assert!(first.write(&held(&local, 1_u64, &[], local.moment())));
    assert!(!second.write(&held(&local, 2_u64, &[], local.moment())));
    assert!(local.get(NAMESPACE, b"acme:a").is_none());
}

#[test]
fn tags_tenants_and_namespaces_reach_the_entries_that_carry_them_and_no_others() {
    for (tenant, tag) in [("acme", "price"), ("acme", ""), ("", "")] {
        let local = local();
        put(&local, "acme:a", 1_u64, &["price", "stock"]);
        local.tag_changed(NAMESPACE, "acme", "colour");
        local.tag_changed(NAMESPACE, "", "price");
        local.tag_changed(NAMESPACE, "zeta", "price");
        local.tag_changed(NAMESPACE, "zeta", "");
        local.namespace_changed(OTHER);
        assert_eq!(worth(&local, "acme:a"), Some(Validity::Valid));
        local.tag_changed(NAMESPACE, tenant, tag);
        assert_eq!(worth(&local, "acme:a"), Some(Validity::Gone), "{tenant}:{tag}");
        // What is read from now on is as of a later moment.
        put(&local, "acme:a", 2_u64, &["price", "stock"]);
        assert_eq!(valid(&local, "acme:a"), Some(2_u64));
    }
}

#[test]
fn a_tag_learnt_after_its_invalidation_refuses_the_fill() {
    let local = local();
    let pending = local.pending(NAMESPACE, b"acme:a");
    let as_of = local.moment();
    // Nobody holds a cell of this tag yet.
    local.tag_changed(NAMESPACE, "acme", "late");
    let old = held(&local, 1_u64, &["late"], as_of);
    assert_eq!(local.validity(&old), Validity::Gone);
    assert!(!pending.fill(&old));
}

#[test]
fn a_forgotten_cell_is_remembered_for_reads_that_had_begun() {
    let local = local();
    let as_of = local.moment();
    drop(local.cell(NAMESPACE, "acme", "late"));
    local.tag_changed(NAMESPACE, "acme", "late");
    // A crowd of tags that nobody holds makes every shard prune, several times.
    for number in 0..50_000 {
        drop(local.cell(NAMESPACE, "acme", &format!("tag-{number}")));
    }
    assert!(local.cells.len() < 8_000, "{}", local.cells.len());
    let old = held(&local, 1_u64, &["late"], as_of);
    assert_eq!(local.validity(&old), Validity::Gone);
}

#[test]
fn cells_in_use_are_never_forgotten() {
    let local = local();
    let entry = put(&local, "acme:a", 1_u64, &["price"]);
    for number in 0..50_000 {
        drop(local.cell(NAMESPACE, "acme", &format!("tag-{number}")));
    }
    local.tag_changed(NAMESPACE, "acme", "price");
    assert_eq!(local.validity(&entry), Validity::Gone);
}

#[test]
fn a_raised_floor_leaves_a_doubt_that_a_cell_turns_into_certainty() {
    let local = local();
    let pending = local.pending(NAMESPACE, b"acme:b");
    let entry = put(&local, "acme:a", 1_u64, &["price"]);
    let read = held(&local, 2_u64, &[], local.moment());
    local.raise_floor();
    assert_eq!(local.validity(&entry), Validity::Doubted);
    assert!(!pending.fill(&read));
    put(&local, "acme:c", 3_u64, &[]);
    assert_eq!(valid(&local, "acme:c"), Some(3_u64));
    local.tag_changed(NAMESPACE, "acme", "price");
    assert_eq!(local.validity(&entry), Validity::Gone);
}

#[test]
fn keys_that_match_go_with_the_reads_under_way() {
    let local = local();
    put(&local, "acme:user/1", 1_u64, &[]);
    put(&local, "acme:user/2", 2_u64, &[]);
    put(&local, "acme:page/1", 3_u64, &[]);
    let user = local.pending(NAMESPACE, b"acme:user/3");
    let page = local.pending(NAMESPACE, b"acme:page/3");
    local.remove_matching(NAMESPACE, |key| key.starts_with(b"acme:user/"));
    assert!(user.is_dirty() && !page.is_dirty());
    assert_eq!(local.counts().entries, 1);
    assert_eq!(valid(&local, "acme:page/1"), Some(3_u64));
    local.remove_matching(OTHER, |_| true);
    assert_eq!(local.counts().entries, 1);
}

#[test]
fn a_cleared_namespace_gives_its_room_back_and_refuses_reads_under_way() {
    let local = local();
    put(&local, "acme:a", 1_u64, &[]);
    let pending = local.pending(NAMESPACE, b"acme:b");
    let old = held(&local, 2_u64, &[], local.moment());
    local.clear(OTHER);
    assert_eq!(local.counts().entries, 1);
    local.clear(NAMESPACE);
    assert_eq!(local.counts().entries, 0);
    assert_eq!(local.counts().bytes, 0);
    assert_eq!(local.usage(NAMESPACE), Usage::default());
    assert!(!pending.fill(&old));
}

#[test]
fn only_the_very_entry_that_was_judged_is_forgotten() {
    let local = local();
    let first = put(&local, "acme:a", 1_u64, &[]);
    let second = put(&local, "acme:a", 2_u64, &[]);
    local.forget(NAMESPACE, b"acme:a", &first);
    assert_eq!(valid(&local, "acme:a"), Some(2_u64));
    local.forget(NAMESPACE, b"acme:a", &second);
    assert!(local.get(NAMESPACE, b"acme:a").is_none());
}

#[test]
fn the_bytes_stay_below_the_capacity_and_the_counts_add_up() {
    let local = Arc::new(Local::new(1 << 20, None));
    for number in 0..5_000 {
        put(&local, &format!("acme:{number}"), number, &[]);
    }
    let counts = local.counts();
    assert_eq!(counts.capacity_bytes, 1 << 20);
    assert!(
        counts.bytes <= counts.capacity_bytes && counts.bytes > counts.capacity_bytes * 9 / 10,
        "{counts:?}"
    );
    assert_eq!(counts.entries + counts.evictions, 5_000);
    assert_eq!(
        local.usage(NAMESPACE),
        Usage {
            entries: counts.entries,
            bytes: counts.bytes
        }
    );
    // Replacing is not evicting.
    let last = local
        .get(NAMESPACE, b"acme:4999")
        .map(|_| put(&local, "acme:4999", 1, &[]));
    assert_eq!(local.counts().evictions, counts.evictions, "{last:?}");
}

#[test]
fn an_entry_that_takes_its_own_place_is_kept() {
    let local = local();
    let pending = local.pending(NAMESPACE, b"acme:a");
    let entry = held(&local, 1_u64, &[], local.moment());
    assert!(pending.fill(&entry) && pending.fill(&entry));
    assert_eq!(local.counts().evictions, 0);
    assert_eq!(local.usage(NAMESPACE).entries, 1);
    drop(entry);
    local.changed(NAMESPACE, b"acme:a");
    assert_eq!(local.usage(NAMESPACE), Usage::default());
}

#[test]
fn an_entry_that_never_fits_is_refused_and_takes_its_predecessor_along() {
    let local = Arc::new(Local::new(1 << 20, None));
    put(&local, "acme:a", 1_u64, &[]);
    let pending = local.pending(NAMESPACE, b"acme:a");
    let cells = local.cells(NAMESPACE, "acme", []);
    let large = Held::new(Some(Arc::new(2_u64)), 2 << 20, meta(), cells, local.moment(), 0);
    assert!(!pending.fill(&Arc::new(large)));
    assert!(local.get(NAMESPACE, b"acme:a").is_none());
    assert_eq!(local.counts().evictions, 1);
}

#[test]
fn the_parts_share_the_capacity_however_large_it_is() {
    let unbounded = Local::new(u64::MAX, None);
    assert!(unbounded.counts().capacity_bytes > u64::MAX / 2);
    // Many parts of the least size there is.
    let local = Arc::new(Local::new(256 << 20, None));
    for number in 0..5_000 {
        put(&local, &format!("acme:{number}"), number, &[]);
    }
    let counts = local.counts();
    assert_eq!((counts.entries, counts.evictions), (5_000, 0));
    assert_eq!(counts.capacity_bytes, 256 << 20);
    assert!((0..5_000).all(|number| valid(&local, &format!("acme:{number}")) == Some(number)));
    local.clear(NAMESPACE);
    assert_eq!(local.counts().entries, 0);
}

#[test]
fn without_capacity_nothing_is_kept() {
    let local = Arc::new(Local::new(0, None));
    let pending = local.pending(NAMESPACE, b"acme:a");
    assert!(!pending.fill(&held(&local, 1_u64, &[], local.moment())));
    assert_eq!(local.counts().entries, 0);
}

#[test]
fn a_value_may_use_the_cache_while_it_is_dropped() {
    struct Busy(Arc<Local>);
    impl Drop for Busy {
        fn drop(&mut self) {
            self.0.changed(NAMESPACE, b"acme:a");
            self.0.get(NAMESPACE, b"acme:a");
            self.0.clear(OTHER);
        }
    }
    let local = local();
    for _ in 0..3 {
        put(&local, "acme:a", Busy(Arc::clone(&local)), &[]);
        put(&local, "acme:a", 1_u64, &[]);
        put(&local, "acme:a", Busy(Arc::clone(&local)), &[]);
        local.changed(NAMESPACE, b"acme:a");
        put(&local, "acme:a", Busy(Arc::clone(&local)), &[]);
        local.remove_matching(NAMESPACE, |_| true);
        put(&local, "acme:a", Busy(Arc::clone(&local)), &[]);
        local.clear(NAMESPACE);
    }
    assert_eq!(local.counts().entries, 0);
}
