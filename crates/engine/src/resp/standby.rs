//! Speaks for the engine while a script keeps it.
//!
//! A script runs on the thread of whoever sent it, and that may be the only thread of the endpoint. This one wakes when
//! a script has run too long, lets clients in and answers them all (BUSY, mostly, and SCRIPT KILL is carried out)
//! until the script has ended. It never waits for the script, and runs no command.
//! Next: `../aside.rs` (the answers), `connection.rs` (`stand_in`).

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::connection::Visit;
use super::listener::{Listener, Shared, admit, is_one_clients};
use super::registry::Slot;
use super::stop::Stop;

/// The longest sleep: the limit of scripts may have been lowered.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
/// How often it is looked, while a script is slow, whether it has ended and who has come.
const LOOK: Duration = Duration::from_millis(50);

/// Ends the thread when the endpoint ends.
#[derive(Default)]
pub(super) struct Bell {
    is_over: Mutex<bool>,
    rung: Condvar,
}

/// Rings the bell when it is dropped.
pub(super) struct StandBy(Arc<Bell>);

impl Drop for StandBy {
    fn drop(&mut self) {
        *self.0.is_over.lock() = true;
        self.0.rung.notify_one();
    }
}

impl StandBy {
    pub(super) fn new() -> (Self, Arc<Bell>) {
        let bell = Arc::<Bell>::default();
        (Self(Arc::clone(&bell)), bell)
    }
}

/// Starts the thread; `serving` is the runtime that serves the endpoint.
pub(super) fn start(shared: &Arc<Shared>, bell: Arc<Bell>, serving: Handle) {
    let shared = Arc::downgrade(shared);
    let started = std::thread::Builder::new()
        .name("oxherd-standby".to_owned())
        .spawn(move || wait_for_scripts(&shared, &bell, &serving));
    if let Err(error) = started {
        tracing::error!(%error, "the stand-by thread did not start: long scripts cannot be killed");
    }
}

fn wait_for_scripts(shared: &Weak<Shared>, bell: &Bell, serving: &Handle) {
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let running = &shared.engine.shared().outside().running;
        let mut sleep = running.until_slow().clamp(SHORTEST_SLEEP, LONGEST_SLEEP);
        if running.is_slow()
            && let Err(error) = stand_in(&shared, serving)
        {
            tracing::warn!(%error, "cannot answer while a script keeps the engine");
            sleep = LONGEST_SLEEP;
        }
        drop(shared);
        let mut is_over = bell.is_over.lock();
        if *is_over {
            return;
        }
        bell.rung.wait_for(&mut is_over, sleep);
    }
}

fn stand_in(shared: &Arc<Shared>, serving: &Handle) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let seen = runtime.block_on(async {
        for listener in &shared.listeners {
            match listener.duplicate() {
                Ok(door) => {
                    tokio::spawn(accept_all(Arc::clone(shared), door, serving.clone()));
                }
                Err(error) => tracing::warn!(%error, "nobody can come while a script keeps the engine"),
            }
        }
        answer_all(shared).await
    });
    // Whoever is still at work is dropped with the runtime.
    drop(runtime);
    for slot in seen {
        // Whoever is at work on a client looks at it anyway.
        if let Some(mut slot) = slot.try_lock()
            && let Some(connection) = slot.as_mut()
        {
            connection.call_back();
        }
    }
    Ok(())
}

/// Answers all clients until the script has ended or the endpoint stops; returns whom it has seen.
async fn answer_all(shared: &Arc<Shared>) -> Vec<Slot> {
    let mut stop = Stop::new(shared.stop.clone());
    let (mut last, mut seen) = (0, Vec::new());
    while shared.engine.shared().outside().running.is_slow() {
        for (id, slot) in shared.registry.after(last) {
            last = id;
            tokio::spawn(attend(Arc::clone(shared), Arc::clone(&slot)));
            seen.push(slot);
        }
        tokio::select! {
            biased;
            () = stop.requested() => break,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    seen
}

async fn accept_all(shared: Arc<Shared>, door: Listener, serving: Handle) {
    loop {
        let accepted = door.accept(&shared.limits).await;
        let admitted = accepted.and_then(|(stream, origin)| {
            // The client lives on the endpoint's own runtime, which goes on with it when the script has ended.
            let _serving = serving.enter();
            admit(&shared, stream.move_here()?, origin);
            Ok(())
        });
        match admitted {
            Err(error) if !is_one_clients(&error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(LOOK).await;
            }
            _ => {}
        }
    }
}

/// Answers one client.
async fn attend(shared: Arc<Shared>, slot: Slot) {
    let Some(socket) = duplicate(&slot).await else {
        return;
    };
    loop {
        // An error is seen by whoever reads.
        let _ = socket.readable().await;
        if !shared.engine.shared().outside().running.is_slow() {
            return;
        }
        // Locked by its own task: then that is at work, or is what sent the script.
        let visit = match slot.try_lock() {
            None => Visit::More(LOOK),
            Some(mut slot) => match slot.as_mut() {
                None => return,
                Some(connection) => connection.stand_in(&socket),
            },
        };
        match visit {
            Visit::Done => {}
            Visit::More(pause) if pause.is_zero() => tokio::task::yield_now().await,
            Visit::More(pause) => tokio::time::sleep(pause).await,
            Visit::Over => return,
        }
    }
}

/// Another handle of the client's socket, as soon as its task lets it.
async fn duplicate(slot: &Slot) -> Option<TcpStream> {
    loop {
        if let Some(slot) = slot.try_lock() {
            let duplicate = slot.as_ref()?.stream().duplicate();
            return duplicate.ok();
        }
        tokio::time::sleep(LOOK).await;
    }
}
