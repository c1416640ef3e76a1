//! One read for all who wait.
//!
//! Whoever asks while a read is under way gets the result of the next one, together with everybody else who asked
//! meanwhile. So each answer was read after its question, and any number of readers cause at most one read at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// The latest result of a read, and when it was begun.
#[derive(Debug)]
pub(super) struct SharedRead<T> {
    begun: AtomicU64,
    latest: Mutex<(u64, Option<Arc<T>>)>,
}

impl<T> Default for SharedRead<T> {
    fn default() -> Self {
        Self {
            begun: AtomicU64::new(0),
            latest: Mutex::new((0, None)),
        }
    }
}

impl<T> SharedRead<T> {
    /// A result of a read that began after this call.
    pub(super) async fn get<F: Future<Output = T>>(&self, read: impl FnOnce() -> F) -> Arc<T> {
        let begun_before = self.begun.load(Ordering::SeqCst);
        let mut latest = self.latest.lock().await;
        if let (number, Some(result)) = &*latest
            && *number > begun_before
        {
            return Arc::clone(result);
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let result = Arc::new(read().await);
        *latest = (number, Some(Arc::clone(&result)));
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::SharedRead;

    #[tokio::test]
    async fn readers_that_wait_share_the_next_read() {
        let (shared, reads) = (SharedRead::default(), AtomicU32::new(0));
        let read = || async {
            let number = reads.fetch_add(1, Ordering::SeqCst) + 1;
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            number
        };
        let results = join_all((0..50).map(|_| shared.get(read))).await;
        assert_eq!(*results[0], 1);
        assert!(results[1..].iter().all(|result| **result == 2), "{results:?}");
    }

    #[tokio::test]
    async fn a_later_question_is_never_answered_with_an_earlier_read() {
        let shared = SharedRead::default();
        assert_eq!(*shared.get(|| async { 1 }).await, 1);
        assert_eq!(*shared.get(|| async { 2 }).await, 2);
    }
}
