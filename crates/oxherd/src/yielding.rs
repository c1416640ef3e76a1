//! Letting other tasks come to their turn.

use std::future::poll_fn;
use std::task::Poll;

/// Goes to the end of the queue of what is ready. Unlike `yield_now` of tokio it stays where other threads may take it from: a thread that is
/// kept busy by something else holds nobody up.
pub(crate) async fn let_others_run() {
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
