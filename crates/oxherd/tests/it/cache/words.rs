//! An error of the cache says what was attempted on which key of which namespace.

use std::time::Duration;

use oxherd::cache::{Namespace, Tiers};
use oxherd::{Error, Oxherd};
use oxherd_testkit::FaultProxy;

use crate::scene::{on_every_store_and_valkey, on_stores};

const TERM: Duration = Duration::from_secs(9);

fn open(oxherd: &Oxherd, tiers: Tiers) -> Namespace<u64, i64> {
    let prices = oxherd.cache().namespace("prices");
    prices.tiers(tiers).open().unwrap()
}

fn assert_says(error: &Error, words: &str) {
    let text = error.to_string();
    assert!(text.starts_with(words), "{text}");
}

on_every_store_and_valkey! {
    async fn an_announcement_that_is_refused_names_its_key(scene: Scene) {
        let prices = open(&scene.oxherd, Tiers::Both);
        scene.tell("SET bull:cache:{prices@1}:w::7: garbage").await;
        let error = prices.intend(&7, TERM).await.unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error:?}");
        assert_says(&error, "cannot announce the write of key \"7\" of cache namespace \"prices@1\": ");
    }
}

on_every_store_and_valkey! {
    async fn a_conclusion_that_is_refused_names_its_key(scene: Scene) {
        let prices = open(&scene.oxherd, Tiers::Both).tenant("acme").unwrap();
        let intent = prices.intend(&7, TERM).await.unwrap();
        scene.tell("DEL bull:cache:{prices@1}:w:acme:7:").await;
        scene.tell("SET bull:cache:{prices@1}:w:acme:7: garbage").await;
        let error = intent.conclude().await.unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error:?}");
        assert_says(
            &error,
            "cannot conclude the write of key \"7\" of tenant \"acme\" of cache namespace \"prices@1\": ",
        );
    }
}

on_every_store_and_valkey! {
    async fn a_touch_that_is_refused_names_its_key(scene: Scene) {
        let prices = open(&scene.oxherd, Tiers::Both);
        scene.tell("RPUSH bull:cache:{prices@1}:e::7: garbage").await;
        let error = prices.touch(&7).await.unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error:?}");
        assert_says(&error, "cannot touch key \"7\" of cache namespace \"prices@1\": ");
    }
}

on_every_store_and_valkey! {
    async fn an_increment_that_is_refused_names_its_key(scene: Scene) {
        let prices = open(&scene.oxherd, Tiers::Both);
        scene.tell("RPUSH bull:cache:{prices@1}:e::7: garbage").await;
        let error = prices.increment(&7, 1).await.unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error:?}");
        assert_says(&error, "cannot add to the counter at key \"7\" of cache namespace \"prices@1\": ");
    }
}

on_every_store_and_valkey! {
    async fn what_needs_the_store_names_the_namespace_that_has_none(scene: Scene) {
        let prices = open(&scene.oxherd, Tiers::Local);
        let refused = [
            ("`level`: intents", prices.intend(&7, TERM).await.unwrap_err()),
            ("`tiers`: counters", prices.increment(&7, 1).await.unwrap_err()),
        ];
        for (what, error) in refused {
            let reason = "live in the store, and namespace \"prices@1\" is of this process alone: use `Tiers::Both`";
            assert_says(&error, &format!("invalid cache option {what} {reason}"));
        }
    }
}

on_stores! { [on_redis, on_valkey]
    async fn what_a_store_that_is_away_did_not_hear_is_told_by_its_key(scene: Scene) {
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let prices = open(&scene.behind(&proxy).await, Tiers::Both);
        prices.set(&7, 1).await.unwrap();
        let intent = prices.intend(&7, TERM).await.unwrap();
        proxy.refuse(true);
        proxy.cut_all();
        let namespace = "of cache namespace \"prices@1\": the store does not answer";
        let unheard = [
            (format!("conclude the write of key \"7\" {namespace}"), intent.conclude().await.map(|_| ())),
            (format!("announce the write of key \"7\" {namespace}"), prices.intend(&7, TERM).await.map(|_| ())),
            (format!("touch key \"7\" {namespace}"), prices.touch(&7).await.map(|_| ())),
            (format!("add to the counter at key \"7\" {namespace}"), prices.increment(&7, 1).await.map(|_| ())),
            ("write key \"7\" to the cache, namespace \"prices@1\" (".to_owned(), prices.set(&7, 2).await),
            ("remove key \"7\" from the cache, namespace \"prices@1\" (".to_owned(), prices.remove(&7).await.map(|_| ())),
        ];
        for (attempt, outcome) in unheard {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::StoreUnavailable { .. }), "{error:?}");
            assert_says(&error, &format!("cannot {attempt}"));
        }
    }
}
