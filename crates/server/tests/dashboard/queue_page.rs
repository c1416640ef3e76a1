//! The jobs of one queue.

use std::time::Duration;

use http::Method;
use oxherd::NewJob;
use oxherd_testkit::on_every_store;

use crate::page::{failed_job, open, open_as};
use crate::scene::Scene;

async fn add_many(scene: &Scene, queue: &str, count: u32) {
    let jobs =
        (0..count).map(|number| NewJob::new("digest", &serde_json::json!({"number": number})).unwrap());
    let added = scene.queue(queue).await.add_many(jobs.collect()).await.unwrap();
    assert!(added.iter().all(Result::is_ok));
}

on_every_store! {
    async fn the_list_that_opens_is_the_one_of_most_interest(store: TestStore) {
        let scene = Scene::start(store).await;
        add_many(&scene, "mail", 2).await;
        let waiting = open(&scene.client, "/queues/mail").await;
        waiting
            .says("Waiting jobs of queue mail, 1–2 of 2")
            .says("{&#34;number&#34;:0}");

        failed_job(&scene, "post", 2).await;
        let failed = open(&scene.client, "/queues/post").await;
        failed.has(r#"href="/queues/post?state=failed" class="is-failed" aria-current="page""#);
        failed
            .says("Failed jobs of queue post, 1–1 of 1")
            .says("invoice 2 of 2")
            .says("attempt 2: mailbox full");
        failed.does_not_say("ada@example.com");

        let completed = open(&scene.client, "/queues/post?state=completed").await;
        completed
            .says("No jobs here")
            .says("A job appears here when it completes");
    }
}

on_every_store! {
    async fn a_long_list_has_pages(store: TestStore) {
        let scene = Scene::start(store).await;
        add_many(&scene, "mail", 120).await;
        let first = open(&scene.client, "/queues/mail?state=waiting").await;
        first
            .says("1–50 of 120")
            .says("Page 1 of 3")
            .says("Next")
            .does_not_say("Previous");
        first.has("/queues/mail/jobs/1\"").lacks("/queues/mail/jobs/51\"");
        first.has(r#"href="/queues/mail?state=waiting&#38;page=2" rel="next""#);
        let last = open(&scene.client, "/queues/mail?state=waiting&page=3").await;
        last.says("101–120 of 120")
            .says("Previous")
            .does_not_say("Next")
            .has("/queues/mail/jobs/120\"");
        let behind = open(&scene.client, "/queues/mail?state=waiting&page=9").await;
        behind
            .says("Nothing on this page any more")
            .has("state=waiting&#38;page=3\" rel=\"prev\"");
    }
}

on_every_store! {
    async fn delayed_jobs_say_when_they_are_due_and_prioritized_ones_how_urgent_they_are(store: TestStore) {
        let scene = Scene::start(store).await;
        let queue = scene.queue("mail").await;
        queue
            .add("later", 1)
            .delay(Duration::from_secs(7_230))
            .await
            .unwrap();
        queue.add("soon", 1).priority(7).await.unwrap();
        open(&scene.client, "/queues/mail?state=delayed")
            .await
            .says("Due")
            .says("in 2 h");
        open(&scene.client, "/queues/mail?state=prioritized")
            .await
            .says("soon priority 7 0 of 1");
    }
}

on_every_store! {
    async fn a_job_is_found_by_its_id(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .queue("mail")
            .await
            .add("x", 1)
            .id("order/7 ?")
            .await
            .unwrap();
        let found = scene
            .client
            .send(Method::GET, "/queues/mail?id=+order%2F7+%3F+", &[], "")
            .await;
        assert_eq!(found.status.as_u16(), 303);
        assert_eq!(found.header("location"), "/queues/mail/jobs/order%2F7%20%3F");
        open(&scene.client, found.header("location"))
            .await
            .says("order/7 ?");
        open_as(&scene.client, "/queues/mail?id=8", 404)
            .await
            .says("There is no such job")
            .says("Queue mail");
    }
}

on_every_store! {
    async fn what_is_not_there_or_makes_no_sense_is_said_on_a_page(store: TestStore) {
        let scene = Scene::start(store).await;
        scene.queue("mail").await.add("x", 1).await.unwrap();
        let unknown = open_as(&scene.client, "/queues/nowhere", 404).await;
        unknown
            .says("There is no such queue")
            .says("comes into being with its first job")
            .says("All queues");
        open_as(&scene.client, "/queues/mail?state=lost", 400)
            .await
            .says("known are waiting");
        open_as(&scene.client, "/queues/mail?page=0", 400)
            .await
            .says("from 1");
        open_as(&scene.client, "/queues/a:b", 400)
            .await
            .says("must not contain `:`");
        open_as(&scene.client, "/queues/mail/jobs/7?logs=x", 404).await;
    }
}
