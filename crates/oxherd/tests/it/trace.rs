//! What is kept of a failure: its message, the chain of its causes, and how many attempts back.

use std::error::Error as StdError;
use std::fmt;

use oxherd::{JobState, Outcome, Stop, Worker};
use serde_json::{Value, json};

use crate::scene::{on_every_store, reaches, stop};

#[derive(Debug, thiserror::Error)]
#[error("cannot send mail to user {user}")]
struct MailFailed {
    user: u64,
    #[source]
    cause: ConnectFailed,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot reach mail.example")]
struct ConnectFailed(#[source] std::io::Error);

/// An error that names itself as its cause.
#[derive(Debug)]
struct Circular;

impl fmt::Display for Circular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("round and round")
    }
}

impl StdError for Circular {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&Circular)
    }
}

fn send_mail(user: u64) -> Result<(), MailFailed> {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    Err(MailFailed {
        user,
        cause: ConnectFailed(refused),
    })
}

on_every_store! {
    async fn the_question_mark_keeps_message_and_causes(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle_any(async |_, _| {
                send_mail(7)?;
                Ok(Value::Null)
            })
            .start()
            .await
            .unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        assert_eq!(record.failed_reason.as_deref(), Some("cannot send mail to user 7"));
        assert_eq!(
            record.stack_trace,
            [
                "cannot send mail to user 7\n    caused by: cannot reach mail.example\n    caused by: connection refused"
            ]
        );
    }
}

on_every_store! {
    async fn the_hash_holds_plain_text_and_a_json_array(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        const REASON: &str = "line one\nline \"two\" / ü 日本 \u{0}";
        let worker =
            Worker::on(&queue).handle_any(async |_, _| Err(Stop::fail(REASON))).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        assert_eq!(record.failed_reason.as_deref(), Some(REASON));
        let hash = scene.hash("bull:q:1").await;
        assert_eq!(hash["failedReason"], REASON);
        assert_eq!(serde_json::from_str::<Value>(&hash["stacktrace"]).unwrap(), json!([REASON]));
    }
}

on_every_store! {
    async fn a_chain_without_end_is_cut(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let worker =
            Worker::on(&queue).handle_any(async |_, _| Err(Stop::retry(Circular))).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        let lines = record.stack_trace[0].lines().count();
        assert!((2..100).contains(&lines), "{lines} lines");
    }
}

on_every_store! {
    async fn only_the_latest_traces_are_kept_if_the_job_says_so(scene: Scene) {
        let queue = scene.queue("q");
        for (limit, kept) in [(0, &[][..]), (1, &["attempt 3"][..]), (2, &["attempt 2", "attempt 3"][..])] {
            let id = queue.add("n", ()).attempts(3).stack_trace_limit(limit).await.unwrap().id;
            let worker = Worker::on(&queue)
                .handle_any(async |_, context| Err(Stop::retry(format!("attempt {}", context.attempt()))))
                .start()
                .await
                .unwrap();
            let record = reaches(&queue, &id, JobState::Failed).await;
            stop(worker).await;
            assert_eq!(record.stack_trace, kept);
            assert_eq!(record.failed_reason.as_deref(), Some("attempt 3"));
        }
        assert_eq!(scene.hash("bull:q:1").await["stacktrace"], "[]");
    }
}

on_every_store! {
    async fn a_panic_is_a_failed_attempt(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).attempts(2).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle_any(async |_, context| -> Outcome<Value> {
                match context.attempt() {
                    1 => panic!("no {}", "luck"),
                    _ => std::panic::panic_any(7),
                }
            })
            .start()
            .await
            .unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        assert_eq!(record.stack_trace, ["handler panicked: no luck", "handler panicked: (no message)"]);

        // The worker and its slot are there for the next job.
        let next = queue.add("n", ()).await.unwrap().id;
        reaches(&queue, &next, JobState::Failed).await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_panic_before_the_handlers_first_await_counts_too(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle_any(|_, _| -> std::future::Ready<Outcome<Value>> { panic!("not even a future") })
            .start()
            .await
            .unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        assert_eq!(record.failed_reason.as_deref(), Some("handler panicked: not even a future"));
    }
}

on_every_store! {
    async fn an_error_without_words_is_still_a_failure(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).attempts(2).await.unwrap().id;
        let worker = Worker::on(&queue).handle_any(async |_, _| Err(Stop::retry(""))).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        assert_eq!(record.failed_reason.as_deref(), Some(""));
        assert_eq!((record.attempts_made, record.stack_trace.len()), (2, 2));
    }
}
