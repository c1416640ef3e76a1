//! Channels within one process: what is published arrives as pushes.
//!
//! `cargo run -p oxherd-engine --example subscribe`

use std::io::Write as _;

use oxherd_engine::Engine;
use redis::{AsyncCommands, PushKind};

/// Listens to a channel and a pattern, publishes, and returns what arrived.
pub(crate) async fn run() -> redis::RedisResult<Vec<String>> {
    let engine = Engine::in_memory();
    let (mut listener, mut pushes) = engine.connect_with_pushes();
    let () = redis::cmd("SUBSCRIBE")
        .arg("news")
        .query_async(&mut listener)
        .await?;
    let () = redis::cmd("PSUBSCRIBE")
        .arg("weather.*")
        .query_async(&mut listener)
        .await?;

    let mut publisher = engine.connect();
    let () = publisher.publish("news", "all is well").await?;
    let () = publisher.publish("weather.north", "rain").await?;

    let mut heard = Vec::new();
    while heard.len() < 2 {
        let Some(push) = pushes.next().await else {
            break;
        };
        if matches!(push.kind, PushKind::Message | PushKind::PMessage)
            && let [.., channel, text] = push.data.as_slice()
        {
            let channel: String = redis::from_redis_value(channel.clone())?;
            let text: String = redis::from_redis_value(text.clone())?;
            heard.push(format!("{channel}: {text}"));
        }
    }
    Ok(heard)
}

#[tokio::main]
async fn main() -> redis::RedisResult<()> {
    for line in run().await? {
        // Whoever reads us may have gone; that is no error of ours.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    Ok(())
}
