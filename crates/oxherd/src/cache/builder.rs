//! Opening a cache on a store, and namespaces in it.
//!
//! A cache has one channel to the store, one tier in this process and one breaker, whatever number of namespaces it has.
//! Next: `settings.rs`, `shared.rs`.

use std::any::{Any, TypeId};
use std::marker::PhantomData;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::abandoned::Abandoned;
use super::complaint::Complaint;
use super::flight::Flights;
use super::freshness::{Freshness, out_of_range};
use super::gathering::Gathering;
use super::key::{CacheKey, check_name};
use super::listener::Ear;
use super::local::Local;
use super::namespace::Namespace;
use super::settings::{Level, Settings, Tiers};
use super::shared::Shared;
use super::space::{Form, Site, Space};
use super::stats::{CacheStats, LocalStats, NamespaceStats, Recorder};
use super::value::Packing;
use super::waits::Waits;
use crate::breaker::Breaker;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::store::{CacheKeys, Store, cache_prefix};

/// A cache on a store; cheap to clone. What one process reads belongs in one cache.
#[derive(Clone, Debug)]
pub struct Cache {
    pub(super) shared: Arc<Shared>,
    packing: Packing,
}

/// A cache to be opened.
#[derive(Clone, Debug)]
#[must_use = "a cache is opened by `open`"]
pub struct CacheBuilder {
    store: Store,
    clock: Clock,
    local_bytes: u64,
    deadline: Duration,
    packing: Packing,
    breaker: Option<Breaker>,
    /// By which keys are hashed; drawn if there is none.
    seed: Option<u64>,
}

impl CacheBuilder {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            local_bytes: 64 << 20,
            deadline: Duration::from_millis(500),
            packing: Packing::new(),
            breaker: None,
            seed: None,
        }
    }

    /// What this process keeps depends on nothing that is drawn: a simulation repeats itself.
    #[cfg(test)]
    pub(crate) fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many bytes this process keeps, over all namespaces (64 MiB unless told otherwise): envelopes, keys and overhead.
    pub fn local_bytes(mut self, bytes: u64) -> Self {
        self.local_bytes = bytes;
        self
    }

    /// How long one question to the store may take (10 ms to 60 s; 500 ms unless told otherwise); then the source is asked. One that had
    /// to wait for a connection has 200 ms for its answer all the same, or once more the deadline if that is less.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How values are packed where a namespace says nothing of it.
    pub fn packing(mut self, packing: Packing) -> Self {
        self.packing = packing;
        self
    }

    /// The breaker that decides when the store is left alone. Unless told otherwise it opens when half of at least 5 questions in 10 s had no
    /// answer, or 10 in a row, for half a second at first and two at the most.
    pub fn breaker(mut self, breaker: Breaker) -> Self {
        self.breaker = Some(breaker);
        self
    }

    /// Opens it. Connects when it is first used.
    ///
    /// # Errors
    /// [`Error::CacheOption`].
    pub fn open(self) -> Result<Cache> {
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.deadline) {
            return Err(out_of_range("deadline", "must be from 10 ms to 60 s"));
        }
        Ok(self.open_unchecked())
    }

    /// For settings that are in their ranges.
    pub(crate) fn open_unchecked(self) -> Cache {
        let breaker = self.breaker.unwrap_or_else(|| {
            Breaker::builder("cache store")
                .clock(self.clock.clone())
                .minimum_calls(5)
                .failures_in_a_row(10)
                .open_for(Duration::from_millis(500), 1.5, Duration::from_secs(2))
                .build_unchecked()
        });
        let ear = Arc::new(Ear::default());
        let shared = Arc::new(Shared {
            tracked: self.store.tracked(Arc::<Ear>::clone(&ear)).within(self.deadline),
            prefix: cache_prefix(self.store.prefix()),
            store: self.store,
            clock: self.clock,
            local: Arc::new(Local::new(self.local_bytes, self.seed)),
            breaker,
            abandoned: Abandoned::default(),
            waits: Waits::default(),
            deadline: self.deadline,
            spaces: RwLock::default(),
            numbers: AtomicU32::new(1),
            channel: RwLock::new(None),
            reporting: OnceLock::new(),
        });
        ear.belongs_to(&shared);
        Cache {
            shared,
            packing: self.packing,
        }
    }
}

impl Cache {
    /// A cache to be opened on this store.
    pub fn builder(store: &Store) -> CacheBuilder {
        CacheBuilder::new(store.clone(), Clock::system())
    }

    /// A namespace to be opened: values of type `V` by keys of type `K`.
    pub fn namespace<K, V>(&self, name: &str) -> NamespaceBuilder<K, V>
    where
        K: CacheKey + ?Sized,
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        NamespaceBuilder {
            cache: self.clone(),
            name: name.to_owned(),
            version: 1,
            settings: Settings::new(self.packing.clone()),
            version_of: None,
            versioned_by: None,
            kinds: PhantomData,
        }
    }

    /// What this process counted, by namespace.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.shared.stats()
    }

    /// How many invalidations failed because the store did not answer, and will be repeated as soon as it does. Look at it before a process
    /// ends: they end with it, and what they concern may then be read by others until its TTL ends. One for each key and tag; one for a
    /// whole namespace, if it is cleared.
    #[must_use]
    pub fn pending_invalidations(&self) -> usize {
        let spaces = self.shared.spaces.read();
        spaces.values().map(|space| space.recovery.pending()).sum()
    }

    /// The store it is on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The breaker between it and its store.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.shared.breaker
    }

    /// Whether it hears of changes, so that what it keeps in this process can be trusted.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.shared.is_live()
    }
}

impl Site {
    pub(crate) fn stats(&self) -> NamespaceStats {
        let usage = self.shared.local.usage(self.space.number);
        self.space.recorder.snapshot(LocalStats {
            entries: usage.entries,
            bytes: usage.bytes,
            ..LocalStats::default()
        })
    }
}

/// Finds the version in a value of this type.
type VersionOf<V> = Arc<dyn Fn(&V) -> u64 + Send + Sync>;

/// A namespace to be opened.
#[must_use = "a namespace is opened by `open`"]
pub struct NamespaceBuilder<K: ?Sized, V> {
    cache: Cache,
    name: String,
    version: u32,
    settings: Settings,
    version_of: Option<VersionOf<V>>,
    versioned_by: Option<TypeId>,
    kinds: PhantomData<fn(&K) -> V>,
}

impl<K, V> NamespaceBuilder<K, V>
where
    K: CacheKey + ?Sized,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The version of what values look like (1 unless told otherwise). A program with another version never reads these, and invalidations of
    /// the one mean nothing to the other: while both run, invalidate in both.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// How long values are good.
    pub fn freshness(mut self, freshness: Freshness) -> Self {
        self.settings.freshness = freshness;
        self
    }

    /// Where values are kept: in this process and in the store unless told otherwise.
    pub fn tiers(mut self, tiers: Tiers) -> Self {
        self.settings.tiers = tiers;
        self
    }

    /// What a read after an invalidation may return. Give a name the same level in every process.
    pub fn level(mut self, level: Level) -> Self {
        self.settings.level = level;
        self
    }

    /// How values are packed in the store.
    pub fn packing(mut self, packing: Packing) -> Self {
        self.settings.packing = packing;
        self
    }

    /// Where a value says its version at the source, so that loaders need not. Where the namespace is opened in several places give it a
    /// name: the same function is the same setting, and two closures are two, whatever they say.
    pub fn version_of<F: Fn(&V) -> u64 + Send + Sync + 'static>(mut self, version_of: F) -> Self {
        self.version_of = Some(Arc::new(version_of));
        self.versioned_by = Some(TypeId::of::<F>());
        self
    }

    /// After so long a load, what is stale but usable is served, and the load goes on. Below the hard time-out.
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.settings.loads.soft_timeout = Some(timeout);
        self
    }

    /// After so long a load is given up: 10 s unless told otherwise (1 ms to an hour).
    pub fn hard_timeout(mut self, timeout: Duration) -> Self {
        self.settings.loads.hard_timeout = timeout;
        self
    }

    /// How long others wait for a process that died while it loaded: 3 s unless told otherwise (100 ms to 10 minutes). Longer loads renew
    /// their lease.
    pub fn lease_term(mut self, term: Duration) -> Self {
        self.settings.loads.lease_term = term;
        self
    }

    /// How long to wait for another process's load (15 s unless told otherwise, an hour at the most) before loading as well, without keeping
    /// the value.
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.settings.loads.lock_wait = wait;
        self
    }

    /// How many loads run in this process at once: 256 unless told otherwise (at least 1). What a load loads of the same namespace, within its own
    /// task, counts as a part of it; what it loads of another namespace takes one of that namespace's.
    ///
    /// The wait for a turn is bounded by the hard time-outs of the loads before alone. So loaders of two namespaces that read each other, with
    /// all turns of both taken, wait for each other until then: let namespaces read in one direction only, or allow more loads than there are
    /// calls at once.
    pub fn concurrent_loads(mut self, loads: usize) -> Self {
        self.settings.loads.concurrency = loads;
        self
    }

    /// How long it is remembered below which version a key was invalidated: 10 minutes unless told otherwise (from the hard time-out to 366
    /// days). Longer than a load takes and a replica lags, together. Each removal with a version prolongs it.
    pub fn fence_life(mut self, life: Duration) -> Self {
        self.settings.fence_life = life;
        self
    }

    /// How long this process keeps what it loads while the store is away: 5 s unless told otherwise (at most 366 days). During that time it
    /// does not hear of invalidations. Levels above [`Level::Delete`] keep nothing then.
    pub fn outage_ttl(mut self, ttl: Duration) -> Self {
        self.settings.outage_ttl = ttl;
        self
    }

    /// Compares this share of the hits of reads with a loader (0 to 1; none unless told otherwise) with what the loader says, in the background;
    /// not those of [`Namespace::get_or_load_many`]. The rate of stale ones is in [`Namespace::stats`].
    pub fn verify(mut self, share: f64) -> Self {
        self.settings.verify = share;
        self
    }

    /// Opens it. A name (with its version) is opened once in a cache; asked for again with the same settings and type of values it is the
    /// same.
    ///
    /// # Errors
    /// [`Error::CacheName`], [`Error::CacheOption`] for settings out of their ranges, or other ones than it was opened with; it names them.
    pub fn open(self) -> Result<Namespace<K, V>> {
        check_name("namespace", &self.name)?;
        self.settings.check()?;
        let name = format!("{}@{}", self.name, self.version);
        let shared = self.cache.shared;
        let version_of = self.version_of.map(|version_of| {
            let of_any = move |value: &Arc<dyn Any + Send + Sync>| {
                value.downcast_ref::<V>().map_or(0, |value| version_of(value))
            };
            Arc::new(of_any) as super::space::VersionOf
        });
        let form = Form::of::<V>(version_of, self.versioned_by);
        let mut spaces = shared.spaces.write();
        if let Some(space) = spaces.get(name.as_str()) {
            let mut different = space.settings.differences(&self.settings);
            if space.form.versioned_by != form.versioned_by {
                different.push("version_of");
            }
            if space.form.kind != form.kind {
                different.insert(0, "another type of values");
            }
            if !different.is_empty() {
                return Err(Error::CacheOption {
                    option: "namespace",
                    reason: format!(
                        "{name:?} is open in this process otherwise: {}; open it in one place, or with the same settings",
                        different.join(", ")
                    ),
                });
            }
            let space = Arc::clone(space);
            drop(spaces);
            return Ok(Namespace::at(Site { shared, space }));
        }
        let space = Arc::new(Space {
            number: shared.next_number(),
            keys: CacheKeys::new(shared.store.prefix(), &name),
            name: name.as_str().into(),
            form,
            recorder: Recorder::new(shared.clock.clone()),
            flights: Arc::new(Flights::default()),
            gathering: Gathering::default(),
            loads: Arc::new(Semaphore::new(
                self.settings.loads.concurrency.min(Semaphore::MAX_PERMITS),
            )),
            hints: Space::hints(),
            foreign_entries: Complaint::new(shared.clock.clone()),
            refused_values: Complaint::new(shared.clock.clone()),
            large_values: Complaint::new(shared.clock.clone()),
            lapsed_leases: Complaint::new(shared.clock.clone()),
            watched: tokio::sync::OnceCell::new(),
            recovery: super::recovery::Recovery::default(),
            resting: Space::resting(),
            settings: self.settings,
        });
        spaces.insert(name.into(), Arc::clone(&space));
        drop(spaces);
        shared.report();
        Ok(Namespace::at(Site { shared, space }))
    }
}

impl<K: ?Sized, V> std::fmt::Debug for NamespaceBuilder<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamespaceBuilder")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
