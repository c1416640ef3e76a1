//! The engine on sockets: for other processes, and for clients in any language.
//!
//! Nothing listens unless asked for. An address that other machines can reach is refused while the engine has no
//! password. The endpoint runs on the caller's tokio runtime or on a thread of its own; the latter is faster, since
//! its clients never move between threads, and nothing the program does delays them.
//! Next: `listener.rs` (accepting), `connection.rs` (one client), `address.rs` (sockets and their files).

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::address::{self, Address, Bound};
use super::limits::Limits;
use super::listener::{Listener, Shared};
use super::standby::{self, StandBy};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};

/// An endpoint that does not listen yet.
///
/// ```
/// # fn main() -> Result<(), oxherd_engine::Error> {
/// let engine = oxherd_engine::Engine::in_memory();
/// let address: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
/// let server = engine.endpoint().listen_on(address).spawn_thread()?;
/// println!("redis://{}", server.addresses()[0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an endpoint listens once it is spawned"]
pub struct Endpoint {
    engine: Engine,
    addresses: Vec<Address>,
    limits: Limits,
    asks_password: bool,
}

/// An endpoint that listens. Dropping it stops it in the background; [`Server::shutdown`] waits for the end.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<Address>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<()>,
}

impl Engine {
    /// An endpoint for this engine.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            engine: self.clone(),
            addresses: Vec::new(),
            limits: Limits::default(),
            asks_password: true,
        }
    }
}

impl Endpoint {
    /// Adds an address to listen on; an endpoint may have several, and one without any serves nobody.
    pub fn listen_on(mut self, address: impl Into<Address>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Limits on each client, instead of [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets clients in without the engine's password: for a Unix socket, which only this user can open. Addresses that
    /// other machines can reach are refused then.
    pub fn without_password(mut self) -> Self {
        self.asks_password = false;
        self
    }

    /// Listens, and serves on a thread of its own.
    ///
    /// A script that one of these clients runs keeps all of them waiting. When it has run too long
    /// (`busy-reply-threshold`), others are told that the engine is busy, and can stop it with SCRIPT KILL.
    ///
    /// # Errors
    /// [`ErrorKind::PasswordRequired`] for an address that other machines can reach while the engine has no password,
    /// [`ErrorKind::AddressInUse`] when another process listens there or a file that is no socket is in the way,
    /// [`ErrorKind::Listen`] when it cannot listen or start a thread for another reason. It then listens nowhere.
    pub fn spawn_thread(self) -> Result<Server, Error> {
        let (server, task) = self.bind()?;
        let (starting, started) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name("oxherd-resp".to_owned())
            .spawn(move || task.run(&starting))
            .map_err(cannot_start)?;
        let has_started = started
            .recv()
            .unwrap_or_else(|_gone| Err(io::ErrorKind::Interrupted.into()));
        has_started.map_err(cannot_start)?;
        Ok(server)
    }

    /// Listens, and serves on the current tokio runtime, which has to have its I/O and its timer switched on.
    ///
    /// A long script keeps a thread of that runtime; clients are told that the engine is busy all the same.
    ///
    /// # Errors
    /// As [`Endpoint::spawn_thread`], and [`ErrorKind::Listen`] outside a tokio runtime.
    pub fn spawn(self) -> Result<Server, Error> {
        let runtime = Handle::try_current().map_err(|error| {
            Error::with_source(ErrorKind::Listen, "cannot listen outside a tokio runtime", error)
        })?;
        let (server, mut task) = self.bind()?;
        let listeners = task.listeners().map_err(cannot_start)?;
        runtime.spawn(task.serve(listeners));
        Ok(server)
    }

    fn bind(self) -> Result<(Server, Task), Error> {
        let has_password = self.asks_password && !self.engine.shared().outside().password().is_empty();
        if let Some(open) = self
            .addresses
            .iter()
            .find(|address| !address.is_local() && !has_password)
        {
            let message = format!(
                "cannot listen on {open}: other machines can reach it, so the engine needs a password"
            );
            return Err(Error::new(ErrorKind::PasswordRequired, message));
        }
        let bound = self
            .addresses
            .iter()
            .map(address::bind)
            .collect::<Result<Vec<_>, _>>()?;
        let addresses = bound.iter().map(|(_, address)| address.clone()).collect();
        let (stop, signal) = watch::channel(false);
        let (end, ended) = watch::channel(());
        let server = Server {
            addresses,
            stop,
            ended,
        };
        let Self {
            engine,
            limits,
            asks_password,
            ..
        } = self;
        let task = Task {
            engine,
            limits,
            asks_password,
            bound,
            stop: signal,
            end,
        };
        Ok((server, task))
    }
}

impl Server {
    /// Where it listens, with the ports the system chose.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Stops listening, lets replies leave (for up to five seconds), closes all clients and removes socket files.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // The sender is dropped when everything has ended.
        while self.ended.changed().await.is_ok() {}
    }
}

/// What runs on the runtime.
struct Task {
    engine: Engine,
    limits: Limits,
    asks_password: bool,
    bound: Vec<(Bound, Address)>,
    stop: watch::Receiver<bool>,
    /// Dropped at the end.
    end: watch::Sender<()>,
}

impl Task {
    /// Hands the bound sockets to the current runtime.
    fn listeners(&mut self) -> io::Result<Vec<Listener>> {
        self.bound
            .drain(..)
            .map(|(bound, address)| Listener::new(bound, &address))
            .collect()
    }

    /// Serves on this thread until the end.
    fn run(mut self, starting: &std::sync::mpsc::Sender<io::Result<()>>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build();
        let prepared = runtime.and_then(|runtime| {
            let _inside = runtime.enter();
            self.listeners().map(|listeners| (runtime, listeners))
        });
        match prepared {
            Ok((runtime, listeners)) => {
                // Whoever started it waits for this.
                let _ = starting.send(Ok(()));
                runtime.block_on(self.serve(listeners));
            }
            Err(error) => {
                let _ = starting.send(Err(error));
            }
        }
    }

    async fn serve(self, listeners: Vec<Listener>) {
        let (presence, mut all_gone) = mpsc::channel(1);
        let Self {
            engine,
            limits,
            asks_password,
            stop,
            end,
            ..
        } = self;
        let (stand_by, bell) = StandBy::new();
        let shared = Arc::new(Shared {
            engine,
            limits,
            asks_password,
            stop,
            listeners: listeners.into_iter().map(Arc::new).collect(),
            registry: Arc::default(),
            stand_by,
            presence,
        });
        standby::start(&shared, bell, Handle::current());
        for listener in &shared.listeners {
            tokio::spawn(Arc::clone(listener).accept_all(Arc::clone(&shared)));
        }
        drop(shared);
        // Nothing is ever sent: this ends when the last listener and the last client have ended.
        let _ = all_gone.recv().await;
        drop(end);
    }
}

fn cannot_start(error: io::Error) -> Error {
    Error::with_source(
        ErrorKind::Listen,
        format!("cannot start the endpoint: {error}"),
        error,
    )
}
