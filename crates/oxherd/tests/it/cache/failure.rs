//! A store that is away, silent or full never takes anybody down, and nothing old is believed when it is back.

use std::cell::Cell;
use std::time::{Duration, Instant};

use oxherd::breaker::{Breaker, State};
use oxherd::cache::{Freshness, Level, Namespace, Tag, Tiers, Ttl};
use oxherd::{Error, Oxherd};
use oxherd_testkit::{FaultProxy, eventually};

use super::source::{Source, peek, peek_strict, read, read_here, read_tagged, reader};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey, on_stores};

macro_rules! on_servers {
    ($($behaviour:tt)*) => {
        on_stores! { [on_redis, on_valkey] $($behaviour)* }
    };
}

fn prices(oxherd: &Oxherd) -> Namespace<u64, String> {
    oxherd.cache().namespace("prices").open().unwrap()
}

/// A process whose network can fail, and one whose network cannot.
struct Away {
    proxy: FaultProxy,
    far: Oxherd,
    mine: Namespace<u64, String>,
    theirs: Namespace<u64, String>,
}

impl Away {
    async fn new(scene: &Scene) -> Self {
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let far = scene.behind(&proxy).await;
        Self {
            mine: prices(&far),
            theirs: prices(&scene.oxherd),
            far,
            proxy,
        }
    }

    fn leaves(&self) {
        self.proxy.refuse(true);
        self.proxy.cut_all();
    }

    /// Back, and the breaker's time is over.
    async fn comes_back(&self, scene: &Scene) {
        self.proxy.refuse(false);
        self.proxy.blackhole(false);
        eventually("the store is asked again", PATIENCE, async || {
            scene.clock.advance(Duration::from_secs(1));
            let probe = self.mine.set(&9999, "probe".to_owned()).await;
            probe.is_ok() && self.far.cache().breaker().state() == State::Closed
        })
        .await;
    }
}

on_servers! {
    async fn a_store_that_is_away_at_the_start_is_done_without(scene: Scene) {
        let away = Away::new(&scene).await;
        let source = Source::of("x");
        away.leaves();
        for id in 0..30 {
            assert_eq!(read(&away.mine, &id, &source).await, "x");
        }
        assert_eq!(source.loads(), 30);
        assert!(away.mine.stats().counts.store_errors > 0);
        away.comes_back(&scene).await;
        assert_eq!(read(&away.mine, &100, &source).await, "x");
        assert_eq!(peek_strict(&away.mine, &100).await.as_deref(), Some("x"));
        assert_eq!(peek(&away.theirs, &100).await.as_deref(), Some("x"));
    }
}

on_servers! {
    async fn a_store_that_dies_later_is_done_without_and_nothing_is_missed_when_it_is_back(scene: Scene) {
        let away = Away::new(&scene).await;
        let source = Source::of("old");
        let tag = Tag::new("eur");
        for id in 0..4 {
            read_tagged(&away.mine, &id, &source, &tag).await;
        }
        away.leaves();
        eventually("the loss is noticed", PATIENCE, async || !away.far.cache().is_live()).await;
        source.write("newer");
        assert_eq!(read(&away.mine, &0, &source).await, "newer");
        // What happens meanwhile elsewhere.
        away.theirs.remove(&0).await.unwrap();
        away.theirs.set(&1, "written".to_owned()).await.unwrap();
        source.write("newest");
        away.comes_back(&scene).await;
        assert_eq!(read(&away.mine, &0, &source).await, "newest");
        assert_eq!(read(&away.mine, &1, &source).await, "written");
        away.theirs.invalidate(&[tag]).await.unwrap();
        eventually("changes are heard of again", PATIENCE, async || {
            read(&away.mine, &2, &source).await == "newest"
        }).await;
    }
}

on_servers! {
    async fn while_the_store_is_away_this_process_keeps_values_for_seconds(scene: Scene) {
        let away = Away::new(&scene).await;
        let source = Source::of("x");
        peek(&away.mine, &1).await;
        away.leaves();
        eventually("the loss is noticed", PATIENCE, async || !away.far.cache().is_live()).await;
        for _ in 0..10 {
            read(&away.mine, &7, &source).await;
        }
        assert_eq!(source.loads(), 1);
        scene.clock.advance(Duration::from_secs(5));
        read(&away.mine, &7, &source).await;
        assert_eq!(source.loads(), 2, "for no longer than the outage's TTL");
        away.mine.remove(&7).await.unwrap_err();
        assert_eq!(peek(&away.mine, &7).await, None, "this process let go of it");
    }
}

on_servers! {
    async fn what_is_kept_in_an_outage_is_good_for_as_long_as_that_lasts(scene: Scene) {
        let away = Away::new(&scene).await;
        let source = Source::of("x");
        peek(&away.mine, &1).await;
        away.leaves();
        eventually("the loss is noticed", PATIENCE, async || !away.far.cache().is_live()).await;
        // For longer than what is held is trusted without a sign of life: nobody waits for one.
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(4) {
            read(&away.mine, &7, &source).await;
        }
        assert_eq!(source.loads(), 1);
    }
}

on_servers! {
    async fn a_fenced_namespace_keeps_nothing_while_the_store_is_away(scene: Scene) {
        let away = Away::new(&scene).await;
        let rows = away.far.cache().namespace::<u64, String>("rows").level(Level::Fenced).open().unwrap();
        let source = Source::of("x");
        away.leaves();
        for loads in 1..=3 {
            assert_eq!(read(&rows, &7, &source).await, "x");
            assert_eq!(source.loads(), loads);
        }
    }
}

on_servers! {
    async fn a_store_that_says_nothing_costs_a_read_its_deadline_once(scene: Scene) {
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let far = scene.behind(&proxy).await;
        let deadline = Duration::from_secs(2);
        let cache = far.cache_builder().deadline(deadline).open().unwrap();
        let source = Source::of("x");
        for tiers in [Tiers::Both, Tiers::Shared] {
            let prices = cache.namespace::<u64, String>(&format!("prices-{tiers:?}")).tiers(tiers).open().unwrap();
            read(&prices, &1, &source).await;
            proxy.blackhole(true);
            let began = Instant::now();
            assert_eq!(read(&prices, &2, &source).await, "x");
            let took = began.elapsed();
            assert!(took < deadline * 2 - Duration::from_millis(300), "{tiers:?}: {took:?}");
            assert_eq!(prices.stats().counts.store_errors, 1, "{tiers:?}");
            proxy.blackhole(false);
            proxy.cut_all();
            eventually("it is back", PATIENCE, async || prices.set(&3, "x".to_owned()).await.is_ok()).await;
        }
    }
}

on_servers! {
    async fn a_store_that_says_nothing_is_left_alone_and_asked_again(scene: Scene) {
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let far = scene.behind(&proxy).await;
        let cache = far.cache_builder().deadline(Duration::from_millis(50)).open().unwrap();
        let prices = cache.namespace::<u64, String>("prices").open().unwrap();
        let source = Source::of("x");
        read(&prices, &1, &source).await;
        proxy.blackhole(true);
        for id in 100..140 {
            assert_eq!(read(&prices, &id, &source).await, "x");
        }
        assert_eq!(cache.breaker().state(), State::Open);
        let counts = prices.stats().counts;
        assert!(counts.store_errors <= 25, "{} calls waited in vain", counts.store_errors);
        assert!(counts.skipped_by_breaker >= 10, "{} calls were spared", counts.skipped_by_breaker);
        let error = prices.remove(&1).await.unwrap_err();
        assert!(error.is_store_unavailable(), "{error}");
        proxy.blackhole(false);
        proxy.cut_all();
        eventually("the breaker closes", PATIENCE, async || {
            scene.clock.advance(Duration::from_secs(1));
            prices.set(&2, "x".to_owned()).await.is_ok() && cache.breaker().state() == State::Closed
        }).await;
        let unanswered = || {
            let counts = prices.stats().counts;
            counts.store_errors + counts.skipped_by_breaker
        };
        // A write that was not answered leaves its key in doubt: another one each time.
        let ids = Cell::new(200);
        eventually("what is written is read", PATIENCE, async || {
            let before = unanswered();
            let id = ids.replace(ids.get() + 1);
            if prices.set(&id, "x".to_owned()).await.is_err() {
                return false;
            }
            let found = peek_strict(&prices, &id).await;
            // Where the machine is busy an answer may take longer than the deadline; nothing else excuses it.
            assert!(found.is_some() || unanswered() > before, "it was answered, and not there");
            found.as_deref() == Some("x")
        }).await;
    }
}

on_servers! {
    async fn a_server_that_is_killed_and_started_again_is_empty_and_that_is_all(scene: Scene) {
        let source = Source::of("old");
        let prices = prices(&scene.oxherd);
        read(&prices, &7, &source).await;
        scene.server().kill();
        source.write("new");
        eventually("the loss is noticed", PATIENCE, async || !scene.oxherd.cache().is_live()).await;
        assert_eq!(read(&prices, &7, &source).await, "new");
        source.write("newest");
        scene.server().restart().await;
        eventually("the store is asked again", PATIENCE, async || {
            scene.clock.advance(Duration::from_secs(10));
            read(&prices, &7, &source).await;
            peek_strict(&prices, &7).await.is_some()
        }).await;
        assert_eq!(read(&prices, &7, &source).await, "newest");
    }
}

on_servers! {
    async fn what_the_store_is_not_told_is_told_to_the_caller(scene: Scene) {
        let away = Away::new(&scene).await;
        let source = Source::of("x");
        read(&away.mine, &7, &source).await;
        away.leaves();
        let errors = [
            away.mine.remove(&7).await.unwrap_err(),
            away.mine.invalidate(&[Tag::new("eur")]).await.unwrap_err(),
            away.mine.clear().await.unwrap_err(),
            away.mine.tenant("acme").unwrap().clear().await.unwrap_err(),
            away.mine.set(&7, "y".to_owned()).await.unwrap_err(),
            away.mine.intend(&7, Duration::from_secs(1)).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, Error::StoreUnavailable { .. }), "{error}");
            assert!(error.is_store_unavailable());
        }
    }
}

on_servers! {
    async fn what_the_store_could_not_be_told_is_not_believed_and_told_later(scene: Scene) {
        let away = Away::new(&scene).await;
        let (eur, usd) = (Tag::new("eur"), Tag::new("usd"));
        let (mine, theirs) = (&away.mine, &away.theirs);
        let acme = mine.tenant("acme").unwrap();
        let source = Source::of("old");
        for id in 1..=2 {
            read_tagged(mine, &id, &source, &eur).await;
        }
        for id in 3..=4 {
            read_tagged(mine, &id, &source, &usd).await;
        }
        read(&acme, &5, &source).await;
        read(mine, &6, &source).await;
        away.leaves();
        source.write("new");
        let error = mine.remove(&1).await.unwrap_err().to_string();
        assert!(error.contains("until the store answers"), "{error}");
        mine.invalidate(std::slice::from_ref(&usd)).await.unwrap_err();
        acme.clear().await.unwrap_err();
        mine.set(&6, "new".to_owned()).await.unwrap_err();
        assert_eq!(away.far.cache().pending_invalidations(), 4);
        away.proxy.refuse(false);
        let told = async || {
            scene.clock.advance(Duration::from_secs(1));
            // Whatever the store still says of them.
            for (prices, id) in [(mine, 1), (mine, 3), (mine, 4), (&acme, 5), (mine, 6)] {
                assert_eq!(read(prices, &id, &source).await, "new", "{id}");
            }
            away.far.cache().pending_invalidations() == 0
        };
        eventually("the store is told", PATIENCE, told).await;
        let acme = theirs.tenant("acme").unwrap();
        for (prices, id) in [(theirs, 1), (theirs, 3), (theirs, 4), (&acme, 5), (theirs, 6)] {
            assert_eq!(read(prices, &id, &source).await, "new", "{id}");
        }
        assert_eq!(peek(theirs, &2).await.as_deref(), Some("old"), "nobody said anything of that one");
    }
}

on_servers! {
    async fn a_version_that_the_store_could_not_be_told_is_a_fence_later(scene: Scene) {
        let away = Away::new(&scene).await;
        let (mine, theirs) = (&away.mine, &away.theirs);
        theirs.set(&1, "v4".to_owned()).version(4).await.unwrap();
        theirs.set(&2, "v4".to_owned()).version(4).await.unwrap();
        away.leaves();
        mine.remove(&1).version(5).await.unwrap_err();
        mine.remove(&1).version(3).await.unwrap_err();
        mine.remove(&2).version(5).await.unwrap_err();
        assert_eq!(away.far.cache().pending_invalidations(), 2, "one for each key");
        theirs.set(&2, "v6".to_owned()).version(6).await.unwrap();
        away.proxy.refuse(false);
        eventually("the store is told", PATIENCE, async || {
            scene.clock.advance(Duration::from_secs(1));
            away.far.cache().pending_invalidations() == 0
        }).await;
        assert_eq!(peek_strict(theirs, &1).await, None);
        theirs.set(&1, "v4".to_owned()).version(4).await.unwrap_err();
        assert_eq!(peek_strict(theirs, &2).await.as_deref(), Some("v6"), "what is newer stays");
    }
}

on_servers! {
    async fn a_clearing_that_the_store_could_not_be_told_is_told_later(scene: Scene) {
        let away = Away::new(&scene).await;
        let (mine, theirs) = (&away.mine, &away.theirs);
        let source = Source::of("old");
        for id in 1..=3 {
            read(mine, &id, &source).await;
        }
        away.leaves();
        source.write("new");
        mine.remove(&1).await.unwrap_err();
        mine.clear().await.unwrap_err();
        assert_eq!(away.far.cache().pending_invalidations(), 1, "it says all the others");
        away.proxy.refuse(false);
        eventually("the store is told", PATIENCE, async || {
            scene.clock.advance(Duration::from_secs(1));
            assert_eq!(read(mine, &2, &source).await, "new");
            away.far.cache().pending_invalidations() == 0
        }).await;
        assert_eq!(read(theirs, &3, &source).await, "new");
        assert_eq!(read(mine, &3, &source).await, "new");
    }
}

on_servers! {
    async fn more_than_can_be_remembered_clears_the_namespace(scene: Scene) {
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let far = scene.behind(&proxy).await;
        // Left alone at once, so that ten thousand calls take no time.
        let breaker = Breaker::builder("cache store").minimum_calls(1).build().unwrap();
        let cache = far.cache_builder().breaker(breaker.clone()).open().unwrap();
        let mine = cache.namespace::<u64, String>("prices").open().unwrap();
        let theirs = prices(&scene.oxherd);
        let source = Source::of("old");
        read(&mine, &77_777, &source).await;
        breaker.force_open();
        for id in 0..10_000 {
            mine.remove(&id).await.unwrap_err();
        }
        assert_eq!(cache.pending_invalidations(), 10_000);
        mine.remove(&5).await.unwrap_err();
        assert_eq!(cache.pending_invalidations(), 10_000, "one for each key");
        mine.remove(&10_000).await.unwrap_err();
        assert_eq!(cache.pending_invalidations(), 1);
        source.write("new");
        assert_eq!(read(&mine, &77_777, &source).await, "new");
        breaker.reset();
        eventually("the store is told", PATIENCE, async || cache.pending_invalidations() == 0).await;
        assert_eq!(read(&theirs, &77_777, &source).await, "new");
    }
}

on_servers! {
    async fn what_is_remembered_for_the_store_is_remembered_until_it_was_told(scene: Scene) {
        let away = Away::new(&scene).await;
        away.leaves();
        away.mine.remove(&1).await.unwrap_err();
        // Others may let their entries live for so long; and clocks are set.
        scene.clock.advance(Ttl::DAY.0 * 365);
        scene.clock.set(scene.clock.now().after(Ttl::DAY.0 * 365));
        assert_eq!(away.far.cache().pending_invalidations(), 1);
    }
}

on_servers! {
    async fn a_full_store_keeps_nothing_new_and_takes_nobody_down(scene: Scene) {
        let (source, prices) = (Source::of("x"), prices(&scene.oxherd));
        read(&prices, &1, &source).await;
        // Full when the value is there: the lease was granted before.
        source.hold();
        let loading = reader(&prices, &2, &source);
        source.until_loads(2).await;
        scene.tell("CONFIG SET maxmemory-policy noeviction").await;
        scene.tell("CONFIG SET maxmemory 1").await;
        source.release();
        assert_eq!(loading.await.unwrap().unwrap().as_str(), "x");
        assert!(!scene.exists("bull:cache:{prices@1}:l::2:").await, "the lease was given back");
        let began = Instant::now();
        for _ in 0..5 {
            assert_eq!(read(&prices, &2, &source).await, "x");
            assert_eq!(read(&prices, &3, &source).await, "x");
        }
        assert!(began.elapsed() < Duration::from_secs(2), "nobody waits for what cannot be kept");
        let error = prices.set(&4, "x".to_owned()).await.unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error}");
        assert_eq!(scene.oxherd.cache().breaker().state(), State::Closed, "it answers");
        eventually("what could not be replaced is removed", PATIENCE, async || {
            scene.oxherd.cache().pending_invalidations() == 0
        })
        .await;
        assert_eq!(peek_strict(&prices, &1).await.as_deref(), Some("x"), "what is there can be read");
        assert!(prices.remove(&1).await.unwrap(), "and removed");
        assert_eq!(peek_strict(&prices, &1).await, None);
        scene.tell("CONFIG SET maxmemory 0").await;
        read(&prices, &3, &source).await;
        assert_eq!(peek_strict(&prices, &3).await.as_deref(), Some("x"));
    }
}

on_servers! {
    async fn a_full_store_is_told_of_invalidations_all_the_same(scene: Scene) {
        let (mine, theirs) = (prices(&scene.oxherd), prices(&scene.other_process().await));
        let (source, tag) = (Source::of("old"), Tag::new("eur"));
        let acme = mine.tenant("acme").unwrap();
        read_tagged(&mine, &1, &source, &tag).await;
        read(&acme, &1, &source).await;
        read(&mine, &3, &source).await;
        theirs.set(&2, "v1".to_owned()).version(1).await.unwrap();
        scene.tell("CONFIG SET maxmemory-policy noeviction").await;
        scene.tell("CONFIG SET maxmemory 1").await;
        source.write("new");
        mine.invalidate(std::slice::from_ref(&tag)).await.unwrap();
        acme.clear().await.unwrap();
        assert!(mine.remove(&2).version(2).await.unwrap());
        assert!(!mine.remove(&4).version(2).await.unwrap());
        assert_eq!(peek_strict(&theirs, &1).await, None);
        assert_eq!(peek_strict(&theirs.tenant("acme").unwrap(), &1).await, None);
        assert_eq!(peek_strict(&theirs, &2).await, None);
        assert_eq!(peek_strict(&theirs, &3).await.as_deref(), Some("old"));
        // What cannot be written is from before the write.
        mine.set(&3, "new".to_owned()).await.unwrap_err();
        eventually("the store is told", PATIENCE, async || {
            scene.oxherd.cache().pending_invalidations() == 0
        }).await;
        assert_eq!(peek_strict(&theirs, &3).await, None);
        mine.clear().await.unwrap();
        scene.tell("CONFIG SET maxmemory 0").await;
        for id in [2, 4] {
            mine.set(&id, "v1".to_owned()).version(1).await.unwrap_err();
        }
        assert_eq!(read(&theirs, &1, &source).await, "new");
    }
}

on_servers! {
    async fn a_stale_value_in_doubt_does_not_stand_in_when_the_store_knows_better(scene: Scene) {
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let far = scene.behind(&proxy).await;
        let freshness = Freshness::of(Ttl::LONG).jitter(0.0).stale_if_error(Ttl::DAY.0);
        let open = |oxherd: &Oxherd| {
            oxherd.cache().namespace::<u64, String>("prices").freshness(freshness).open().unwrap()
        };
        let (mine, theirs) = (open(&far), open(&scene.oxherd));
        let source = Source::of("old");
        for id in 1..=2 {
            read_here(&mine, &id, &source).await;
        }
        proxy.refuse(true);
        proxy.cut_all();
        eventually("the loss is noticed", PATIENCE, async || !far.cache().is_live()).await;
        source.breaks();
        assert_eq!(read(&mine, &1, &source).await, "old", "neither store nor source can say better");
        theirs.remove(&1).await.unwrap();
        proxy.refuse(false);
        eventually("it is back", PATIENCE, async || peek(&mine, &2).await.is_some()).await;
        mine.get_or_load(&1, source.loader()).await.unwrap_err();
    }
}

on_every_store_and_valkey! {
    async fn an_error_says_what_and_where(scene: Scene) {
        let source = Source::of("x");
        source.breaks();
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices").version(3).open().unwrap();
        let acme = prices.tenant("acme").unwrap();
        let error = acme.get_or_load(&7, source.loader()).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot load key \"7\" of tenant \"acme\" of cache namespace \"prices@3\": the database is down"
        );
    }
}

on_servers! {
    async fn a_removal_that_did_not_reach_the_store_is_not_counted(scene: Scene) {
        let away = Away::new(&scene).await;
        away.mine.remove(&7).await.unwrap();
        assert_eq!(away.mine.stats().counts.invalidated_keys, 1);
        away.leaves();
        away.mine.remove(&7).await.unwrap_err();
        assert_eq!(away.mine.stats().counts.invalidated_keys, 1);
    }
}

on_servers! {
    async fn removals_of_a_caller_who_goes_away_are_told_all_the_same(scene: Scene) {
        let open = |oxherd: &Oxherd| -> Namespace<u64, u64> { oxherd.cache().namespace("rows").open().unwrap() };
        let (rows, keys) = (open(&scene.oxherd), (0..200).collect::<Vec<u64>>());
        rows.set_many(keys.iter().map(|key| (key, *key))).await.unwrap();
        assert_eq!(rows.get(&199).await.unwrap().as_deref(), Some(&199));
        let mut removals = Box::pin(rows.remove_many(&keys));
        assert!(futures_util::poll!(&mut removals).is_pending());
        drop(removals);
        assert_eq!(rows.get(&199).await.unwrap(), None, "this process does not read past it");
        eventually("all are told", PATIENCE, async || {
            scene.oxherd.cache().pending_invalidations() == 0
        })
        .await;
        let theirs = open(&scene.other_process().await);
        for key in &keys {
            assert_eq!(theirs.get(key).await.unwrap(), None);
        }
    }
}
