//! What operators see of caches: totals that never fall, who hears of changes, what is warned of.

use std::convert::Infallible;
use std::time::Duration;

use oxherd::cache::{Counts, Fleet, Inspector, Namespace, Packing, Tag};
use oxherd::{Error, Oxherd};
use oxherd_testkit::eventually;

use crate::open::logged::Warnings;
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey};

/// A process tells of itself at this distance.
const EVERY: Duration = Duration::from_secs(5);

async fn fleet(scene: &Scene) -> Fleet {
    let inspector = Inspector::new(scene.oxherd.store().clone());
    inspector.fleet().await.unwrap()
}

async fn totals(scene: &Scene) -> Counts {
    fleet(scene).await.totals.remove("products@1").unwrap_or_default()
}

/// Time passes until the fleet looks so.
async fn until(scene: &Scene, what: &str, is_so: impl Fn(&Fleet) -> bool) {
    eventually(what, PATIENCE, async || {
        scene.clock.advance(EVERY);
        is_so(&fleet(scene).await)
    })
    .await;
}

fn open(oxherd: &Oxherd) -> Namespace<u64, String> {
    oxherd.cache().namespace("products").open().unwrap()
}

async fn load(products: &Namespace<u64, String>, id: u64) {
    let loader = async move || Ok::<_, Infallible>(id.to_string());
    products.get_or_load(&id, loader).await.unwrap();
}

on_every_store_and_valkey! {
    async fn totals_go_on_when_a_process_ends_and_another_begins(scene: Scene) {
        let first = scene.other_process().await;
        let products = open(&first);
        for id in 0..3 {
            load(&products, id).await;
        }
        let misses = |fleet: &Fleet| fleet.totals.get("products@1").map_or(0, |totals| totals.misses);
        until(&scene, "three misses", |fleet| misses(fleet) == 3).await;
        drop(products);
        drop(first);

        let second = scene.other_process().await;
        let products = open(&second);
        until(&scene, "the second reports", |fleet| {
            fleet.processes.iter().any(|process| process.stats.namespaces["products@1"].counts.misses == 0)
        })
        .await;
        assert_eq!(totals(&scene).await.misses, 3);
        for id in 3..7 {
            load(&products, id).await;
        }
        until(&scene, "seven misses", |fleet| misses(fleet) == 7).await;
        // A sign of life is no news.
        for _ in 0..20 {
            scene.clock.advance(EVERY);
        }
        assert_eq!(totals(&scene).await.misses, 7);
    }
}

on_every_store_and_valkey! {
    async fn who_reports_before_it_ends_is_counted_to_the_last(scene: Scene) {
        for round in 1..=3 {
            let cache = scene.other_process().await.cache();
            let products = cache.namespace("products").open().unwrap();
            load(&products, round).await;
            load(&products, round).await;
            cache.report().await.unwrap();
            cache.report().await.unwrap();
            assert_eq!(totals(&scene).await.reads(), 2 * round);
        }
    }
}

on_every_store_and_valkey! {
    async fn who_has_not_read_yet_has_lost_nothing(scene: Scene) {
        let products = open(&scene.oxherd);
        until(&scene, "it reports", |fleet| !fleet.processes.is_empty()).await;
        assert_eq!(fleet(&scene).await.processes[0].channel, "unused");
        assert_eq!(products.get(&1).await.unwrap(), None);
        until(&scene, "it listens", |fleet| fleet.processes[0].channel == "tracking").await;
    }
}

on_every_store_and_valkey! {
    async fn a_cleared_namespace_is_forgotten_in_its_time_too(scene: Scene) {
        let products = open(&scene.oxherd);
        load(&products, 1).await;
        let left = async |key: &str| scene.ask::<i64>(&["PTTL", &format!("bull:cache:{{products@1}}:{key}")]).await;
        let days = |count: i64| count * 24 * 3_600_000;
        eventually("the namespace has an end", PATIENCE, async || {
            scene.clock.advance(EVERY);
            left("n").await > days(29) && left("s").await > days(29) && left("c").await > days(29)
        })
        .await;
        products.clear().await.unwrap();
        products.invalidate(&[Tag::new("all")]).await.unwrap();
        assert!(left("n").await > days(29) && left("s").await > days(29));
        load(&products, 1).await;
        // Whatever ends of it, nothing of before is served again.
        scene.tell("DEL bull:cache:{products@1}:n").await;
        assert_eq!(products.get(&1).strict().await.unwrap(), None);
        load(&products, 2).await;
        assert_eq!(products.get(&1).strict().await.unwrap(), None);
    }
}

on_every_store_and_valkey! {
    async fn a_foreign_key_in_the_place_of_totals_costs_the_totals_alone(scene: Scene) {
        let totals = ["bull:cache:{products@1}:c", "bull:cache:{all}:c"];
        for key in totals {
            scene.tell(&format!("SET {key} garbage")).await;
        }
        let products = open(&scene.oxherd);
        load(&products, 1).await;
        until(&scene, "it is listed with what it counted", |fleet| {
            fleet.processes.iter().any(|process| process.stats.namespaces["products@1"].counts.misses == 1)
        })
        .await;
        let fleet = fleet(&scene).await;
        assert!(fleet.namespaces.contains_key("products@1") && fleet.totals.is_empty());
        let inspector = Inspector::new(scene.oxherd.store().clone());
        assert!(inspector.settings("products@1").await.unwrap().unwrap().is_null());
        let error = scene.oxherd.cache().report().await.unwrap_err();
        assert!(matches!(&error, Error::WrongKeyType { key, .. } if totals.contains(&&**key)), "{error}");
        for key in totals {
            assert_eq!(scene.ask::<String>(&["GET", key]).await, "garbage");
            scene.tell(&format!("DEL {key}")).await;
        }
        // All that was counted meanwhile is there.
        until(&scene, "the totals are back", |fleet| {
            fleet.totals.get("products@1").is_some_and(|totals| totals.misses == 1)
        })
        .await;
        scene.oxherd.cache().report().await.unwrap();
    }
}

on_every_store_and_valkey! {
    async fn a_total_that_is_no_number_costs_itself_alone(scene: Scene) {
        let own = "bull:cache:{products@1}:c";
        for (round, garbage) in (1..).zip(["garbage", "", "007", "1.5", "9223372036854775807"]) {
            scene.ask::<i64>(&["HSET", own, "misses", garbage]).await;
            scene.ask::<i64>(&["HSET", "bull:cache:{all}:c", "evictions", garbage]).await;
            let other = scene.other_process().await;
            let products = open(&other);
            load(&products, 1).await;
            products.clear().await.unwrap();
            let error = other.cache().report().await.unwrap_err();
            assert!(error.to_string().contains("\"misses\" of namespace \"products@1\""), "{error}");
            assert_eq!(totals(&scene).await.loads_ok, round, "{garbage}");
            assert_eq!(scene.ask::<String>(&["HGET", own, "misses"]).await, garbage);
            scene.ask::<i64>(&["HDEL", own, "misses"]).await;
            scene.tell("DEL bull:cache:{all}:c").await;
            other.cache().report().await.unwrap();
            assert_eq!(totals(&scene).await.misses, 1, "{garbage}");
            drop((products, other));
        }
    }
}

#[tokio::test]
async fn a_report_that_is_refused_is_told_of_once() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let scene = Scene::in_memory().await;
    scene.tell("SET bull:cache:{products@1}:c garbage").await;
    let products = open(&scene.oxherd);
    let reports = async || {
        let list = ["ZRANGE", "bull:cache:{all}:processes", "0", "-1", "WITHSCORES"];
        scene.ask::<Vec<String>>(&list).await.pop()
    };
    for _ in 0..3 {
        let before = reports().await;
        eventually("it reports once more", PATIENCE, async || {
            scene.clock.advance(EVERY);
            reports().await != before
        })
        .await;
    }
    let said = std::mem::take(&mut *warnings.0.lock().unwrap());
    assert_eq!(
        said.matches("what the cache counted was not reported").count(),
        1,
        "{said}"
    );
    assert!(
        said.contains("key \"bull:cache:{products@1}:c\" holds a string where a hash belongs"),
        "{said}"
    );
    drop(products);
}

#[tokio::test]
async fn a_process_that_reports_reads_nothing_of_the_others() {
    let scene = Scene::on_redis().await;
    let others = [scene.other_process().await, scene.other_process().await];
    let _namespaces = [open(&scene.oxherd), open(&others[0]), open(&others[1])];
    let mut statistics = String::new();
    eventually("they report again and again", PATIENCE, async || {
        scene.clock.advance(EVERY);
        statistics = scene.ask(&["INFO", "commandstats"]).await;
        let reports = statistics
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_zadd:calls="));
        let reports = reports.and_then(|rest| rest.split(',').next()?.parse::<u32>().ok());
        reports > Some(200)
    })
    .await;
    for reading in [
        "hgetall",
        "hscan",
        "zrange",
        "zrangebyscore",
        "get",
        "mget",
        "scan",
    ] {
        assert!(
            !statistics.contains(&format!("cmdstat_{reading}:")),
            "{reading}: {statistics}"
        );
    }
}

#[tokio::test]
async fn each_trouble_is_warned_of_by_itself_and_again_when_it_comes_back() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let scene = Scene::in_memory().await;
    let cache = scene.oxherd.cache();
    let packing = Packing::new().with_max_value(100);
    let products: Namespace<u64, String> = cache.namespace("products").packing(packing).open().unwrap();
    let said = || std::mem::take(&mut *warnings.0.lock().unwrap());
    let foreign = async || {
        scene.tell("SET bull:cache:{products@1}:e::7: garbage").await;
        assert_eq!(products.get(&7).strict().await.unwrap(), None);
    };
    let too_large = async || {
        let loader = async || Ok::<_, Infallible>("x".repeat(200));
        products.get_or_load(&8, loader).await.unwrap();
    };
    for _ in 0..3 {
        foreign().await;
        let first = said();
        assert!(first.contains("an entry of the cache cannot be used"), "{first}");
        too_large().await;
        let second = said();
        assert!(second.contains("a loaded value is not cached"), "{second}");
        foreign().await;
        too_large().await;
        assert_eq!(said(), "");
        scene.clock.advance(Duration::from_secs(601));
    }
}
