//! Loads that read the cache themselves: a page that is made of cached rows.
//!
//! A load has one of the namespace's rights to load. A read within it that had to wait for another one could wait for ever, when all
//! rights are with loads that wait so. Reads therefore know of which loads they are part, as far as they are of the same task, and load
//! without a right where one of these has one already. A refresh, for which nobody waits, has a right of its own.
//! Next: `loading.rs` (the rights).

use std::sync::Arc;

use super::space::{Site, Space};

tokio::task_local! {
    static WITHIN: Arc<Within>;
}

/// The namespaces of a load and of the loads that it is part of, each of them once.
struct Within {
    space: Arc<Space>,
    outer: Option<Arc<Within>>,
}

/// What a load is part of.
pub(crate) struct Part(Arc<Within>);

impl Site {
    /// Whether whoever asks is part of a load of this namespace.
    pub(crate) fn is_within_load(&self) -> bool {
        is_within(present().as_ref(), &self.space)
    }

    /// For a load of this namespace that the present task waits for.
    pub(crate) fn part(&self) -> Part {
        match present() {
            Some(present) if is_within(Some(&present), &self.space) => Part(present),
            outer => Part(self.innermost(outer)),
        }
    }

    /// For a load of this namespace that nobody waits for: no other load goes on until it ends.
    pub(crate) fn part_of_nothing(&self) -> Part {
        Part(self.innermost(None))
    }

    fn innermost(&self, outer: Option<Arc<Within>>) -> Arc<Within> {
        let space = Arc::clone(&self.space);
        Arc::new(Within { space, outer })
    }
}

impl Part {
    /// The load, wherever it runs.
    pub(crate) fn of<F: Future>(&self, load: F) -> impl Future<Output = F::Output> + use<F> {
        WITHIN.scope(Arc::clone(&self.0), load)
    }
}

fn present() -> Option<Arc<Within>> {
    WITHIN.try_with(Arc::clone).ok()
}

fn is_within(innermost: Option<&Arc<Within>>, space: &Arc<Space>) -> bool {
    let mut loads = std::iter::successors(innermost, |within| within.outer.as_ref());
    loads.any(|within| Arc::ptr_eq(&within.space, space))
}
