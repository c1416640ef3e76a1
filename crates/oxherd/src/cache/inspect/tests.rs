//! Entries as other processes of the library write them, looked at and removed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::cache::value::{Codec, Envelope, Header, KeyRing, Packing, Place};
use crate::clock::{ManualClock, Timestamp};

const NAMESPACE: &str = "products@1";

#[test]
fn a_key_may_be_as_long_by_hand_as_in_a_program() {
    for (tenant, most) in [("", LONGEST_KEY), ("acme", LONGEST_KEY - 4)] {
        full_name(tenant, &"x".repeat(most)).unwrap();
        let error = full_name(tenant, &"x".repeat(most + 1)).unwrap_err();
        assert!(error.to_string().contains("it has 513 bytes"), "{error}");
    }
}

struct Scene {
    store: Store,
    inspector: Inspector,
    clock: ManualClock,
}

async fn scene() -> Scene {
    let store = Store::open("memory:").await.unwrap();
    let (clock, hand) = Clock::manual(Timestamp::from_millis(1_000_000_000));
    let inspector = Inspector::new(store.clone()).with_clock(clock);
    let scene = Scene {
        store,
        inspector,
        clock: hand,
    };
    scene
        .tell(&["SET", "bull:cache:{products@1}:n", "incarnat"])
        .await;
    scene.tell(&["SET", "bull:cache:{products@1}:s", "5"]).await;
    scene
        .tell(&["SET", "bull:cache:{products@1}:t:acme::", "0"])
        .await;
    scene
        .tell(&["SET", "bull:cache:{products@1}:t:acme:shoes:", "5"])
        .await;
    scene
}

impl Scene {
    async fn tell(&self, words: &[&str]) {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.exec_async(&mut self.store.shared()).await.unwrap();
    }

    async fn exists(&self, key: &str) -> bool {
        redis::cmd("EXISTS")
            .arg(key)
            .query_async(&mut self.store.shared())
            .await
            .unwrap()
    }

    fn header(&self, tags: &[&str]) -> Header {
        Header {
            id: [0xab; 16],
            version: 7,
            incarnation: *b"incarnat",
            as_of: 5,
            created: self.clock.now(),
            ttl: Duration::from_secs(60),
            stale_if_error: Duration::from_secs(600),
            load_micros: 1500,
            tags: tags.iter().map(|tag| Box::from(*tag)).collect(),
            ..Header::default()
        }
    }

    async fn put(&self, tenant: &str, key: &str, bytes: Vec<u8>) {
        let name = format!("bull:cache:{{products@1}}:e:{tenant}:{key}:");
        let mut command = redis::cmd("SET");
        command.arg(name).arg(bytes).arg("PX").arg(660_000);
        command.exec_async(&mut self.store.shared()).await.unwrap();
    }

    async fn put_json(&self, tenant: &str, key: &str, json: &str, tags: &[&str]) {
        let place = Place {
            tenant,
            namespace: NAMESPACE,
            key,
        };
        let bytes =
            Envelope::encode(&self.header(tags), Some(json.as_bytes()), &Packing::new(), place).unwrap();
        self.put(tenant, key, bytes).await;
    }

    async fn look(&self, tenant: &str, key: &str) -> Entry {
        self.inspector
            .entry(NAMESPACE, tenant, key)
            .await
            .unwrap()
            .unwrap()
    }
}

#[tokio::test]
async fn an_entry_is_shown_with_all_it_says() {
    let scene = scene().await;
    scene
        .put_json("acme", "user/7", r#"{"name":"Ann"}"#, &["shoes"])
        .await;
    scene.clock.advance(Duration::from_secs(2));
    let entry = scene.look("acme", "user/7").await;
    assert_eq!((entry.state, &entry.reason), (EntryState::Fresh, &None));
    assert_eq!(entry.value.as_deref(), Some(r#"{"name":"Ann"}"#));
    assert!(entry.expires_in_ms.unwrap() > 600_000);
    let header = entry.header.unwrap();
    assert_eq!(
        (header.version, header.as_of, header.age_ms, header.ttl_ms),
        (7, 5, 2000, 60_000)
    );
    assert_eq!(
        (header.codec, header.compression, header.plain_bytes),
        ("json", "none", 14)
    );
    assert_eq!(
        (header.tags, header.id),
        (vec!["shoes".to_owned()], "ab".repeat(16))
    );
    assert_eq!(
        scene.inspector.entry(NAMESPACE, "acme", "user/8").await.unwrap(),
        None
    );
}

#[tokio::test]
async fn an_entry_past_its_ttl_is_stale_and_a_compressed_one_readable() {
    let scene = scene().await;
    let long = format!("[\"{}\"]", "a".repeat(5000));
    scene.put_json("", "page", &long, &[]).await;
    scene.clock.advance(Duration::from_secs(61));
    let entry = scene.look("", "page").await;
    assert_eq!(entry.state, EntryState::Stale);
    assert_eq!(entry.value.unwrap(), long);
    assert_eq!(entry.header.unwrap().compression, "lz4");
}

#[tokio::test]
async fn an_invalidated_entry_says_by_what() {
    let scene = scene().await;
    scene.put_json("acme", "7", "1", &["shoes", "hats"]).await;
    let reason = || async { scene.look("acme", "7").await.reason.unwrap_or_default() };
    assert!(reason().await.contains("stamp of tag \"hats\" is gone"));
    scene
        .tell(&["SET", "bull:cache:{products@1}:t:acme:hats:", "2"])
        .await;
    assert_eq!(reason().await, "");
    scene
        .inspector
        .invalidate_tags(NAMESPACE, "acme", &["hats", "ties"])
        .await
        .unwrap();
    assert_eq!(reason().await, "tag \"hats\" was invalidated");
    scene
        .inspector
        .invalidate_tenant(NAMESPACE, "acme")
        .await
        .unwrap();
    assert_eq!(reason().await, "tenant \"acme\" was invalidated");
    scene.inspector.clear(NAMESPACE).await.unwrap();
    assert_eq!(reason().await, "the namespace was cleared");
    assert_eq!(scene.look("acme", "7").await.state, EntryState::Invalid);
}

#[tokio::test]
async fn values_that_cannot_be_told_as_json_are_not_shown() {
    let scene = scene().await;
    let place = Place {
        tenant: "",
        namespace: NAMESPACE,
        key: "x",
    };
    let put = async |packing: &Packing, value: Option<&(u8, &str)>| {
        let bytes = Envelope::encode_value(&scene.header(&[]), value, packing, place).unwrap();
        scene.put("", "x", bytes).await;
        scene.look("", "x").await
    };
    let value = Some(&(7, "text"));
    let named = put(&Packing::new().with_codec(Codec::MessagePack), value).await;
    assert_eq!(named.value.as_deref(), Some(r#"[7,"text"]"#));
    let postcard = put(&Packing::new().with_codec(Codec::Postcard), value).await;
    assert_eq!(postcard.hidden, Some("postcard has no names to show"));
    assert_eq!(postcard.state, EntryState::Fresh);
    let keys = KeyRing::new(
        crate::cache::KeyId(3),
        crate::cache::EncryptionKey::from_bytes(&[9; 32]).unwrap(),
    );
    let sealed = put(&Packing::new().with_keys(keys), value).await;
    assert_eq!((sealed.value, sealed.hidden), (None, Some("it is sealed")));
    assert_eq!(sealed.header.unwrap().sealed_with, Some(3));
    let absent = put(&Packing::new(), None).await;
    assert_eq!(absent.hidden, Some("it is known to be absent"));
}

#[tokio::test]
async fn garbage_is_shown_as_what_it_is() {
    let scene = scene().await;
    scene.put("", "x", b"hello".to_vec()).await;
    let entry = scene.look("", "x").await;
    assert_eq!(
        (entry.state, entry.bytes, entry.header),
        (EntryState::Foreign, 5, None)
    );
    assert!(entry.reason.unwrap().contains("another program"));
    // One byte of the value changed.
    let place = Place {
        tenant: "",
        namespace: NAMESPACE,
        key: "x",
    };
    let mut bytes = Envelope::encode(&scene.header(&[]), Some(b"12345"), &Packing::new(), place).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    scene.put("", "x", bytes).await;
    let entry = scene.look("", "x").await;
    assert_eq!((entry.state, entry.value), (EntryState::Foreign, None));
}

#[tokio::test]
async fn removing_a_key_removes_its_lease_and_leaves_others() {
    let scene = scene().await;
    scene.put_json("", "a%20b", "1", &[]).await;
    scene.put_json("acme", "a%20b", "1", &[]).await;
    scene
        .tell(&["SET", "bull:cache:{products@1}:l::a%20b:", "0123456789abcdef"])
        .await;
    assert!(scene.inspector.remove(NAMESPACE, "", "a b").await.unwrap());
    assert!(!scene.inspector.remove(NAMESPACE, "", "a b").await.unwrap());
    assert!(!scene.exists("bull:cache:{products@1}:l::a%20b:").await);
    assert!(scene.exists("bull:cache:{products@1}:e:acme:a%20b:").await);
}

#[tokio::test]
async fn keys_that_match_are_removed_within_bounds() {
    let scene = scene().await;
    for number in 0..30 {
        scene.put_json("acme", &format!("user/{number}"), "1", &[]).await;
        scene.put_json("", &format!("user/{number}"), "1", &[]).await;
        scene.put_json("acme", &format!("us*r/{number}"), "1", &[]).await;
    }
    let remove = async |matching, most| {
        let mut told = Vec::new();
        let bounds = Bounds::default().with_keys(most);
        let tell = |removed| told.push(removed);
        let done = scene
            .inspector
            .remove_matching(NAMESPACE, "acme", matching, bounds, tell)
            .await;
        (done.unwrap(), told.last().copied().unwrap_or(0))
    };
    let done = |removed, complete| Removed { removed, complete };
    assert_eq!(remove(Matching::Prefix("user/"), 10).await, (done(10, false), 10));
    assert_eq!(remove(Matching::Prefix("us*"), 1000).await, (done(30, true), 30));
    assert_eq!(remove(Matching::Pattern("user/?"), 0).await, (done(0, false), 0));
    let left = remove(Matching::Pattern("user/[0-9]*"), 1000).await;
    assert_eq!(left, (done(20, true), 20));
    assert!(scene.exists("bull:cache:{products@1}:e::user/7:").await);
}

#[tokio::test]
async fn the_largest_entries_are_found() {
    let scene = scene().await;
    for size in [10, 9000, 300] {
        let random: String = (0..size)
            .map(|at: u32| char::from(33 + (at * at % 89) as u8))
            .collect();
        scene.put("acme", &size.to_string(), random.into_bytes()).await;
    }
    let big = scene
        .inspector
        .big_keys(NAMESPACE, Bounds::default())
        .await
        .unwrap();
    assert_eq!((big.looked_at, big.complete, big.bytes), (3, true, 9310));
    assert_eq!(
        (
            big.keys[0].tenant.as_str(),
            big.keys[0].key.as_str(),
            big.keys[0].bytes
        ),
        ("acme", "9000", 9000)
    );
    let some = scene
        .inspector
        .big_keys(NAMESPACE, Bounds::default().with_keys(2))
        .await
        .unwrap();
    assert_eq!((some.looked_at, some.complete), (2, false));
}

#[tokio::test]
async fn names_that_cannot_be_are_refused() {
    let scene = scene().await;
    let inspector = &scene.inspector;
    for namespace in ["products", "products@", "products@x", "a:b@1", "@1"] {
        assert!(inspector.entry(namespace, "", "x").await.is_err(), "{namespace}");
    }
    assert!(inspector.entry(NAMESPACE, "a:b", "x").await.is_err());
    assert!(inspector.entry(NAMESPACE, "", &"x".repeat(600)).await.is_err());
    assert!(inspector.invalidate_tenant(NAMESPACE, "").await.is_err());
}
