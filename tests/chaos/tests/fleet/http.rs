//! Adding jobs over HTTP to a server that may be gone, and a receiver of webhooks that remembers what it got.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The id of a job that the server has accepted (202); nobody knows what became of any other.
pub(crate) async fn add(address: &str, queue: &str, job: &Value) -> Option<String> {
    let body = job.to_string();
    let request = format!(
        "POST /api/v1/queues/{queue}/jobs HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 202").then_some(())?;
    // An answer that was cut off is none.
    let added: Value = serde_json::from_str(body).ok()?;
    Some(added["id"].as_str().unwrap().to_owned())
}

/// Answers 200 and counts deliveries by the number in their body.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    deliveries: Arc<Mutex<BTreeMap<u64, u32>>>,
}

async fn receive(State(receiver): State<Receiver>, body: String) {
    let body: Value = serde_json::from_str(&body).unwrap();
    let number = body["number"].as_u64().unwrap();
    *receiver.deliveries.lock().unwrap().entry(number).or_default() += 1;
}

impl Receiver {
    /// Starts one and tells its port.
    pub(crate) async fn start() -> (Self, u16) {
        let receiver = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let routes = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (receiver, port)
    }

    /// How often each number was delivered.
    pub(crate) fn deliveries(&self) -> BTreeMap<u64, u32> {
        self.deliveries.lock().unwrap().clone()
    }
}
