//! A worker process to be killed: takes jobs, prints each id as its handler begins, and never finishes one.
//!
//! Arguments: store URL, queue, concurrency. Locks last one second, so that their end need not be waited for long.

use std::io::Write as _;
use std::time::Duration;

use oxherd::{Error, Oxherd, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (url, queue, concurrency) = (arguments.next(), arguments.next(), arguments.next());
    let (Some(url), Some(queue), Some(Ok(concurrency))) = (url, queue, concurrency.map(|text| text.parse()))
    else {
        let reason = "usage: chaos-worker STORE_URL QUEUE CONCURRENCY".to_owned();
        return Err(Error::WorkerSetup {
            queue: String::new(),
            reason,
        });
    };
    let _worker = Oxherd::connect(&url)
        .await?
        .worker(&queue)?
        .concurrency(concurrency)
        .lock_duration(Duration::from_secs(1))
        .stalled_interval(Duration::from_millis(500))
        .handle_any(async |_, context| {
            writeln!(std::io::stdout(), "{}", context.id())?;
            std::future::pending().await
        })
        .start()
        .await?;
    std::future::pending().await
}
