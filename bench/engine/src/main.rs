//! What commands of an engine in this process cost, through redis-rs: one JSON object a line.
//!
//! ```text
//! cargo run --release -p oxherd-bench memory [OPERATIONS]      GET and SET in memory
//! cargo run --release -p oxherd-bench durable DIRECTORY [KEYS] commits, and commands while an image is written
//! ```
//! The directory of the second is made and must not be there yet.

#![allow(clippy::print_stdout, reason = "what it is for")]

mod durable;
mod memory;

use oxherd_engine::Connection;
use redis::RedisResult;

const VALUE: [u8; 32] = [b'v'; 32];

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("memory") => memory::run(arguments.next().map_or(Ok(2_000_000), |text| text.parse())?).await,
        Some("durable") => {
            let directory = arguments.next().ok_or("durable needs a directory")?;
            let keys = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
            durable::run(directory.as_ref(), keys).await
        }
        _ => Err("memory [OPERATIONS] or durable DIRECTORY [KEYS]".into()),
    }
}

async fn set(connection: &mut Connection, number: u64) -> RedisResult<()> {
    redis::cmd("SET")
        .arg(&key(number)[..])
        .arg(&VALUE[..])
        .query_async(connection)
        .await
}

/// `key:` and twelve digits, without the cost of formatting.
fn key(mut number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    for place in key.iter_mut().skip(4).rev() {
        *place += (number % 10) as u8;
        number /= 10;
    }
    key
}
