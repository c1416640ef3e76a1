//! Dropping the oldest entries: by number or by id, exactly or in whole blocks.
//!
//! Whole blocks go without being looked into, at most one is opened. "Approximately" means whole blocks only,
//! and blocks are Redis's nodes, so the length left over is the one Redis leaves. Trimming does not count as
//! deleting: the greatest deleted id stays as it was.
//! Next: `log.rs`.

use super::id::StreamId;
use super::log::Log;

/// What is to be left over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The newest entries, so many.
    Newest(u64),
    /// The entries with this id or a greater one.
    From(StreamId),
}

/// A request to trim, as the options of XADD and XTRIM spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trim {
    pub(crate) keep: Keep,
    /// Only whole blocks (`~`).
    pub(crate) approximate: bool,
    /// Most entries to drop, 0 for no limit.
    pub(crate) limit: u64,
}

impl Log {
    /// Answers how many entries were dropped.
    pub(super) fn trim(&mut self, trim: &Trim) -> u64 {
        let mut dropped = 0;
        let mut last_dropped = None;
        while let Some(block) = self.blocks.front_mut() {
            if let Keep::Newest(length) = trim.keep
                && self.length <= length
            {
                break;
            }
            let entries = block.live();
            if trim.limit > 0 && dropped + entries > trim.limit {
                break;
            }
            let whole = match trim.keep {
                Keep::Newest(length) => self.length - entries >= length,
                Keep::From(id) => block.last() < id,
            };
            if whole {
                last_dropped = Some(block.last());
                self.drop_block(0);
                self.length -= entries;
                dropped += entries;
                continue;
            }
            if trim.approximate {
                break;
            }
            let mut surplus = match trim.keep {
                Keep::Newest(length) => self.length - length,
                Keep::From(_) => u64::MAX,
            };
            let front = block.delete_front(|id| {
                let wanted = surplus > 0 && !matches!(trim.keep, Keep::From(least) if id >= least);
                surplus = surplus.saturating_sub(1);
                wanted
            });
            if let Some((count, id)) = front {
                self.length -= count;
                dropped += count;
                last_dropped = Some(id);
            }
            break;
        }
        if dropped > 0 {
            self.find_first();
        }
        if let Some(id) = last_dropped {
            self.dirt.gone_up_to(id);
        }
        dropped
    }
}
