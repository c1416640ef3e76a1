//! The cache over HTTP: what a program's cache did, as a server beside it tells.

use oxherd::cache::{Cache, Namespace, Tag};
use oxherd::{Oxherd, Store};
use oxherd_testkit::{TestStore, eventually, on_every_store};
use serde_json::{Value, json};

use crate::scene::{SOON, Scene};

const PRODUCTS: &str = "/api/v1/cache/products@1";

/// A program with a cache on the same store, which has told of itself.
struct Program {
    scene: Scene,
    products: Namespace<str, Value>,
    _cache: Cache,
}

impl Program {
    async fn start(store: TestStore) -> Self {
        let scene = Scene::start(store).await;
        let store = Store::open(&scene.store.url()).await.unwrap();
        let oxherd = Oxherd::on(store);
        let cache = oxherd.cache();
        let products = cache.namespace::<str, Value>("products").open().unwrap();
        eventually("the program reports", SOON, async || {
            let overview = scene.client.get("/api/v1/cache").await.ok(200);
            overview["processes"] == 1 && overview["namespaces"][0]["name"] == "products@1"
        })
        .await;
        Self {
            scene,
            products,
            _cache: cache,
        }
    }

    async fn put(&self, tenant: &str, key: &str, value: Value) {
        let space = self.products.tenant(tenant).unwrap();
        space.set(key, value).tag(Tag::new("all")).await.unwrap();
    }

    async fn entry(&self, key: &str) -> Value {
        self.scene
            .client
            .get(&format!("{PRODUCTS}/entries/{key}"))
            .await
            .ok(200)
    }

    async fn invalidate(&self, wish: Value) -> Value {
        let path = format!("{PRODUCTS}/invalidate");
        self.scene.client.post(&path, &wish.to_string()).await.ok(200)
    }
}

on_every_store! {
    async fn an_entry_is_shown_masked_with_what_a_reader_would_make_of_it(store: TestStore) {
        let program = Program::start(store).await;
        program.put("acme", "user 7", json!({"name": "Ann", "accessToken": "geheim"})).await;
        let entry = program.entry("user%207?tenant=acme").await;
        assert_eq!(entry["value"], json!({"name": "Ann", "accessToken": "***"}));
        assert_eq!((&entry["state"], &entry["tags"]), (&json!("fresh"), &json!(["all"])));
        assert_eq!((&entry["tenant"], &entry["codec"]), (&json!("acme"), &json!("json")));
        assert_eq!(program.invalidate(json!({"tag": "all", "tenant": "acme"})).await["by"], "tag");
        let entry = program.entry("user%25207?tenant=acme").await;
        assert_eq!(entry["state"], "invalid");
        assert_eq!(entry["reason"], "tag \"all\" was invalidated");
        let client = &program.scene.client;
        let problem = client.get(&format!("{PRODUCTS}/entries/user%2F7")).await.problem(404);
        assert_eq!(problem["type"], "urn:oxherd:problem:no-such-entry");
        let problem = client.get(&format!("{PRODUCTS}/entries/x?tenant=a:b")).await.problem(400);
        assert_eq!(problem["field"], "tenant");
        client.get("/api/v1/cache/products/entries/x").await.problem(400);
    }
}

on_every_store! {
    async fn what_is_invalidated_over_http_is_gone_for_the_program(store: TestStore) {
        let program = Program::start(store).await;
        let has = async |tenant: &str, key: &str| {
            let space = program.products.tenant(tenant).unwrap();
            space.get(key).strict().await.unwrap().is_some()
        };
        for tenant in ["acme", "zorro"] {
            for key in ["a1", "a2", "b1", "c1"] {
                program.put(tenant, key, json!(1)).await;
            }
        }
        let done = program.invalidate(json!({"key": "c1", "tenant": "acme"})).await;
        assert_eq!(done, json!({"namespace": "products@1", "by": "key", "removed": 1}));
        assert!(!has("acme", "c1").await && has("zorro", "c1").await);
        let done = program.invalidate(json!({"prefix": "a", "tenant": "acme"})).await;
        assert_eq!((&done["removed"], &done["complete"]), (&json!(2), &json!(true)));
        assert!(!has("acme", "a1").await && has("acme", "b1").await && has("zorro", "a1").await);
        let done = program.invalidate(json!({"pattern": "?1", "tenant": "zorro", "limit": 1})).await;
        assert_eq!((&done["removed"], &done["complete"]), (&json!(1), &json!(false)));
        assert_eq!(program.invalidate(json!({"tenant": "acme"})).await["by"], "tenant");
        assert!(!has("acme", "b1").await && has("zorro", "a2").await);
        assert_eq!(program.invalidate(json!({"all": true})).await["by"], "all");
        assert!(!has("zorro", "a2").await);
    }
}

on_every_store! {
    async fn a_wish_that_is_none_is_refused(store: TestStore) {
        let program = Program::start(store).await;
        let client = &program.scene.client;
        let path = format!("{PRODUCTS}/invalidate");
        for wish in [
            json!({}),
            json!({"key": "a", "tag": "b"}),
            json!({"all": false}),
            json!({"all": true, "tenant": "acme"}),
            json!({"prefix": "a", "limit": 0}),
            json!({"keys": ["a"]}),
            json!(7),
            json!({"tenant": ""}),
            json!({"tag": ""}),
            json!({"tag": "", "tenant": "acme"}),
            json!({"key": "x".repeat(600)}),
        ] {
            client.post(&path, &wish.to_string()).await.problem(400);
        }
        let wish = json!({"all": true}).to_string();
        let problem = client.post("/api/v1/cache/prodcuts@1/invalidate", &wish).await.problem(404);
        assert_eq!(problem["field"], "namespace");
        client.post("/api/v1/cache/products/invalidate", &wish).await.problem(400);
        client.get("/api/v1/cache/products@2").await.problem(404);
        client.get("/api/v1/cache/products@2/top").await.problem(404);
        client.get(&format!("{PRODUCTS}/top?limit=0")).await.problem(400);
        let foreign = [("content-type", "application/json"), ("origin", "https://evil.example")];
        client.send(http::Method::POST, &path, &foreign, &wish).await.problem(403);
    }
}

/// A report, as a process writes it, beside what others counted that have ended.
async fn report(scene: &Scene, namespace: Value, totals: &[(&str, u64)]) {
    let at = oxherd::Clock::system().now().as_millis();
    let report = json!({
        "process": "p1", "at": at, "host": "web-1", "pid": 7, "channel": "tracking", "breaker": "closed",
        "stats": {"namespaces": {"prices@3": namespace}, "local": {"entries": 5, "bytes": 500, "evictions": 2}},
    });
    let mut connection = scene.store.connection().await;
    let mut told = redis::pipe();
    told.set("bull:cache:{all}:r:p1:", report.to_string());
    told.zadd("bull:cache:{all}:processes", "p1", at);
    told.zadd("bull:cache:{all}:namespaces", "prices@3", at);
    told.hset("bull:cache:{prices@3}:c", "settings", "{}");
    for (name, count) in totals {
        told.hset("bull:cache:{prices@3}:c", *name, *count);
    }
    told.hset("bull:cache:{all}:c", "evictions", 12);
    told.exec_async(&mut connection).await.unwrap();
}

on_every_store! {
    async fn what_processes_counted_is_told_everywhere(store: TestStore) {
        let scene = Scene::start(store).await;
        report(
            &scene,
            json!({
                "counts": {"hitsLocal": 60, "hitsShared": 30, "misses": 10, "missLoads": 10, "missLoadMicros": 50_000},
                "latency": {"loads": {"count": 2, "sumMicros": 9, "buckets": [[40, 1], [63, 1]]}},
                "lastMinute": {"millis": 60_000, "hits": 30, "misses": 30},
                "top": {"millis": 60_000, "reads": 6000, "keys": [
                    {"tenant": "", "key": "hot", "reads": 3000, "error": 100, "misses": 1, "bytes": 9, "tier": "shared"},
                    {"tenant": "", "key": "held", "reads": 2900, "error": 100, "misses": 1, "bytes": 9, "tier": "local"}]},
                "big": [{"tenant": "acme", "key": "huge", "bytes": 1_000_000}],
            }),
            &[("hits_local", 160), ("hits_shared", 130), ("misses", 110), ("miss_loads", 110), ("of_a_newer_version", 1)],
        )
        .await;
        let status = scene.client.get("/api/v1/status").await.ok(200);
        let cache = &status["cache"];
        assert_eq!((&cache["connected"], &cache["hits"], &cache["misses"]), (&json!(true), &json!(290), &json!(110)));
        assert_eq!((&cache["hitRate"], &cache["readsPerSecond"]), (&json!(0.5), &json!(1.0)));
        assert_eq!((&cache["missPenaltyMs"], &cache["processes"]), (&json!(5.0), &json!(1)));
        let warnings = cache["warnings"].to_string();
        assert!(warnings.contains("hot") && warnings.contains("acme:huge"), "{warnings}");
        assert!(!warnings.contains("held"), "{warnings}");
        let one = scene.client.get("/api/v1/cache/prices@3").await.ok(200);
        assert_eq!((&one["counts"]["hitsShared"], &one["load"]["count"]), (&json!(130), &json!(2)));
        assert_eq!(one["load"]["p99Ms"], json!(63e-6));
        let top = scene.client.get("/api/v1/cache/prices@3/top?sample=100").await.ok(200);
        assert_eq!((&top["keys"][0]["key"], &top["keys"][0]["hot"]), (&json!("hot"), &json!(true)));
        assert_eq!((&top["keys"][0]["perSecond"], &top["sample"]["complete"]), (&json!(50.0), &json!(true)));
        let metrics = scene.client.get("/metrics").await.text;
        for line in [
            r#"oxherd_cache_reads_total{namespace="prices@3",result="hit_local"} 160"#,
            r#"oxherd_cache_reads_total{namespace="prices@3",result="miss"} 110"#,
            r#"oxherd_cache_events_total{namespace="prices@3",event="miss_loads"} 110"#,
            r#"oxherd_cache_hit_ratio{namespace="prices@3"} 0.5"#,
            "oxherd_cache_evictions_total 12",
            "oxherd_cache_connected 1",
        ] {
            assert!(metrics.contains(line), "{line}\n{metrics}");
        }
    }
}
