//! Couriers that may dial loopback, and resolvers that answer as a test says.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use oxherd_server::processors::webhook::{
    Courier, Delivery, MessageId, Resolve, Secret, SystemResolver, WebhookConfig,
};
use rustls::{ClientConfig, RootCertStore};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const NEXT_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

pub(crate) fn secret(text: &str) -> Secret {
    text.parse().unwrap()
}

/// May dial 127.0.0.1 on this port and nothing else.
pub(crate) fn config(receiver: SocketAddr) -> WebhookConfig {
    WebhookConfig {
        queues: vec!["webhooks".to_owned()],
        secrets: vec![secret(SECRET)],
        allow_networks: vec!["127.0.0.1".parse().unwrap()],
        allow_ports: vec![NonZeroU16::new(receiver.port()).unwrap()],
        ..WebhookConfig::default()
    }
}

/// A courier that trusts no certificate authority at all.
pub(crate) fn courier(config: &WebhookConfig) -> Courier {
    Courier::with(config, Arc::new(SystemResolver), trusting(RootCertStore::empty())).unwrap()
}

pub(crate) fn courier_resolving(config: &WebhookConfig, resolver: Arc<dyn Resolve>) -> Courier {
    Courier::with(config, resolver, trusting(RootCertStore::empty())).unwrap()
}

pub(crate) fn trusting(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(crate) fn id() -> MessageId {
    MessageId::of_job("webhooks", "1", 1_760_000_000_000)
}

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_760_000_000)
}

pub(crate) fn to(address: SocketAddr) -> String {
    format!(r#"{{"url":"http://{address}/hook?key=7","body":{{"type":"chapter.published"}}}}"#)
}

pub(crate) async fn deliver(courier: &Courier, payload: &str) -> Delivery {
    courier.deliver(&id(), payload.as_bytes(), now()).await
}

/// Answers every look-up with the next of its answers; the last one repeats.
#[derive(Debug)]
pub(crate) struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    pub(crate) fn answering(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: Mutex::default(),
        })
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolve for Scripted {
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.lock().unwrap().push(host);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        std::future::ready(Ok(answer.unwrap())).boxed()
    }
}
