//! Everything about one job.

use std::time::Duration;

use oxherd_testkit::on_every_store;

use crate::page::{failed_job, open, open_as};
use crate::scene::{SOON, Scene};

on_every_store! {
    async fn a_failed_job_tells_its_whole_story(store: TestStore) {
        let scene = Scene::start(store).await;
        let (_, id) = failed_job(&scene, "mail", 3).await;
        let page = open(&scene.client, &format!("/queues/mail/jobs/{id}")).await;
        page.says("Queues / mail / Failed").says("invoice 1 Failed");
        page.says("Why it failed attempt 3: mailbox full");
        page.says("Added")
            .says("Started")
            .says("Failed for good")
            .says("UTC");
        page.says("Attempts 3 of 3").says("Worker mail-1");
        page.says("&#34;to&#34;: &#34;ada@example.com&#34;")
            .says("&#34;apiToken&#34;: &#34;***&#34;")
            .says("secret-looking");
        page.does_not_say("sk_live_1");
        page.says("Failure 3 of 3")
            .says("Failure 1 of 3 attempt 1: mailbox full");
        page.says("Log 1–3 of 3 rows").says("attempt 1 begins");
        page.says("Options").says("&#34;attempts&#34;: 3");
        page.has(r#"action="/queues/mail/jobs/1/retry""#)
            .has(r#"action="/queues/mail/jobs/1/remove""#);
        page.lacks("/promote").lacks("data-events");
    }
}

on_every_store! {
    async fn a_running_job_shows_its_progress_and_offers_no_removal(store: TestStore) {
        let scene = Scene::start(store).await;
        let queue = scene.queue("media").await;
        queue.add("transcode", serde_json::json!({})).await.unwrap();
        let worker = scene
            .worker("media", |worker| {
                worker.handle_any(|_, context| async move {
                    context.progress(&40).await?;
                    context.cancelled().await;
                    Err(oxherd::Stop::retry("given up"))
                })
            })
            .await;
        let path = "/queues/media/jobs/1";
        oxherd_testkit::eventually("the job reports", SOON, async || {
            open(&scene.client, path).await.words().contains("40 %")
        })
        .await;
        let page = open(&scene.client, path).await;
        page.says("transcode 1 Active")
            .says("running for")
            .says("Lock holds")
            .says("Attempt 1 of 1");
        page.has(r#"<progress max="100" value="40""#)
            .has(r#"data-events="/api/v1/queues/media/jobs/1/events""#);
        page.lacks("/remove").lacks("/retry").lacks("/promote");
        open(&scene.client, "/queues/media").await.says("40 %");
        worker.stop(Duration::ZERO).await;
    }
}

on_every_store! {
    async fn a_completed_job_shows_its_result_and_a_long_log_its_end(store: TestStore) {
        let scene = Scene::start(store).await;
        let queue = scene.queue("mail").await;
        queue.add("welcome", serde_json::json!({})).await.unwrap();
        let worker = scene
            .worker("mail", |worker| {
                worker.handle_any(|_, context| async move {
                    for row in 1..=450 {
                        context.log(format!("row {row} of it")).await?;
                    }
                    Ok(serde_json::json!({"messageId": "m-1"}))
                })
            })
            .await;
        oxherd_testkit::eventually("it completes", SOON, async || {
            queue.counts().await.unwrap().completed == 1
        })
        .await;
        worker.stop(SOON).await;
        let page = open(&scene.client, "/queues/mail/jobs/1").await;
        page.says("Completed")
            .says("Result")
            .says("&#34;messageId&#34;: &#34;m-1&#34;")
            .says("Run again");
        page.says("251–450 of 450 rows")
            .says("row 450 of it")
            .does_not_say("row 250 of it")
            .does_not_say("Later rows");
        let earlier = open(&scene.client, "/queues/mail/jobs/1?logs=50").await;
        earlier
            .says("51–250 of 450 rows")
            .says("Earlier rows")
            .says("Later rows")
            .says("row 51 of it");
        earlier.does_not_say("row 251 of it");
        open_as(&scene.client, "/queues/mail/jobs/1?logs=x", 400)
            .await
            .says("`logs`");
    }
}

on_every_store! {
    async fn fields_that_cannot_be_read_are_named_and_the_rest_is_shown(store: TestStore) {
        let scene = Scene::start(store).await;
        scene.queue("mail").await.add("imported", 1).await.unwrap();
        for (field, value) in [
            ("data", "{\"broken\": "),
            ("timestamp", "yesterday"),
            ("atm", "x"),
        ] {
            scene.set_field("bull:mail:1", field, value).await;
        }
        let page = open(&scene.client, "/queues/mail/jobs/1").await;
        page.says("Some fields cannot be read")
            .says("timestamp is no number")
            .says("data is no JSON");
        page.says("imported")
            .says("{&#34;broken&#34;:")
            .says("Added nobody knows when");
        open(&scene.client, "/queues/mail")
            .await
            .says("unreadable fields");
    }
}

on_every_store! {
    async fn a_huge_payload_is_cut_and_says_so(store: TestStore) {
        let scene = Scene::start(store).await;
        let text = "x".repeat(3 * 1024 * 1024);
        scene
            .queue("mail")
            .await
            .add("huge", serde_json::json!({"text": text}))
            .await
            .unwrap();
        let page = open(&scene.client, "/queues/mail/jobs/1").await;
        page.says("the beginning of 3.0 MiB");
        assert!(page.text.len() < 1_200_000, "{}", page.text.len());
        let list = open(&scene.client, "/queues/mail").await;
        assert!(list.text.len() < 20_000, "{}", list.text.len());
    }
}

on_every_store! {
    async fn a_job_that_is_not_there_is_said_to_be_missing(store: TestStore) {
        let scene = Scene::start(store).await;
        scene.queue("mail").await.add("x", 1).await.unwrap();
        let page = open_as(&scene.client, "/queues/mail/jobs/99", 404).await;
        page.says("There is no such job")
            .says("&#34;99&#34;")
            .says("Queue mail");
        page.lacks("http-equiv");
    }
}
