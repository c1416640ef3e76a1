//! A Rust type is a job: add one, and handle it.
//!
//! `cargo run -p oxherd --example typed_job -- redis://127.0.0.1:6379`

use std::time::Duration;

use oxherd::{Job, JobContext, JobOptions, Outcome, Oxherd, WorkerEvent};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Welcome {
    user: u64,
}

impl Job for Welcome {
    const QUEUE: &'static str = "mail";
    const NAME: &'static str = "welcome";
    type Output = String;

    fn options() -> JobOptions {
        JobOptions {
            attempts: 3,
            ..JobOptions::default()
        }
    }
}

async fn welcome(job: Welcome, context: JobContext) -> Outcome<String> {
    context.log(format!("writing to user {}", job.user)).await?;
    context.progress(&50).await?;
    Ok(format!("welcome, user {}", job.user))
}

/// Adds a job, handles it, and returns what the handler returned, as it is stored.
pub(crate) async fn run(url: &str) -> oxherd::Result<Option<String>> {
    let oxherd = Oxherd::connect(url).await?;
    let worker = oxherd
        .worker("mail")?
        .concurrency(20)
        .handle(welcome)
        .start()
        .await?;
    let mut events = worker.events();

    let added = oxherd.enqueue(&Welcome { user: 7 })?.await?;
    while let Some(event) = events.next().await {
        if matches!(&event, WorkerEvent::Completed { id, .. } if *id == added.id) {
            break;
        }
    }
    worker.stop(Duration::from_secs(5)).await;
    Ok(oxherd
        .queue("mail")?
        .job(&added.id)
        .await?
        .and_then(|job| job.record.return_value))
}

#[tokio::main]
async fn main() -> oxherd::Result<()> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    let stored = run(&url).await?;
    use std::io::Write as _;
    // Whoever reads us may have gone; that is no error of ours.
    let _ =
        std::io::stdout().write_all(format!("stored result: {}\n", stored.unwrap_or_default()).as_bytes());
    Ok(())
}
