//! `oxherd cache …`, beside a program that has a cache on the same store.

use std::time::Duration;

use oxherd::Oxherd;
use oxherd::cache::{Cache, Namespace, Tag};
use oxherd_testkit::{TestStore, eventually, on_every_store};
use serde_json::{Value, json};

use crate::scene::Scene;

const SOON: Duration = Duration::from_secs(20);

struct Program {
    scene: Scene,
    products: Namespace<str, Value>,
    _cache: Cache,
}

impl Program {
    async fn start(store: TestStore) -> Self {
        let scene = Scene::start(store);
        let cache = Oxherd::on(scene.hold().await.clone()).cache();
        let products = cache.namespace::<str, Value>("products").open().unwrap();
        eventually("the program reports", SOON, async || {
            scene.ask::<u64>(&["ZCARD", "bull:cache:{all}:processes"]).await == 1
        })
        .await;
        Self {
            scene,
            products,
            _cache: cache,
        }
    }

    async fn put(&self, key: &str, value: Value) {
        self.products.set(key, value).tag(Tag::new("all")).await.unwrap();
    }

    async fn has(&self, key: &str) -> bool {
        self.products.get(key).strict().await.unwrap().is_some()
    }

    /// Runs `oxherd cache …`.
    async fn cache(&self, arguments: &[&str]) -> String {
        self.scene.run(&[&["cache"], arguments].concat()).await.done()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [&["cache"], arguments, &["--output", "json"]].concat();
        self.scene.run(&arguments).await.json()
    }
}

on_every_store! {
    async fn an_entry_is_shown(store: TestStore) {
        let program = Program::start(store).await;
        program.put("seven", json!({"name": "Ann", "token": "geheim"})).await;
        let shown = program.cache(&["get", "products@1", "seven"]).await;
        for part in ["state", "fresh", "all", "json", "\"name\": \"Ann\"", "\"token\": \"***\""] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        let entry = program.json(&["get", "products@1", "seven"]).await;
        assert_eq!((&entry["value"]["name"], &entry["state"]), (&json!("Ann"), &json!("fresh")));
        let run = async |arguments: &[&str], code| program.scene.run(arguments).await.failed(code);
        assert!(run(&["cache", "get", "products@1", "eight"], 3).await.contains("there is no entry \"eight\""));
        assert!(run(&["cache", "get", "prodcuts@1", "eight"], 3).await.contains("oxherd cache list"));
        assert!(run(&["cache", "get", "products", "eight"], 2).await.contains("NAME@VERSION"));
        assert!(run(&["cache", "invalidate", "key", "products", "eight"], 2).await.contains("NAME@VERSION"));
    }
}

on_every_store! {
    async fn entries_are_invalidated_in_every_way(store: TestStore) {
        let program = Program::start(store).await;
        for key in ["a1", "a2", "b1", "c1"] {
            program.put(key, json!(1)).await;
        }
        let said = program.cache(&["invalidate", "key", "products@1", "c1"]).await;
        assert_eq!(said, "entry \"c1\" of products@1 is gone\n");
        let again = program.json(&["invalidate", "key", "products@1", "c1"]).await;
        assert_eq!(again, json!({"namespace": "products@1", "by": "key", "removed": 0}));
        let said = program.cache(&["invalidate", "prefix", "products@1", "a"]).await;
        assert_eq!(said, "2 entries of products@1 are gone\n");
        assert!(!program.has("a1").await && program.has("b1").await);
        program.cache(&["invalidate", "tag", "products@1", "none", "all"]).await;
        assert!(!program.has("b1").await);
        program.put("d1", json!(1)).await;
        program.cache(&["invalidate", "namespace", "products@1"]).await;
        assert!(!program.has("d1").await);
        let acme = program.products.tenant("acme").unwrap();
        acme.set("e1", json!(1)).await.unwrap();
        let done = program.json(&["invalidate", "tenant", "products@1", "acme"]).await;
        assert_eq!(done, json!({"namespace": "products@1", "by": "tenant"}));
        assert!(acme.get("e1").strict().await.unwrap().is_none());
        let wrong = ["cache", "invalidate", "namespace", "prodcuts@1"];
        program.scene.run(&wrong).await.failed(3);
        // The tag without a name would be the tenant.
        let nameless = ["cache", "invalidate", "tag", "products@1", "", "--tenant", "acme"];
        program.scene.run(&nameless).await.failed(2);
        let nothing = ["cache", "invalidate", "prefix", "products@1", "a", "--limit", "0"];
        program.scene.run(&nothing).await.failed(2);
    }
}

on_every_store! {
    async fn the_largest_entries_are_listed(store: TestStore) {
        let program = Program::start(store).await;
        program.put("small", json!(1)).await;
        program.put("large", json!("x".repeat(900))).await;
        let arguments = ["top", "products@1", "--largest", "1000", "--limit", "1"];
        let listed = program.json(&arguments).await;
        assert_eq!((&listed[0]["key"], listed.as_array().unwrap().len()), (&json!("large"), 1));
        let ended = program.scene.run(&[&["cache"], &arguments[..]].concat()).await;
        assert!(ended.err.starts_with("all 2 entries have "), "{ended:?}");
    }
}

/// What two processes counted, as they write it.
async fn counted(store: TestStore) -> Scene {
    let scene = Scene::start(store);
    let at = oxherd::Clock::system().now().as_millis();
    for process in ["p1", "p2"] {
        let report = json!({
            "process": process, "at": at, "host": "web", "pid": 7, "channel": "lost", "breaker": "closed",
            "stats": {"namespaces": {"prices@3": {
                "counts": {"hitsLocal": 40, "hitsShared": 5, "misses": 5},
                "lastMinute": {"millis": 60_000, "hits": 45, "misses": 15},
                "top": {"millis": 10_000, "reads": 100, "keys": [
                    {"tenant": "acme", "key": "hot", "reads": 80, "error": 0, "misses": 1, "bytes": 9, "tier": "local"}]},
            }}},
        });
        let key = format!("bull:cache:{{all}}:r:{process}:");
        scene
            .ask::<redis::Value>(&["SET", &key, &report.to_string()])
            .await;
        scene
            .tell(&format!("ZADD bull:cache:{{all}}:processes {at} {process}"))
            .await;
    }
    // With those of a third one, which has ended.
    scene
        .tell("HSET bull:cache:{prices@3}:c settings {} hits_local 100 hits_shared 10 misses 30")
        .await;
    scene
        .tell(&format!("ZADD bull:cache:{{all}}:namespaces {at} prices@3"))
        .await;
    scene
}

on_every_store! {
    async fn what_processes_counted_is_listed(store: TestStore) {
        let scene = counted(store).await;
        let listed = scene.run(&["cache", "list"]).await;
        assert_eq!(
            listed.out,
            "\
NAMESPACE  HITS  MISSES  HIT RATE  READS/S  GET P95  LOAD P95  IN PROCESSES
prices@3    110      30    75.0 %      2.0        -         -             0
"
        );
        assert!(listed.err.contains("warning: process 7 on web hears of no changes"), "{listed:?}");
        let lines = scene.run(&["cache", "list", "--output", "jsonl"]).await.json();
        assert_eq!((&lines["name"], &lines["hits"]), (&json!("prices@3"), &json!(110)));

        let stats = scene.run(&["cache", "stats"]).await.done();
        assert!(stats.contains("hit rate      75.0 %") && stats.contains("connected     no"), "{stats}");
        let stats = scene.run(&["cache", "stats", "prices@3"]).await.done();
        assert!(stats.contains("hits local 100"), "{stats}");
        let stats = scene.run(&["cache", "stats", "prices@3", "--output", "json"]).await.json();
        assert_eq!(stats["counts"]["misses"], 30);
        scene.run(&["cache", "stats", "prices@4"]).await.failed(3);

        let top = scene.run(&["cache", "top", "prices@3"]).await.done();
        assert!(top.contains("acme    hot     16.0  80.0 %"), "{top}");
        let status = scene.run(&["status"]).await.done();
        assert!(status.contains("75.0 % hits, 2.0 reads a second, 1 namespaces, 2 processes, none connected"), "{status}");
    }
}

on_every_store! {
    async fn a_store_without_a_cache_is_no_failure(store: TestStore) {
        let scene = Scene::start(store);
        let listed = scene.run(&["cache", "list"]).await;
        assert_eq!((listed.code(), listed.err.as_str()), (0, "no namespaces of a cache under prefix \"bull\" yet\n"));
        assert_eq!(scene.run(&["cache", "list", "--output", "json"]).await.json(), json!([]));
        scene.run(&["cache", "stats"]).await.done();
    }
}
