//! Who takes a directory over when the process that has it ends.
//!
//! A store that came in through a holder's socket has a thread that does nothing but see that socket closed. Then it tries
//! the directory's lock, as all others do; the one that gets it reads the directory and listens where the old holder
//! listened. Everybody, this very process too, reaches the data through that socket as before and only reconnects. A
//! take-over that fails is logged and tried again, for somebody may repair the disk. Whoever took over has no need to hold,
//! and hands the directory on when a process asks that has (`Opening::needs_to_hold`).
//!
//! The thread is its own, with its own runtime: nothing that a program does to its runtime keeps it from its work.
//! Next: `holding.rs` (what it then has), `link.rs` (reconnecting).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oxherd_engine::{Engine, ErrorKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::boot::Teller;
use super::embedded::{COURTESY, Directory, listen};
use super::holder::Stage;
use super::holding::Holding;
use super::open;

/// Between two tries of a lock that somebody has, who may be about to listen.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// Between two take-overs that failed.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// How long nobody listens and the lock is taken before it is worth a line in the log.
const STRANGE: Duration = Duration::from_secs(10);
/// How long the holder may take to answer who asks for the directory.
const ANSWER: Duration = Duration::from_secs(2);
/// How others see the connection that waits for the holder's end.
const NAME: &[u8] = b"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$11\r\noxherd:heir\r\n";

/// Where somebody who needs the directory asks for it.
const ASK: &str = "oxherd:hand-over";
const HEAR: &[u8] = b"*2\r\n$9\r\nSUBSCRIBE\r\n$16\r\noxherd:hand-over\r\n";

/// Asks whoever has the directory to hand it on; whether it will.
pub(super) async fn ask_for(client: &redis::Client) -> bool {
    let attempt = async {
        let mut connection = open::connect(client, ANSWER).await?;
        let mut ask = redis::cmd("PUBLISH");
        ask.arg(ASK).arg(std::process::id());
        ask.query_async::<u64>(&mut connection).await
    };
    matches!(tokio::time::timeout(ANSWER, attempt).await, Ok(Ok(heard)) if heard > 0)
}

/// The wish of a store to take its directory over. Dropped, it is over, and so is what was taken.
pub(super) struct Succession(Arc<Heir>);

struct Heir {
    directory: Directory,
    must_flush: bool,
    ended: CancellationToken,
    /// The directory, once it was taken over.
    holding: Mutex<Option<Holding>>,
}

impl Succession {
    /// Begins to watch the holder.
    pub(super) fn begin(directory: Directory, must_flush: bool) -> Self {
        let heir = Arc::new(Heir {
            directory,
            must_flush,
            ended: CancellationToken::new(),
            holding: Mutex::default(),
        });
        if let Err(error) = start(Arc::clone(&heir)) {
            tracing::warn!(%error, "this process cannot take the store's directory over when its holder ends");
        }
        Self(heir)
    }

    /// Ends it in good order, and what was taken over with it.
    pub(super) async fn close(&self) -> crate::Result<()> {
        match self.end() {
            Some(holding) => holding.give_up(Stage::Leaving).await,
            None => Ok(()),
        }
    }

    fn end(&self) -> Option<Holding> {
        self.0.ended.cancel();
        self.0.holding().take()
    }
}

impl Drop for Succession {
    fn drop(&mut self) {
        drop(self.end());
    }
}

fn start(heir: Arc<Heir>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let thread = std::thread::Builder::new().name("oxherd-heir".to_owned());
    let started = thread.spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = heir.ended.cancelled() => {}
                () = heir.succeed() => {}
            }
        });
    });
    started.map(drop)
}

/// How a take-over failed.
enum Failure {
    /// Somebody else has the directory.
    Taken,
    /// It cannot be used.
    Fault(String),
}

impl Heir {
    fn holding(&self) -> std::sync::MutexGuard<'_, Option<Holding>> {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the holder's end, and the next one's, until the directory is this process's.
    async fn succeed(&self) {
        let (mut pause, mut retry) = (FIRST_PAUSE, FIRST_RETRY);
        let mut deserted: Option<Instant> = None;
        loop {
            if self.watch().await {
                (pause, retry, deserted) = (FIRST_PAUSE, FIRST_RETRY, None);
            }
            self.let_another_go_first().await;
            match self.take_over().await {
                Ok(holding) => {
                    self.keep(holding);
                    self.until_asked_for().await;
                    self.hand_over().await;
                }
                Err(Failure::Taken) => {
                    let since = *deserted.get_or_insert_with(Instant::now);
                    if since.elapsed() > STRANGE {
                        tracing::warn!(
                            directory = %self.directory.path.display(),
                            "nobody listens on the store's socket, and the directory is still taken; waiting"
                        );
                        deserted = Some(Instant::now() + 6 * STRANGE);
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Failure::Fault(error)) => {
                    tracing::error!(
                        directory = %self.directory.path.display(),
                        error,
                        "cannot take the store's directory over; trying again in {} s",
                        retry.as_secs()
                    );
                    self.until_held_by_another(retry).await;
                    retry = (retry * 2).min(LONGEST_RETRY);
                }
            }
        }
    }

    /// Waits until the holder closes its socket; whether anybody listened there for a while.
    async fn watch(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(&self.directory.socket).await else {
            return false;
        };
        let since = Instant::now();
        // If it is not told, the connection has no name; all that counts is its end.
        let _ = stream.write_all(NAME).await;
        let mut answer = [0; 64];
        while matches!(stream.read(&mut answer).await, Ok(length) if length > 0) {}
        // A holder that turns connections away is still there.
        since.elapsed() > LONGEST_PAUSE
    }

    /// As long as the directory is promised to somebody, but not for one who never comes.
    async fn let_another_go_first(&self) {
        let until = Instant::now() + COURTESY;
        while self.directory.is_promised() && Instant::now() < until {
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }

    /// Waits for a time, or until somebody listens again.
    async fn until_held_by_another(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && UnixStream::connect(&self.directory.socket).await.is_err() {
            tokio::time::sleep(LONGEST_PAUSE).await;
        }
    }

    async fn take_over(&self) -> Result<Holding, Failure> {
        let (directory, shown) = (&self.directory, self.directory.path.display());
        // It must not be made anew: who has removed it does not want it.
        if !directory.is_there() {
            return Err(Failure::Fault("it is gone".to_owned()));
        }
        let began = Instant::now();
        // The thread must outlive whatever is in the directory.
        let engine = match catch_unwind(AssertUnwindSafe(|| self.read())) {
            Ok(Err(error)) if error.kind() == ErrorKind::DirectoryInUse => return Err(Failure::Taken),
            Ok(read) => read.map_err(|error| Failure::Fault(error.to_string()))?,
            Err(_panic) => return Err(Failure::Fault("reading it panicked".to_owned())),
        };
        // Without a socket nobody would have the data, not even this process.
        let door = listen(&engine, &directory.socket).await;
        let door = door.map_err(|error| Failure::Fault(error.to_string()))?;
        tracing::info!(
            directory = %shown,
            took = ?began.elapsed(),
            "the process that had the store's directory has ended; this one has taken it over"
        );
        let notice = directory.notice();
        Ok(Holding::of_directory(engine, Some(door), notice, self.must_flush))
    }

    fn read(&self) -> Result<Engine, oxherd_engine::Error> {
        let teller = Teller::new(&self.directory.path, None);
        let options = self.directory.options();
        let options = options.on_boot(teller.of_engine(self.directory.notice()));
        options.open(&self.directory.path)
    }

    /// Waits until somebody needs the directory in his own process.
    async fn until_asked_for(&self) {
        loop {
            if let Ok(mut stream) = UnixStream::connect(&self.directory.socket).await
                && stream.write_all(HEAR).await.is_ok()
            {
                let mut heard = [0; 256];
                // The confirmation comes first, and only a request is called a message.
                while let Ok(length) = stream.read(&mut heard).await
                    && length > 0
                {
                    let text = heard.get(..length).unwrap_or_default();
                    if text.windows(7).any(|word| word == b"message") {
                        return;
                    }
                }
            }
            tokio::time::sleep(LONGEST_PAUSE).await;
        }
    }

    /// This process goes on through the socket, as before it took over.
    async fn hand_over(&self) {
        let taken = self.holding().take();
        let Some(holding) = taken else {
            return;
        };
        tracing::info!(directory = %self.directory.path.display(), "handing the store's directory on to who needs it");
        if let Err(error) = holding.give_up(Stage::HandingOver).await {
            tracing::error!(%error, "the last changes could not be kept");
        }
    }

    /// The directory is ours, unless it is not wanted any more.
    fn keep(&self, taken: Holding) {
        let mut holding = self.holding();
        if !self.ended.is_cancelled() {
            *holding = Some(taken);
        }
    }
}
