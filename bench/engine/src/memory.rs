//! How long GET and SET take on an engine in memory.
//!
//! Keys are asked for in no order, out of a thousand, which the processor's cache holds, and out of a hundred thousand,
//! where most looks wait for memory. A time is divided by the operations of all tasks: the wall clock's, and on Linux
//! the processors', which other programs on the machine disturb less. Making the key, building the command and reading
//! its answer are part of both.

use std::time::{Duration, Instant};

use oxherd_engine::{Connection, Engine};
use redis::RedisResult;
use tokio::task::JoinSet;

use super::{Outcome, VALUE, key, set};

const KEYS: u64 = 100_000;

#[derive(Clone, Copy)]
enum Operation {
    Get,
    Set,
}

/// What one task does, and how often.
#[derive(Clone, Copy)]
struct Work {
    operation: Operation,
    keys: u64,
    count: u32,
}

/// Prints the times of so many operations of each kind.
pub(crate) async fn run(operations: u32) -> Outcome {
    let engine = Engine::in_memory();
    let mut connection = engine.connect();
    for number in 0..KEYS {
        set(&mut connection, number).await?;
    }
    for tasks in [1, 4] {
        for (name, operation) in [("get", Operation::Get), ("set", Operation::Set)] {
            for keys in [1_000, KEYS] {
                let count = operations / tasks;
                let work = Work {
                    operation,
                    keys,
                    count,
                };
                let busy_before = processor_time();
                let took = measure(&engine, work, tasks).await?;
                let busy = processor_time()
                    .zip(busy_before)
                    .map(|(after, before)| after - before);
                let each = |time: Duration| time.as_nanos() / u128::from((count * tasks).max(1));
                let (wall, cpu) = (
                    each(took),
                    busy.map_or("null".to_owned(), |busy| each(busy).to_string()),
                );
                println!(
                    r#"{{"bench":"{name}","keys":{keys},"tasks":{tasks},"ns_per_operation":{wall},"cpu_ns_per_operation":{cpu}}}"#
                );
            }
        }
    }
    Ok(())
}

/// Runs the work on so many tasks at once, each a client of its own.
async fn measure(engine: &Engine, work: Work, tasks: u32) -> Outcome<Duration> {
    let mut running = JoinSet::new();
    let started = Instant::now();
    for _ in 0..tasks {
        running.spawn(self::work(engine.connect(), work));
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(started.elapsed())
}

async fn work(mut connection: Connection, work: Work) -> RedisResult<()> {
    let mut random = fastrand::Rng::new();
    for _ in 0..work.count {
        let number = random.u64(..work.keys);
        match work.operation {
            Operation::Get => {
                let value: Vec<u8> = redis::cmd("GET")
                    .arg(&key(number)[..])
                    .query_async(&mut connection)
                    .await?;
                assert_eq!(value.len(), VALUE.len());
            }
            Operation::Set => set(&mut connection, number).await?,
        }
    }
    Ok(())
}

/// What all threads of this process have used, in user and kernel; Linux counts hundredths of a second.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}
