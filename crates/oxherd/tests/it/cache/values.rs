//! What becomes of values on their way through the store, and of what others put in their place.

use std::time::Duration;

use oxherd::Error;
use oxherd::cache::{
    CacheKey, Codec, Compression, EncryptionKey, Freshness, KeyId, KeyRing, KeyWriter, Level, Namespace,
    Packing, Tag, Tiers,
};
use oxherd_testkit::eventually;
use serde::{Deserialize, Serialize};

use super::source::{Load, Source, peek, peek_strict, read, read_tagged};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Product {
    name: String,
    price: f64,
    sizes: Vec<u32>,
    parent: Option<Box<Product>>,
}

fn product() -> Product {
    let plain = |name: &str| Product {
        name: name.to_owned(),
        price: 0.1 + 0.2,
        sizes: vec![1, 2, 3],
        parent: None,
    };
    Product {
        parent: Some(Box::new(plain("naïve\0 ☃"))),
        ..plain("")
    }
}

fn key(byte: u8) -> EncryptionKey {
    EncryptionKey::from_bytes(&[byte; 32]).unwrap()
}

/// A namespace of the store alone, so that every read is of what lies there.
async fn packed(scene: &Scene, packing: Packing) -> Namespace<u64, String> {
    let process = scene.other_process().await;
    let values = process.cache().namespace("values").tiers(Tiers::Shared);
    values.packing(packing).open().unwrap()
}

fn entry(key: &str) -> String {
    format!("bull:cache:{{values@1}}:e::{key}:")
}

on_every_store_and_valkey! {
    async fn a_value_comes_back_as_it_was_however_it_is_packed(scene: Scene) {
        let theirs = scene.other_process().await;
        let compressions = [
            Compression::None,
            Compression::Lz4,
            #[cfg(feature = "zstd")]
            Compression::Zstd { level: 3 },
        ];
        let keys = || KeyRing::new(KeyId(1), key(1));
        for codec in [Codec::Json, Codec::MessagePack, Codec::Postcard] {
            for compression in compressions {
                for is_sealed in [false, true] {
                    let name = format!("v-{codec:?}-{compression:?}-{is_sealed}").replace([' ', '{', '}', ':'], "");
                    let packing = Packing::new().with_codec(codec).with_compression(compression).with_compress_from(0);
                    let packing = if is_sealed { packing.with_keys(keys()) } else { packing };
                    let open = |oxherd: &oxherd::Oxherd| {
                        let values = oxherd.cache().namespace::<u64, Product>(&name);
                        values.packing(packing.clone()).open().unwrap()
                    };
                    let (here, there) = (open(&scene.oxherd), open(&theirs));
                    here.set(&7, product()).await.unwrap();
                    assert_eq!(*there.get(&7).await.unwrap().unwrap(), product(), "{name}");
                    let large = Product { name: "abc".repeat(100_000), ..product() };
                    here.set(&8, large.clone()).await.unwrap();
                    assert_eq!(*there.get(&8).await.unwrap().unwrap(), large, "{name}");
                    here.set_absent(&9).await.unwrap();
                    assert!(there.get(&9).await.unwrap().is_none());
                    let raw: Vec<u8> = scene.ask(&["GET", &format!("bull:cache:{{{name}@1}}:e::8:")]).await;
                    if compression != Compression::None {
                        assert!(raw.len() < 30_000, "{name}: {} bytes", raw.len());
                    }
                    if is_sealed {
                        assert!(!raw.windows(6).any(|window| window == b"abcabc"), "{name}");
                    }
                    assert_eq!(there.stats().counts.garbage_entries, 0, "{name}");
                }
            }
        }
    }
}

on_every_store_and_valkey! {
    async fn how_values_are_packed_may_change_at_any_time(scene: Scene) {
        let old = packed(&scene, Packing::new()).await;
        let new = packed(&scene, Packing::new().with_codec(Codec::Postcard).with_compress_from(0)).await;
        old.set(&1, "from before".repeat(20)).await.unwrap();
        new.set(&2, "from after".repeat(20)).await.unwrap();
        assert_eq!(peek(&new, &1).await.unwrap(), "from before".repeat(20));
        assert_eq!(peek(&old, &2).await.unwrap(), "from after".repeat(20));
    }
}

on_every_store_and_valkey! {
    async fn a_sealed_value_is_believed_only_where_it_was_put(scene: Scene) {
        let process = scene.other_process().await;
        let sealed = Packing::new().with_keys(KeyRing::new(KeyId(1), key(1)));
        let open = |name: &str| {
            let values = process.cache().namespace::<u64, String>(name).tiers(Tiers::Shared);
            values.packing(sealed.clone()).open().unwrap()
        };
        let (values, others) = (open("values"), open("others"));
        let acme = values.tenant("acme").unwrap();
        values.set(&1, "mine".to_owned()).await.unwrap();
        for (handle, key) in [(&values, 2), (&others, 1), (&acme, 1)] {
            handle.set(&key, "theirs".to_owned()).await.unwrap();
        }
        let places = ["bull:cache:{values@1}:e::2:", "bull:cache:{others@1}:e::1:", "bull:cache:{values@1}:e:acme:1:"];
        let raw: Vec<u8> = scene.ask(&["GET", &entry("1")]).await;
        for place in places {
            scene.try_ask::<()>(&[b"SET", place.as_bytes(), &raw]).await.unwrap();
        }
        for (handle, key) in [(&values, 2), (&others, 1), (&acme, 1)] {
            assert_eq!(peek(handle, &key).await, None);
            assert_eq!(read(handle, &key, &Source::of("loaded")).await, "loaded");
            assert_eq!(peek(handle, &key).await.as_deref(), Some("loaded"));
        }
        assert_eq!(peek(&values, &1).await.as_deref(), Some("mine"));
        // The other namespace's incarnation differs already.
        assert!(values.stats().counts.garbage_entries + values.stats().counts.foreign_entries >= 2);
    }
}

on_every_store_and_valkey! {
    async fn a_changed_byte_of_a_sealed_value_is_a_miss(scene: Scene) {
        let values = packed(&scene, Packing::new().with_keys(KeyRing::new(KeyId(1), key(1)))).await;
        values.set(&1, "secret".to_owned()).await.unwrap();
        let raw: Vec<u8> = scene.ask(&["GET", &entry("1")]).await;
        // Past `incarnation` and `as_of`, which the store itself writes.
        for at in (52..raw.len()).chain(4..28) {
            let mut changed = raw.clone();
            changed[at] ^= 1;
            scene.try_ask::<()>(&[b"SET", entry("1").as_bytes(), &changed]).await.unwrap();
            assert_eq!(peek(&values, &1).await, None, "byte {at}");
        }
        scene.try_ask::<()>(&[b"SET", entry("1").as_bytes(), &raw]).await.unwrap();
        assert_eq!(peek(&values, &1).await.as_deref(), Some("secret"));
    }
}

on_every_store_and_valkey! {
    async fn keys_are_changed_without_a_miss(scene: Scene) {
        let ring = |current: u8, other: Option<u8>| {
            let ring = KeyRing::new(KeyId(current.into()), key(current));
            let ring = match other {
                Some(other) => ring.with_key(KeyId(other.into()), key(other)).unwrap(),
                None => ring,
            };
            Packing::new().with_keys(ring)
        };
        let old = packed(&scene, ring(1, None)).await;
        old.set(&1, "x".to_owned()).await.unwrap();
        let both = packed(&scene, ring(2, Some(1))).await;
        assert_eq!(peek(&both, &1).await.as_deref(), Some("x"));
        both.set(&2, "y".to_owned()).await.unwrap();
        assert_eq!(peek(&old, &2).await, None, "it has not heard of that key");
        assert_eq!(old.stats().counts.foreign_entries, 1);
        let open = packed(&scene, Packing::new()).await;
        assert_eq!(peek(&open, &1).await, None);
        open.set(&3, "for everybody".to_owned()).await.unwrap();
        assert_eq!(peek(&both, &3).await, None, "anybody might have written it");
    }
}

on_every_store_and_valkey! {
    async fn garbage_in_place_of_a_value_is_a_miss_and_counted(scene: Scene) {
        let values = packed(&scene, Packing::new()).await;
        let source = Source::of("x");
        read(&values, &1, &source).await;
        let raw: Vec<u8> = scene.ask(&["GET", &entry("1")]).await;
        let mut garbage: Vec<Vec<u8>> = ["", "x", "abc", "abcd", "12345", "{\"name\":1}"].map(Into::into).to_vec();
        garbage.push(vec![0; 100]);
        garbage.push(raw.iter().rev().copied().collect());
        garbage.extend([2, 10, 30, 51, 55, raw.len() - 1].map(|end| raw[..end].to_vec()));
        garbage.push([raw.as_slice(), b"more"].concat());
        let mut loads = 1;
        for bytes in &garbage {
            scene.try_ask::<()>(&[b"SET", entry("1").as_bytes(), bytes]).await.unwrap();
            assert_eq!(peek(&values, &1).await, None, "{bytes:?}");
            assert_eq!(read(&values, &1, &source).await, "x", "{bytes:?}");
            loads += 1;
            assert_eq!(source.loads(), loads);
            assert_eq!(peek(&values, &1).await.as_deref(), Some("x"), "it is replaced");
        }
        let counts = values.stats().counts;
        // Each was looked at by both reads.
        assert_eq!(counts.garbage_entries + counts.foreign_entries, 2 * garbage.len() as u64);
        assert_eq!(counts.store_errors, 0);
    }
}

on_every_store_and_valkey! {
    async fn what_another_program_keeps_under_our_names_is_left_alone(scene: Scene) {
        let values = packed(&scene, Packing::new()).await;
        let source = Source::of("x");
        scene.tell(&format!("RPUSH {} a b", entry("1"))).await;
        assert_eq!(peek(&values, &1).await, None);
        assert_eq!(read(&values, &1, &source).await, "x");
        assert_eq!(read(&values, &1, &source).await, "x");
        assert_eq!(source.loads(), 2, "it cannot be kept");
        values.set(&1, "y".to_owned()).await.unwrap_err();
        assert_eq!(scene.list(&entry("1")).await, ["a", "b"]);
        // Its stamps, sequence and lease.
        for other in ["t::eur:", "l::2:", "f::2:", "n", "s"] {
            let name = format!("bull:cache:{{values@1}}:{other}");
            scene.tell(&format!("DEL {name}")).await;
            scene.tell(&format!("RPUSH {name} a b")).await;
            assert_eq!(read_tagged(&values, &2, &source, &Tag::new("eur")).await, "x", "{other}");
            assert_eq!(scene.list(&name).await, ["a", "b"], "{other}");
            scene.tell(&format!("DEL {name}")).await;
        }
        scene.tell(&format!("DEL {}", entry("1"))).await;
        // The write that was refused is taken for an invalidation first.
        eventually("it goes on when it is gone", PATIENCE, async || {
            read(&values, &1, &source).await;
            peek(&values, &1).await.as_deref() == Some("x")
        }).await;
    }
}

on_every_store_and_valkey! {
    async fn a_value_that_is_too_large_is_delivered_and_not_kept(scene: Scene) {
        for tiers in [Tiers::Both, Tiers::Shared] {
            let process = scene.other_process().await;
            let values = process.cache().namespace::<u64, String>("values").tiers(tiers);
            let values = values.packing(Packing::new().with_max_value(1000)).open().unwrap();
            let source = Source::of(&"x".repeat(1001));
            assert_eq!(read(&values, &1, &source).await.len(), 1001);
            assert_eq!(peek(&values, &1).await, None);
            assert!(!scene.exists("bull:cache:{values@1}:l::1:").await, "the lease was given back");
            assert_eq!(values.stats().counts.fills_refused_too_large, 1);
            values.set(&1, "small".to_owned()).await.unwrap();
            let error = values.set(&1, "x".repeat(1001)).await.unwrap_err();
            assert!(matches!(error, Error::ValueTooLarge { .. }), "{error}");
            assert_eq!(peek(&values, &1).await, None, "what was there before is not true any more");
            assert_eq!(peek_strict(&values, &1).await, None);
        }
    }
}

on_every_store_and_valkey! {
    async fn another_type_of_value_is_another_namespace(scene: Scene) {
        let (mine, theirs) = (scene.oxherd.clone(), scene.other_process().await);
        let texts = mine.cache().namespace::<u64, String>("values").open().unwrap();
        let error = mine.cache().namespace::<u64, u64>("values").open().unwrap_err();
        assert!(matches!(error, Error::CacheOption { option: "namespace", .. }), "{error}");
        let error = mine.cache().namespace::<u64, String>("values").level(Level::Ttl).open().unwrap_err();
        assert!(error.to_string().contains("otherwise: level;"), "{error}");
        mine.cache().namespace::<u64, String>("values").open().unwrap();
        // Another process cannot know; it finds nothing that it can use.
        let numbers = theirs.cache().namespace::<u64, u64>("values").open().unwrap();
        texts.set(&1, "x".to_owned()).await.unwrap();
        assert!(numbers.get(&1).await.unwrap().is_none());
        assert_eq!(numbers.stats().counts.garbage_entries, 1);
        let loaded = numbers.get_or_load(&1, || -> Load<u64> { Box::pin(async { Ok(5) }) }).await.unwrap();
        assert_eq!(*loaded, 5);
    }
}

on_every_store_and_valkey! {
    async fn keys_of_ones_own_are_told_apart(scene: Scene) {
        struct Page<'a>(&'a str, u32);
        impl CacheKey for Page<'_> {
            fn write(&self, key: &mut KeyWriter) {
                key.text(self.0).part(&self.1);
            }
        }
        let pages = scene.oxherd.cache().namespace::<Page<'_>, String>("pages").open().unwrap();
        let all = [Page("a", 1), Page("a/1", 1), Page("", 1), Page("a b", 1), Page("☃", 1), Page("a", 11)];
        for page in &all {
            pages.set(page, format!("{}-{}", page.0, page.1)).await.unwrap();
        }
        for page in &all {
            assert_eq!(peek_strict(&pages, page).await, Some(format!("{}-{}", page.0, page.1)));
        }
        let names: Vec<String> = scene.ask(&["KEYS", "bull:cache:{pages@1}:e:*"]).await;
        assert_eq!(names.len(), all.len(), "{names:?}");
        let long = "x".repeat(600);
        let error = pages.get(&Page(&long, 1)).await.unwrap_err();
        assert!(matches!(error, Error::CacheKey { .. }), "{error}");
    }
}

on_every_store_and_valkey! {
    async fn what_cannot_be_right_is_refused_when_a_namespace_is_opened(scene: Scene) {
        let cache = scene.oxherd.cache();
        let open = |name: &str| cache.namespace::<u64, String>(name);
        let (zero, day) = (Duration::ZERO, Duration::from_secs(24 * 3600));
        let refused = [
            ("ttl", open("a").freshness(Freshness::of(zero)).open()),
            ("jitter", open("a").freshness(Freshness::of(day).jitter(0.7)).open()),
            ("sliding", open("a").freshness(Freshness::of(day).sliding().stale_if_error(day)).open()),
            ("sliding", open("a").freshness(Freshness::of(day).sliding().stale_while_revalidate(day)).open()),
            ("hard_timeout", open("a").hard_timeout(zero).open()),
            ("soft_timeout", open("a").soft_timeout(day).open()),
            ("lease_term", open("a").lease_term(zero).open()),
            ("concurrent_loads", open("a").concurrent_loads(0).open()),
            ("fence_life", open("a").fence_life(zero).open()),
            ("level", open("a").level(Level::Fenced).tiers(Tiers::Local).open()),
            ("name", open("a b").open()),
        ];
        for (option, result) in refused {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(option), "{option}: {error}");
        }
        let error = scene.oxherd.cache_builder().deadline(zero).open().unwrap_err().to_string();
        assert!(error.contains("`deadline`"), "{error}");
    }
}
