//! Reading what is there.
//!
//! A read is a future that does nothing before it is polled: one that was made before a write and is awaited after it sees the write.
//! What this process has is answered by the first poll, without an allocation; options and what takes longer are on the heap. But for one read
//! in thousands, which lets the runtime's other tasks come to their turn first ([`makes_room`]).
//! Next: `load.rs` (with a loader), `answer.rs` (how a read is answered).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::coop;

use super::answer::{Answered, Here};
use super::key::{CacheKey, KeyWriter, Tag, printed};
use super::local::Held;
use super::namespace::Namespace;
use super::space::{Site, Wishes};
use super::standing::Standing;
use crate::error::Result;

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<V> {
    /// A value.
    Hit(Arc<V>),
    /// The knowledge that there is none.
    Absent,
    /// Nothing.
    Miss,
}

/// A read; set options, then `.await` it.
#[must_use = "nothing is read until it is awaited"]
pub struct Get<'a, V> {
    site: &'a Site,
    tenant: &'a Arc<str>,
    key: KeyWriter,
    wishes: Wishes,
    /// What this process could not answer at once.
    later: Option<Later<'a, Option<Arc<V>>>>,
}

impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> Namespace<K, V> {
    /// Reads a value: from this process, else from the store. What is past its TTL or was invalidated is not there. A store that
    /// does not answer is a miss, and counted.
    ///
    /// # Errors
    /// [`crate::Error::CacheKey`].
    #[inline]
    pub fn get(&self, key: &K) -> Get<'_, V> {
        let mut get = Get {
            site: &self.site,
            tenant: &self.tenant,
            key: KeyWriter::default(),
            wishes: Wishes::default(),
            later: None,
        };
        get.key.write_whole(&self.tenant, key);
        get
    }
}

impl<'a, V: Send + Sync + 'static> Get<'a, V> {
    /// Asks the store, also when this process has an answer. In a namespace of this process alone ([`super::Tiers::Local`]) there is
    /// nobody to ask who knows better, and it changes nothing.
    pub fn strict(mut self) -> Self {
        self.wishes.wish().is_strict = true;
        self
    }

    /// Takes nothing below this version for an answer.
    pub fn min_version(mut self, version: u64) -> Self {
        self.wishes.wish().min_version = version;
        self
    }

    /// Names a tag that the entry is expected to have, which spares the first read of it a second question.
    pub fn tag(mut self, tag: Tag) -> Self {
        self.wishes.wish().tags.push(tag);
        self
    }

    /// As [`Self::tag`], several.
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.wishes.wish().tags.extend(tags);
        self
    }

    /// Tells apart what is known to be absent from what is not known.
    ///
    /// # Errors
    /// [`crate::Error::CacheKey`].
    pub async fn lookup(self) -> Result<Lookup<V>> {
        let key = self.key.finish()?;
        let call = self.wishes.for_tenant(self.tenant);
        let answer = self.site.find(&key, &call).await;
        Ok(match answer {
            None => Lookup::Miss,
            Some(answer) => match answer.held.value::<V>() {
                Some(value) => Lookup::Hit(value),
                None => Lookup::Absent,
            },
        })
    }
}

impl<V: Send + Sync + 'static> Get<'_, V> {
    /// The answer of this process; `None`: it takes longer.
    #[inline]
    fn at_once(&mut self, is_sampled: bool) -> Option<Option<Arc<V>>> {
        let take = |held: &Arc<Held>| held.value::<V>();
        let quick = self
            .site
            .quick(self.key.as_bytes(), &self.wishes, is_sampled, take);
        if let Ok(value) = quick {
            return Some(value);
        }
        self.begin();
        None
    }

    /// What takes longer.
    #[cold]
    fn begin(&mut self) {
        let site = self.site;
        let call = std::mem::take(&mut self.wishes).for_tenant(self.tenant);
        self.later = Some(match std::mem::take(&mut self.key).finish() {
            Ok(key) => Box::pin(async move {
                let answer = site.find(&key, &call).await;
                Ok(answer.and_then(|answer| answer.held.value::<V>()))
            }),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        });
    }

    fn poll_later(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Arc<V>>>> {
        match &mut self.later {
            Some(later) => later.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl<V: Send + Sync + 'static> Future for Get<'_, V> {
    type Output = Result<Option<Arc<V>>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let get = self.get_mut();
        if get.later.is_some() {
            return get.poll_later(context);
        }
        let is_sampled = get.site.space.recorder.sample();
        if is_sampled && makes_room(context).is_pending() {
            return Poll::Pending;
        }
        // It becomes a result only here: moving one, with room for an error, takes a hit longer than its look-up.
        match get.at_once(is_sampled) {
            Some(value) => Poll::Ready(Ok(value)),
            None => get.poll_later(context),
        }
    }
}

impl<V> std::fmt::Debug for Get<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Get")
            .field("key", &printed(self.key.as_bytes()))
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}

impl Site {
    /// What `take` takes of the answer of this process, when it is fresh and needs nothing; else whether it was drawn to be refreshed ahead
    /// of time.
    #[inline]
    pub(crate) fn quick<T>(
        &self,
        key: &[u8],
        wishes: &Wishes,
        is_sampled: bool,
        take: impl FnOnce(&Arc<Held>) -> T,
    ) -> Result<T, bool> {
        let recorder = &self.space.recorder;
        // Only one hit in many is timed: looking at the time costs as much as the rest.
        let began = is_sampled.then(std::time::Instant::now);
        let take = |held: &Arc<Held>| (take(held), held.bytes(), held.is_absent());
        let here = self.here_above(key, wishes.min_version(), wishes.is_strict(), false, take);
        let (taken, bytes, is_absent) = match here {
            Here::Answer(answer) => answer,
            Here::Refresh(_, standing) => return Err(standing == Standing::Ahead),
            Here::Nothing(_) => return Err(false),
        };
        recorder.local_hit();
        if let Some(began) = began {
            recorder.local_hit_in_detail(printed(key), bytes as usize, began.elapsed());
        }
        if is_absent {
            recorder.hit_was_absent();
        }
        Ok(taken)
    }
}

impl Site {
    /// [`makes_room`], where a hit more or less is not noticed.
    pub(crate) async fn make_room(&self) {
        if self.space.recorder.sample() {
            coop::consume_budget().await;
        }
    }
}

/// Lets the runtime's other tasks come to their turn, among them the one that hears of invalidations: hits never wait for anything, and
/// a task that does nothing else would hold its thread for ever. Asked for one hit in many, of which a turn has as many as of other
/// steps (128 in tokio), that is about every millisecond.
#[cold]
pub(crate) fn makes_room(context: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(context).map(|turn| turn.made_progress())
}

/// The rest of a call whose result is a `T`.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The future of a write, or of a read of several values, whose result is a `T`.
pub struct Answer<'a, T>(Later<'a, T>);

impl<'a, T> Answer<'a, T> {
    pub(crate) fn later(answer: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Self(Box::pin(answer))
    }
}

impl<T> Future for Answer<'_, T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        self.get_mut().0.as_mut().poll(context)
    }
}

impl<T> std::fmt::Debug for Answer<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

/// The value of an answer; `None` if it is known to be absent.
pub(crate) fn value_of<V: Send + Sync + 'static>(answer: &Answered) -> Option<Arc<V>> {
    answer.held.value::<V>()
}
