//! Accepts clients and gives each a task of its own.
//!
//! A client is turned away, with Redis's words, when there are too many, or when it comes from another machine while
//! the engine has no password (any more). Next: `connection.rs`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{mpsc, watch};

use super::address::{Address, Bound, SocketFile};
use super::connection::Connection;
use super::limits::Limits;
use super::registry::Registry;
use super::standby::StandBy;
use super::stop::Stop;
use super::stream::Stream;
use crate::client::Arrival;
use crate::engine::{Busy, Engine};
use crate::inbox::inbox;

/// How long to wait when the system has no more sockets to give.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Linux counts such times in so many seconds at most.
const LONGEST_KEEPALIVE: Duration = Duration::from_secs(32_767);

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const NOT_LOCAL: &[u8] = b"-DENIED This engine has no password, so it answers this machine alone.\r\n";

/// What the clients of an endpoint share.
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) limits: Limits,
    /// Clients need the engine's password, if it has one.
    pub(super) asks_password: bool,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) listeners: Vec<Arc<Listener>>,
    pub(super) registry: Arc<Registry>,
    #[expect(dead_code, reason = "dropping it ends the stand-by")]
    pub(super) stand_by: StandBy,
    /// Held by every task; all are gone when the receiver says so.
    pub(super) presence: mpsc::Sender<Infallible>,
}

/// A socket that clients are accepted from.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<str>, Option<SocketFile>),
}

/// Where a client comes from.
pub(super) struct Origin {
    peer: String,
    local: String,
    is_local: bool,
}

impl Listener {
    /// Hands a bound socket to the current runtime.
    pub(super) fn new(bound: Bound, address: &Address) -> io::Result<Self> {
        Ok(match bound {
            Bound::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Bound::Unix(listener, file) => Self::Unix(
                UnixListener::from_std(listener)?,
                address.to_string().into(),
                Some(file),
            ),
        })
    }

    /// Accepts clients until the endpoint stops.
    pub(super) async fn accept_all(self: Arc<Self>, shared: Arc<Shared>) {
        let mut stop = Stop::new(shared.stop.clone());
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.requested() => return,
                accepted = self.accept(&shared.limits) => accepted,
            };
            match accepted {
                Ok((stream, origin)) => admit(&shared, stream, origin),
                Err(error) if is_one_clients(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }

    pub(super) async fn accept(&self, limits: &Limits) -> io::Result<(Stream, Origin)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                prepare(stream, peer, limits)
            }
            Self::Unix(listener, path, _file) => {
                let (stream, _peer) = listener.accept().await?;
                Ok((Stream::Unix(stream), Origin::of_file(path)))
            }
        }
    }

    /// The same socket once more, on the current runtime. The file stays with the original.
    pub(super) fn duplicate(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => {
                let copy = listener.as_fd().try_clone_to_owned()?;
                Self::Tcp(TcpListener::from_std(copy.into())?)
            }
            Self::Unix(listener, path, _file) => {
                let copy = listener.as_fd().try_clone_to_owned()?;
                Self::Unix(UnixListener::from_std(copy.into())?, Arc::clone(path), None)
            }
        })
    }
}

impl Origin {
    /// Clients of a Unix socket have no address; CLIENT LIST shows the path, as Redis does.
    fn of_file(path: &str) -> Self {
        let address = format!("{path}:0");
        Self {
            peer: address.clone(),
            local: address,
            is_local: true,
        }
    }
}

fn prepare(stream: TcpStream, peer: SocketAddr, limits: &Limits) -> io::Result<(Stream, Origin)> {
    stream.set_nodelay(true)?;
    if let Some(time) = limits.keepalive {
        // What the system takes; anything else it refuses, and with it the client.
        let time = time.clamp(Duration::from_secs(1), LONGEST_KEEPALIVE);
        // Asked three times before it counts as dead, as Redis does.
        let keepalive = TcpKeepalive::new()
            .with_time(time)
            .with_interval((time / 3).max(Duration::from_secs(1)));
        SockRef::from(&stream).set_tcp_keepalive(&keepalive.with_retries(3))?;
    }
    let origin = Origin {
        peer: peer.to_string(),
        local: stream.local_addr()?.to_string(),
        is_local: peer.ip().to_canonical().is_loopback(),
    };
    Ok((Stream::Tcp(stream), origin))
}

/// Whether accepting failed because that one client has already gone.
pub(super) fn is_one_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Interrupted
    )
}

/// Lets a client in, on the current runtime. Does not wait for a script that runs too long.
pub(super) fn admit(shared: &Arc<Shared>, stream: Stream, origin: Origin) {
    let (has_password, is_full) = match shared.engine.shared().enter() {
        Ok(mut core) => {
            let is_full = core.clients.count() >= core.config.max_clients;
            core.stats.rejected_connections += u64::from(is_full);
            (!core.config.password.is_empty(), is_full)
        }
        Err(Busy) => {
            let outside = shared.engine.shared().outside();
            let is_full = shared.registry.count() >= outside.max_clients();
            (!outside.password().is_empty(), is_full)
        }
    };
    let has_password = has_password && shared.asks_password;
    if is_full || (!has_password && !origin.is_local) {
        let text = if is_full { TOO_MANY } else { NOT_LOCAL };
        tokio::spawn(turn_away(stream, text));
        return;
    }
    let (outbox, inbox) = inbox(shared.limits.output.pushes);
    let arrival = Arrival {
        is_in_process: false,
        peer: origin.peer,
        local: origin.local,
        is_authenticated: !has_password,
        inbox: Some(outbox),
    };
    let session = shared.engine.session(arrival);
    let id = session.id();
    let (limits, stop) = (shared.limits.clone(), Stop::new(shared.stop.clone()));
    let connection = Connection::new(stream, session, inbox, !has_password, limits, stop);
    let client = shared.registry.register(id, connection);
    let presence = shared.presence.clone();
    tokio::spawn(async move {
        client.serve().await;
        drop(presence);
    });
}

async fn turn_away(mut stream: Stream, text: &'static [u8]) {
    // A fresh socket takes a line at once; a client that has gone needs none.
    let _ = stream.write_all(text).await;
    let _ = stream.shutdown().await;
}
