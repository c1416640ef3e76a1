//! A breaker around a service that fails for a while.
//!
//! `cargo run -p oxherd --example breaker`

use std::time::Duration;

use oxherd::breaker::{Breaker, CallError, State};
use oxherd::{Clock, ManualClock, Timestamp};

/// A service that is down, and how often it was called.
#[derive(Default)]
struct Payments {
    is_up: bool,
    calls: u32,
}

impl Payments {
    async fn charge(&mut self) -> Result<&'static str, &'static str> {
        self.calls += 1;
        std::future::ready(if self.is_up {
            Ok("receipt")
        } else {
            Err("time-out")
        })
        .await
    }
}

/// How many of a thousand calls the failing service had to bear, and the state at the end.
pub(crate) async fn run() -> oxherd::Result<(u32, State)> {
    let (clock, time): (Clock, ManualClock) = Clock::manual(Timestamp::from_millis(0));
    let breaker = Breaker::builder("payments")
        .minimum_calls(10)
        .failure_rate(0.5)
        .open_for(Duration::from_secs(1), 2.0, Duration::from_secs(60))
        .trial_calls(2)
        .clock(clock)
        .build()?;
    let mut payments = Payments::default();

    for _ in 0..1000 {
        // An error that says nothing about the service ("card refused") would not count.
        match breaker
            .call(payments.charge(), |error| *error == "time-out")
            .await
        {
            Ok(receipt) => assert_eq!(receipt, "receipt"),
            Err(CallError::Failed(error)) => assert_eq!(error, "time-out"),
            // At once, without the service: answer 503 with Retry-After, or from a cache.
            Err(CallError::Open(open)) => assert!(!open.retry_after.is_zero()),
        }
    }
    let borne = payments.calls;

    // It recovers; after the open time two trial calls close the breaker.
    payments.is_up = true;
    time.advance(Duration::from_secs(2));
    for _ in 0..2 {
        // The longer way, for code that has no future to hand over.
        let Ok(permit) = breaker.permit() else { continue };
        match payments.charge().await {
            Ok(_receipt) => permit.success(Duration::from_millis(20)),
            Err(_error) => permit.failure(Duration::from_millis(20)),
        }
    }
    Ok((borne, breaker.state()))
}

#[tokio::main]
async fn main() -> oxherd::Result<()> {
    let (borne, state) = run().await?;
    use std::io::Write as _;
    let said = format!("{borne} of 1000 calls reached the service; now the breaker is {state}\n");
    // Whoever reads us may have gone; that is no error of ours.
    let _ = std::io::stdout().write_all(said.as_bytes());
    Ok(())
}
