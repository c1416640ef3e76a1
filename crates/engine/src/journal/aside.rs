//! Work that takes long and must not keep the log: images, and the removal of large files.
//!
//! Next: `snapshot.rs` (images), `writer.rs` (who asks for it).

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::directory::Outdated;
use super::error::cannot;
use super::link::Bell;
use super::snapshot::Snapshot;
use super::writer::Request;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Aside {
    Image(Box<Snapshot>),
    Remove(Outdated),
}

/// Who does it.
pub(super) type Helper = Box<dyn FnMut(Aside) + Send>;

/// Does what takes long on threads of its own, and sends what comes of it to the journal's.
pub(super) fn threads(to: Sender<Request>, bell: &Arc<Bell>) -> Helper {
    let bell = Arc::clone(bell);
    Box::new(move |work| {
        let (to, bell) = (to.clone(), Arc::clone(&bell));
        let (answer, ring) = (to.clone(), Arc::clone(&bell));
        let is_image = matches!(work, Aside::Image(_));
        let thread = std::thread::Builder::new().name("oxherd-aside".to_owned());
        let started = thread.spawn(move || match work {
            Aside::Image(snapshot) => {
                if let Some(taken) = snapshot.take().transpose()
                    && to.send(Request::Taken(taken)).is_ok()
                {
                    bell.ring();
                }
            }
            Aside::Remove(outdated) => {
                if let Err(error) = outdated.remove() {
                    tracing::warn!(%error, "an old file of the journal is still there");
                }
            }
        });
        match started.map_err(cannot(|| "cannot start a thread".to_owned())) {
            Ok(_) => {}
            Err(error) if is_image => {
                // The journal's thread is the one that calls, so it is there.
                let _ = answer.send(Request::Taken(Err(error)));
                ring.ring();
            }
            Err(error) => {
                tracing::warn!(%error, "old files of the journal are still there until the next start");
            }
        }
    })
}
