//! A store in a directory: held by this process, or reached through the socket of the process that holds it.
//!
//! The first process takes the directory and listens on `oxherd.sock` in it, for this user alone; the next ones find
//! it taken and connect there. They wait for a holder that still reads its data as long as it comes further, and for one
//! that is leaving. Who takes the directory is decided by the engine's lock and by nothing else.
//! Next: `holding.rs` (having a directory), `succession.rs` (when its holder ends), `crates/engine` (what keeps the data).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use oxherd_engine::{Engine, ErrorKind, Options};
use redis::Client;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::boot::{Opening, Teller};
use super::directory::problem_of;
use super::holder::{Notice, Said, Stage};
use super::holding::{Holding, beside};
use super::open::{self, ServerVersion};
use super::succession;
use super::url::{self, Embedded};
use crate::error::{Error, OpenProblem, Result};

/// The socket's name in the directory.
const SOCKET: &str = "oxherd.sock";
/// The engine's lock, which has the number of the process that holds it.
const LOCK: &str = "lock";
/// How long to wait for a holder that says nothing, or that is at work and lets nobody in.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long to wait for a holder that reads or leaves, from the last time it came further.
const STANDSTILL: Duration = Duration::from_secs(30);
/// How long the one who was promised a directory may take to take it.
pub(super) const COURTESY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Who has the directory.
pub(super) enum Held {
    /// This process.
    Here(Holding),
    /// Another one, behind this socket.
    Elsewhere {
        client: Box<Client>,
        server: ServerVersion,
        directory: Directory,
    },
}

/// A directory, and how this process keeps what is in it.
#[derive(Clone)]
pub(super) struct Directory {
    embedded: Embedded,
    pub(super) path: PathBuf,
    pub(super) socket: PathBuf,
}

impl Directory {
    pub(super) fn of(embedded: &Embedded) -> Self {
        // A program may go elsewhere while it waits for its turn.
        let path = std::path::absolute(&embedded.directory).unwrap_or_else(|_| embedded.directory.clone());
        Self {
            embedded: embedded.clone(),
            socket: path.join(SOCKET),
            path,
        }
    }

    pub(super) fn options(&self) -> Options {
        self.embedded.options()
    }

    pub(super) fn notice(&self) -> Notice {
        Notice::in_directory(&self.path)
    }

    /// Whether it has ever been held and was not removed since.
    pub(super) fn is_there(&self) -> bool {
        self.path.join(LOCK).is_file()
    }

    /// Whether it was handed over to somebody who has not taken it yet.
    pub(super) fn is_promised(&self) -> bool {
        let stage = self.said().map(|said| said.stage);
        stage == Some(Stage::HandingOver)
    }

    /// The process that has the lock, as it says itself.
    fn holder(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.path.join(LOCK)).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// What the process says that has the lock, and not one before it.
    fn said(&self) -> Option<Said> {
        let said = self.notice().read()?;
        (Some(said.process) == self.holder()).then_some(said)
    }
}

/// Takes the directory, or finds the way to who has it.
///
/// A visitor lets nobody in: it is gone soon, and who has come in through its socket would be left alone. Others wait for
/// it meanwhile.
pub(super) async fn open(embedded: &Embedded, opening: &Opening) -> Result<Held> {
    let directory = Directory::of(embedded);
    let failed = |problem, source| Error::Open {
        store: format!("embedded:{}", embedded.directory.display()),
        problem,
        source: Some(source),
    };
    let mut waiting = Waiting::new(&directory, opening);
    loop {
        // Whoever is let in has no need to try the lock.
        let refused = match come_in(&directory).await {
            Some(Ok((client, _))) if opening.needs_to_hold && waiting.is_promised(&client).await => None,
            Some(Ok((client, server))) => {
                tracing::info!(
                    directory = %embedded.directory.display(),
                    "another process has the directory; its socket is used"
                );
                return Ok(Held::Elsewhere {
                    client,
                    server,
                    directory,
                });
            }
            // It took the connection and did not answer for seconds.
            Some(Err(error)) if is_silence(&error) => return Err(error),
            Some(Err(error)) => Some(error),
            None => None,
        };
        if !opening.needs_to_hold && directory.is_promised() && waiting.lets_another_go_first() {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        match take(&directory, opening).await {
            Ok(engine) => return Ok(Held::Here(hold(engine, &directory, opening).await)),
            Err(error) if error.kind() == ErrorKind::DirectoryInUse => {
                // Who never keeps his promise lets it in all the same.
                if !waiting.goes_on() && !waiting.gives_promise_up() {
                    let reason = waiting.reason(&error);
                    return Err(refused.unwrap_or_else(|| failed(OpenProblem::InUse, reason.into())));
                }
            }
            Err(error) => return Err(failed(problem_of(error.kind()), error.into())),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Through the holder's socket, if somebody listens on it.
async fn come_in(directory: &Directory) -> Option<Result<(Box<Client>, ServerVersion)>> {
    UnixStream::connect(&directory.socket).await.ok()?;
    let attempt = async {
        let url = url::Server::behind(&directory.socket)?;
        let client = Box::new(open::client(&url)?);
        let server = open::probe(&client, &url).await?;
        Ok((client, server))
    };
    Some(attempt.await)
}

fn is_silence(error: &Error) -> bool {
    matches!(
        error,
        Error::StoreUrl { .. }
            | Error::Open {
                problem: OpenProblem::Silent,
                ..
            }
    )
}

/// Reading the data takes its time, so it happens on a thread of its own, which no end of a runtime waits for.
async fn take(directory: &Directory, opening: &Opening) -> std::result::Result<Engine, oxherd_engine::Error> {
    let teller = Teller::new(&directory.path, opening.hear.clone());
    let options = directory.options().on_boot(teller.of_engine(directory.notice()));
    let path = directory.path.clone();
    let (done, opened) = tokio::sync::oneshot::channel();
    beside("oxherd-boot", move || {
        let opened = catch_unwind(AssertUnwindSafe(|| options.open(path)));
        // Nobody waits any more: then nobody wants it.
        let _ = done.send(opened);
    });
    match opened.await {
        Ok(Ok(opened)) => opened,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_gone) => std::future::pending().await,
    }
}

/// Lets other processes in. Where there can be no socket (a path that is too long, a file system without them), this
/// process is the only one.
async fn hold(engine: Engine, directory: &Directory, opening: &Opening) -> Holding {
    let door = if opening.is_visit {
        None
    } else {
        let listening = listen(&engine, &directory.socket).await;
        listening
            .inspect_err(|error| {
                tracing::warn!(%error, "no other process can use the directory while this one has it");
            })
            .ok()
    };
    Holding::of_directory(engine, door, directory.notice())
}

/// Listens for other processes.
pub(super) async fn listen(
    engine: &Engine,
    socket: &Path,
) -> std::result::Result<oxherd_engine::Server, oxherd_engine::Error> {
    // Of a holder that was killed the system may close the lock before the socket.
    let until = Instant::now() + PATIENCE;
    loop {
        let endpoint = engine.endpoint().listen_on(socket.to_owned());
        match endpoint.without_password().spawn_thread() {
            Err(error) if error.kind() == ErrorKind::AddressInUse && Instant::now() < until => {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// How long a holder that lets nobody in is waited for.
struct Waiting<'a> {
    directory: &'a Directory,
    teller: Teller,
    until: Instant,
    last: Option<Said>,
    is_told: bool,
    /// Since when it was somebody else's turn.
    gave_way: Option<Instant>,
    /// Until when the directory is promised to this process.
    promised_until: Option<Instant>,
}

impl<'a> Waiting<'a> {
    fn new(directory: &'a Directory, opening: &Opening) -> Self {
        Self {
            directory,
            teller: Teller::new(&directory.path, opening.hear.clone()),
            until: Instant::now() + PATIENCE,
            last: None,
            is_told: false,
            gave_way: None,
            promised_until: None,
        }
    }

    /// Asks the holder to hand the directory on, which takes it a moment; whether it does.
    async fn is_promised(&mut self, client: &Client) -> bool {
        if let Some(until) = self.promised_until {
            return Instant::now() < until;
        }
        if !succession::ask_for(client).await {
            return false;
        }
        tracing::info!(
            directory = %self.directory.path.display(),
            "the process that took the directory over hands it on to this one"
        );
        self.promised_until = Some(Instant::now() + COURTESY);
        true
    }

    /// Counts on no promise any more; whether there was one.
    fn gives_promise_up(&mut self) -> bool {
        let now = Instant::now();
        match &mut self.promised_until {
            Some(until) if now < *until => {
                *until = now;
                true
            }
            _ => false,
        }
    }

    /// It waits for who was promised the directory, but not for one who never comes.
    fn lets_another_go_first(&mut self) -> bool {
        self.gave_way.get_or_insert_with(Instant::now).elapsed() < COURTESY
    }

    /// Looks at what the holder says now; whether it is worth waiting for.
    fn goes_on(&mut self) -> bool {
        let said = self.directory.said();
        if said != self.last {
            self.last = said;
            if let Some(Said { process, stage }) = said
                && matches!(stage, Stage::Reading { .. } | Stage::Leaving | Stage::HandingOver)
            {
                self.until = Instant::now() + STANDSTILL;
                if !std::mem::replace(&mut self.is_told, true) {
                    let does = doing(stage);
                    tracing::info!(directory = %self.directory.path.display(), "waiting: process {process} {does}");
                }
            }
        }
        if let Some(Said {
            process,
            stage: Stage::Reading { read, of },
        }) = said
        {
            self.teller.of_another(process, read, of);
        }
        Instant::now() < self.until
    }

    /// Why it was not worth it.
    fn reason(&self, error: &oxherd_engine::Error) -> String {
        match self.last {
            Some(Said { process, stage }) => format!("{error}; process {process} {}", doing(stage)),
            None => error.to_string(),
        }
    }
}

fn doing(stage: Stage) -> String {
    match stage {
        Stage::Reading { read, of } => {
            let percent = read.saturating_mul(100) / of.max(1);
            format!(
                "reads what the directory holds, {percent} % of {} MB so far",
                of / 1_000_000
            )
        }
        Stage::Serving => "listens on its socket".to_owned(),
        Stage::Alone => "lets nobody in".to_owned(),
        Stage::Leaving | Stage::HandingOver => "writes its last changes and leaves".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;
    use crate::store::StoreUrl;
    use crate::store::url::Place;

    /// A process that has the directory, as others see it: the lock, its number and what it says.
    struct Holder {
        _lock: File,
        _directory: tempfile::TempDir,
        embedded: Embedded,
        process: u32,
    }

    impl Holder {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            // Nobody's number, so that nothing takes it for this very process.
            let process = u32::MAX - 1;
            let mut lock = File::create(directory.path().join(LOCK)).unwrap();
            lock.try_lock().unwrap();
            writeln!(lock, "{process}").unwrap();
            let url: StoreUrl = format!("embedded:{}", directory.path().display())
                .parse()
                .unwrap();
            let Place::Embedded(embedded) = url.place() else {
                panic!("{url}");
            };
            Self {
                _lock: lock,
                embedded: embedded.clone(),
                _directory: directory,
                process,
            }
        }

        fn says(&self, words: &str) {
            let text = format!("{} {words}\n", self.process);
            std::fs::write(self.embedded.directory.join("oxherd.holder"), text).unwrap();
        }

        async fn refused(&self) -> (Duration, String) {
            let began = Instant::now();
            let refused = open(&self.embedded, &Opening::new()).await.err().unwrap();
            let Error::Open { problem, source, .. } = refused else {
                panic!("{refused}");
            };
            assert_eq!(problem, OpenProblem::InUse);
            (began.elapsed(), source.unwrap().to_string())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_reads_is_waited_for_as_long_as_it_comes_further() {
        let holder = Holder::new();
        holder.says("reading 0 1000");
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let opening = Opening::new().on_boot(move |progress| {
            let _ = told.send(progress);
        });
        let embedded = holder.embedded.clone();
        let opened = tokio::spawn(async move { open(&embedded, &opening).await });
        for read in 1..20 {
            // Longer than anybody is waited for who says nothing.
            tokio::time::sleep(STANDSTILL / 2).await;
            holder.says(&format!("reading {read} 1000"));
            assert!(!opened.is_finished());
        }
        assert_eq!(heard.recv().await.unwrap().process, Some(holder.process));
        let Holder {
            _lock: lock,
            _directory: directory,
            ..
        } = holder;
        drop(lock);
        let held = opened.await.unwrap().unwrap();
        assert!(matches!(held, Held::Here(_)));
        drop((held, directory));
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_reads_and_stands_still_is_given_up_with_its_name() {
        let holder = Holder::new();
        holder.says("reading 450000000 1000000000");
        let (waited, reason) = holder.refused().await;
        assert!(
            (STANDSTILL..STANDSTILL + PATIENCE).contains(&waited),
            "{waited:?}"
        );
        assert!(reason.contains("45 % of 1000 MB"), "{reason}");
        assert!(reason.contains(&holder.process.to_string()), "{reason}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_says_nothing_or_works_on_is_given_up_soon() {
        let holder = Holder::new();
        for words in ["", "alone", "serving"] {
            holder.says(words);
            // Whatever it says, nobody listens there.
            let (waited, reason) = holder.refused().await;
            assert!((PATIENCE..2 * PATIENCE).contains(&waited), "{words}: {waited:?}");
            assert!(reason.contains(&holder.process.to_string()), "{reason}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_holder_before_this_one_has_said_counts_for_nothing() {
        let mut holder = Holder::new();
        holder.process -= 1;
        holder.says("leaving");
        let (waited, _) = holder.refused().await;
        assert!((PATIENCE..2 * PATIENCE).contains(&waited), "{waited:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_holder_that_promises_the_directory_and_keeps_it_is_joined() {
        let holder = Holder::new();
        holder.says("serving");
        let directory = Directory::of(&holder.embedded);
        let engine = Engine::in_memory();
        let _door = listen(&engine, &directory.socket).await.unwrap();
        let (mut deaf, _pushes) = engine.connect_with_pushes();
        let mut subscribe = redis::cmd("SUBSCRIBE");
        subscribe.arg("oxherd:hand-over");
        subscribe.exec_async(&mut deaf).await.unwrap();
        let held = open(&holder.embedded, &Opening::new().needs_to_hold()).await;
        assert!(matches!(held.unwrap(), Held::Elsewhere { .. }));
    }
}
