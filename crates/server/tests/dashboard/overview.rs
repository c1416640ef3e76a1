//! All queues at a glance.

use oxherd_server::serve::Server;
use oxherd_testkit::{TestStore, on_every_store};

use crate::client::Client;
use crate::page::{failed_job, open};
use crate::scene::{Scene, config};

on_every_store! {
    async fn an_empty_store_says_how_a_queue_comes_into_being(store: TestStore) {
        let scene = Scene::start(store).await;
        let page = open(&scene.client, "/").await;
        page.says("Store answers in")
            .says(scene.store.product())
            .says("No queues")
            .says("oxherd job add mail welcome");
        page.lacks("<table");
    }
}

on_every_store! {
    async fn queues_are_listed_with_counts_that_lead_to_their_jobs(store: TestStore) {
        let scene = Scene::start(store).await;
        failed_job(&scene, "mail", 1).await;
        let media = scene.queue("media").await;
        for chapter in 0..1234 {
            // Delayed, so that no oldest waiting job hides behind them.
            let delay = std::time::Duration::from_secs(3600);
            drop(media.add("transcode", chapter).delay(delay).await.unwrap());
        }
        media.add("transcode", 1).await.unwrap();
        media.pause().await.unwrap();

        let page = open(&scene.client, "/").await;
        page.has(r#"<a href="/queues/mail">mail</a>"#);
        page.has(r#"href="/queues/mail?state=failed" aria-label="1 Failed in mail""#);
        page.has(r#"href="/queues/media?state=delayed" aria-label="1,234 Delayed in media""#);
        page.says("media Paused")
            .says("In line 1 the oldest for")
            .says("Failed 1 failed for good, kept");
        page.lacks("/queues/mail?state=waiting\"")
            .does_not_say("Waiting for children");
        page.has("<caption>")
            .has(r#"<th scope="col""#)
            .has(r#"<th scope="row">"#);
    }
}

on_every_store! {
    async fn a_foreign_key_in_the_way_spoils_one_row_and_not_the_page(store: TestStore) {
        let scene = Scene::start(store).await;
        scene.queue("good").await.add("x", 1).await.unwrap();
        scene.queue("bad").await.add("x", 1).await.unwrap();
        let mut connection = scene.store.connection().await;
        let mut command = redis::cmd("SET");
        command.arg("bull:bad:failed").arg("somebody else's");
        command.exec_async(&mut connection).await.unwrap();

        let page = open(&scene.client, "/").await;
        page.says("good").says("Not counted:").says("bull:bad:failed");
    }
}

on_every_store! {
    async fn workers_of_the_server_are_shown(store: TestStore) {
        let toml =
            "[[webhooks]]\nqueues = [\"hooks\"]\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\n";
        let scene = Scene::with(store, toml).await;
        let page = open(&scene.client, "/").await;
        page.says("Workers of this server").says("hooks webhook 0 of");
    }
}

// A directory drops nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_may_drop_jobs_is_warned_of() {
    let store = TestStore::on_redis().await;
    let server = Server::start(config(&store, "")).await.unwrap();
    open(&Client::new(server.address()), "/")
        .await
        .does_not_say("may drop jobs");

    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("maxmemory-policy").arg("allkeys-lru");
    set.exec_async(&mut store.connection().await).await.unwrap();
    let server = Server::start(config(&store, "")).await.unwrap();
    open(&Client::new(server.address()), "/")
        .await
        .says("The store may drop jobs")
        .says("is allkeys-lru");
}
