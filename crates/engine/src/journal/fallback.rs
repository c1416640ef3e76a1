//! What happens when the journal fails: the engine goes back to what is durable, and serves reads alone.
//!
//! Nothing that was refused may be seen later, so what is not durable is cut off the log as well, if the disk lets it.
//! Next: `writer.rs`.

use std::sync::Weak;

use super::error::JournalError;
use super::load::{Loaded, Loading};
use super::progress::Progress;
use super::writer::Writer;
use crate::engine::Shared;

/// Brings the engine back to what is durable.
pub(super) fn fall_back(writer: &mut Writer, error: &JournalError) {
    if let Err(error) = writer.directory.log().discard_unsynced() {
        tracing::error!(%error, "writes that were refused may come back with the next start");
    }
    let Some(engine) = writer.engine.upgrade() else {
        return;
    };
    let mut core = engine.lock();
    let kept = writer.progress.durable();
    writer.progress.lose(core.sequence());
    let now = core.now();
    match reread(writer, core.database_count(), now) {
        Ok(loaded) => core.fall_back(Some(loaded), kept, error),
        Err(second) => {
            tracing::error!(%second, "what is durable cannot be read either: nothing is served from here on");
            core.fall_back(None, kept, error);
        }
    }
}

/// The journal's thread has panicked: nobody keeps anything any more, and nobody shall wait for it.
pub(super) fn give_up(engine: &Weak<Shared>, progress: &Progress) {
    tracing::error!("the journal's thread panicked: nothing is served from here on");
    if let Some(engine) = engine.upgrade() {
        let mut core = engine.lock();
        progress.lose(core.sequence());
        core.fall_back(None, progress.durable(), &"its thread panicked");
    }
}

fn reread(writer: &Writer, databases: usize, now: u64) -> Result<Loaded, JournalError> {
    let mut contents = writer.directory.reread()?;
    let mut loading = Loading::new(databases, false, now);
    while let Some(record) = contents.next()? {
        loading.read(record.payload).map_err(JournalError::Unreadable)?;
    }
    loading.finish().map_err(JournalError::Contradictory)
}
