//! The HTTP client of deliveries: sends one request and reads a bounded answer within a bounded time.
//!
//! Connections are kept and used again, per webhook table, so that tables with different rules share none.
//! HTTP/1.1, no redirects, no proxies (environment variables are not read), no cookies, no decompression. At
//! most 64 KiB of an answer are read; a longer one costs its connection. Next: `dial.rs` (how connections
//! come about).

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use serde::{Serialize, Serializer};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tower::{BoxError, Service};

use super::address::AddressPolicy;
use super::config::WebhookConfig;
use super::dial::{DialError, Dialler, Resolve};
use super::reason::Reason;

/// The most that is read of an answer's body.
pub(super) const READ_AT_MOST: usize = 64 * 1024;
const MOST_ANSWER_HEADERS: usize = 100;
const LONGEST_ANSWER_HEAD: usize = 64 * 1024;
/// Short of the minute after which common load balancers close idle connections themselves.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the receiver answered. Serialises as `{"status", "body", "body_end", "duration_ms"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The beginning of the body, as far as it is kept; what is not UTF-8 is replaced.
    pub body: String,
    /// How the body ended.
    pub body_end: BodyEnd,
    /// From the start of the attempt to the end of the body.
    #[serde(rename = "duration_ms", serialize_with = "as_milliseconds")]
    pub duration: Duration,
}

/// How the body of an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyEnd {
    /// All of it was kept.
    Complete,
    /// It was longer than what is kept.
    Cut,
    /// It had not ended when the time was up.
    TimedOut,
    /// The connection broke before it ended.
    Broken,
}

fn as_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A pool of connections under one set of rules.
#[derive(Debug)]
pub(super) struct Client {
    pool: legacy::Client<Bounded, Full<Bytes>>,
    kept: usize,
}

impl Client {
    pub(super) fn new(
        config: &WebhookConfig,
        policy: AddressPolicy,
        resolver: Arc<dyn Resolve>,
        trust: ClientConfig,
    ) -> Self {
        let connect_timeout = config.connect_timeout.get();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dialler::new(policy, resolver, connect_timeout));
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(config.concurrency.get())
            .http1_max_headers(MOST_ANSWER_HEADERS)
            .http1_max_buf_size(LONGEST_ANSWER_HEAD)
            .build(Bounded {
                connector,
                limit: connect_timeout,
            });
        Self {
            pool,
            kept: config.response_bytes_kept,
        }
    }

    /// Sends a request and reads the answer, all within `limit`. Once there is a status it is returned,
    /// whatever becomes of the body.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<(Answer, Option<HeaderValue>), Reason> {
        let started = Instant::now();
        let deadline = started + limit;
        let mut response = timeout_at(deadline, self.pool.request(request))
            .await
            .map_err(|_| Reason::TimedOut { after: limit })?
            .map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers_mut().remove(RETRY_AFTER);
        let (body, body_end) = self.read(response.into_body(), deadline).await;
        let answer = Answer {
            status,
            body,
            body_end,
            duration: started.elapsed(),
        };
        Ok((answer, retry_after))
    }

    async fn read(&self, mut body: Incoming, deadline: Instant) -> (String, BodyEnd) {
        let mut kept = Vec::new();
        let mut read = 0;
        let end = loop {
            match timeout_at(deadline, body.frame()).await {
                Err(_) => break BodyEnd::TimedOut,
                Ok(None) if read > kept.len() => break BodyEnd::Cut,
                Ok(None) => break BodyEnd::Complete,
                Ok(Some(Err(_))) => break BodyEnd::Broken,
                Ok(Some(Ok(frame))) => {
                    let Some(chunk) = frame.data_ref() else { continue };
                    read += chunk.len();
                    let room = self.kept - kept.len();
                    kept.extend(chunk.iter().take(room));
                    if read > READ_AT_MOST {
                        break BodyEnd::Cut;
                    }
                }
            }
        };
        (readable(&kept, end), end)
    }
}

/// Text of what was kept; a character that the cut went through is left out and not shown as broken.
fn readable(kept: &[u8], end: BodyEnd) -> String {
    let mut text = String::with_capacity(kept.len());
    let mut chunks = kept.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let is_at_cut = chunks.peek().is_none() && end != BodyEnd::Complete;
        if !chunk.invalid().is_empty() && !is_at_cut {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

fn failure(error: &legacy::Error) -> Reason {
    let causes = || std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let dial_error = causes().find_map(|cause| cause.downcast_ref::<DialError>());
    if let Some(DialError::Refused { host, refused }) = dial_error {
        return Reason::Address {
            host: host.clone(),
            refused: refused.clone(),
        };
    }
    // Wrappers often repeat the text of what they wrap.
    let mut message = String::new();
    for cause in causes().map(ToString::to_string) {
        if message.contains(&cause) {
            continue;
        }
        if !message.is_empty() {
            message.push_str(": ");
        }
        message.push_str(&cause);
    }
    if error.is_connect() {
        Reason::NoConnection { message }
    } else {
        Reason::NoAnswer { message }
    }
}

/// A connector whose whole work, TLS handshake included, has a time limit. The attempt's own limit does not
/// suffice: the pool may carry on connecting after the attempt that asked for it has ended.
#[derive(Clone, Debug)]
struct Bounded {
    connector: HttpsConnector<Dialler>,
    limit: Duration,
}

impl Service<Uri> for Bounded {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.limit;
        let connecting = timeout(limit, self.connector.call(uri));
        async move {
            connecting
                .await
                .unwrap_or_else(|_| Err(DialError::TimedOut(limit).into()))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_in_half_is_left_out_and_a_broken_one_replaced() {
        assert_eq!(readable("größe".as_bytes(), BodyEnd::Complete), "größe");
        assert_eq!(readable(b"gr\xc3", BodyEnd::Cut), "gr");
        assert_eq!(readable(b"gr\xc3", BodyEnd::Complete), "gr\u{fffd}");
        assert_eq!(readable(b"a\xffb", BodyEnd::Cut), "a\u{fffd}b");
    }

    #[test]
    fn an_answer_serialises_with_its_duration_in_milliseconds() {
        let duration = Duration::from_micros(12_900);
        let answer = Answer {
            status: 204,
            body: String::new(),
            body_end: BodyEnd::Complete,
            duration,
        };
        let json = serde_json::to_string(&answer).unwrap();
        assert_eq!(
            json,
            r#"{"status":204,"body":"","body_end":"complete","duration_ms":12}"#
        );
    }
}
