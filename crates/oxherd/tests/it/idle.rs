//! A server closes connections that nobody used for a while (`timeout`): the next request goes to a new one, and succeeds.

use oxherd::cache::{Bounds, Inspector, Matching, Namespace};
use oxherd_testkit::RedisServer;

use crate::scene::Scene;

/// On one thread, where what reads a connection has seen its end before the server's later reply to another is seen.
macro_rules! on_servers {
    (async fn $name:ident($scene:ident: Scene) $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of them")]
            use super::*;

            async fn behaviour($scene: Scene) $body

            #[tokio::test]
            async fn on_redis() {
                behaviour(Scene::on_redis().await).await;
            }

            #[tokio::test]
            async fn on_valkey() {
                behaviour(Scene::on_valkey().await).await;
            }
        }
    };
}

on_servers! {
    async fn the_first_request_of_a_queue_after_that_is_answered(scene: Scene) {
        let queue = scene.queue("q");
        for round in 1..=10 {
            scene.server().close_connections().await;
            let job = queue.add("n", round).await.unwrap();
            scene.server().close_connections().await;
            assert!(queue.job(&job.id).await.unwrap().is_some());
            scene.server().close_connections().await;
            assert_eq!(queue.counts().await.unwrap().waiting, round);
        }
    }
}

on_servers! {
    async fn the_first_request_about_a_cache_after_that_is_answered(scene: Scene) {
        let theirs = scene.other_process().await.cache();
        let prices: Namespace<str, i32> = theirs.namespace("prices").open().unwrap();
        prices.set("x1", 1).await.unwrap();
        prices.set("x2", 1).await.unwrap();
        let mine = scene.oxherd.cache();
        let _open: Namespace<str, i32> = mine.namespace("prices").open().unwrap();
        let inspector = Inspector::new(scene.oxherd.store().clone());
        let close = async || scene.server().close_connections().await;

        close().await;
        mine.report().await.unwrap();
        close().await;
        assert!(inspector.fleet().await.unwrap().namespaces.contains_key("prices@1"));
        close().await;
        assert!(inspector.entry("prices@1", "", "x1").await.unwrap().is_some());
        close().await;
        assert!(inspector.remove("prices@1", "", "x1").await.unwrap());
        close().await;
        let (all, bounds) = (Matching::Prefix("x"), Bounds::default());
        inspector.remove_matching("prices@1", "", all, bounds, |_| ()).await.unwrap();
        close().await;
        assert!(inspector.entry("prices@1", "", "x2").await.unwrap().is_none());
        close().await;
        inspector.invalidate_tags("prices@1", "", &["all"]).await.unwrap();
        close().await;
        inspector.clear("prices@1").await.unwrap();
    }
}

on_servers! {
    async fn so_it_is_after_the_end_of_the_runtime_that_made_the_connection(scene: Scene) {
        for round in 1..=3 {
            let queue = scene.other_process().await.queue("q").unwrap();
            let first = queue.clone();
            let life = tokio::task::spawn_blocking(move || {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build().unwrap();
                runtime.block_on(async move { first.add("n", ()).await.unwrap() });
            });
            life.await.unwrap();
            queue.add("n", ()).await.unwrap();
            assert_eq!(queue.counts().await.unwrap().waiting, 2 * round);
        }
    }
}

#[tokio::test]
async fn a_server_that_knows_no_resp3_is_used_as_ever() {
    let server = RedisServer::builder().config("rename-command", "HELLO \"\"");
    let server = server.password("geheim").start().await;
    let queue = oxherd::Oxherd::connect(&server.url())
        .await
        .unwrap()
        .queue("q")
        .unwrap();
    for round in 1..=3 {
        queue.add("n", ()).await.unwrap();
        assert_eq!(queue.counts().await.unwrap().waiting, round);
    }
}
