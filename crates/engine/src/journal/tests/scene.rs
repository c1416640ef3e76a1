//! Random work on a journal, and what must be left of it after each death.
//!
//! The scene knows every group that was written. When the directory is opened again, the image must be whole, the
//! groups behind it must be those that were written, in order and without a gap, and must reach whatever a sync has
//! acknowledged; what was read once counts as acknowledged, since clients may have seen it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};

use super::super::directory::{Directory, Outdated, Recovered};
use super::super::error::JournalError;
use super::super::frame::Draft;
use super::super::image::ImageWriter;
use super::super::storage::crash::{Fault, Machine};

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Append {
        units: u64,
        length: usize,
    },
    Sync,
    Mark,
    BeginImage,
    Slice {
        length: usize,
    },
    GiveImageUp,
    Adopt,
    RemoveOutdated,
    /// Ends well and begins again.
    Close,
    /// Loses power and begins again.
    Crash,
    /// Ends the process and begins again.
    Kill,
    /// The `after`-th call from here is the last.
    DieSoon {
        after: u64,
    },
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![3 => 0..200_usize, 2 => 200..3_000_usize];
    let step = prop_oneof![
        12 => (1..5_u64, length.clone()).prop_map(|(units, length)| Step::Append { units, length }),
        8 => Just(Step::Sync),
        1 => Just(Step::Mark),
        3 => Just(Step::BeginImage),
        4 => length.prop_map(|length| Step::Slice { length }),
        1 => Just(Step::GiveImageUp),
        3 => Just(Step::Adopt),
        2 => Just(Step::RemoveOutdated),
        1 => Just(Step::Close),
        2 => Just(Step::Crash),
        1 => Just(Step::Kill),
        3 => (0..40_u64).prop_map(|after| Step::DieSoon { after }),
    ];
    vec(step, 1..60)
}

/// A machine and the journal on it.
pub(super) struct Scene {
    pub(super) machine: Machine,
    /// The log is synced because a new segment begins.
    pub(super) is_rotating: Arc<AtomicBool>,
    directory: Option<Directory>,
    image: Option<(ImageWriter, Vec<Vec<u8>>)>,
    outdated: Option<Outdated>,
    /// Every group that may be there, by its last change.
    groups: BTreeMap<u64, Vec<u8>>,
    /// The slices of every image ever ended, by its number, and the change before it.
    images: HashMap<u64, (u64, Vec<Vec<u8>>)>,
    acknowledged: u64,
    rng: fastrand::Rng,
}

/// What went wrong: a failure that was to be expected, or a broken promise.
#[derive(Debug)]
pub(super) enum Trouble {
    Failed(JournalError),
    Broken(String),
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Self {
        Self::Failed(error)
    }
}

impl Scene {
    pub(super) fn new(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        fastrand::seed(seed);
        Self {
            machine: Machine::new(seed),
            is_rotating: Arc::default(),
            directory: None,
            image: None,
            outdated: None,
            groups: BTreeMap::new(),
            images: HashMap::new(),
            acknowledged: 0,
            rng,
        }
    }

    /// Does all of it; after the last step power is lost once more. The broken promise, if there is one.
    pub(super) fn run(&mut self, steps: &[Step]) -> Result<(), String> {
        self.reopen()?;
        for step in steps {
            self.step(*step)?;
        }
        self.step(Step::Crash)
    }

    pub(super) fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Close => {
                let directory = self.directory.take().expect("open");
                // Dying on the way is one of the ends.
                let is_closed = directory.close().is_ok();
                let last = self.groups.last_key_value().map_or(0, |(last, _)| *last);
                if is_closed {
                    self.acknowledged = self.acknowledged.max(last);
                }
                let is_power_lost = !is_closed || self.rng.bool();
                self.die(is_power_lost);
                self.reopen()
            }
            Step::Crash | Step::Kill => {
                self.die(step == Step::Crash);
                self.reopen()
            }
            Step::DieSoon { after } => {
                self.machine.fail(None, after, Fault::PowerCut);
                Ok(())
            }
            _ => match self.work(step) {
                Ok(()) => Ok(()),
                Err(_) => {
                    let is_power_lost = self.rng.bool();
                    self.die(is_power_lost);
                    self.reopen()
                }
            },
        }
    }

    /// One step of ordinary work.
    pub(super) fn work(&mut self, step: Step) -> Result<(), JournalError> {
        let directory = self.directory.as_mut().expect("open");
        match step {
            Step::Append { units, length } => {
                let last = directory.log().last() + units;
                let payload = payload(&mut self.rng, last, length);
                let mut draft = draft(&payload);
                self.groups.insert(last, payload);
                directory.log().append(last, &mut draft)?;
            }
            Step::Sync => {
                directory.log().sync()?;
                self.acknowledged = directory.log().synced();
            }
            Step::Mark => directory.log().mark()?,
            Step::BeginImage => {
                self.image = None;
                let base = directory.log().last();
                self.is_rotating.store(true, Ordering::Relaxed);
                let begun = directory.begin_image();
                self.is_rotating.store(false, Ordering::Relaxed);
                let image = begun?;
                self.acknowledged = directory.log().synced();
                self.images.insert(image.number(), (base, Vec::new()));
                self.image = Some((image, Vec::new()));
            }
            Step::Slice { length } => {
                let Some((image, slices)) = &mut self.image else {
                    return Ok(());
                };
                let slice = payload(&mut self.rng, image.number(), length);
                let mut draft = draft(&slice);
                slices.push(slice);
                image.write(&mut draft)?;
            }
            Step::GiveImageUp => self.image = None,
            Step::Adopt => {
                self.work(Step::Slice { length: 9 })?;
                let Some((image, slices)) = self.image.take() else {
                    return Ok(());
                };
                let directory = self.directory.as_mut().expect("open");
                self.images.get_mut(&image.number()).expect("begun").1 = slices;
                let whole = image.finish(directory.log().last())?;
                let outdated = directory.adopt(whole)?;
                self.acknowledged = directory.log().synced();
                self.work(Step::RemoveOutdated)?;
                self.outdated = Some(outdated);
            }
            Step::RemoveOutdated => {
                if let Some(outdated) = self.outdated.take() {
                    outdated.remove()?;
                }
            }
            Step::Close | Step::Crash | Step::Kill | Step::DieSoon { .. } => unreachable!("no work"),
        }
        Ok(())
    }

    /// Whether the log takes nothing more.
    pub(super) fn log_has_failed(&mut self) -> bool {
        self.directory
            .as_mut()
            .is_none_or(|directory| directory.log().has_failed())
    }

    pub(super) fn give_image_up(&mut self) {
        self.image = None;
    }

    pub(super) fn die(&mut self, is_power_lost: bool) {
        if is_power_lost {
            self.machine.crash(&mut self.rng);
        } else {
            self.machine.kill();
        }
        self.directory = None;
        self.image = None;
        self.outdated = None;
    }

    /// Opens the directory, now and then dying on the way.
    fn reopen(&mut self) -> Result<(), String> {
        while self.rng.u8(..4) == 0 {
            let after = self.rng.u64(..16);
            self.machine.fail(None, after, Fault::PowerCut);
            match self.open() {
                Ok(_) | Err(Trouble::Failed(JournalError::Storage { .. })) => {}
                Err(Trouble::Failed(error)) => return Err(error.to_string()),
                Err(Trouble::Broken(promise)) => return Err(promise),
            }
            let is_power_lost = self.rng.bool();
            self.die(is_power_lost);
        }
        match self.open() {
            Ok(_) => Ok(()),
            Err(Trouble::Failed(error)) => Err(error.to_string()),
            Err(Trouble::Broken(promise)) => Err(promise),
        }
    }

    /// Opens the directory and checks what is there.
    pub(super) fn open(&mut self) -> Result<Recovered, Trouble> {
        let mut opening = Directory::open(self.machine.storage())?;
        let mut slices = Vec::new();
        let mut groups = Vec::new();
        while let Some(record) = opening.next()? {
            match record.last {
                None => slices.push(record.payload.to_vec()),
                Some(last) => groups.push((last, record.payload.to_vec())),
            }
        }
        let progress = opening.progress();
        assert_eq!(progress.read, progress.of);
        let last = self.check(&slices, &groups).map_err(Trouble::Broken)?;
        let (mut directory, recovered) = opening.finish()?;
        assert_eq!((recovered.last, directory.log().synced()), (last, last));
        self.groups.split_off(&(last + 1));
        self.acknowledged = last;
        self.directory = Some(directory);
        Ok(recovered)
    }

    /// The last change that is there.
    fn check(&self, slices: &[Vec<u8>], groups: &[(u64, Vec<u8>)]) -> Result<u64, String> {
        let base = match slices.first() {
            None => 0,
            Some(first) => {
                let number = number(first);
                let (base, written) = self.images.get(&number).ok_or("an image that never was")?;
                if written != slices {
                    return Err(format!("image {number} has other slices than were written"));
                }
                *base
            }
        };
        let mut written = self.groups.range(base + 1..);
        for (last, payload) in groups {
            if written.next() != Some((last, payload)) {
                return Err(format!(
                    "the group up to change {last} is not what was written next"
                ));
            }
        }
        let last = groups.last().map_or(base, |(last, _)| *last);
        if last < self.acknowledged {
            let acknowledged = self.acknowledged;
            return Err(format!(
                "change {acknowledged} was acknowledged, but the log ends with {last}"
            ));
        }
        Ok(last)
    }
}

pub(super) fn draft(payload: &[u8]) -> Draft {
    let mut draft = Draft::new();
    draft.payload().extend_from_slice(payload);
    draft
}

/// Bytes that begin with a number: random ones, zeros, or few different ones.
fn payload(rng: &mut fastrand::Rng, number: u64, length: usize) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    let style = rng.u8(..3);
    payload.extend((0..length).map(|_| match style {
        0 => rng.u8(..),
        1 => rng.u8(..2),
        _ => 0,
    }));
    payload
}

fn number(payload: &[u8]) -> u64 {
    u64::from_le_bytes(*payload.first_chunk().expect("every payload has one"))
}
