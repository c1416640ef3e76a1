//! A store in a directory: held by this process, or reached through the socket of the process that holds it.
//!
//! The first process takes the directory and listens on `oxherd.sock` in it, for this user alone; the next ones find
//! it taken and connect there. If the holder is still reading its data, they wait for it.
//! Next: `crates/engine` (what keeps the data), `open.rs` (the other way in).

use std::path::{Path, PathBuf};
use std::time::Duration;

use oxherd_engine::{Boot, Engine, ErrorKind, Options, Server};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::directory::problem_of;
use super::url::Embedded;
use crate::error::{Error, OpenProblem, Result};

/// The socket's name in the directory.
const SOCKET: &str = "oxherd.sock";
/// How long to wait for a holder that does not listen yet, or for one that is just leaving.
const PATIENCE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(50);

/// Who has the directory.
pub(super) enum Held {
    /// This process, which lets others in as long as the server is kept, if there is one.
    Here(Engine, Option<Server>),
    /// Another one, behind this socket.
    Elsewhere(PathBuf),
}

/// Takes the directory, or finds the way to who has it.
///
/// A visitor lets nobody in: it is gone soon, and who has come in through its socket would be left alone. Others wait for
/// it meanwhile.
pub(super) async fn open(embedded: &Embedded, is_visit: bool) -> Result<Held> {
    let failed = |problem, source: oxherd_engine::Error| Error::Open {
        store: format!("embedded:{}", embedded.directory.display()),
        problem,
        source: Some(source.into()),
    };
    let socket = std::path::absolute(&embedded.directory)
        .unwrap_or_else(|_| embedded.directory.clone())
        .join(SOCKET);
    let until = Instant::now() + PATIENCE;
    loop {
        let taken = match take(embedded).await {
            Ok(engine) => {
                let door = if is_visit { None } else { listen(&engine, &socket) };
                return Ok(Held::Here(engine, door));
            }
            Err(error) if error.kind() == ErrorKind::DirectoryInUse => error,
            Err(error) => return Err(failed(problem_of(error.kind()), error)),
        };
        if UnixStream::connect(&socket).await.is_ok() {
            tracing::info!(
                directory = %embedded.directory.display(),
                "another process has the directory; its socket is used"
            );
            return Ok(Held::Elsewhere(socket));
        }
        if Instant::now() >= until {
            return Err(failed(OpenProblem::InUse, taken));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reading the data takes its time, so it happens beside the runtime; when that is on its way out, nobody waits any more.
async fn take(embedded: &Embedded) -> std::result::Result<Engine, oxherd_engine::Error> {
    let Embedded { directory, fsync } = embedded.clone();
    let options = Options::default().fsync(fsync).on_boot(tell(directory.clone()));
    let opening = tokio::task::spawn_blocking(move || options.open(directory));
    match opening.await {
        Ok(opened) => opened,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

/// Makes everything durable. On a thread of its own: the end of a runtime waits for its blocking tasks, and this one
/// waits for scripts.
pub(super) async fn flush(engine: &Engine) -> std::result::Result<(), oxherd_engine::Error> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    let flushed = engine.clone();
    let thread = std::thread::Builder::new().name("oxherd-flush".to_owned());
    let started = thread.spawn(move || {
        // Whoever asked may have gone.
        let _ = done.send(flushed.flush());
    });
    match started {
        Ok(_) => outcome.await.unwrap_or(Ok(())),
        Err(_no_thread) => engine.flush(),
    }
}

/// Says in the log how far the reading of a large directory is, at every tenth of it.
fn tell(directory: PathBuf) -> impl FnMut(Boot) + Send {
    const LARGE: u64 = 64 * 1024 * 1024;
    let mut told = 0;
    move |boot: Boot| {
        let tenths = boot.read * 10 / boot.of.max(1);
        if boot.of >= LARGE && tenths > told {
            told = tenths;
            let (directory, megabytes) = (directory.display(), boot.of / 1_000_000);
            tracing::info!(%directory, "read {}0 % of {megabytes} MB", tenths);
        }
    }
}

/// Lets other processes in. Where there can be no socket (a path that is too long, a file system without them), this
/// process is the only one.
fn listen(engine: &Engine, socket: &Path) -> Option<Server> {
    let endpoint = engine.endpoint().listen_on(socket.to_owned());
    match endpoint.without_password().spawn_thread() {
        Ok(server) => Some(server),
        Err(error) => {
            tracing::warn!(%error, "no other process can use the directory while this one has it");
            None
        }
    }
}
