//! What a namespace cannot hold is refused, with a word of what to do instead.

use std::convert::Infallible;
use std::time::Duration;

use oxherd::Error;
use oxherd::cache::{
    Bounds, Codec, Compression, EncryptionKey, Freshness, Inspector, KeyId, KeyRing, Level, Loaded, Matching,
    Namespace, NamespaceBuilder, Packing, Rules, Tag, Tiers,
};
use oxherd_testkit::eventually_some;

use super::source::{Source, peek, peek_strict, read};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey};

fn builder(scene: &Scene) -> NamespaceBuilder<u64, String> {
    scene.oxherd.cache().namespace("prices")
}

fn alone(scene: &Scene) -> Namespace<u64, String> {
    builder(scene).tiers(Tiers::Local).open().unwrap()
}

fn at(
    version: u64,
) -> impl FnOnce() -> std::future::Ready<Result<Loaded<String>, Infallible>> + Send + 'static {
    move || std::future::ready(Ok(Loaded::new(format!("v{version}")).version(version)))
}

on_every_store_and_valkey! {
    async fn a_process_alone_has_no_fences_and_says_so(scene: Scene) {
        let prices = alone(&scene);
        prices.set(&7, "x".to_owned()).await.unwrap();
        let refused = [
            prices.set(&7, "y".to_owned()).version(2).await.unwrap_err(),
            prices.set_absent(&7).version(2).await.unwrap_err(),
            prices.remove(&7).version(2).await.unwrap_err(),
        ];
        for error in refused {
            assert!(matches!(error, Error::CacheOption { option: "version", .. }), "{error}");
            assert!(error.to_string().contains("`Tiers::Both`"), "{error}");
        }
        assert_eq!(peek(&prices, &7).await.as_deref(), Some("x"), "nothing was done");
        assert_eq!(prices.stats().counts.invalidated_keys, 0);
    }
}

on_every_store_and_valkey! {
    async fn a_process_alone_keeps_to_the_least_version_of_a_read(scene: Scene) {
        let prices = alone(&scene);
        assert_eq!(*prices.get_or_load(&7, at(4)).await.unwrap(), "v4");
        assert_eq!(*prices.get_or_load(&7, at(9)).min_version(4).await.unwrap(), "v4", "it is there");
        assert_eq!(prices.get(&7).min_version(5).await.unwrap(), None);
        match prices.get_or_load(&7, at(4)).min_version(5).await {
            Err(Error::BehindVersion { wanted: 5, found: 4, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(*prices.get_or_load(&7, at(6)).min_version(5).await.unwrap(), "v6");
        assert_eq!(*prices.get_or_load(&7, at(9)).min_version(5).await.unwrap(), "v6", "and kept");
    }
}

on_every_store_and_valkey! {
    async fn a_process_alone_has_nobody_to_ask_who_knows_better(scene: Scene) {
        let (prices, source) = (alone(&scene), Source::of("x"));
        read(&prices, &7, &source).await;
        assert_eq!(peek_strict(&prices, &7).await.as_deref(), Some("x"));
        assert_eq!(*prices.get_or_load(&7, source.loader()).strict().await.unwrap(), "x");
        assert_eq!(source.loads(), 1);
        prices.remove(&7).await.unwrap();
        source.write("y");
        assert_eq!(peek_strict(&prices, &7).await, None);
        assert_eq!(*prices.get_or_load(&7, source.loader()).strict().await.unwrap(), "y");
    }
}

on_every_store_and_valkey! {
    async fn what_processes_keep_to_themselves_is_not_invalidated_from_outside(scene: Scene) {
        let (alone, both) = (alone(&scene), scene.oxherd.cache().namespace::<u64, String>("lists").open().unwrap());
        alone.set(&7, "x".to_owned()).await.unwrap();
        both.set(&7, "x".to_owned()).await.unwrap();
        let inspector = Inspector::new(scene.oxherd.store().clone());
        eventually_some("the namespaces are entered", PATIENCE, async || {
            let entered = inspector.fleet().await.unwrap().namespaces;
            entered.contains_key("prices@1").then_some(())
        })
        .await;
        let (all, bounds) = (Matching::Prefix(""), Bounds::default());
        let refused = [
            inspector.remove("prices@1", "", "7").await.map(|_| ()),
            inspector.invalidate_tags("prices@1", "", &["all"]).await,
            inspector.invalidate_tenant("prices@1", "acme").await,
            inspector.clear("prices@1").await,
            inspector.remove_matching("prices@1", "", all, bounds, |_| ()).await.map(|_| ()),
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert!(matches!(error, Error::CacheOutOfReach { .. }), "{error}");
            assert!(error.to_string().contains("in the program"), "{error}");
        }
        assert_eq!(peek(&alone, &7).await.as_deref(), Some("x"));
        // Of others, and of what nobody knows, it is not said.
        inspector.clear("unknown@1").await.unwrap();
        assert!(inspector.remove("lists@1", "", "7").await.unwrap());
        assert_eq!(peek_strict(&both, &7).await, None);
    }
}

fn keys(secret: u8) -> KeyRing {
    KeyRing::new(KeyId(1), EncryptionKey::from_bytes(&[secret; 32]).unwrap())
}

#[expect(clippy::ptr_arg, reason = "of the type of the values")]
fn length(value: &String) -> u64 {
    value.len() as u64
}

#[expect(clippy::ptr_arg, reason = "of the type of the values")]
fn other_length(value: &String) -> u64 {
    value.len() as u64 + 1
}

on_every_store_and_valkey! {
    async fn other_settings_of_an_open_namespace_are_told_by_name(scene: Scene) {
        let second = Duration::from_secs(1);
        let packed = || Packing::new().with_keys(keys(1));
        let told = || builder(&scene).packing(packed()).version_of(length);
        let prices = told().open().unwrap();
        for (method, other) in [
            ("freshness", told().freshness(Freshness::default().jitter(0.2))),
            ("tiers", told().tiers(Tiers::Shared)),
            ("level", told().level(Level::Fenced)),
            ("packing", told().packing(Packing::new())),
            ("packing", told().packing(packed().with_codec(Codec::Postcard))),
            ("packing", told().packing(packed().with_compression(Compression::None))),
            ("packing", told().packing(Packing::new().with_keys(keys(2)))),
            ("version_of", told().version_of(other_length)),
            ("version_of", builder(&scene).packing(packed())),
            ("soft_timeout", told().soft_timeout(second)),
            ("hard_timeout", told().hard_timeout(second)),
            ("lease_term", told().lease_term(second)),
            ("lock_wait", told().lock_wait(second)),
            ("concurrent_loads", told().concurrent_loads(1)),
            ("fence_life", told().fence_life(second * 100)),
            ("outage_ttl", told().outage_ttl(second)),
            ("verify", told().verify(0.5)),
        ] {
            let error = other.open().unwrap_err();
            assert!(matches!(error, Error::CacheOption { option: "namespace", .. }), "{error}");
            assert!(error.to_string().contains(&format!("otherwise: {method};")), "{method}: {error}");
        }
        let error = scene.oxherd.cache().namespace::<u64, u64>("prices").open().unwrap_err();
        assert!(error.to_string().contains("another type of values"), "{error}");
        // Told the same, it is the same.
        let again = told().open().unwrap();
        again.set(&7, "x".to_owned()).await.unwrap();
        assert_eq!(peek(&prices, &7).await.as_deref(), Some("x"));
    }
}

on_every_store_and_valkey! {
    async fn the_order_in_which_old_keys_are_named_is_no_setting(scene: Scene) {
        let key = |secret: u8| EncryptionKey::from_bytes(&[secret; 32]).unwrap();
        let ring = |first: u8, second: u8| {
            let ring = keys(1).with_key(KeyId(first.into()), key(first)).unwrap();
            Packing::new().with_keys(ring.with_key(KeyId(second.into()), key(second)).unwrap())
        };
        builder(&scene).packing(ring(2, 3)).open().unwrap();
        builder(&scene).packing(ring(3, 2)).open().unwrap();
        builder(&scene).packing(ring(3, 4)).open().unwrap_err();
    }
}

struct Changed {
    tenant: Option<String>,
    everything: bool,
}

on_every_store_and_valkey! {
    async fn a_change_may_concern_no_tenant(scene: Scene) {
        let prices = builder(&scene).open().unwrap();
        let acme = prices.tenant("acme").unwrap();
        let tag = Tag::new("all");
        let rules = Rules::new()
            .tenant_of(|change: &Changed| change.tenant.clone())
            .invalidate(&prices, |_: &Changed| vec![Tag::new("all")])
            .clear(&prices, |change: &Changed| change.everything);
        let fill = async || {
            for prices in [&prices, &acme] {
                prices.set(&7, "x".to_owned()).tag(tag.clone()).await.unwrap();
            }
        };
        let there = async || (peek_strict(&prices, &7).await.is_some(), peek_strict(&acme, &7).await.is_some());
        let of = |tenant: Option<&str>, everything| Changed { tenant: tenant.map(str::to_owned), everything };
        fill().await;
        rules.apply(&of(Some("acme"), true)).await.unwrap();
        assert_eq!(there().await, (true, false));
        fill().await;
        rules.apply(&of(None, false)).await.unwrap();
        assert_eq!(there().await, (false, true), "its own entries alone");
        fill().await;
        rules.apply(&of(None, true)).await.unwrap();
        assert_eq!(there().await, (false, false), "everybody");
        let error = rules.apply(&of(Some(""), false)).await.unwrap_err();
        assert!(matches!(error, Error::CacheName { .. }), "{error}");
    }
}

on_every_store_and_valkey! {
    async fn versions_begin_at_one(scene: Scene) {
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices").open().unwrap();
        prices.set(&7, "x".to_owned()).version(1).await.unwrap();
        for refused in [
            prices.set(&7, "y".to_owned()).version(0).await.unwrap_err(),
            prices.remove(&7).version(0).await.unwrap_err(),
        ] {
            assert!(matches!(refused, Error::CacheOption { option: "version", .. }), "{refused}");
            assert!(refused.to_string().contains("add one"), "{refused}");
        }
        assert_eq!(peek(&prices, &7).await.as_deref(), Some("x"), "nothing was done");
    }
}
