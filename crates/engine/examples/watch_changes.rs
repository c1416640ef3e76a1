//! What each unit of work has changed, as final states.
//!
//! `cargo run -p oxherd-engine --example watch_changes`

use std::io::Write as _;
use std::sync::mpsc;

use oxherd_engine::{Effect, Options, ValueKind};
use redis::AsyncCommands;

/// One effect in words; whatever is kept must be copied, since effects borrow from the engine.
fn tell(effect: &Effect<'_>) -> String {
    let text = String::from_utf8_lossy;
    match effect {
        Effect::Value {
            id,
            kind: ValueKind::Hash,
        } => format!("{id} is a hash, as follows"),
        Effect::Key { id, name, .. } => format!("{id} is named {}", text(name)),
        Effect::Field { id, field, value } => match value {
            Some(value) => format!("{id} has {} = {}", text(field), text(value)),
            None => format!("{id} has no {}", text(field)),
        },
        Effect::Gone { id } => format!("{id} is gone"),
        other => format!("{other:?}"),
    }
}

/// Makes three changes and returns a batch for each.
pub(crate) async fn run() -> redis::RedisResult<Vec<Vec<String>>> {
    let (sender, batches) = mpsc::channel();
    // A small value comes whole, of a large one only the parts that changed.
    let engine = Options::default()
        .on_change(move |batch| {
            // Under the engine's lock: hand over and be gone. An error says that nobody listens any more.
            let _ = sender.send(batch.iter().map(tell).collect());
        })
        .start();
    let mut connection = engine.connect();
    let () = connection
        .hset_multiple("user:7", &[("name", "Ada"), ("visits", "1")])
        .await?;
    let () = redis::pipe()
        .atomic()
        .hincr("user:7", "visits", 1)
        .rename("user:7", "user:8")
        .query_async(&mut connection)
        .await?;
    let () = connection.del("user:8").await?;
    Ok(batches.try_iter().collect())
}

#[tokio::main]
async fn main() -> redis::RedisResult<()> {
    for batch in run().await? {
        // Whoever reads us may have gone; that is no error of ours.
        let _ = writeln!(std::io::stdout(), "{}", batch.join(", "));
    }
    Ok(())
}
