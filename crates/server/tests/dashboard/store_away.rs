//! The dashboard while its store is away: a Redis, since a directory never is.

use oxherd_testkit::TestStore;

use crate::page::{failed_job, open, open_as, submit};
use crate::scene::{SOON, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_say_what_was_tried_and_come_back_with_the_store() {
    let scene = Scene::start(TestStore::on_redis().await).await;
    failed_job(&scene, "mail", 1).await;
    open(&scene.client, "/").await.says("Store answers in");
    scene.store.redis().kill();

    let overview = open_as(&scene.client, "/", 503).await;
    overview
        .says("The store does not answer")
        .says("Tried to reach")
        .says(&scene.store.url())
        .says("Failed because");
    overview.says("mail not known while the store is away");
    overview
        .has(r#"<noscript><meta http-equiv="refresh" content="5">"#)
        .has("data-refresh=");

    let tried = scene.store.url();
    let (queue, job, change) = tokio::join!(
        open_as(&scene.client, "/queues/mail", 503),
        open_as(&scene.client, "/queues/mail/jobs/1", 503),
        submit(&scene.client, "/queues/mail/jobs/1/retry", ""),
    );
    queue
        .says("The store does not answer")
        .says("Tried to show queue &#34;mail&#34;")
        .says(&tried);
    job.says("Tried to show job &#34;1&#34; of queue &#34;mail&#34;")
        .says("Failed because");
    for page in [&queue, &job] {
        page.has(r#"http-equiv="refresh""#);
        assert_eq!(page.header("retry-after"), "2");
    }
    // A form is not sent again by itself.
    assert_eq!(change.status.as_u16(), 503);
    change
        .says("Tried to retry job")
        .lacks("http-equiv")
        .lacks("data-refresh")
        .says("Job 1");

    scene.store.redis().restart().await;
    oxherd_testkit::eventually("the overview is back", SOON, async || {
        scene.client.get("/").await.status.as_u16() == 200
    })
    .await;
}
