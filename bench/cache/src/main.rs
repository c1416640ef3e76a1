//! What a hit in this process costs and how many there are, beside other caches: one JSON object a line.
//!
//! ```text
//! cargo run --release -p oxherd-bench-cache speed [ROUNDS]  hits by 1 and 4 threads, of Zipf 1.0 and a hot thousand
//! cargo run --release -p oxherd-bench-cache ratio           hit ratios of Zipf 1.0 alone and between scans
//! ```
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
        Some("speed") => speed::run(arguments.next().map_or(Ok(5), |text| text.parse())?),
        Some("ratio") => ratio::run(),
        _ => Err("speed [ROUNDS] or ratio".into()),
    }
}
