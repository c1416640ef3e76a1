//! The journal beside the engine it keeps: what clients, operators and blocked commands see of it.
//!
//! The thread is driven by hand on a machine in memory, so nothing depends on time.
//! Next: `proof.rs` (whole engines and the loss of power), `tests/` (files alone).

mod failures;
mod figures;
mod flood;
mod held;
mod reopened;
mod units;

use super::aside::Aside;
use super::error::JournalError;
use super::image::WholeImage;
use super::storage::Storage;
use super::storage::crash::Machine;
use super::writer::{Request, Writer};
use super::{Fsync, JournalStatus, snapshot};
use crate::clock::{Clock, ManualClock};
use crate::engine::{Engine, Options};
use crate::reply::Reply;
use crate::testing::Session;

use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An engine on a machine, and its journal's thread in the hands of the test.
struct Stage {
    machine: Machine,
    client: Session,
    writer: Writer,
    asides: Arc<Mutex<Vec<Aside>>>,
}

impl Stage {
    fn new(fsync: Fsync) -> Self {
        Self::on(Machine::new(1), fsync, clock())
    }

    fn on(machine: Machine, fsync: Fsync, clock: (Clock, ManualClock)) -> Self {
        let storage = machine.storage();
        Self::with(machine, storage, fsync, clock)
    }

    fn with(
        machine: Machine,
        storage: Arc<dyn Storage>,
        fsync: Fsync,
        (clock, hands): (Clock, ManualClock),
    ) -> Self {
        let asides = Arc::<Mutex<Vec<Aside>>>::default();
        let given = Arc::clone(&asides);
        let helper = Box::new(move |aside| given.lock().unwrap().push(aside));
        let options = Options::default().clock(clock).seed(7).fsync(fsync);
        let (engine, writer) = options.open_by_hand(storage, helper).unwrap();
        Self {
            machine,
            client: Session::on(engine, hands),
            writer,
            asides,
        }
    }

    fn engine(&self) -> &Engine {
        self.client.engine()
    }

    /// Makes durable whatever has happened.
    fn flush(&mut self) -> bool {
        let (answer, outcome) = std::sync::mpsc::sync_channel(1);
        self.writer.serve(Request::Flush(answer));
        outcome.recv().unwrap().is_ok()
    }

    /// Begins an image, if none is being taken, and takes all slices.
    fn take_image(&mut self) -> Result<(), String> {
        let (answer, outcome) = std::sync::mpsc::sync_channel(1);
        self.writer.serve(Request::Image(answer));
        let asides: Vec<Aside> = self.asides.lock().unwrap().drain(..).collect();
        for aside in asides {
            if let Aside::Image(snapshot) = aside {
                let taken = finish(*snapshot);
                self.writer.serve(Request::Taken(taken));
            }
        }
        outcome.recv().unwrap().map_err(|error| error.to_string())
    }

    /// An image of which nothing is taken yet.
    fn begin_image(&mut self) -> snapshot::Snapshot {
        let (answer, _) = std::sync::mpsc::sync_channel(1);
        self.writer.serve(Request::Image(answer));
        match self.asides.lock().unwrap().pop() {
            Some(Aside::Image(snapshot)) => *snapshot,
            other => panic!("{other:?}"),
        }
    }

    /// Hands over an image that was taken; an error when it is not made the one the next start reads.
    fn adopt(&mut self, taken: Result<WholeImage, JournalError>) -> Result<(), JournalStatus> {
        self.writer.serve(Request::Taken(taken));
        let status = self.engine().journal().unwrap();
        if status.image_bytes > 0 && !status.has_image_failed {
            Ok(())
        } else {
            Err(status)
        }
    }

    /// A field of INFO's section on persistence.
    fn info(&self, name: &str) -> String {
        let Reply::Verbatim(text) = self.client.ask("INFO persistence") else {
            panic!("INFO");
        };
        let mut rows = text.lines().filter_map(|row| row.split_once(':'));
        let row = rows.find(|(field, _)| *field == name);
        row.map(|(_, value)| value.to_owned())
            .unwrap_or_else(|| panic!("{name} is not in {text}"))
    }
}

fn clock() -> (Clock, ManualClock) {
    Clock::manual(std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000))
}

fn finish(mut snapshot: snapshot::Snapshot) -> Result<WholeImage, JournalError> {
    loop {
        match snapshot.step()? {
            snapshot::Step::More(_) => {}
            snapshot::Step::Over(needs) => return snapshot.finish(needs),
            snapshot::Step::Gone => panic!("the engine is there"),
        }
    }
}
