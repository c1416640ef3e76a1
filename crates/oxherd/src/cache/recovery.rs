//! Invalidations that the store could not be told of: remembered, not read past, and told as soon as it answers.
//!
//! The call that failed returns its error; other processes read what was there until the store is told. This process does
//! not: until then it neither reads what is concerned from the store nor keeps it. There is one notice for each key or tag, the last
//! one counts, and at most 10,000 for each namespace: with more the whole namespace is in doubt, and cleared when the store is back. A notice stands
//! until the store was told, for nobody here knows how long others let their entries live. A caller that goes away before the store's answer counts
//! as one that got none.
//! Notices live in this process: with it they end, which is said in the log.
//! Next: `write.rs`, `invalidate.rs` (who tells), `reading.rs`, `loading.rs` (who asks for doubts).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::key::KeyText;
use super::shared::{Shared, Trouble};
use super::space::{Site, Space};
use crate::error::Error;

/// How many notices a namespace may have.
const MOST: usize = 10_000;
/// How many keys are told at once.
const KEYS_AT_ONCE: usize = 64;
/// How many tags are told in one call.
const TAGS_AT_ONCE: usize = 100;
/// How long to wait before the store is told again what it did not hear, or refused; it is told at once when the channel is back.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_SILENCE: Duration = Duration::from_secs(1);
const LONGEST_REFUSAL: Duration = Duration::from_secs(30);

/// What is told to the store.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// A key, with the version of the write; 0 is none.
    Key(KeyText, u64),
    /// `TENANT:TAG:` of each.
    Tags(Vec<Vec<u8>>),
    /// The whole namespace.
    Everything,
}

/// What the store was not told, of one namespace.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// How many notices there are, for those who find none.
    count: AtomicUsize,
    /// How often something was told after all.
    told: AtomicU64,
    notices: Mutex<Notices>,
    returned: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Notices {
    keys: HashMap<KeyText, KeyNotice>,
    tags: HashMap<Vec<u8>, Serial>,
    everything: Option<Serial>,
    /// Grows with each notice.
    serial: Serial,
    is_replaying: bool,
}

/// Which of the notices of a key or tag it is: one that comes while its predecessor is told is not taken for told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Serial(u64);

#[derive(Clone, Copy, Debug)]
struct KeyNotice {
    serial: Serial,
    /// The highest version that was told, 0 if none.
    version: u64,
    /// Whether it was also told without a version.
    is_plain: bool,
}

impl Notices {
    fn len(&self) -> usize {
        self.keys.len() + self.tags.len() + usize::from(self.everything.is_some())
    }

    fn add(&mut self, notice: Notice) {
        self.serial.0 += 1;
        let serial = self.serial;
        if let Some(everything) = &mut self.everything {
            *everything = serial;
            return;
        }
        match notice {
            Notice::Key(key, version) => {
                let notice = self.keys.entry(key).or_insert(KeyNotice {
                    serial,
                    version,
                    is_plain: false,
                });
                notice.serial = serial;
                notice.version = notice.version.max(version);
                notice.is_plain |= version == 0;
            }
            Notice::Tags(tags) => self.tags.extend(tags.into_iter().map(|tag| (tag, serial))),
            Notice::Everything => self.doubt_everything(serial),
        }
        if self.keys.len() + self.tags.len() > MOST {
            self.doubt_everything(serial);
        }
    }

    /// Clearing the namespace says all the others. Fences are not raised by it: their calls have failed.
    fn doubt_everything(&mut self, serial: Serial) {
        self.keys = HashMap::new();
        self.tags = HashMap::new();
        self.everything = Some(serial);
    }
}

/// What the store had been told by replays when a read began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubts {
    told: u64,
}

impl Recovery {
    /// To be taken before the store is asked. Also when nothing is in doubt: a doubt may come and go while it answers.
    #[inline]
    pub(crate) fn doubts(&self) -> Doubts {
        Doubts {
            told: self.told.load(Ordering::Acquire),
        }
    }

    /// Whether something that was in doubt since then is not any more: the store's answer may be from before it was told.
    #[inline]
    pub(crate) fn has_told_since(&self, then: Doubts) -> bool {
        then.told != self.told.load(Ordering::Acquire)
    }

    /// How many notices there are.
    pub(crate) fn pending(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// The version that the store could not be told of yet, which whatever is loaded has to reach; 0 if there is none.
    pub(crate) fn fence(&self, key: &KeyText) -> u64 {
        if self.is_empty() {
            return 0;
        }
        self.notices
            .lock()
            .keys
            .get(key)
            .map_or(0, |notice| notice.version)
    }

    /// The store answers again.
    pub(crate) fn store_returned(&self) {
        self.returned.notify_one();
    }

    /// Acquire pairs with the release of [`Self::change`]: who was told of a failure sees its notice.
    #[inline]
    fn is_empty(&self) -> bool {
        self.pending() == 0
    }

    /// First the count, then the doubt is gone: who finds none sees the count.
    fn settle(&self, change: impl FnOnce(&mut Notices)) {
        self.told.fetch_add(1, Ordering::AcqRel);
        self.change(change);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Notices) -> T) -> T {
        let mut notices = self.notices.lock();
        let result = change(&mut notices);
        self.count.store(notices.len(), Ordering::Release);
        result
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        let pending = self.notices.get_mut().len();
        if pending > 0 {
            tracing::warn!(
                pending,
                "a cache ends before its store could be told of invalidations; what they concern may be read until its TTL ends"
            );
        }
    }
}

/// An invalidation under way. When it is dropped this process has let go of what it concerns; unless it was [told](Self::told), the store
/// will be told later.
#[must_use = "it ends when it is dropped"]
pub(crate) struct Telling<'a> {
    site: &'a Site,
    notice: Option<Notice>,
    is_told: bool,
}

impl Telling<'_> {
    /// The store has answered.
    pub(crate) fn told(mut self) {
        self.is_told = true;
    }

    /// The store has answered, and what this process holds is as good.
    pub(crate) fn replaced(mut self) {
        self.notice = None;
    }

    /// Nothing was written, and nothing is to go.
    pub(crate) fn withdrawn(mut self) {
        self.notice = None;
    }

    /// The error of a call that the store did not hear, or refused.
    pub(crate) fn failed(self, trouble: Trouble, operation: &str) -> Error {
        const LATER: &str = "this process repeats it, and does not read past it, until the store answers";
        let site = self.site;
        site.troubled(&trouble);
        drop(self);
        let mut error = trouble.into_error(operation);
        if let Error::StoreUnavailable { operation, .. } | Error::Store { operation, .. } = &mut error {
            *operation = format!("{operation}, namespace {:?} ({LATER})", site.space.name);
        }
        error
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        let Some(notice) = self.notice.take() else { return };
        let site = self.site;
        if !self.is_told {
            // First the doubt: whoever reads after this process let go must know of it.
            site.doubt(notice.clone());
        }
        site.let_go(&notice);
    }
}

/// The one who replays. When it ends early, with its runtime, somebody else may.
struct Replaying {
    space: Weak<Space>,
    is_done: bool,
}

impl Drop for Replaying {
    fn drop(&mut self) {
        if !self.is_done
            && let Some(space) = self.space.upgrade()
        {
            space.recovery.notices.lock().is_replaying = false;
        }
    }
}

impl Site {
    /// To be asked for before the store is told.
    pub(crate) fn telling(&self, notice: Notice) -> Telling<'_> {
        Telling {
            site: self,
            notice: Some(notice),
            is_told: false,
        }
    }

    /// Whether the store may not be believed in this: an invalidation of it was not heard.
    #[inline]
    pub(crate) fn is_doubted<'t>(
        &self,
        key: &KeyText,
        tenant: &str,
        tags: impl IntoIterator<Item = &'t str>,
    ) -> bool {
        if self.space.recovery.is_empty() {
            return false;
        }
        self.is_doubted_now(key, tenant, tags.into_iter())
    }

    fn is_doubted_now<'t>(
        &self,
        key: &KeyText,
        tenant: &str,
        mut tags: impl Iterator<Item = &'t str>,
    ) -> bool {
        let notices = self.space.recovery.notices.lock();
        let has_stamp = |tag: &str| {
            let stamp = [tenant.as_bytes(), b":", tag.as_bytes(), b":"].concat();
            notices.tags.contains_key(&stamp)
        };
        let is_doubted = notices.everything.is_some()
            || notices.keys.contains_key(key)
            || has_stamp("")
            || tags.any(has_stamp);
        drop(notices);
        // Whoever replayed may have ended with its runtime.
        self.replay();
        is_doubted
    }

    fn doubt(&self, notice: Notice) {
        self.space.recovery.change(|notices| notices.add(notice));
        self.replay();
    }

    fn let_go(&self, notice: &Notice) {
        let (local, number) = (&self.shared.local, self.space.number);
        match notice {
            Notice::Key(key, _) => local.changed(number, key.as_bytes()),
            Notice::Tags(tags) => {
                for stamp in tags {
                    let text = std::str::from_utf8(stamp).unwrap_or_default();
                    let (tenant, tag) = text
                        .strip_suffix(':')
                        .and_then(|text| text.split_once(':'))
                        .unwrap_or_default();
                    local.tag_changed(number, tenant, tag);
                }
            }
            Notice::Everything => local.clear(number),
        }
    }

    /// Sees to it that somebody tells the store what it does not know.
    fn replay(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // The next one who asks for doubts does it.
            return;
        };
        let mut notices = self.space.recovery.notices.lock();
        if notices.len() == 0 || std::mem::replace(&mut notices.is_replaying, true) {
            return;
        }
        drop(notices);
        runtime.spawn(replay(
            Arc::downgrade(&self.shared),
            Replaying {
                space: Arc::downgrade(&self.space),
                is_done: false,
            },
            Arc::clone(&self.space.recovery.returned),
        ));
    }

    /// Tells all there is. Whether nothing is left.
    async fn tell_all(&self) -> Result<bool, Trouble> {
        let recovery = &self.space.recovery;
        let (everything, tags, keys) = recovery.change(|notices| {
            let mut tags: Vec<(Vec<u8>, Serial)> = notices
                .tags
                .iter()
                .map(|(tag, serial)| (tag.clone(), *serial))
                .collect();
            let mut keys: Vec<(KeyText, KeyNotice)> = notices
                .keys
                .iter()
                .map(|(key, notice)| (key.clone(), *notice))
                .collect();
            // In an order, so that a simulation repeats itself.
            tags.sort_unstable_by(|one, other| one.0.cmp(&other.0));
            keys.sort_unstable_by(|one, other| one.0.as_bytes().cmp(other.0.as_bytes()));
            (notices.everything, tags, keys)
        });
        if let Some(serial) = everything
            && answered(self.send_clear().await.map(drop))?
        {
            recovery.settle(|notices| {
                notices.everything = notices.everything.filter(|now| *now != serial);
            });
        }
        for some in tags.chunks(TAGS_AT_ONCE) {
            let stamps: Vec<&[u8]> = some.iter().map(|(tag, _)| &tag[..]).collect();
            if answered(self.send_invalidate(&stamps).await.map(drop))? {
                recovery.settle(|notices| {
                    for (tag, serial) in some {
                        if notices.tags.get(tag).is_some_and(|now| now == serial) {
                            notices.tags.remove(tag);
                        }
                    }
                });
            }
        }
        for some in keys.chunks(KEYS_AT_ONCE) {
            let told = join_all(some.iter().map(|(key, notice)| self.tell_key(key, notice))).await;
            for ((key, notice), told) in some.iter().zip(told) {
                if answered(told)? {
                    recovery.settle(|notices| {
                        if notices
                            .keys
                            .get(key)
                            .is_some_and(|now| now.serial == notice.serial)
                        {
                            notices.keys.remove(key);
                        }
                    });
                }
            }
        }
        Ok(recovery.is_empty())
    }

    async fn tell_key(&self, key: &KeyText, notice: &KeyNotice) -> Result<(), Trouble> {
        if notice.version > 0 {
            self.send_remove(key, notice.version).await?;
        }
        if notice.is_plain {
            self.send_remove(key, 0).await?;
        }
        Ok(())
    }
}

/// Whether the store did as it was told. One that refuses is told again in the next round, and told the rest in this one.
fn answered(answer: Result<(), Trouble>) -> Result<bool, Trouble> {
    match answer {
        Ok(()) => Ok(true),
        Err(Trouble::Failed(error)) if !error.is_store_unavailable() => Ok(false),
        Err(silence) => Err(silence),
    }
}

/// Tells the store until it knows everything, or nobody has the cache any more.
async fn replay(shared: Weak<Shared>, mut replaying: Replaying, returned: Arc<Notify>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let (Some(shared), Some(space)) = (shared.upgrade(), replaying.space.upgrade()) else {
            return;
        };
        let site = Site { shared, space };
        let told = site.tell_all().await;
        // In one step, so that nobody counts on somebody who has gone.
        replaying.is_done = site.space.recovery.change(|notices| {
            notices.is_replaying = notices.len() > 0;
            !notices.is_replaying
        });
        if replaying.is_done {
            tracing::info!(
                namespace = &*site.space.name,
                "a cache's store knows of all invalidations again"
            );
            return;
        }
        let longest = match told {
            Ok(true) => continue,
            Ok(false) => LONGEST_REFUSAL,
            Err(_silence) => LONGEST_SILENCE,
        };
        drop(site);
        pause = pause.min(longest);
        tokio::select! {
            () = returned.notified() => pause = FIRST_PAUSE,
            () = tokio::time::sleep(pause) => pause *= 2,
        }
    }
}
