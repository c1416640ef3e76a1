//! What a hit in this process costs and how many there are, beside other caches: one JSON object a line.
//!
//! ```text
//! cargo run --release -p oxherd-bench-cache speed [ROUNDS [PEER ...]]  hits by 1 and 4 threads
//! cargo run --release -p oxherd-bench-cache ratio                      how often a key is there
//! ```
//! Keys follow Zipf's law with exponent 1; hits are measured with a hot thousand too, ratios between scans too.
//! Next: `peer/mod.rs` (who takes part, and how one joins), `speed.rs`, `ratio.rs`.

#![allow(clippy::print_stdout, reason = "what it is for")]

#[path = "../../../crates/oxherd/src/clock.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is measured")]
mod clock;
#[path = "../../../crates/oxherd/src/cache/local/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is measured")]
mod local;
mod peer;
mod ratio;
mod speed;
mod trace;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("speed") => {
            let rounds = arguments.next().map_or(Ok(5), |text| text.parse())?;
            speed::run(rounds, &arguments.collect::<Vec<_>>())
        }
        Some("ratio") => ratio::run(),
        _ => Err("speed [ROUNDS [PEER ...]] or ratio".into()),
    }
}
