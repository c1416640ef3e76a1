//! What a handler can say besides "done": try again, give up, later, and "the queue shall rest".
//!
//! `cargo run -p oxherd --example outcomes -- redis://127.0.0.1:6379`

use std::time::Duration;

use oxherd::{Backoff, JobContext, JobState, Outcome, Oxherd, Stop};
use serde_json::{Value, json};

async fn charge(order: Value, context: JobContext) -> Outcome<Value> {
    match order.get("card").and_then(Value::as_str) {
        // `?` and `Stop::retry` count the attempt and wait as the job's back-off says.
        Some("busy") if context.attempt() < 3 => Err(Stop::retry("the bank did not answer")),
        // No further attempt, whatever is left.
        Some("stolen") => Err(Stop::fail("card refused")),
        // Not an attempt: run again later.
        Some("early") if context.record().attempts_started < 2 => {
            Err(Stop::delay_for(Duration::from_millis(50)))
        }
        // Not an attempt either: nobody takes jobs from the queue for so long.
        Some("hurried") if context.record().attempts_started < 2 => {
            Err(Stop::rate_limited(Duration::from_millis(50)))
        }
        _ => Ok(json!({"charged": true})),
    }
}

/// Runs one order of each kind; how many completed and failed.
pub(crate) async fn run(url: &str) -> oxherd::Result<(u64, u64)> {
    let oxherd = Oxherd::connect(url).await?;
    let queue = oxherd.queue("orders")?;
    let mut events = queue.events(None).await?;
    let worker = oxherd
        .worker("orders")?
        .handle_json("charge", charge)
        .start()
        .await?;
    let cards = ["busy", "stolen", "early", "hurried", "good"];
    for card in cards {
        let backoff = Backoff::exponential(Duration::from_millis(10));
        queue
            .add("charge", json!({"card": card}))
            .attempts(3)
            .backoff(backoff)
            .await?;
    }
    let mut finished = 0;
    while finished < cards.len() {
        let Some(event) = events.next().await else { break };
        if matches!(event.event.as_str(), "completed" | "failed") {
            finished += 1;
        }
    }
    worker.stop(Duration::from_secs(5)).await;
    let completed = queue.jobs(JobState::Completed, 0, 10).await?.total;
    let failed = queue.jobs(JobState::Failed, 0, 10).await?.total;
    Ok((completed, failed))
}

#[tokio::main]
async fn main() -> oxherd::Result<()> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    let (completed, failed) = run(&url).await?;
    use std::io::Write as _;
    // Whoever reads us may have gone; that is no error of ours.
    let _ = std::io::stdout().write_all(format!("{completed} completed, {failed} failed\n").as_bytes());
    Ok(())
}
