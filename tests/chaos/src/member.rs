//! A process of a fleet on one store, made to be killed: it says what it did, line by line, as soon as it is done.
//!
//! `chaos-member work STORE QUEUE LOCK_MS` runs jobs and writes `ran ID` for each run. `chaos-member add STORE QUEUE COUNT`
//! adds jobs and writes `added ID` for each that the store has acknowledged; what becomes of a call without an answer
//! nobody knows, so it counts as nothing. Either writes `ready` first and ends when its stdin closes or, having added as
//! many as it should, with `done`.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oxherd::{JobContext, Outcome, Oxherd, Queue};
use serde_json::{Value, json};

/// Jobs that a worker runs, and calls that a producer makes, at once.
const AT_ONCE: usize = 20;
/// How long a job takes, so that some are under way at any moment.
const WORK: Duration = Duration::from_millis(2);
/// The producer keeps no further ahead of the workers.
const WAITING: u64 = 500;
/// How long it then rests, and after a call that failed.
const REST: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, store, queue, number] = arguments.as_slice() else {
        return Err("usage: chaos-member work STORE QUEUE LOCK_MS | add STORE QUEUE COUNT".into());
    };
    let oxherd = Oxherd::connect(store).await?;
    match role.as_str() {
        "work" => work(&oxherd, queue, Duration::from_millis(number.parse()?)).await,
        "add" => add(&oxherd.queue(queue)?, number.parse()?).await,
        other => Err(format!("unknown role {other:?}").into()),
    }
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// Returns when whoever started this process closes its stdin or is gone.
async fn until_told() -> Result<(), Box<dyn Error>> {
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

async fn work(oxherd: &Oxherd, queue: &str, lock: Duration) -> Result<(), Box<dyn Error>> {
    let worker = oxherd
        .worker(queue)?
        .concurrency(AT_ONCE)
        .lock_duration(lock)
        .stalled_interval(lock / 2)
        // Whoever is killed again and again still has its jobs brought back.
        .max_stalled(u32::MAX)
        .handle_any(run)
        .start()
        .await?;
    say("ready")?;
    until_told().await?;
    worker.stop(Duration::from_secs(10)).await;
    Ok(())
}

async fn run(_data: Value, context: JobContext) -> Outcome<Value> {
    tokio::time::sleep(WORK).await;
    say(&format!("ran {}", context.id()))?;
    Ok(Value::Null)
}

async fn add(queue: &Queue, count: u64) -> Result<(), Box<dyn Error>> {
    say("ready")?;
    let next = Arc::new(AtomicU64::new(0));
    let calls: Vec<_> = (0..AT_ONCE)
        .map(|_| tokio::spawn(add_some(queue.clone(), Arc::clone(&next), count)))
        .collect();
    let all = async {
        for call in calls {
            call.await??;
        }
        say("done")?;
        Ok(())
    };
    tokio::select! {
        outcome = all => outcome,
        told = until_told() => told,
    }
}

async fn add_some(queue: Queue, next: Arc<AtomicU64>, count: u64) -> std::io::Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(());
        }
        while number.is_multiple_of(50) && queue.counts().await.is_ok_and(|counts| counts.waiting > WAITING) {
            tokio::time::sleep(REST).await;
        }
        match queue.add("work", json!({"number": number})).await {
            Ok(added) => say(&format!("added {}", added.id))?,
            Err(_unknown) => tokio::time::sleep(REST).await,
        }
    }
}
