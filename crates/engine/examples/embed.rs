//! redis-rs on an engine in this process: commands, a transaction and a script.
//!
//! `cargo run -p oxherd-engine --example embed`

use std::io::Write as _;

use oxherd_engine::Engine;
use redis::AsyncCommands;

/// Gives points twice and returns who leads, and with how many.
pub(crate) async fn run() -> redis::RedisResult<Vec<(String, f64)>> {
    let engine = Engine::in_memory();
    let mut connection = engine.connect();

    let () = connection.hset("user:7", "name", "Ada").await?;
    let () = redis::pipe()
        .atomic()
        .zincr("board", "Ada", 3)
        .zincr("board", "Grace", 5)
        .query_async(&mut connection)
        .await?;

    // A script reads and writes without anybody in between.
    let award = redis::Script::new(
        "local name = redis.call('HGET', KEYS[1], 'name')
         return redis.call('ZINCRBY', KEYS[2], ARGV[1], name)",
    );
    let points: f64 = award
        .key("user:7")
        .key("board")
        .arg(4)
        .invoke_async(&mut connection)
        .await?;
    debug_assert!(points > 5.0);

    connection.zrevrange_withscores("board", 0, 0).await
}

#[tokio::main]
async fn main() -> redis::RedisResult<()> {
    for (name, points) in run().await? {
        // Whoever reads us may have gone; that is no error of ours.
        let _ = writeln!(std::io::stdout(), "{name} leads with {points} points");
    }
    Ok(())
}
