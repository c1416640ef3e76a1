//! A process that reads and writes through a cache, made to be killed: it says what it was answered, line by line.
//!
//! `chaos-cache stampede STORE SOURCE NUMBER CALLS` asks for one key with so many calls at once when a line comes in, and says
//! `done CALLS WRONG LONGEST_MS AFTER_MS`. `chaos-cache mill STORE SOURCE NUMBER` reads and writes until its stdin ends. Either says
//! `ready` first. Times are nanoseconds of the machine's monotonic clock, the same for all processes.
//! Next: `source.rs` (the rows that are cached), `stampede.rs`, `space.rs` (one namespace a promise), `reading.rs`, `writing.rs`.

mod reading;
mod source;
mod space;
mod stampede;
mod writing;

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use oxherd::Oxherd;
use rustix::time::{ClockId, clock_gettime};

use source::Source;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    log.with_ansi(false).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["stampede", store, source, number, calls] => {
            let source = Arc::new(Source::at(source, number));
            stampede::run(&Oxherd::connect(store).await?, source, calls.parse()?).await
        }
        ["mill", store, source, number] => {
            let source = Arc::new(Source::at(source, number));
            mill(&Oxherd::connect(store).await?, &source).await
        }
        _ => Err("usage: chaos-cache stampede STORE SOURCE NUMBER CALLS | mill STORE SOURCE NUMBER".into()),
    }
}

/// Reads and writes in all namespaces until its stdin ends.
async fn mill(oxherd: &Oxherd, source: &Arc<Source>) -> Result<(), Box<dyn Error>> {
    let spaces = space::all(oxherd, source)?;
    say("ready\n");
    for space in spaces {
        tokio::spawn(reading::count(Arc::clone(&space)));
        for _ in 0..reading::AT_ONCE {
            tokio::spawn(reading::read(Arc::clone(&space)));
        }
        tokio::spawn(writing::write(space));
    }
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}

/// One write, so that lines of tasks do not mix. Whoever started the process may have gone.
fn say(lines: &str) {
    let _ = std::io::stdout().lock().write_all(lines.as_bytes());
}

/// Now, by a clock that all processes share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
