//! Waiting for a condition instead of sleeping.
//!
//! A condition is asked at once and then with growing pauses (1 ms to 25 ms), so that a quick success costs
//! nothing and a slow one does not starve the code under test. The deadline also ends a condition that hangs.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

/// Returns as soon as `condition` is true.
///
/// # Panics
/// When `deadline` has passed first; the message names `what` was waited for.
pub async fn eventually(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    eventually_some(what, deadline, async || condition().await.then_some(())).await;
}

/// Returns the first value that `attempt` yields.
///
/// # Panics
/// When `deadline` has passed first; the message names `what` was waited for.
pub async fn eventually_some<T>(
    what: &str,
    deadline: Duration,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    while let Ok(outcome) = timeout_at(end, attempt()).await {
        if let Some(value) = outcome {
            return value;
        }
        if Instant::now() >= end {
            break;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    panic!("{what}: not within {deadline:?}");
}
