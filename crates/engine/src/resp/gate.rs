//! Holds output back until the journal has kept what it may have seen.
//!
//! Replies are encoded at once and marked with what they have to wait for (`Output::hold`), so a client's next
//! requests run, and join the next group of the journal, while its earlier replies are still held.
//! Next: `output.rs`, `../journal/progress.rs`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::output::Output;
use crate::journal::{Lost, Progress, Reached, Sequence};

/// One client's wait for the journal.
#[derive(Debug, Default)]
pub(super) struct Gate {
    wait: Option<(Sequence, Reached)>,
}

impl Gate {
    /// Lets leave what may; the task is woken when more may. `Lost` when the journal will never have kept it.
    pub(super) fn open(
        &mut self,
        progress: &Arc<Progress>,
        output: &mut Output,
        context: &mut Context<'_>,
    ) -> Result<(), Lost> {
        while let Some(horizon) = output.held_by(progress) {
            if self.wait.as_ref().is_none_or(|(awaited, _)| *awaited != horizon) {
                self.wait = progress.wait_for(horizon).map(|reached| (horizon, reached));
            }
            let Some((_, reached)) = &mut self.wait else {
                // Just now.
                continue;
            };
            match Pin::new(reached).poll(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(outcome) => outcome?,
            }
        }
        self.wait = None;
        Ok(())
    }
}
