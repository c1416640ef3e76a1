//! Reading what is there.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

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

/// A read; `.await` it.
#[derive(Debug)]
#[must_use = "nothing is read until it is awaited"]
pub struct Get<'a, V> {
    site: &'a Site,
    tenant: &'a Arc<str>,
    key: KeyWriter,
    wishes: Wishes,
    kind: std::marker::PhantomData<fn() -> V>,
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
            key: KeyWriter::of_tenant(&self.tenant),
            wishes: Wishes::default(),
            kind: std::marker::PhantomData,
        };
        get.key.write_whole(key);
        get
    }
}

impl<'a, V: Send + Sync + 'static> Get<'a, V> {
    /// Asks the store, also when this process has an answer.
    pub fn strict(mut self) -> Self {
        self.wishes.is_strict = true;
        self
    }

    /// Takes nothing below this version for an answer.
    pub fn min_version(mut self, version: u64) -> Self {
        self.wishes.min_version = version;
        self
    }

    /// Names a tag that the entry is expected to have, which spares the first read of it a second question.
    pub fn tag(mut self, tag: Tag) -> Self {
        self.wishes.tags.push(tag);
        self
    }

    /// As [`Self::tag`], several.
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.wishes.tags.extend(tags);
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
        let answer = answer.filter(|answer| answer.held.meta().version >= call.min_version);
        Ok(match answer {
            None => Lookup::Miss,
            Some(answer) => match answer.held.value::<V>() {
                Some(value) => Lookup::Hit(value),
                None => Lookup::Absent,
            },
        })
    }
}

impl<'a, V: Send + Sync + 'static> IntoFuture for Get<'a, V> {
    type Output = Result<Option<Arc<V>>>;
    type IntoFuture = Answer<'a, Option<Arc<V>>>;

    #[inline]
    fn into_future(self) -> Self::IntoFuture {
        if let Ok(held) = self.site.quick(self.key.as_bytes(), &self.wishes) {
            return Answer::ready(held.value::<V>());
        }
        Answer::later(async move {
            Ok(match self.lookup().await? {
                Lookup::Hit(value) => Some(value),
                Lookup::Absent | Lookup::Miss => None,
            })
        })
    }
}

impl Site {
    /// The answer of this process, when it is fresh and needs nothing; else whether it was drawn to be refreshed ahead of time.
    #[inline]
    pub(crate) fn quick(&self, key: &[u8], wishes: &Wishes) -> Result<Arc<Held>, bool> {
        let recorder = &self.space.recorder;
        // Only one hit in many is timed: looking at the time costs as much as the rest.
        let began = recorder.sample().then(std::time::Instant::now);
        let held = match self.here_above(key, wishes.min_version, wishes.is_strict, false) {
            Here::Answer(held) => held,
            Here::Refresh(_, standing) => return Err(standing == Standing::Ahead),
            Here::Nothing(_) => return Err(false),
        };
        recorder.local_hit();
        if let Some(began) = began {
            recorder.local_hit_in_detail(printed(key), held.bytes() as usize, began.elapsed());
        }
        if held.is_absent() {
            recorder.hit_was_absent();
        }
        Ok(held)
    }
}

/// The future of a call whose result is a `T`: what this process has needs no waiting, and no allocation.
pub struct Answer<'a, T>(Inner<'a, T>);

enum Inner<'a, T> {
    Ready(Option<T>),
    Later(Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>),
}

impl<'a, T> Answer<'a, T> {
    #[inline]
    pub(crate) fn ready(answer: T) -> Self {
        Self(Inner::Ready(Some(answer)))
    }

    pub(crate) fn later(answer: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Self(Inner::Later(Box::pin(answer)))
    }
}

impl<T: Unpin> Future for Answer<'_, T> {
    type Output = Result<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match &mut self.get_mut().0 {
            // It becomes a result only here: moving one, with room for an error, takes a hit longer than its look-up.
            Inner::Ready(answer) => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer)),
                None => Poll::Pending,
            },
            Inner::Later(later) => later.as_mut().poll(context),
        }
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
