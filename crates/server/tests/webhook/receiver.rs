//! A receiver that answers byte for byte as it is told, so that it can also misbehave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// What a receiver does once it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Sends these bytes and waits for the next request.
    Bytes(Vec<u8>),
    /// Sends these bytes and then nothing until the sender hangs up.
    ThenSilence(Vec<u8>),
    /// Sends these bytes and then `x` until the sender hangs up.
    ThenForever(Vec<u8>),
    /// Sends these bytes and hangs up.
    ThenClose(Vec<u8>),
}

/// A request as it came over the wire.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: mpsc::UnboundedReceiver<Seen>,
    hang_ups: mpsc::UnboundedReceiver<usize>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (seen, requests) = mpsc::unbounded_channel();
        let (hung_up, hang_ups) = mpsc::unbounded_channel();
        let counted = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let (reply, seen, hung_up) = (reply.clone(), seen.clone(), hung_up.clone());
                tokio::spawn(async move {
                    let extra_bytes = serve(stream, reply, seen).await;
                    let _ = hung_up.send(extra_bytes);
                });
            }
        });
        Self {
            address,
            connections,
            requests,
            hang_ups,
            accepting,
        }
    }

    /// A receiver that answers with this status, these header lines and this body.
    pub(crate) async fn answering(status: u16, headers: &[&str], body: &str) -> Self {
        Self::start(Reply::Bytes(response(status, headers, body))).await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) async fn request(&mut self) -> Seen {
        timeout(PATIENCE, self.requests.recv())
            .await
            .expect("a request in time")
            .unwrap()
    }

    pub(crate) fn has_no_request(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }

    /// Waits until the sender has hung up a connection, and returns how many bytes beyond the reply it had
    /// taken.
    pub(crate) async fn hang_up(&mut self) -> usize {
        timeout(PATIENCE, self.hang_ups.recv())
            .await
            .expect("the sender to hang up in time")
            .unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub(crate) fn response(status: u16, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Answer\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    if status != 204 {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str(&format!("\r\n{body}"));
    text.into_bytes()
}

async fn serve(mut stream: TcpStream, reply: Reply, seen: mpsc::UnboundedSender<Seen>) -> usize {
    let mut unread = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut unread).await {
        let _ = seen.send(request);
        let (bytes, then) = match &reply {
            Reply::Bytes(bytes) => (bytes, None),
            Reply::ThenSilence(bytes) | Reply::ThenForever(bytes) | Reply::ThenClose(bytes) => {
                (bytes, Some(&reply))
            }
        };
        if stream.write_all(bytes).await.is_err() {
            return 0;
        }
        match then {
            None => {}
            Some(Reply::ThenForever(_)) => return write_until_hang_up(&mut stream).await,
            Some(Reply::ThenClose(_)) => return 0,
            Some(_) => {
                let mut byte = [0];
                let _ = stream.read(&mut byte).await;
                return 0;
            }
        }
    }
    0
}

async fn write_until_hang_up(stream: &mut TcpStream) -> usize {
    let mut written = 0;
    loop {
        match stream.write(&[b'x'; 16 * 1024]).await {
            Ok(bytes) if bytes > 0 => written += bytes,
            _ => return written,
        }
    }
}

async fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(position) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break position + 4;
        }
        read_more(stream, unread).await?;
    };
    let head: Vec<u8> = unread.drain(..head_end).collect();
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let length: usize = headers
        .get("content-length")
        .map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    while unread.len() < length {
        read_more(stream, unread).await?;
    }
    let body = unread.drain(..length).collect();
    Some(Seen { line, headers, body })
}

async fn read_more(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<()> {
    let bytes = stream.read_buf(unread).await.ok()?;
    (bytes > 0).then_some(())
}
