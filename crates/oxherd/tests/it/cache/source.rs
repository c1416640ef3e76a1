//! Where values come from: a database of one row, slow or broken on demand, that counts who asks.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use oxherd::cache::{CacheKey, Namespace, Tag};
use oxherd_testkit::eventually;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::scene::PATIENCE;

pub(crate) type Load<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Shared by all processes of a test.
#[derive(Clone)]
pub(crate) struct Source(Arc<Inner>);

struct Inner {
    row: Mutex<String>,
    loads: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
    is_broken: AtomicBool,
    is_held: watch::Sender<bool>,
}

impl Source {
    pub(crate) fn of(row: &str) -> Self {
        Self(Arc::new(Inner {
            row: Mutex::new(row.to_owned()),
            loads: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
            is_broken: AtomicBool::new(false),
            is_held: watch::Sender::new(false),
        }))
    }

    pub(crate) fn write(&self, row: &str) {
        *self.0.row.lock() = row.to_owned();
    }

    /// From now on loads fail.
    pub(crate) fn breaks(&self) {
        self.0.is_broken.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_mended(&self) {
        self.0.is_broken.store(false, Ordering::SeqCst);
    }

    /// From now on loads read the row, and do not come back before [`Self::release`].
    pub(crate) fn hold(&self) {
        self.0.is_held.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.0.is_held.send_replace(false);
    }

    /// How many loads began.
    pub(crate) fn loads(&self) -> usize {
        self.0.loads.load(Ordering::SeqCst)
    }

    /// How many loads ran at once, at most.
    pub(crate) fn most_running(&self) -> usize {
        self.0.most_running.load(Ordering::SeqCst)
    }

    pub(crate) async fn until_loads(&self, loads: usize) {
        eventually(&format!("load {loads} begins"), PATIENCE, async || {
            self.loads() >= loads
        })
        .await;
    }

    pub(crate) async fn load(self) -> io::Result<String> {
        let inner = &self.0;
        let running = inner.running.fetch_add(1, Ordering::SeqCst) + 1;
        inner.most_running.fetch_max(running, Ordering::SeqCst);
        let row = inner.row.lock().clone();
        inner.loads.fetch_add(1, Ordering::SeqCst);
        let mut is_held = inner.is_held.subscribe();
        is_held
            .wait_for(|is_held| !is_held)
            .await
            .map_err(io::Error::other)?;
        inner.running.fetch_sub(1, Ordering::SeqCst);
        if inner.is_broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the database is down"));
        }
        Ok(row)
    }

    /// For `get_or_load`.
    pub(crate) fn loader(&self) -> impl FnOnce() -> Load<String> + Send + 'static {
        let source = self.clone();
        move || Box::pin(source.load())
    }
}

/// Reads through; fails the test when that fails.
pub(crate) async fn read<K: CacheKey + Sync + ?Sized>(
    values: &Namespace<K, String>,
    key: &K,
    source: &Source,
) -> String {
    values
        .get_or_load(key, source.loader())
        .await
        .unwrap()
        .to_string()
}

/// As [`read`]; afterwards this process has it. A server tells a process what its own scripts write too (NOLOOP does not hold for
/// scripts), so it takes a read after the load until the value stays.
pub(crate) async fn read_here<K: CacheKey + Sync + ?Sized>(
    values: &Namespace<K, String>,
    key: &K,
    source: &Source,
) -> String {
    let value = read(values, key, source).await;
    assert_eq!(peek_strict(values, key).await.as_ref(), Some(&value));
    value
}

/// As [`read`], with a tag.
pub(crate) async fn read_tagged<K: CacheKey + Sync + ?Sized>(
    values: &Namespace<K, String>,
    key: &K,
    source: &Source,
    tag: &Tag,
) -> String {
    let value = values.get_or_load(key, source.loader()).tag(tag.clone()).await;
    value.unwrap().to_string()
}

/// Reads in a task of its own.
pub(crate) fn reader<K: CacheKey + Clone + Send + Sync + 'static>(
    values: &Namespace<K, String>,
    key: &K,
    source: &Source,
) -> tokio::task::JoinHandle<oxherd::Result<Arc<String>>> {
    let (values, key, loader) = (values.clone(), key.clone(), source.loader());
    tokio::spawn(async move { values.get_or_load(&key, loader).await })
}

/// What the cache has, as text.
pub(crate) async fn peek<K: CacheKey + Sync + ?Sized>(
    values: &Namespace<K, String>,
    key: &K,
) -> Option<String> {
    values.get(key).await.unwrap().map(|value| value.to_string())
}

/// What the store has.
pub(crate) async fn peek_strict<K: CacheKey + Sync + ?Sized>(
    values: &Namespace<K, String>,
    key: &K,
) -> Option<String> {
    values
        .get(key)
        .strict()
        .await
        .unwrap()
        .map(|value| value.to_string())
}
