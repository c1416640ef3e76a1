//! An Oxherd worker that holds on to every job it gets, made to be killed.
//!
//! `holder URL QUEUE CONCURRENCY LOCK_MS STALLED_MS` writes `holding ID` for each job it takes, and ends when its stdin
//! closes: it never outlives its test. What a test wants is SIGKILL: locks stay behind and nothing is given back.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use oxherd::{JobContext, Oxherd, Worker};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, queue, concurrency, lock_ms, stalled_ms] = arguments.as_slice() else {
        return Err("usage: holder URL QUEUE CONCURRENCY LOCK_MS STALLED_MS".into());
    };
    let queue = Oxherd::connect(url).await?.queue(queue)?;
    let worker = Worker::on(&queue)
        .concurrency(concurrency.parse()?)
        .lock_duration(Duration::from_millis(lock_ms.parse()?))
        .stalled_interval(Duration::from_millis(stalled_ms.parse()?))
        .handle_any(hold)
        .start()
        .await?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    worker.stop_now().await;
    Ok(())
}

async fn hold(_data: Value, context: JobContext) -> oxherd::Outcome<Value> {
    writeln!(std::io::stdout(), "holding {}", context.id())?;
    std::future::pending().await
}
