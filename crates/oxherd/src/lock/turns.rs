//! Those of this process who wait for one lock do so in line, and only the first asks the store.
//!
//! Otherwise each release would wake all of them, and all but one would have asked in vain.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Mutex as Line;

type Lines = HashMap<Arc<str>, Arc<Line<()>>>;

/// The lines of all locks that somebody waits for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    lines: Arc<Mutex<Lines>>,
}

/// A place in the line of one lock.
pub(super) struct Place {
    turns: Turns,
    name: Arc<str>,
    line: Arc<Line<()>>,
}

impl Turns {
    pub(super) fn stand_in_line(&self, name: &Arc<str>) -> Place {
        let line = Arc::clone(self.lines.lock().entry(Arc::clone(name)).or_default());
        Place {
            turns: self.clone(),
            name: Arc::clone(name),
            line,
        }
    }
}

impl Place {
    /// One's turn, for as long as the answer is kept.
    pub(super) async fn turn(&self) -> impl Drop + '_ {
        self.line.lock().await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.turns.lines.lock();
        // The table's and ours: nobody else is in this line.
        if Arc::strong_count(&self.line) <= 2 {
            lines.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_is_first_come_first_served_and_goes_with_its_last() {
        let turns = Turns::default();
        let name: Arc<str> = "l".into();
        let (first, second) = (turns.stand_in_line(&name), turns.stand_in_line(&name));
        let turn = first.turn().await;
        let mut waiting = Box::pin(second.turn());
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        let other = turns.stand_in_line(&"another".into());
        drop(other.turn().await);
        drop(turn);
        drop(waiting.await);
        drop(first);
        assert_eq!(turns.lines.lock().len(), 2);
        drop((second, other));
        assert!(turns.lines.lock().is_empty());
    }
}
