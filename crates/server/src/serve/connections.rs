//! Connections: taken in, bounded, and ended in good order.
//!
//! A client that does not send a request's head in time is dropped, also when it idles between two requests, and only
//! so many connections are open at once: others wait in the system's queue until one ends. A fault while accepting is
//! logged and survived. Once told to end, nothing more is accepted, running answers are finished, and idle connections
//! close. Dropping the future closes everything.
//! Next: `router.rs` (what is answered).

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Without free file descriptors, accepting fails at once and again; this lets some connections end first.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Between two complaints that there are too many connections.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How long a request's head may take to arrive.
    pub(super) head: Duration,
    /// How many connections may be open.
    pub(super) connections: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            connections: 4096,
        }
    }
}

/// Serves until `ended`, and then until the last connection has closed.
pub(super) async fn serve(listener: TcpListener, router: Router, bounds: Bounds, ended: CancellationToken) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let mut complained: Option<Instant> = None;
    let mut open = JoinSet::new();
    loop {
        if places.available_permits() == 0 && complained.is_none_or(|at| at.elapsed() > COMPLAINT_PAUSE) {
            tracing::warn!(
                open = bounds.connections,
                "as many connections as may be are open; others wait"
            );
            complained = Some(Instant::now());
        }
        tokio::select! {
            () = ended.cancelled() => break,
            // Only reaps: a connection's task tells its troubles itself.
            Some(_) = open.join_next(), if !open.is_empty() => {}
            (socket, place) = accept(&listener, &places) => {
                open.spawn(connection(socket, place, router.clone(), bounds.head, ended.clone()));
            }
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // It is never closed; without a place a connection would only go uncounted.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return (socket, place),
            // The client was gone before its turn came.
            Err(error) if is_of_one_client(&error) => tracing::debug!(%error, "a connection was lost"),
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again in a second");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

async fn connection(
    socket: TcpStream,
    place: Option<OwnedSemaphorePermit>,
    router: Router,
    head: Duration,
    ended: CancellationToken,
) {
    // Events are small, and one must not wait for the next to fill a packet.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "cannot send small packets at once");
    }
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = ended.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended by a fault");
    }
    drop(place);
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const SOON: Duration = Duration::from_secs(20);

    async fn start(bounds: Bounds) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ended = CancellationToken::new();
        let router = Router::new().route("/", get(async || "here"));
        let serving = tokio::spawn(serve(listener, router, bounds, ended.clone()));
        (address, ended, serving)
    }

    async fn connect(address: SocketAddr, text: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(text).await.unwrap();
        socket
    }

    async fn answer(socket: &mut TcpStream) -> String {
        let mut answer = [0; 512];
        let length = tokio::time::timeout(SOON, socket.read(&mut answer)).await;
        String::from_utf8_lossy(&answer[..length.unwrap().unwrap()]).into_owned()
    }

    /// Whether the server closes it, whatever it says before.
    async fn closes(mut socket: TcpStream) -> bool {
        let mut rest = Vec::new();
        tokio::time::timeout(SOON, socket.read_to_end(&mut rest))
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn clients_that_do_not_finish_a_head_are_dropped() {
        let head = Duration::from_millis(200);
        let (address, _ended, _serving) = start(Bounds {
            head,
            ..Bounds::default()
        })
        .await;
        for begun in [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-"] {
            assert!(closes(connect(address, begun).await).await);
        }
        let mut idle = connect(address, REQUEST).await;
        assert!(answer(&mut idle).await.ends_with("here"));
        assert!(closes(idle).await);
    }

    #[tokio::test]
    async fn beyond_the_bound_a_connection_waits_for_a_place() {
        let (address, _ended, _serving) = start(Bounds {
            connections: 1,
            ..Bounds::default()
        })
        .await;
        let mut first = connect(address, REQUEST).await;
        assert!(answer(&mut first).await.ends_with("here"));
        let mut second = connect(address, REQUEST).await;
        let mut byte = [0; 1];
        let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await;
        assert!(early.is_err(), "{early:?}");
        drop(first);
        assert!(answer(&mut second).await.ends_with("here"));
    }

    #[tokio::test]
    async fn when_it_ends_idle_connections_close_and_the_door_is_shut() {
        let (address, ended, serving) = start(Bounds::default()).await;
        let mut idle = connect(address, REQUEST).await;
        assert!(answer(&mut idle).await.ends_with("here"));
        let mut other = connect(address, REQUEST).await;
        answer(&mut other).await;
        let fresh = connect(address, b"").await;
        ended.cancel();
        tokio::time::timeout(Duration::from_secs(5), serving)
            .await
            .unwrap()
            .unwrap();
        assert!(closes(idle).await && closes(fresh).await);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
