//! One entry of the store: is it there, is it valid, what does it say.
//!
//! `MGET` of the entry, the namespace's incarnation and the stamps of the tags it is expected to have; those it has besides
//! are asked for afterwards, which sees every invalidation in between. What is valid is also kept in this process, unless its
//! key or anything it depends on changed since the question was asked.
//! Next: `docs/design/cache.md` ("Valid"), `local/`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::Cmd;
use smallvec::SmallVec;

use super::gathering::{Short, Strings};
use super::key::KeyText;
use super::local::{Held, Moment, Pending};
use super::recovery::Doubts;
use super::settings::Level;
use super::shared::Trouble;
use super::space::{Call, Hint, Site, Space};
use super::standing::{Standing, meta_of};
use super::value::{Envelope, Header};
use crate::clock::millis;

/// How often a read is repeated because the store was told something while it answered.
const OVERTAKEN: usize = 3;

/// What the store had.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Which entry it was; empty when there was none.
    pub(crate) id: EntryId,
    /// The entry, if nothing that concerns it was invalidated since.
    pub(crate) held: Option<Arc<Held>>,
    /// From the question to the value.
    pub(crate) took: Duration,
}

/// A read whose question was answered.
struct Reading<'a> {
    keys: &'a [KeyText],
    call: &'a Call,
    doubts: Doubts,
    began: Instant,
    before: Several<Before>,
    hints: Several<Option<Hint>>,
}

/// What lies in the store under the name of an entry.
#[derive(Debug, Default)]
struct Found {
    id: EntryId,
    /// If it is one.
    envelope: Option<Envelope>,
}

/// The id of an entry as it lies in the store, whoever wrote it; as many bytes as there are.
pub(crate) type EntryId = SmallVec<[u8; 16]>;

/// A read or write under way whose result may be kept in this process: taken before the store is asked.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) pending: Option<Pending>,
    pub(crate) moment: Moment,
}

/// Mostly one is asked for, and needs no allocation.
pub(crate) type Several<T> = SmallVec<[T; 1]>;

/// What a namespace's invalidations have come to, as far as it was asked for.
#[derive(Debug)]
struct Stamps {
    incarnation: Option<Short>,
    /// `None` without a tenant.
    tenant: Option<Option<u64>>,
    tags: HashMap<Box<str>, Option<u64>, foldhash::quality::RandomState>,
}

impl Stamps {
    /// The tags that entries are expected to have.
    fn expected(call: &Call, hints: &[Option<Hint>]) -> Vec<Box<str>> {
        let named = call.tags.iter().map(|tag| tag.as_str().into());
        let remembered = hints.iter().flatten().flat_map(|hint| hint.tags.iter().cloned());
        let mut tags: Vec<Box<str>> = named.chain(remembered).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// From the replies, in the order of [`Space::stamps`].
    fn new(
        incarnation: Option<Short>,
        tenant: &str,
        tags: &[Box<str>],
        replies: &mut impl Iterator<Item = Option<Vec<u8>>>,
    ) -> Self {
        let mut next = || number(replies.next().flatten().as_deref());
        Self {
            incarnation,
            tenant: (!tenant.is_empty()).then(&mut next),
            tags: tags.iter().map(|tag| (tag.clone(), next())).collect(),
        }
    }

    /// Tags that nobody expected these entries to have.
    fn others<'a>(&self, envelopes: impl Iterator<Item = &'a Envelope>) -> Vec<Box<str>> {
        let tags = envelopes.flat_map(|envelope| &envelope.header().tags);
        let unknown = tags.filter(|tag| !self.tags.contains_key(*tag));
        let mut others: Vec<Box<str>> = unknown.cloned().collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    /// Whether nothing that an entry depends on was invalidated since it was made. What is not known has been.
    fn allow(&self, header: &Header) -> bool {
        let is_below = |stamp: &Option<u64>| stamp.is_some_and(|stamp| stamp <= header.as_of);
        self.incarnation.as_deref() == Some(&header.incarnation[..])
            && self.tenant.as_ref().is_none_or(is_below)
            && header
                .tags
                .iter()
                .all(|tag| self.tags.get(tag).is_some_and(is_below))
    }
}

impl Site {
    /// To be taken before the store or the source is asked for anything.
    pub(crate) fn before(&self, key: &KeyText) -> Before {
        let Self { shared, space } = self;
        let pending = space
            .settings
            .keeps_local()
            .then(|| shared.local.pending(space.number, key.as_bytes()));
        Before {
            pending,
            moment: shared.local.moment(),
        }
    }

    /// Reads one entry of the store.
    pub(crate) async fn read(&self, key: &KeyText, call: &Call) -> Result<Seen, Trouble> {
        let seen = self.read_many(std::slice::from_ref(key), call).await?;
        Ok(seen.into_iter().next().unwrap_or_default())
    }

    /// Reads entries of the store with one question, in their order.
    pub(crate) async fn read_many(&self, keys: &[KeyText], call: &Call) -> Result<Several<Seen>, Trouble> {
        for _ in 0..OVERTAKEN {
            let doubts = self.space.recovery.doubts();
            let seen = self.read_many_once(keys, call, doubts).await?;
            // What the store was told while it answered may concern what it said.
            if !self.space.recovery.has_told_since(doubts) {
                return Ok(seen);
            }
        }
        let doubts = self.space.recovery.doubts();
        self.read_many_once(keys, call, doubts).await
    }

    async fn read_many_once(
        &self,
        keys: &[KeyText],
        call: &Call,
        doubts: Doubts,
    ) -> Result<Several<Seen>, Trouble> {
        let space = &self.space;
        // First, for what is read before changes are heard of is not kept.
        if let Err(trouble) = self.heed().await {
            self.troubled(&trouble);
            return Err(trouble);
        }
        let before: Several<Before> = keys.iter().map(|key| self.before(key)).collect();
        let began = Instant::now();
        let hints: Several<Option<Hint>> = keys.iter().map(|key| space.hints.get(key)).collect();
        let expected = Stamps::expected(call, &hints);

        let name = |question: &mut Cmd| {
            let mut count = keys.len();
            for stamp in Space::stamps(&call.tenant, expected.iter().map(|tag| &**tag)) {
                question.arg(space.keys.stamp(&stamp));
                count += 1;
            }
            for key in keys {
                question.arg(space.keys.entry(key.as_bytes()));
            }
            count
        };
        let Strings {
            incarnation,
            asked: replies,
        } = self.read_strings(keys.len() == 1, name).await?;
        let reading = Reading {
            keys,
            call,
            doubts,
            began,
            before,
            hints,
        };
        let mut replies = replies.into_iter();
        let stamps = Stamps::new(incarnation, &call.tenant, &expected, &mut replies);
        let parsed = keys.iter().zip(replies);
        let found: Several<Found> = parsed
            .map(|(key, entry)| entry.map_or_else(Found::default, |entry| self.parse(key, entry)))
            .collect();
        let others = stamps.others(found.iter().filter_map(|found| found.envelope.as_ref()));
        if others.is_empty() {
            return Ok(self.judge(reading, &stamps, found));
        }
        // On the heap, for most reads do without.
        let later = async move {
            let stamps = self.ask_for_others(stamps, call, others).await?;
            Ok(self.judge(reading, &stamps, found))
        };
        Box::pin(later).await
    }

    /// What of that is valid. Nothing is waited for between this and the last answer.
    fn judge(&self, reading: Reading<'_>, stamps: &Stamps, found: Several<Found>) -> Several<Seen> {
        let Reading {
            keys,
            call,
            doubts,
            began,
            before,
            hints,
        } = reading;
        let mut seen = Several::with_capacity(keys.len());
        for (((key, before), hint), found) in keys.iter().zip(before).zip(hints).zip(found) {
            let Found { id, envelope } = found;
            let valid = envelope.as_ref().filter(|envelope| {
                let tags = envelope.header().tags.iter().map(|tag| &**tag);
                stamps.allow(envelope.header())
                    && self.may_be_served(envelope)
                    && !self.is_doubted(key, &call.tenant, tags)
                    && !self.space.recovery.has_told_since(doubts)
            });
            let held = valid.and_then(|envelope| {
                self.remember(key, envelope.header(), call, hint.as_ref());
                self.open(key, envelope, call, &before)
            });
            let took = Duration::ZERO;
            seen.push(Seen { id, held, took });
        }
        // Once: to look at the time costs as much as many a step.
        let took = began.elapsed();
        for seen in &mut seen {
            seen.took = took;
        }
        seen
    }

    /// What lies there.
    fn parse(&self, key: &KeyText, entry: Vec<u8>) -> Found {
        let id = id_of(&entry);
        self.space.recorder.read_bytes(entry.len());
        let parsed = Envelope::parse(Bytes::from(entry));
        let envelope = parsed.map_err(|foreign| self.space.found(foreign, key)).ok();
        Found { id, envelope }
    }

    /// Asks for the stamps of tags that nobody expected. The entries were read before: an invalidation in between is seen.
    async fn ask_for_others(
        &self,
        mut stamps: Stamps,
        call: &Call,
        others: Vec<Box<str>>,
    ) -> Result<Stamps, Trouble> {
        let name = |question: &mut Cmd| {
            for tag in &others {
                let stamp = [call.tenant.as_bytes(), b":", tag.as_bytes(), b":"].concat();
                question.arg(self.space.keys.stamp(&stamp));
            }
            others.len()
        };
        let answer = self.read_strings(false, name).await?;
        // The incarnation once more: stamps of a sequence that was lost and made anew say nothing of what was read before.
        if answer.incarnation != stamps.incarnation {
            stamps.incarnation = None;
        }
        for (tag, stamp) in others.into_iter().zip(answer.asked) {
            stamps.tags.insert(tag, number(stamp.as_deref()));
        }
        Ok(stamps)
    }

    /// Whether its version says enough. Another process may have kept what has none, at a lower level or before a deployment, and no fence
    /// says anything of it. Counters are no copies of what a source has.
    fn may_be_served(&self, envelope: &Envelope) -> bool {
        self.space.settings.level != Level::Fenced
            || envelope.header().version > 0
            || matches!(envelope.counter(), Ok(Some(_)))
    }

    /// The value of a valid entry, kept in this process if that may be.
    fn open(&self, key: &KeyText, envelope: &Envelope, call: &Call, before: &Before) -> Option<Arc<Held>> {
        let space = &self.space;
        match (space.form.decode)(envelope, &space.settings.packing, space.place(key)) {
            Ok(value) => {
                let meta = meta_of(envelope.header(), &space.settings, self.shared.clock.now_coarse());
                let held = self.hold(value, envelope.weight(), meta, &call.tenant, before.moment);
                if let Some(pending) = &before.pending
                    && self.standing(&held) != Standing::Ended
                {
                    pending.fill(&held);
                }
                Some(held)
            }
            Err(foreign) => {
                space.found(foreign, key);
                None
            }
        }
    }

    /// What the next read of this key should ask for, and whether its life is to be prolonged.
    fn remember(&self, key: &KeyText, header: &Header, call: &Call, hint: Option<&Hint>) {
        let is_known = |tag: &str| {
            call.tags.iter().any(|named| named.as_str() == tag)
                || hint.is_some_and(|hint| hint.tags.iter().any(|known| **known == *tag))
        };
        if !header.is_sliding && header.tags.iter().all(|tag| is_known(tag)) {
            return;
        }
        let clock = &self.shared.clock;
        let ticks = clock.ticks();
        // Of one that is not known yet, as long ago as it was made.
        let age = || ticks.saturating_sub(millis(clock.now().since(header.created)));
        let touched = hint.map_or_else(age, |hint| hint.touched);
        let is_due = header.is_sliding && ticks.saturating_sub(touched) >= millis(header.ttl / 4);
        if !is_due && header.tags.iter().all(|tag| is_known(tag)) {
            return;
        }
        let hint = Hint {
            tags: header.tags.clone(),
            touched: if is_due { ticks } else { touched },
        };
        self.space.hints.insert(key.clone(), hint);
        if is_due {
            let (site, key) = (self.clone(), key.clone());
            let (id, ttl) = (header.id, header.ttl);
            tokio::spawn(async move {
                // A touch that fails is tried again by the read after next.
                let _ = site.prolong(&key, &id, ttl).await;
            });
        }
    }

    /// An entry as this process keeps it.
    pub(crate) fn hold(
        &self,
        value: Option<super::space::AnyValue>,
        bytes: usize,
        meta: super::local::Meta,
        tenant: &str,
        moment: Moment,
    ) -> Arc<Held> {
        let cells = if self.space.settings.keeps_local() {
            let tags = meta.tags.iter().map(|tag| &**tag);
            self.shared.local.cells(self.space.number, tenant, tags)
        } else {
            // Nobody will ask what was told of it since.
            SmallVec::new()
        };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let since = self.shared.clock.ticks();
        Arc::new(Held::new(value, bytes, meta, cells, moment, since))
    }

    pub(crate) fn standing(&self, held: &Held) -> Standing {
        Standing::of(held.meta(), &self.space.settings, self.shared.clock.now_coarse())
    }
}

/// What stands where an envelope has its id.
fn id_of(entry: &[u8]) -> EntryId {
    let end = entry.len().min(20);
    EntryId::from_slice(entry.get(4..end).unwrap_or_default())
}

fn number(stamp: Option<&[u8]>) -> Option<u64> {
    std::str::from_utf8(stamp?).ok()?.parse().ok()
}
