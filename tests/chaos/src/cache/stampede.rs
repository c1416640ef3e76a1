//! Many calls at once for one key that nobody has.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use oxherd::Oxherd;

use crate::source::Source;
use crate::{now, say};

/// A call that takes longer is said to hang.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn run(oxherd: &Oxherd, source: Arc<Source>, calls: usize) -> Result<(), Box<dyn Error>> {
    let rows = oxherd.cache().namespace::<u64, u64>("stampede").open()?;
    // Connected, and heard of changes, before the herd comes.
    rows.get(&0).await?;
    say("ready\n");
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    let herd = (0..calls).map(|_| {
        let (rows, source) = (rows.clone(), Arc::clone(&source));
        tokio::spawn(async move {
            let began = Instant::now();
            let load = move || async move { source.read("stampede", 1, 0).await };
            let answer = tokio::time::timeout(PATIENCE, rows.get_or_load(&1, load)).await;
            match answer {
                Ok(Ok(_)) => Ok(began.elapsed()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_elapsed) => Err("a call does not end".to_owned()),
            }
        })
    });
    let (mut longest, mut wrong) = (Duration::ZERO, 0);
    for ended in join_all(herd).await {
        match ended? {
            Ok(waited) => longest = longest.max(waited),
            Err(reason) => {
                wrong += 1;
                tracing::error!(reason, "a call has no value");
            }
        }
    }
    say(&format!(
        "done {calls} {wrong} {} {}\n",
        longest.as_millis(),
        now()
    ));
    std::future::pending().await
}
