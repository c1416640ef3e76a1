//! Accepts clients and gives each a task of its own.
//!
//! A client is turned away, with Redis's words, when there are too many, or when it comes from another machine while
//! the engine has no password (any more). Next: `connection.rs`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{mpsc, watch};

use super::address::{Address, Bound, SocketFile};
use super::connection::Connection;
use super::limits::Limits;
use super::stop::Stop;
use super::stream::Stream;
use crate::client::Arrival;
use crate::engine::Engine;

/// How long to wait when the system has no more sockets to give.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const NOT_LOCAL: &[u8] = b"-DENIED This engine has no password, so it answers this machine alone.\r\n";

/// What the clients of an endpoint share.
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) limits: Limits,
    pub(super) stop: watch::Receiver<bool>,
    /// Held by every task; all are gone when the receiver says so.
    pub(super) presence: mpsc::Sender<Infallible>,
}

/// A socket that clients are accepted from.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<str>, SocketFile),
}

/// Where a client comes from.
struct Origin {
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
                file,
            ),
        })
    }

    /// Accepts clients until the endpoint stops.
    pub(super) async fn accept_all(self, shared: Arc<Shared>) {
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

    async fn accept(&self, limits: &Limits) -> io::Result<(Stream, Origin)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let local = prepare(&stream, limits)?;
                let is_local = peer.ip().to_canonical().is_loopback();
                let origin = Origin {
                    peer: peer.to_string(),
                    local: local.to_string(),
                    is_local,
                };
                Ok((Stream::Tcp(stream), origin))
            }
            Self::Unix(listener, path, _file) => {
                let (stream, _peer) = listener.accept().await?;
                // Clients of a Unix socket have no address; CLIENT LIST shows the path, as Redis does.
                let address = format!("{path}:0");
                Ok((
                    Stream::Unix(stream),
                    Origin {
                        peer: address.clone(),
                        local: address,
                        is_local: true,
                    },
                ))
            }
        }
    }
}

fn prepare(stream: &TcpStream, limits: &Limits) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    if let Some(time) = limits.keepalive {
        // Asked three times before it counts as dead, as Redis does.
        let keepalive = TcpKeepalive::new()
            .with_time(time)
            .with_interval((time / 3).max(Duration::from_secs(1)));
        SockRef::from(stream).set_tcp_keepalive(&keepalive.with_retries(3))?;
    }
    stream.local_addr()
}

/// Whether accepting failed because that one client has already gone.
fn is_one_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Interrupted
    )
}

fn admit(shared: &Arc<Shared>, stream: Stream, origin: Origin) {
    let (has_password, is_full) = {
        let mut core = shared.engine.shared().lock();
        let is_full = core.clients.count() >= core.config.max_clients;
        core.stats.rejected_connections += u64::from(is_full);
        (!core.config.password.is_empty(), is_full)
    };
    if is_full || (!has_password && !origin.is_local) {
        let text = if is_full { TOO_MANY } else { NOT_LOCAL };
        tokio::spawn(turn_away(stream, text));
        return;
    }
    let (outbox, inbox) = mpsc::unbounded_channel();
    let arrival = Arrival {
        peer: origin.peer,
        local: origin.local,
        is_authenticated: !has_password,
        inbox: Some(outbox),
    };
    let session = shared.engine.session(arrival);
    let (limits, stop) = (shared.limits.clone(), Stop::new(shared.stop.clone()));
    let connection = Connection::new(stream, session, inbox, !has_password, limits, stop);
    let presence = shared.presence.clone();
    tokio::spawn(async move {
        connection.serve().await;
        drop(presence);
    });
}

async fn turn_away(mut stream: Stream, text: &'static [u8]) {
    // A fresh socket takes a line at once; a client that has gone needs none.
    let _ = stream.write_all(text).await;
    let _ = stream.shutdown().await;
}
