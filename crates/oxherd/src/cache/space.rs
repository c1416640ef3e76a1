//! One namespace of one process: its settings, what it counts, and how its values become bytes.
//!
//! Values travel as [`AnyValue`] from here down, so that reading and loading exist once and not for each type.
//! Next: `reading.rs`, `loading.rs`, `answer.rs`.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use tokio::sync::Semaphore;

use super::complaint::Complaint;
use super::flight::Flights;
use super::gathering::Gathering;
use super::key::{KeyText, Tag};
use super::local::NamespaceNumber;
use super::settings::Settings;
use super::shared::Shared;
use super::stats::Recorder;
use super::value::{Envelope, Foreign, Header, Packing, Place, Tags};
use crate::error::Result;
use crate::store::CacheKeys;

/// A value of whichever type its namespace has.
pub(crate) type AnyValue = Arc<dyn Any + Send + Sync>;

/// Of how many keys it is remembered what they depend on, and when they were touched.
const HINTS: usize = 16_384;

/// A namespace of this process.
pub(crate) struct Space {
    pub(crate) number: NamespaceNumber,
    /// With its version, as it is in names.
    pub(crate) name: Box<str>,
    pub(crate) keys: CacheKeys,
    pub(crate) settings: Settings,
    pub(crate) form: Form,
    pub(crate) recorder: Recorder,
    pub(crate) flights: Arc<Flights>,
    pub(crate) gathering: Gathering,
    pub(crate) loads: Arc<Semaphore>,
    pub(crate) hints: Cache<KeyText, Hint>,
    /// Of entries that cannot be used.
    pub(crate) foreign_entries: Complaint,
    /// Of values that are not cached, for they are too large or cannot be written.
    pub(crate) refused_values: Complaint,
    /// Of values that are cached, and large.
    pub(crate) large_values: Complaint,
    /// Of loads that lost their lease although nothing was invalidated.
    pub(crate) lapsed_leases: Complaint,
    /// Set when this process hears of changes of it, or will as soon as there is a store: whether it answered.
    pub(crate) watched: tokio::sync::OnceCell<bool>,
    /// What the store could not be told.
    pub(crate) recovery: super::recovery::Recovery,
    /// Until which tick of the clock a source that failed is left alone, by key.
    pub(crate) resting: Cache<KeyText, u64>,
}

/// What is remembered of a key of the store.
#[derive(Clone, Debug)]
pub(crate) struct Hint {
    /// Tags that its entry had: they are asked for together with it.
    pub(crate) tags: Tags,
    /// When its life was last prolonged, by the clock's ticks.
    pub(crate) touched: u64,
}

type Decode = fn(&Envelope, &Packing, Place<'_>) -> Result<Option<AnyValue>, Foreign>;
type Encode = fn(&Header, Option<&AnyValue>, &Packing, Place<'_>) -> Result<Vec<u8>>;

/// How a value becomes bytes, and the version of it.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) kind: TypeId,
    pub(crate) decode: Decode,
    pub(crate) encode: Encode,
    pub(crate) version_of: Option<VersionOf>,
    /// Which function of the program that is.
    pub(crate) versioned_by: Option<TypeId>,
}

/// Finds the version in a value.
pub(crate) type VersionOf = Arc<dyn Fn(&AnyValue) -> u64 + Send + Sync>;

impl Form {
    pub(crate) fn of<V: Serialize + DeserializeOwned + Send + Sync + 'static>(
        version_of: Option<VersionOf>,
        versioned_by: Option<TypeId>,
    ) -> Self {
        Self {
            kind: TypeId::of::<V>(),
            decode: |envelope, packing, place| {
                // Counters are read also where everything else is sealed: the store itself adds to them.
                if TypeId::of::<V>() == TypeId::of::<i64>()
                    && let Some(count) = envelope.counter()?
                {
                    return Ok(Some(Arc::new(count) as AnyValue));
                }
                let value: Option<V> = envelope.decode(packing, place)?;
                Ok(value.map(|value| Arc::new(value) as AnyValue))
            },
            encode: |header, value, packing, place| {
                let value = value.and_then(|value| value.downcast_ref::<V>());
                // Counters, however they come about, can be added to by the store.
                match value.and_then(|value| (value as &dyn Any).downcast_ref::<i64>()) {
                    Some(count) => Envelope::encode_counter(header, *count, place),
                    None => Envelope::encode_value(header, value, packing, place),
                }
            },
            version_of,
            versioned_by,
        }
    }
}

/// A namespace and the cache it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) shared: Arc<Shared>,
    pub(crate) space: Arc<Space>,
}

/// What one call wants besides a key.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) tenant: Arc<str>,
    pub(crate) tags: SmallVec<[Tag; 2]>,
    pub(crate) min_version: u64,
    /// Whether only the store may answer.
    pub(crate) is_strict: bool,
    pub(crate) ttl: Option<std::time::Duration>,
    /// Whether it was drawn already that what this process has is refreshed ahead of its end.
    pub(crate) is_ahead: bool,
    /// Whether it is part of a load of the same namespace, which has the right to load already.
    pub(crate) is_within_load: bool,
    /// Where its loader meets others.
    pub(crate) batch: Option<Arc<super::batch::Place>>,
}

/// What a caller wishes of one call. Most wish nothing, and a call that is small is made and moved for less.
#[derive(Debug, Default)]
pub(crate) struct Wishes(Option<Box<Wish>>);

/// The same as [`Call`] before anybody needs a handle of the tenant: threads that share one wait for each other's counting.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) tags: SmallVec<[Tag; 2]>,
    pub(crate) min_version: u64,
    pub(crate) is_strict: bool,
    pub(crate) ttl: Option<std::time::Duration>,
}

impl Call {
    pub(crate) fn of(tenant: &Arc<str>) -> Self {
        Wishes::default().for_tenant(tenant)
    }
}

impl Wishes {
    #[inline]
    pub(crate) fn min_version(&self) -> u64 {
        self.0.as_ref().map_or(0, |wish| wish.min_version)
    }

    #[inline]
    pub(crate) fn is_strict(&self) -> bool {
        self.0.as_ref().is_some_and(|wish| wish.is_strict)
    }

    #[inline]
    pub(crate) fn ttl(&self) -> Option<std::time::Duration> {
        self.0.as_ref().and_then(|wish| wish.ttl)
    }

    /// To be changed.
    pub(crate) fn wish(&mut self) -> &mut Wish {
        self.0.get_or_insert_default()
    }

    pub(crate) fn for_tenant(self, tenant: &Arc<str>) -> Call {
        let Wish {
            tags,
            min_version,
            is_strict,
            ttl,
        } = self.0.map_or_else(Wish::default, |wish| *wish);
        Call {
            tenant: Arc::clone(tenant),
            tags,
            min_version,
            is_strict,
            ttl,
            is_ahead: false,
            is_within_load: false,
            batch: None,
        }
    }
}

impl Space {
    pub(crate) fn place<'a>(&'a self, key: &'a KeyText) -> Place<'a> {
        let (tenant, key) = key.parts();
        Place {
            tenant,
            namespace: &self.name,
            key,
        }
    }

    /// An entry is not ours, or not what it should be: a miss, counted, and reported as [`Complaint`] says.
    pub(crate) fn found(&self, foreign: Foreign, key: &KeyText) {
        match foreign {
            Foreign::NotOurs | Foreign::Format(_) | Foreign::Unsealed | Foreign::UnknownKey(_) => {
                self.recorder.found_foreign();
            }
            _ => self.recorder.found_garbage(),
        }
        if self.foreign_entries.is_due() {
            tracing::warn!(
                namespace = &*self.name,
                %key,
                reason = %foreign,
                "an entry of the cache cannot be used and counts as a miss; further ones are counted only"
            );
        }
    }

    /// The store took an entry.
    pub(crate) fn wrote(&self, key: &KeyText, bytes: usize) {
        self.recorder.fill_taken(key.as_str(), bytes);
        if self.settings.packing.is_big(bytes) && self.large_values.is_due() {
            tracing::warn!(
                namespace = &*self.name,
                %key,
                bytes,
                "a large entry makes the store and its network slow for everybody; cache less of it, or raise `big_value`; further ones are in the figures only"
            );
        }
    }

    /// A load was not kept although nobody invalidated anything.
    pub(crate) fn lapsed(&self, key: &KeyText) {
        if self.lapsed_leases.is_due() {
            tracing::warn!(
                namespace = &*self.name,
                %key,
                "a loaded value is not cached, for its lease could not be renewed in time; does the loader block the \
                 threads of its runtime? Then let it do so in `spawn_blocking`; further ones are in the figures only"
            );
        }
    }

    /// `TENANT:TAG:` of everything an entry with these tags depends on, the namespace aside.
    pub(crate) fn stamps<'a>(
        tenant: &'a str,
        tags: impl IntoIterator<Item = &'a str> + 'a,
    ) -> impl Iterator<Item = Vec<u8>> + 'a {
        let own = (!tenant.is_empty()).then_some("");
        own.into_iter()
            .chain(tags)
            .map(move |tag| [tenant.as_bytes(), b":", tag.as_bytes(), b":"].concat())
    }

    pub(crate) fn resting() -> Cache<KeyText, u64> {
        Cache::new(HINTS)
    }

    pub(crate) fn hints() -> Cache<KeyText, Hint> {
        Cache::new(HINTS)
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
