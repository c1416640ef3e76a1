//! How an endpoint's tasks learn that it stops, and how it learns that they have ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

/// Held by every task of an endpoint.
pub(super) struct Stop {
    requested: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_requested: bool,
}

impl Stop {
    /// Waits for the `true` of `signal`, or for its sender to be gone.
    pub(super) fn new(mut signal: watch::Receiver<bool>) -> Self {
        let requested = Box::pin(async move {
            // An error says that nobody is left to ask for the end.
            let _ = signal.wait_for(|is_requested| *is_requested).await;
        });
        Self {
            requested,
            is_requested: false,
        }
    }

    /// Whether the end was asked for; if not, the task is woken when it is.
    pub(super) fn poll_requested(&mut self, context: &mut Context<'_>) -> bool {
        if !self.is_requested {
            self.is_requested = matches!(self.requested.as_mut().poll(context), Poll::Ready(()));
        }
        self.is_requested
    }

    /// Waits until the end is asked for.
    pub(super) async fn requested(&mut self) {
        std::future::poll_fn(|context| match self.poll_requested(context) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}
