//! The library as programs use it: a namespace of values in this process, asked by its key with every check of such a
//! read, counted in its figures. The key is built for each call, as it is in programs.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use oxherd::Oxherd;
use oxherd::cache::{Freshness, Namespace, Tiers};
use tokio::runtime::Runtime;

use super::{Peer, TTL, Value};
use crate::Outcome;

pub(super) struct Ours {
    namespace: Namespace<str, Value>,
    runtime: Runtime,
}

impl Ours {
    pub(super) fn new(capacity: usize) -> Outcome<Self> {
        // Room is counted in bytes; all entries weigh the same.
        let scale = Self::with_room(1 << 20)?;
        scale.put(&crate::trace::text(0), Arc::new(Value::new(0)));
        Self::with_room(scale.namespace.stats().local.bytes * capacity as u64)
    }

    fn with_room(bytes: u64) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let oxherd = runtime.block_on(Oxherd::connect("memory:"))?;
        let cache = oxherd.cache_builder().local_bytes(bytes).open()?;
        let namespace = cache
            .namespace("products")
            .tiers(Tiers::Local)
            .freshness(Freshness::of(TTL).jitter(0.0))
            .open()?;
        Ok(Self { namespace, runtime })
    }
}

impl Peer for Ours {
    fn name(&self) -> &'static str {
        "oxherd"
    }

    fn has_ttl(&self) -> bool {
        true
    }

    fn has_flights(&self) -> bool {
        true
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        at_once(self.namespace.get(key))?.ok()?
    }

    fn get_or_load(&self, key: &str) -> Option<Arc<Value>> {
        let loader = async || Err::<Value, _>("not there");
        at_once(self.namespace.get_or_load(key, loader))?.ok()
    }

    fn put(&self, key: &str, value: Arc<Value>) {
        let value = Value::new(value.number);
        // What could not be put in is missed later, and counts there.
        let _ = self
            .runtime
            .block_on(self.namespace.set(key, value).into_future());
    }
}

/// What is there needs no waiting, hence no runtime; what waits is a miss.
#[inline]
fn at_once<F: IntoFuture>(read: F) -> Option<F::Output> {
    match pin!(read.into_future()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
