//! One of several processes writes a report; a resource that checks the fencing number is safe from late ones.
//!
//! `cargo run -p oxherd --example lock -- redis://127.0.0.1:6379`

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oxherd::Oxherd;

/// What a database would do with a column: refuse numbers below the highest it has seen.
#[derive(Default)]
struct Reports {
    highest: AtomicU64,
}

impl Reports {
    fn write(&self, fence: u64) -> bool {
        self.highest.fetch_max(fence, Ordering::SeqCst) <= fence
    }
}

/// How many of three processes wrote the report.
pub(crate) async fn run(url: &str) -> oxherd::Result<u32> {
    let oxherd = Oxherd::connect(url).await?;
    let reports = Reports::default();
    let mut written = 0;

    // Whoever comes first does it; the others leave it be.
    let lock = oxherd.lock("reports:daily").owner("cron on host-1");
    if let Some(held) = lock.try_acquire().await? {
        assert!(lock.try_acquire().await?.is_none());
        // Dropped at its next `.await` if the lock should be lost.
        let is_written = held.run(async { reports.write(held.fence()) }).await?;
        written += u32::from(is_written);
        held.release().await?;
    }

    // One after the other: wait for it, a minute at the most.
    let old = lock.clone().wait(Duration::from_secs(60)).acquire().await?;
    let old_number = old.fence();
    old.release().await?;
    let new = lock.acquire().await?;
    written += u32::from(reports.write(new.fence()));
    // One that slept past its term and writes now is refused.
    written += u32::from(reports.write(old_number));
    new.release().await?;
    Ok(written)
}

#[tokio::main]
async fn main() -> oxherd::Result<()> {
    let url = std::env::args().nth(1);
    let written = run(url.as_deref().unwrap_or("redis://127.0.0.1:6379")).await?;
    use std::io::Write as _;
    // Whoever reads us may have gone; that is no error of ours.
    let _ = std::io::stdout().write_all(format!("{written} of 3 were written\n").as_bytes());
    Ok(())
}
