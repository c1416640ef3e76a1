//! Nothing of one tenant is ever seen, or taken away, by another.

use oxherd::Error;
use oxherd::cache::{Namespace, Tag, Tiers};
use oxherd_testkit::eventually;

use super::source::{Source, peek, peek_strict, read, read_tagged};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey};

const TIERS: [Tiers; 3] = [Tiers::Both, Tiers::Shared, Tiers::Local];

fn users(scene: &Scene, tiers: Tiers) -> Namespace<str, String> {
    let users = scene.oxherd.cache().namespace(&format!("users-{tiers:?}"));
    users.tiers(tiers).open().unwrap()
}

on_every_store_and_valkey! {
    async fn the_same_key_is_another_value_for_each_tenant(scene: Scene) {
        for tiers in TIERS {
            let users = users(&scene, tiers);
            let (acme, other) = (users.tenant("acme").unwrap(), users.tenant("other").unwrap());
            for (handle, name) in [(&users, "nobody's"), (&acme, "acme's"), (&other, "other's")] {
                assert_eq!(read(handle, "ann", &Source::of(name)).await, name, "{tiers:?}");
            }
            for (handle, name) in [(&users, "nobody's"), (&acme, "acme's"), (&other, "other's")] {
                assert_eq!(peek(handle, "ann").await.as_deref(), Some(name), "{tiers:?}");
            }
            assert!(acme.remove("ann").await.unwrap());
            assert_eq!(peek(&acme, "ann").await, None);
            assert_eq!(peek(&other, "ann").await.as_deref(), Some("other's"), "{tiers:?}");
            assert_eq!(peek(&users, "ann").await.as_deref(), Some("nobody's"), "{tiers:?}");
        }
    }
}

on_every_store_and_valkey! {
    async fn no_key_reaches_into_another_tenant(scene: Scene) {
        let users = users(&scene, Tiers::Both);
        let acme = users.tenant("acme").unwrap();
        read(&acme, "ann", &Source::of("acme's")).await;
        for key in ["acme:ann", ":acme:ann", "acme:ann:", "acme/ann", "../acme/ann", "acme%3Aann", "{acme}:ann"] {
            assert_eq!(peek(&users, key).await, None, "{key}");
            assert_eq!(read(&users, key, &Source::of(key)).await, key);
            assert_eq!(peek_strict(&acme, "ann").await.as_deref(), Some("acme's"), "{key}");
        }
        for name in ["", "a:b", "a b", "{a}", "a/b"] {
            let error = users.tenant(name).unwrap_err();
            assert!(matches!(error, Error::CacheName { what: "tenant", .. }), "{error}");
        }
    }
}

on_every_store_and_valkey! {
    async fn a_tag_is_of_one_tenant(scene: Scene) {
        for tiers in TIERS {
            let users = users(&scene, tiers);
            let (acme, other) = (users.tenant("acme").unwrap(), users.tenant("other").unwrap());
            let tag = Tag::new("admins");
            for handle in [&users, &acme, &other] {
                read_tagged(handle, "ann", &Source::of("x"), &tag).await;
            }
            acme.invalidate(std::slice::from_ref(&tag)).await.unwrap();
            assert_eq!(peek(&acme, "ann").await, None, "{tiers:?}");
            assert_eq!(peek(&other, "ann").await.as_deref(), Some("x"), "{tiers:?}");
            assert_eq!(peek(&users, "ann").await.as_deref(), Some("x"), "{tiers:?}");
            users.invalidate(&[tag]).await.unwrap();
            assert_eq!(peek(&users, "ann").await, None, "{tiers:?}");
            assert_eq!(peek(&other, "ann").await.as_deref(), Some("x"), "{tiers:?}");
        }
    }
}

on_every_store_and_valkey! {
    async fn a_tenant_is_cleared_alone_and_by_one_write(scene: Scene) {
        for tiers in TIERS {
            let users = users(&scene, tiers);
            let (acme, other) = (users.tenant("acme").unwrap(), users.tenant("other").unwrap());
            for handle in [&users, &acme, &other] {
                for key in ["ann", "bob"] {
                    read(handle, key, &Source::of("x")).await;
                }
            }
            acme.clear().await.unwrap();
            for key in ["ann", "bob"] {
                assert_eq!(peek(&acme, key).await, None, "{tiers:?}");
                assert_eq!(peek(&other, key).await.as_deref(), Some("x"), "{tiers:?}");
                assert_eq!(peek(&users, key).await.as_deref(), Some("x"), "{tiers:?}");
            }
            assert_eq!(read(&acme, "ann", &Source::of("y")).await, "y");
            assert_eq!(peek(&acme, "ann").await.as_deref(), Some("y"));
            users.clear().await.unwrap();
            for handle in [&users, &acme, &other] {
                assert_eq!(peek(handle, "ann").await, None, "{tiers:?}: the whole namespace, its tenants too");
            }
            assert_eq!(users.stats().counts.invalidated_tenants, 1);
        }
    }
}

on_every_store_and_valkey! {
    async fn a_cleared_tenant_is_heard_of_by_others(scene: Scene) {
        let source = Source::of("x");
        let mine = users(&scene, Tiers::Both).tenant("acme").unwrap();
        let theirs = scene.other_process().await;
        let theirs = theirs.cache().namespace::<str, String>("users-Both").open().unwrap().tenant("acme").unwrap();
        read(&mine, "ann", &source).await;
        read(&theirs, "ann", &source).await;
        theirs.clear().await.unwrap();
        assert_eq!(peek_strict(&mine, "ann").await, None);
        eventually("it is heard", PATIENCE, async || peek(&mine, "ann").await.is_none()).await;
    }
}

on_every_store_and_valkey! {
    async fn a_tenant_whose_stamp_was_lost_misses(scene: Scene) {
        let source = Source::of("x");
        let acme = users(&scene, Tiers::Shared).tenant("acme").unwrap();
        read(&acme, "ann", &source).await;
        scene.tell("DEL bull:cache:{users-Shared@1}:t:acme::").await;
        assert_eq!(peek(&acme, "ann").await, None);
        read(&acme, "ann", &source).await;
        assert_eq!(source.loads(), 2);
        assert_eq!(peek(&acme, "ann").await.as_deref(), Some("x"));
    }
}
