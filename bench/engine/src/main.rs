//! How long GET and SET take on an engine in this process, through redis-rs: one JSON object a line.
//!
//! Keys are asked for in no order, so caches help as little as in a real program. A time is the wall clock's, divided
//! by the operations of all tasks; building the command and reading its answer are part of it.
//! `cargo run --release -p oxherd-bench [OPERATIONS]`

#![allow(clippy::print_stdout, reason = "what it is for")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use oxherd_engine::{Connection, Engine};
use redis::RedisResult;
use tokio::task::JoinSet;

const KEYS: usize = 100_000;
const VALUE: [u8; 32] = [b'v'; 32];

#[derive(Clone, Copy)]
enum Operation {
    Get,
    Set,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let operations = std::env::args()
        .nth(1)
        .map_or(Ok(2_000_000), |text| text.parse())?;
    let engine = Engine::in_memory();
    let keys: Arc<[String]> = (0..KEYS).map(|number| format!("key:{number:012}")).collect();
    let mut connection = engine.connect();
    for key in keys.iter() {
        set(&mut connection, key).await?;
    }
    for tasks in [1, 4] {
        for operation in [Operation::Get, Operation::Set] {
            let took = measure(&engine, &keys, operation, operations, tasks).await?;
            let name = match operation {
                Operation::Get => "get",
                Operation::Set => "set",
            };
            let nanoseconds = took.as_nanos() / u128::from(operations.max(1));
            println!(r#"{{"bench":"{name}","tasks":{tasks},"ns_per_operation":{nanoseconds}}}"#);
        }
    }
    Ok(())
}

/// Runs the operations on so many tasks at once, each a client of its own.
async fn measure(
    engine: &Engine,
    keys: &Arc<[String]>,
    operation: Operation,
    operations: u32,
    tasks: u32,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut running = JoinSet::new();
    let started = Instant::now();
    for _ in 0..tasks {
        let connection = engine.connect();
        running.spawn(work(connection, Arc::clone(keys), operation, operations / tasks));
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(started.elapsed())
}

async fn work(
    mut connection: Connection,
    keys: Arc<[String]>,
    operation: Operation,
    count: u32,
) -> RedisResult<()> {
    let mut random = fastrand::Rng::new();
    for _ in 0..count {
        let Some(key) = keys.get(random.usize(..keys.len())) else {
            continue;
        };
        match operation {
            Operation::Get => {
                let value: Vec<u8> = redis::cmd("GET").arg(key).query_async(&mut connection).await?;
                assert_eq!(value.len(), VALUE.len());
            }
            Operation::Set => set(&mut connection, key).await?,
        }
    }
    Ok(())
}

async fn set(connection: &mut Connection, key: &str) -> RedisResult<()> {
    redis::cmd("SET")
        .arg(key)
        .arg(&VALUE[..])
        .query_async(connection)
        .await
}
