//! The journal's thread: it takes what has changed, a group of units at a time, and makes it durable.
//!
//! While a group is being synced, units go on and gather for the next one; so the busier the engine, the larger the
//! groups. A write or sync that failed is not tried again: what is not durable is lost, the engine falls back to what
//! is, serves reads alone and says so.
//! Next: `progress.rs` (who waits for it), `link.rs` (who rings), `snapshot.rs` (images), `directory.rs` (the files).

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Fsync;
use super::aside::{Aside, Helper, threads};
use super::codec::encode;
use super::directory::Directory;
use super::error::{JournalError, cannot};
use super::fallback;
use super::frame::{Draft, RECORD_HEADER};
use super::image::WholeImage;
use super::link::{Bell, Delay, Link, Room};
use super::progress::{Progress, Sequence};
use super::snapshot::{Snapshot, Walking};
use super::status::Figures;
use super::storage::Storage;
use crate::core::Core;
use crate::engine::{Hold, Shared};

/// Without a sync for each group, how long units gather before they are written.
const GATHERING: Duration = Duration::from_millis(5);
/// How often `Fsync::EverySecond` syncs, so that what is lost is never older than a second.
const SYNC_PERIOD: Duration = Duration::from_millis(500);
/// After how long without a change the log is marked as durable up to its end, so that damage there is never taken for
/// what a loss of power has torn.
const IDLE: Duration = Duration::from_secs(1);
/// How long the thread sleeps when nothing is to be done.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// The log may be so large before an image is taken, whatever the size of the last one.
const SMALLEST_LOG: u64 = 64 * 1024 * 1024;

/// What the thread is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// Make durable whatever has happened up to now.
    Flush(SyncSender<Result<(), Arc<JournalError>>>),
    /// Take an image, unless one is being taken; told when it stands.
    Image(SyncSender<Result<(), Arc<JournalError>>>),
    /// An image has been written, or could not be.
    Taken(Result<WholeImage, JournalError>),
    /// The engine is gone; this is what it did last.
    End(Sequence, Draft),
}

/// The engine's handle on the thread.
#[derive(Debug)]
pub(crate) struct Handle {
    bell: Arc<Bell>,
    requests: Sender<Request>,
    storage: Weak<dyn Storage>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The thread's own state.
pub(super) struct Writer {
    pub(super) engine: Weak<Shared>,
    pub(super) progress: Arc<Progress>,
    bell: Arc<Bell>,
    delay: Arc<Delay>,
    figures: Arc<Figures>,
    pub(super) room: Arc<Room>,
    fsync: Fsync,
    pub(super) directory: Directory,
    draft: Draft,
    /// The last unit written, and perhaps not durable.
    written: Sequence,
    /// The log says that everything in it is durable.
    is_marked: bool,
    helper: Helper,
    is_taking_image: bool,
    /// How large the log must be before an image is thought of again.
    postponed_to: u64,
    /// Who waits for an image.
    image_wanted: Vec<SyncSender<Result<(), Arc<JournalError>>>>,
    /// Why nothing is written any more.
    failure: Option<Arc<JournalError>>,
}

impl Handle {
    /// Starts the thread for an engine whose directory has been read.
    pub(crate) fn start(
        engine: &Weak<Shared>,
        directory: Directory,
        link: &Link,
    ) -> Result<Self, JournalError> {
        let (requests, inbox) = channel();
        let storage = Arc::downgrade(directory.storage());
        let writer = Writer::new(engine, directory, link, threads(requests.clone(), &link.bell));
        let thread = std::thread::Builder::new().name("oxherd-journal".to_owned());
        let (engine, link_of_failed) = (Weak::clone(engine), link.clone());
        let thread = thread.spawn(move || {
            let run = std::panic::AssertUnwindSafe(|| writer.run(&inbox));
            if std::panic::catch_unwind(run).is_err() {
                fallback::give_up(&engine, &link_of_failed);
            }
        });
        let thread = thread.map_err(cannot(|| "cannot start the journal's thread".to_owned()))?;
        Ok(Self {
            bell: Arc::clone(&link.bell),
            requests,
            storage,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Makes durable whatever has happened up to now. Blocks.
    pub(crate) fn flush(&self) -> Result<(), Arc<JournalError>> {
        self.ask(Request::Flush)
    }

    /// Takes an image, so that the next start has less log to read. Blocks until it stands.
    pub(crate) fn take_image(&self) -> Result<(), Arc<JournalError>> {
        self.ask(Request::Image)
    }

    fn ask(
        &self,
        request: impl FnOnce(SyncSender<Result<(), Arc<JournalError>>>) -> Request,
    ) -> Result<(), Arc<JournalError>> {
        let (answer, answered) = sync_channel(1);
        let gone = || Err(Arc::new(JournalError::HasFailed));
        if self.requests.send(request(answer)).is_err() {
            return gone();
        }
        self.bell.ring();
        answered.recv().unwrap_or_else(|_| gone())
    }

    /// Ends the thread when it has written what the engine did last. Blocks, unless the thread itself calls.
    pub(crate) fn end(&self, core: &mut Core) {
        if let Some(storage) = self.storage.upgrade() {
            storage.part();
        }
        let mut draft = Draft::new();
        let payload = draft.payload();
        core.gather(&mut |effects| encode(effects, payload));
        if self.requests.send(Request::End(core.sequence(), draft)).is_err() {
            return;
        }
        self.bell.ring();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread panicked");
        }
    }
}

impl Writer {
    pub(super) fn new(engine: &Weak<Shared>, directory: Directory, link: &Link, helper: Helper) -> Self {
        let writer = Self {
            engine: Weak::clone(engine),
            progress: Arc::clone(&link.progress),
            bell: Arc::clone(&link.bell),
            delay: Arc::clone(&link.delay),
            figures: Arc::clone(&link.figures),
            room: Arc::clone(&link.room),
            fsync: link.fsync,
            directory,
            draft: Draft::new(),
            written: link.progress.durable(),
            is_marked: true,
            helper,
            is_taking_image: false,
            postponed_to: 0,
            image_wanted: Vec::new(),
            failure: None,
        };
        writer.show_sizes();
        writer
    }

    fn show_sizes(&self) {
        let Figures {
            log_bytes,
            image_bytes,
            is_taking_image,
            ..
        } = &*self.figures;
        log_bytes.store(self.directory.log_bytes(), Ordering::Relaxed);
        image_bytes.store(self.directory.image_bytes(), Ordering::Relaxed);
        is_taking_image.store(self.is_taking_image, Ordering::Relaxed);
    }

    fn run(mut self, inbox: &Receiver<Request>) {
        loop {
            let has_news = self.bell.wait(self.patience());
            if has_news && self.fsync != Fsync::Always {
                // Nobody waits for it: more units go into one group.
                std::thread::sleep(GATHERING);
            }
            if !has_news {
                self.attempt(Self::mark);
            }
            while let Ok(request) = inbox.try_recv() {
                if let Request::End(last, draft) = request {
                    return self.end(last, draft);
                }
                self.serve(request);
            }
            self.keep();
        }
    }

    /// Writes what is new, and whatever follows from that.
    pub(super) fn keep(&mut self) {
        self.attempt(Self::write_news);
        self.attempt(Self::sync_in_time);
        self.attempt(Self::limit_log);
        self.show_sizes();
    }

    fn patience(&self) -> Duration {
        if self.fsync == Fsync::EverySecond && self.written > self.progress.durable() {
            return SYNC_PERIOD.saturating_sub(self.delay.length());
        }
        if self.is_marked { LONGEST_SLEEP } else { IDLE }
    }

    /// Does something that must not fail; if it does, this was the last thing written.
    fn attempt(&mut self, act: fn(&mut Self) -> Result<(), JournalError>) {
        if self.failure.is_none()
            && let Err(error) = act(self)
        {
            self.fail(error);
        }
    }

    pub(super) fn serve(&mut self, request: Request) {
        match request {
            Request::Flush(answer) => {
                self.attempt(Self::write_news);
                self.attempt(Self::sync);
                self.attempt(Self::mark);
                self.show_sizes();
                // Whoever asked may have gone.
                let _ = answer.send(self.outcome());
            }
            Request::Image(answer) => {
                self.image_wanted.push(answer);
                if !self.is_taking_image {
                    self.attempt(Self::begin_image);
                }
                if self.failure.is_some() {
                    self.tell_image(&self.outcome());
                }
            }
            Request::Taken(taken) => self.adopt(taken),
            Request::End(..) => {}
        }
    }

    /// The last unit that was written whole.
    pub(super) fn written(&self) -> Sequence {
        self.written
    }

    pub(super) fn fsync(&self) -> Fsync {
        self.fsync
    }

    fn outcome(&self) -> Result<(), Arc<JournalError>> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Writes all units since the last group.
    fn write_news(&mut self) -> Result<(), JournalError> {
        let Some(engine) = self.engine.upgrade() else {
            // What it did last is on its way here.
            return Ok(());
        };
        let last = {
            let mut core = self.enter(&engine)?;
            self.draft.clear();
            let payload = self.draft.payload();
            core.gather(&mut |effects| encode(effects, payload));
            core.sequence()
        };
        drop(engine);
        self.append(last)
    }

    /// The engine's state. A script that keeps it for long does not keep what is written from being synced in time.
    fn enter<'a>(&mut self, engine: &'a Shared) -> Result<Hold<'a>, JournalError> {
        if self.fsync == Fsync::EverySecond && self.written > self.progress.durable() {
            let left = SYNC_PERIOD.saturating_sub(self.delay.length());
            if let Some(core) = engine.lock_within(left) {
                return Ok(core);
            }
            self.sync()?;
        }
        Ok(engine.lock())
    }

    fn append(&mut self, last: Sequence) -> Result<(), JournalError> {
        if last == self.written {
            return Ok(());
        }
        self.delay.begin();
        if !self.draft.is_empty() {
            let changed = self.draft.len() as u64;
            self.directory.log().append(last.0, &mut self.draft)?;
            self.is_marked = false;
            self.figures.commits.fetch_add(1, Ordering::Relaxed);
            self.figures.bytes_changed.fetch_add(changed, Ordering::Relaxed);
            let written = changed + RECORD_HEADER as u64;
            self.figures.bytes_written.fetch_add(written, Ordering::Relaxed);
        }
        self.written = last;
        self.room.advance(last);
        match self.fsync {
            Fsync::Always => self.sync(),
            Fsync::EverySecond => Ok(()),
            Fsync::Never => {
                self.progress.advance(last);
                Ok(())
            }
        }
    }

    /// Lets the log end with the last unit, as an image may ask of it: units that left nothing to write have no record.
    fn reach_last_unit(&mut self) -> Result<(), JournalError> {
        if self.directory.log().last() == self.written.0 {
            return Ok(());
        }
        self.draft.clear();
        self.directory.log().append(self.written.0, &mut self.draft)?;
        self.is_marked = false;
        Ok(())
    }

    fn sync_in_time(&mut self) -> Result<(), JournalError> {
        let is_due = self.fsync == Fsync::EverySecond
            && self.written > self.progress.durable()
            && self.delay.length() >= SYNC_PERIOD;
        if is_due { self.sync() } else { Ok(()) }
    }

    /// Says in the log that everything in it is durable.
    fn mark(&mut self) -> Result<(), JournalError> {
        if self.is_marked || self.written > self.progress.durable() {
            return Ok(());
        }
        self.is_marked = true;
        // Without `Fsync::Always` it may only have been written.
        self.directory.log().sync()?;
        self.directory.log().mark()?;
        self.directory.log().sync()
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        let began = self.delay.moment();
        let started = Instant::now();
        let log = self.directory.log();
        let is_anything_new = log.length() > log.synced_length();
        log.sync()?;
        if is_anything_new {
            self.figures.note_sync(started.elapsed());
        }
        self.end_delay(began);
        self.progress.advance(self.written);
        Ok(())
    }

    /// What has changed while a sync ran is as old as its beginning.
    fn end_delay(&self, began: u64) {
        if self.bell.has_rung() {
            self.delay.end_but_since(began);
        } else {
            self.delay.end();
        }
    }

    /// Takes an image when there is too much log: as much as the last image, or 64 MiB.
    fn limit_log(&mut self) -> Result<(), JournalError> {
        let (image, log) = (self.directory.image_bytes(), self.directory.log_bytes());
        if self.is_taking_image || log < image.max(SMALLEST_LOG).max(self.postponed_to) {
            return Ok(());
        }
        // An image that fills the disk would take the log's room too.
        let free = self.directory.free_space();
        let needed = image.max(log) + SMALLEST_LOG;
        // Where the system does not say, the attempt will.
        if let Ok(free) = free
            && free < needed
        {
            tracing::warn!(
                free,
                needed,
                "no room for an image: the log goes on growing, and the next start takes longer"
            );
            self.figures.has_image_failed.store(true, Ordering::Relaxed);
            self.postponed_to = log + SMALLEST_LOG;
            return Ok(());
        }
        self.begin_image()
    }

    fn begin_image(&mut self) -> Result<(), JournalError> {
        let Some(engine) = self.engine.upgrade() else {
            return Ok(());
        };
        // In one hold of the lock: what happens after it belongs to the segment that goes with the image.
        let (last, walk) = {
            let mut core = self.enter(&engine)?;
            self.draft.clear();
            let payload = self.draft.payload();
            core.gather(&mut |effects| encode(effects, payload));
            (core.sequence(), super::walk::Walk::begin(&mut core))
        };
        drop(engine);
        self.append(last)?;
        let walking = Walking::new(Weak::clone(&self.engine), walk);
        let began = self.delay.moment();
        let image = match self.directory.begin_image() {
            Ok(image) => image,
            Err(error) if self.directory.log().has_failed() => return Err(error),
            Err(error) => {
                self.do_without_image(error);
                return Ok(());
            }
        };
        self.end_delay(began);
        self.progress.advance(last);
        self.is_taking_image = true;
        self.show_sizes();
        tracing::debug!(image = image.number(), "taking an image");
        (self.helper)(Aside::Image(Box::new(Snapshot::new(
            walking,
            image,
            &self.figures,
        ))));
        Ok(())
    }

    /// An image that could not be written costs only room and time: the log has everything.
    fn do_without_image(&mut self, error: JournalError) {
        self.figures.has_image_failed.store(true, Ordering::Relaxed);
        tracing::warn!(%error, "an image was not written: the log goes on growing, and the next start takes longer");
        self.postponed_to = self.directory.log_bytes() + SMALLEST_LOG;
        self.tell_image(&Err(Arc::new(error)));
    }

    /// Makes an image the one that the next start reads.
    fn adopt(&mut self, taken: Result<WholeImage, JournalError>) {
        self.is_taking_image = false;
        self.attempt(Self::write_news);
        self.attempt(Self::reach_last_unit);
        self.attempt(Self::sync);
        let taken = match taken {
            Ok(image) if self.failure.is_none() => image,
            Err(error) if self.failure.is_none() => return self.do_without_image(error),
            _ => return self.tell_image(&self.outcome()),
        };
        let (image, bytes) = (taken.number(), taken.length());
        match self.directory.adopt(taken) {
            Ok(outdated) => {
                self.figures.has_image_failed.store(false, Ordering::Relaxed);
                self.show_sizes();
                tracing::info!(image, bytes, "an image has taken the place of the log before it");
                (self.helper)(Aside::Remove(outdated));
                self.tell_image(&Ok(()));
            }
            Err(error) if self.directory.log().has_failed() => {
                self.fail(error);
                self.tell_image(&self.outcome());
            }
            Err(error) => self.do_without_image(error),
        }
    }

    fn tell_image(&mut self, outcome: &Result<(), Arc<JournalError>>) {
        for wanted in self.image_wanted.drain(..) {
            // Whoever asked may have gone.
            let _ = wanted.send(outcome.clone());
        }
    }

    fn fail(&mut self, error: JournalError) {
        tracing::error!(%error, "the journal failed: only reads are served from here on");
        let error = Arc::new(error);
        self.failure = Some(Arc::clone(&error));
        fallback::fall_back(self, &error);
        self.delay.end();
    }

    fn end(mut self, last: Sequence, draft: Draft) {
        self.draft = draft;
        if self.failure.is_none() {
            let outcome = self.append(last).and_then(|()| self.sync());
            if outcome.is_err() {
                let _nobody_reads_it_again = fallback::keep(&mut self);
            }
            if let Err(error) = outcome.and_then(|()| self.directory.close()) {
                tracing::error!(%error, "the journal could not be closed; what was acknowledged is as safe as fsync says");
            }
        }
        // Whoever still waits does so in vain.
        self.progress.lose(last);
    }
}
