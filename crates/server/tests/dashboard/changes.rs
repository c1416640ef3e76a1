//! Forms: what they change, and what keeps forged ones out.

use std::time::Duration;

use oxherd::{JobId, JobState};
use oxherd_testkit::on_every_store;

use crate::page::{failed_job, follow, open, submit, submit_from};
use crate::scene::{SOON, Scene};

on_every_store! {
    async fn a_failed_job_is_retried_and_the_page_says_so_once(store: TestStore) {
        let scene = Scene::start(store).await;
        let (queue, id) = failed_job(&scene, "mail", 2).await;
        let answer = submit(&scene.client, "/queues/mail/jobs/1/retry", "").await;
        assert_eq!(answer.header("location"), "/queues/mail/jobs/1?done=retried");
        let page = follow(&scene.client, &answer).await;
        page.says("The job is back in line.")
            .says("invoice 1 Waiting")
            .says("Attempts 2 of 2");
        open(&scene.client, "/queues/mail/jobs/1")
            .await
            .does_not_say("back in line");
        let job = queue.job(&id).await.unwrap().unwrap();
        assert_eq!((job.state, job.record.attempts_made), (JobState::Waiting, 2));

        // The list of words is fixed: a link cannot put a sentence on the page.
        open(&scene.client, "/queues/mail/jobs/1?done=Call+555-0100")
            .await
            .does_not_say("555-0100");
    }
}

on_every_store! {
    async fn attempts_are_counted_anew_when_asked(store: TestStore) {
        let scene = Scene::start(store).await;
        let (queue, id) = failed_job(&scene, "mail", 2).await;
        open(&scene.client, "/queues/mail/jobs/1")
            .await
            .has(r#"name="reset_attempts" value="true""#);
        let answer = submit(&scene.client, "/queues/mail/jobs/1/retry", "reset_attempts=true").await;
        follow(&scene.client, &answer).await;
        assert_eq!(queue.job(&id).await.unwrap().unwrap().record.attempts_made, 0);
    }
}

on_every_store! {
    async fn a_job_is_removed_after_a_second_look(store: TestStore) {
        let scene = Scene::start(store).await;
        let (queue, id) = failed_job(&scene, "mail", 1).await;
        open(&scene.client, "/queues/mail/jobs/1")
            .await
            .says("There is no way back. Remove job 1");
        let answer = submit(&scene.client, "/queues/mail/jobs/1/remove", "").await;
        assert_eq!(
            answer.header("location"),
            "/queues/mail?state=failed&done=removed"
        );
        follow(&scene.client, &answer)
            .await
            .says("The job was removed.")
            .says("No jobs here");
        assert!(queue.job(&id).await.unwrap().is_none());

        let again = submit(&scene.client, "/queues/mail/jobs/1/remove", "").await;
        assert_eq!(again.status.as_u16(), 404);
        again.says("There is no such job").says("Tried to remove job");
    }
}

on_every_store! {
    async fn a_delayed_job_is_promoted(store: TestStore) {
        let scene = Scene::start(store).await;
        let queue = scene.queue("mail").await;
        let added = queue
            .add("later", 1)
            .delay(Duration::from_secs(3600))
            .await
            .unwrap();
        open(&scene.client, "/queues/mail/jobs/1")
            .await
            .says("Run now")
            .says("Due in 59 min");
        let answer = submit(&scene.client, "/queues/mail/jobs/1/promote", "").await;
        follow(&scene.client, &answer)
            .await
            .says("no longer held back")
            .says("later 1 Waiting");
        assert_eq!(
            queue.job(&added.id).await.unwrap().unwrap().state,
            JobState::Waiting
        );

        let again = submit(&scene.client, "/queues/mail/jobs/1/promote", "").await;
        assert_eq!(again.status.as_u16(), 409);
        again
            .says("The job does not allow this now")
            .says("job is waiting")
            .says("Job 1");
    }
}

on_every_store! {
    async fn a_queue_is_paused_and_goes_on(store: TestStore) {
        let scene = Scene::start(store).await;
        let queue = scene.queue("mail").await;
        queue.add("x", 1).await.unwrap();
        let paused = submit(&scene.client, "/queues/mail/pause", "").await;
        follow(&scene.client, &paused)
            .await
            .says("The queue is paused")
            .says("mail Paused")
            .says("Resume queue");
        assert!(queue.counts().await.unwrap().paused);
        let resumed = submit(&scene.client, "/queues/mail/resume", "").await;
        follow(&scene.client, &resumed)
            .await
            .says("The queue goes on")
            .says("Pause queue");
        assert!(!queue.counts().await.unwrap().paused);
    }
}

on_every_store! {
    async fn a_job_that_runs_cannot_be_removed_or_retried(store: TestStore) {
        let scene = Scene::start(store).await;
        let queue = scene.queue("media").await;
        let added = queue.add("transcode", 1).await.unwrap();
        let worker = scene
            .worker("media", |worker| {
                worker.handle_any(|_, context| async move {
                    context.cancelled().await;
                    Err(oxherd::Stop::retry("given up"))
                })
            })
            .await;
        oxherd_testkit::eventually("it runs", SOON, async || {
            queue.counts().await.unwrap().active == 1
        })
        .await;
        let removed = submit(&scene.client, "/queues/media/jobs/1/remove", "").await;
        assert_eq!(removed.status.as_u16(), 409);
        removed.says("it is being processed");
        let retried = submit(&scene.client, "/queues/media/jobs/1/retry", "").await;
        assert_eq!(retried.status.as_u16(), 409);
        retried.says("job is active");
        assert_eq!(
            queue.job(&added.id).await.unwrap().unwrap().state,
            JobState::Active
        );
        worker.stop(Duration::ZERO).await;
    }
}

on_every_store! {
    async fn a_form_from_another_site_changes_nothing(store: TestStore) {
        let scene = Scene::start(store).await;
        let (queue, id) = failed_job(&scene, "mail", 1).await;
        for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
            for change in [
                "jobs/1/retry",
                "jobs/1/remove",
                "jobs/1/promote",
                "pause",
                "resume",
            ] {
                let answer = submit_from(&scene.client, origin, &format!("/queues/mail/{change}"), "").await;
                assert_eq!(answer.status.as_u16(), 403, "{origin} {change}");
            }
        }
        assert_eq!(queue.job(&id).await.unwrap().unwrap().state, JobState::Failed);
        assert!(!queue.counts().await.unwrap().paused);
    }
}

on_every_store! {
    async fn opening_a_page_changes_nothing(store: TestStore) {
        let scene = Scene::start(store).await;
        let (queue, _) = failed_job(&scene, "mail", 1).await;
        for change in ["jobs/1/retry", "jobs/1/remove", "pause"] {
            let answer = scene.client.get(&format!("/queues/mail/{change}")).await;
            assert_eq!(answer.status.as_u16(), 405, "{change}");
        }
        assert_eq!(
            queue.job(&JobId::existing("1")).await.unwrap().unwrap().state,
            JobState::Failed
        );
    }
}
