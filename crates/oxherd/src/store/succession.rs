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
use super::holding::{Holding, LAST_CHANGES, LAST_REPLIES};
use super::open;
use crate::error::{Error, Result};

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
        // Whoever listens to every channel (PSUBSCRIBE *) hears it, too, and gives nothing.
        let mut count = redis::cmd("PUBSUB");
        count.arg("NUMSUB").arg(ASK);
        let (_, listeners) = count.query_async::<(String, u64)>(&mut connection).await?;
        if listeners == 0 {
            return Ok(0);
        }
        let mut ask = redis::cmd("PUBLISH");
        ask.arg(ASK).arg(std::process::id());
        ask.query_async::<u64>(&mut connection).await
    };
    matches!(tokio::time::timeout(ANSWER, attempt).await, Ok(Ok(heard)) if heard > 0)
}

/// The wish of a store to take its directory over. Dropped, it is over, and so is what was taken; a hand-over or take-over
/// under way comes to its end without anybody who waits for it.
pub(super) struct Succession(Arc<Heir>);

struct Heir {
    directory: Directory,
    /// It is not wanted any more.
    ended: CancellationToken,
    /// The thread has nothing of the directory any more, and never will.
    is_over: CancellationToken,
    /// The directory, once it was taken over.
    holding: Mutex<Option<Holding>>,
    /// What the thread could not keep when it let go of the directory.
    failure: Mutex<Option<Error>>,
}

impl Succession {
    /// Begins to watch the holder.
    pub(super) fn begin(directory: Directory) -> Self {
        let heir = Arc::new(Heir::of(directory));
        if let Err(error) = start(Arc::clone(&heir)) {
            tracing::warn!(%error, "this process cannot take the store's directory over when its holder ends");
        }
        Self(heir)
    }

    /// Ends it in good order, and what was taken over with it. Waits for a take-over or a hand-over under way, which
    /// nothing cuts short. Ends within six seconds.
    pub(super) async fn close(&self) -> Result<()> {
        if let Some(holding) = self.end() {
            return holding.give_up(Stage::Leaving).await;
        }
        let over = self.0.is_over.cancelled();
        if tokio::time::timeout(LAST_REPLIES + LAST_CHANGES, over)
            .await
            .is_err()
        {
            return Err(Error::Store {
                operation: "close the store".to_owned(),
                source: unfinished().into(),
            });
        }
        self.0.failure().take().map_or(Ok(()), Err)
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
    // However the thread ends, or if there is none.
    let over = heir.is_over.clone().drop_guard();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let thread = std::thread::Builder::new().name("oxherd-heir".to_owned());
    let started = thread.spawn(move || {
        let _over = over;
        runtime.block_on(heir.succeed());
    });
    started.map(drop)
}

/// What keeps a directory with this process.
fn unfinished() -> std::io::Error {
    let reason = "this process still takes the directory over or hands it on, kept by a script, the disk or the amount of \
                  data; the directory is free with the end of the process at the latest";
    std::io::Error::new(std::io::ErrorKind::TimedOut, reason)
}

/// How a take-over failed.
enum Failure {
    /// Somebody else has the directory.
    Taken,
    /// It cannot be used.
    Fault(String),
    /// It is not wanted any more.
    Unwanted,
}

impl Heir {
    fn of(directory: Directory) -> Self {
        Self {
            directory,
            ended: CancellationToken::new(),
            is_over: CancellationToken::new(),
            holding: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    fn holding(&self) -> std::sync::MutexGuard<'_, Option<Holding>> {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> std::sync::MutexGuard<'_, Option<Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the directory over and hands it on, again and again, until that is not wanted any more.
    async fn succeed(&self) {
        while let Some(Some(taken)) = self.while_wanted(self.until_taken()).await {
            self.have(taken).await;
        }
    }

    /// The outcome, unless it is not wanted any more before.
    async fn while_wanted<T>(&self, act: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.ended.cancelled() => None,
            outcome = act => Some(outcome),
        }
    }

    /// Keeps the directory until somebody needs it. Once it hands it on it is not cut short: what others were told is
    /// kept must be.
    async fn have(&self, taken: Holding) {
        if let Some(unwanted) = self.keep(taken) {
            self.let_go(unwanted, Stage::Leaving).await;
            return;
        }
        if self.while_wanted(self.until_asked_for()).await.is_none() {
            return;
        }
        let Some(holding) = self.holding().take() else {
            return;
        };
        tracing::info!(directory = %self.directory.path.display(), "handing the store's directory on to who needs it");
        self.let_go(holding, Stage::HandingOver).await;
    }

    /// Waits for the holder's end, and the next one's, until the directory is this process's; `None` when it is not wanted
    /// any more.
    async fn until_taken(&self) -> Option<Holding> {
        let (mut pause, mut retry) = (FIRST_PAUSE, FIRST_RETRY);
        let mut deserted: Option<Instant> = None;
        loop {
            if self.watch().await {
                (pause, retry, deserted) = (FIRST_PAUSE, FIRST_RETRY, None);
            }
            self.let_another_go_first().await;
            match self.take_over().await {
                Ok(holding) => return Some(holding),
                Err(Failure::Unwanted) => return None,
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

    async fn take_over(&self) -> std::result::Result<Holding, Failure> {
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
        // Reading cannot be cut short, and whoever closed the store meanwhile waits for this.
        if self.ended.is_cancelled() {
            return Err(Failure::Unwanted);
        }
        // Without a socket nobody would have the data, not even this process.
        let door = listen(&engine, &directory.socket).await;
        let door = door.map_err(|error| Failure::Fault(error.to_string()))?;
        tracing::info!(
            directory = %shown,
            took = ?began.elapsed(),
            "the process that had the store's directory has ended; this one has taken it over"
        );
        let notice = directory.notice();
        Ok(Holding::of_directory(engine, Some(door), notice))
    }

    fn read(&self) -> std::result::Result<Engine, oxherd_engine::Error> {
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

    /// This process goes on through the socket, as before it took over, if it goes on.
    async fn let_go(&self, holding: Holding, stage: Stage) {
        if let Err(error) = holding.give_up(stage).await {
            tracing::error!(%error, "the last changes could not be kept");
            *self.failure() = Some(error);
        }
    }

    /// The directory is ours; it comes back if it is not wanted any more.
    fn keep(&self, taken: Holding) -> Option<Holding> {
        let mut holding = self.holding();
        if self.ended.is_cancelled() {
            return Some(taken);
        }
        *holding = Some(taken);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;
    use oxherd_testkit::eventually;
    use tokio::net::UnixListener;

    use super::*;
    use crate::store::StoreUrl;
    use crate::store::url::Place;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A directory that somebody has held before, and a heir without its thread.
    fn heir() -> (tempfile::TempDir, Arc<Heir>) {
        let place = tempfile::tempdir().unwrap();
        let url: StoreUrl = format!("embedded:{}", place.path().display()).parse().unwrap();
        let Place::Embedded(embedded) = url.place() else {
            panic!("{url}");
        };
        let directory = Directory::of(embedded);
        drop(directory.options().open(&directory.path).unwrap());
        (place, Arc::new(Heir::of(directory)))
    }

    #[tokio::test]
    async fn a_take_over_that_is_not_wanted_any_more_opens_no_door() {
        let (_place, heir) = heir();
        heir.ended.cancel();
        let outcome = heir.take_over().await;
        assert!(matches!(outcome, Err(Failure::Unwanted)));
        assert!(!heir.directory.socket.exists());
        // And is free.
        drop(heir.directory.options().open(&heir.directory.path).unwrap());
    }

    #[tokio::test]
    async fn a_store_is_closed_when_what_it_was_about_to_take_over_is_let_go() {
        let (_place, heir) = heir();
        let over = heir.is_over.clone().drop_guard();
        let succession = Succession(Arc::clone(&heir));
        let mut closing = pin!(succession.close());
        assert!(closing.as_mut().now_or_never().is_none(), "the thread is at work");
        // As when the door was opened just before.
        let taken = heir.directory.options().open(&heir.directory.path).unwrap();
        let taken = Holding::of_directory(taken, None, heir.directory.notice());
        heir.have(taken).await;
        assert!(heir.holding().is_none());
        drop(heir.directory.options().open(&heir.directory.path).unwrap());
        assert!(closing.as_mut().now_or_never().is_none());
        drop(over);
        closing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_take_over_without_an_end_keeps_nobody_from_closing_and_is_told() {
        let (_place, heir) = heir();
        let _over = heir.is_over.clone().drop_guard();
        let error = Succession(heir).close().await.unwrap_err();
        assert!(
            error.to_string().contains("still takes the directory over"),
            "{error}"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_that_is_closed_while_it_hands_on_waits_and_says_what_was_not_kept() {
        let (_place, heir) = heir();
        let Ok(taken) = heir.take_over().await else {
            panic!("the directory is free");
        };
        let mut here = taken.engine.connect();
        let mut script_of = taken.engine.connect();
        // Asking for the directory needs the engine, which the script keeps: it is asked for here.
        std::fs::remove_file(&heir.directory.socket).unwrap();
        let asking = UnixListener::bind(&heir.directory.socket).unwrap();
        let over = heir.is_over.clone().drop_guard();
        let having = Arc::clone(&heir);
        tokio::spawn(async move {
            let _over = over;
            having.have(taken).await;
        });
        let (mut asker, _) = asking.accept().await.unwrap();

        let configured = redis::cmd("CONFIG")
            .arg(&["SET", "busy-reply-threshold", "10"])
            .exec_async(&mut here)
            .await;
        configured.unwrap();
        // It ends with the test's process.
        let script = "redis.call('SET', 'key', 'value') while true do redis.call('GET', 'key') end";
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            let mut eval = redis::cmd("EVAL");
            eval.arg(script).arg(0);
            let _ = runtime.block_on(eval.exec_async(&mut script_of));
        });
        eventually("the script keeps the engine", PATIENCE, async || {
            redis::cmd("PING").exec_async(&mut here.clone()).await.is_err()
        })
        .await;
        asker.write_all(b"message").await.unwrap();
        eventually("the directory is handed on", PATIENCE, async || {
            heir.holding().is_none()
        })
        .await;
        let error = Succession(heir).close().await.unwrap_err();
        let reason = error.to_string();
        assert!(
            reason.contains("a script has kept the engine") || reason.contains("hands it on"),
            "{reason}"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_hears_everything_is_not_asked_for_the_directory() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("socket");
        let engine = Engine::in_memory();
        let _door = listen(&engine, &socket).await.unwrap();
        let client = redis::Client::open(format!("unix:{}", socket.display())).unwrap();
        let (mut everything, _pushes) = engine.connect_with_pushes();
        let listened = redis::cmd("PSUBSCRIBE")
            .arg("*")
            .exec_async(&mut everything)
            .await;
        listened.unwrap();
        assert!(!ask_for(&client).await);
        let listened = redis::cmd("SUBSCRIBE").arg(ASK).exec_async(&mut everything).await;
        listened.unwrap();
        assert!(ask_for(&client).await);
    }
}
