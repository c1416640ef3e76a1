//! What happens when the journal fails: the engine goes back to what is kept, and serves reads alone.
//!
//! What is kept depends on what failed. After a write (the disk is full), everything written whole before it is in the
//! system's hands, and a sync of it can be believed: it is made durable, and nothing that was acknowledged is lost.
//! After a sync nobody knows what of the unsynced part the disk has: the engine goes back to the sync before, unless it
//! promised no syncs at all (`Fsync::Never`): then it reads what the system still has of what was written.
//! What is not kept is cut off the log, if the disk lets it, so that what was refused is not seen later.
//! The old state is let go before the kept one is read, so that memory never holds both; until it is read, reads are
//! answered with `LOADING`.
//! Next: `writer.rs`, `../core/keeping.rs` (what clients are told).

use std::sync::Weak;

use super::Fsync;
use super::error::JournalError;
use super::link::Link;
use super::load::{Loaded, Loading};
use super::writer::Writer;
use crate::engine::Shared;

/// What to read again.
pub(super) struct Kept {
    up_to: u64,
    /// It is on the disk, not only in the system's memory: if it cannot be read, it is damaged.
    is_certain: bool,
}

/// Brings the engine back to what is kept.
pub(super) fn fall_back(writer: &mut Writer, error: &JournalError) {
    let kept = keep(writer);
    let Some(engine) = writer.engine.upgrade() else {
        return;
    };
    let (databases, now) = {
        let mut core = engine.lock();
        let last = core.sequence();
        let old = core.let_go(writer.progress.durable(), error);
        let known = (core.database_count(), core.now());
        drop(core);
        // Without the lock, as whoever waits may be anybody, and the state may be large.
        writer.progress.lose(last);
        writer.room.advance(last);
        drop(old);
        known
    };
    drop(engine);
    let read = reread(writer, &kept, databases, now);
    let Some(engine) = writer.engine.upgrade() else {
        return;
    };
    let read = read.inspect_err(|second| {
        tracing::error!(%second, "what is durable cannot be read either: nothing is served from here on");
    });
    let empty = engine.lock().take_back(read.ok());
    drop(empty);
}

/// The journal's thread has panicked: nobody keeps anything any more, and nobody shall wait for it.
pub(super) fn give_up(engine: &Weak<Shared>, link: &Link) {
    tracing::error!("the journal's thread panicked: nothing is served from here on");
    if let Some(engine) = engine.upgrade() {
        let (last, old) = {
            let mut core = engine.lock();
            let last = core.sequence();
            let old = core.let_go(link.progress.durable(), &"its thread panicked");
            (last, (old, core.take_back(None)))
        };
        link.progress.lose(last);
        link.room.advance(last);
        drop(old);
    }
}

/// Saves what can be saved, and cuts off the rest.
pub(super) fn keep(writer: &mut Writer) -> Kept {
    let written = writer.written();
    match writer.directory.log().sync_written() {
        Ok(()) => writer.progress.advance(written),
        // A sync is what failed.
        Err(JournalError::HasFailed) => {}
        Err(error) => tracing::error!(%error, "what was written before the journal failed cannot be synced"),
    }
    let has_promised_nothing = writer.fsync() == Fsync::Never;
    let log = writer.directory.log();
    if has_promised_nothing && log.has_sync_failed() {
        return Kept {
            up_to: log.last(),
            is_certain: false,
        };
    }
    if let Err(error) = log.discard_unsynced() {
        tracing::error!(%error, "writes that were refused may come back with the next start");
    }
    Kept {
        up_to: log.synced(),
        is_certain: true,
    }
}

fn reread(writer: &mut Writer, kept: &Kept, databases: usize, now: u64) -> Result<Loaded, JournalError> {
    let synced = writer.directory.log().synced();
    match read(writer, kept, databases, now) {
        Err(error) if !kept.is_certain => {
            tracing::warn!(%error, "what was written since the last sync cannot be read");
            let kept = Kept {
                up_to: synced,
                is_certain: true,
            };
            read(writer, &kept, databases, now)
        }
        read => read,
    }
}

fn read(writer: &Writer, kept: &Kept, databases: usize, now: u64) -> Result<Loaded, JournalError> {
    let mut contents = writer.directory.reread(kept.up_to)?;
    let mut loading = Loading::new(databases, false, now);
    while let Some(record) = contents.next()? {
        loading.read(record.payload).map_err(JournalError::Unreadable)?;
        if writer.engine.strong_count() == 0 {
            // Nobody is left to serve.
            break;
        }
    }
    if kept.is_certain {
        contents.check_reaches(kept.up_to)?;
    }
    loading.finish().map_err(JournalError::Contradictory)
}
