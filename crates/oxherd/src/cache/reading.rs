//! One entry of the store: is it there, is it valid, what does it say.
//!
//! `MGET` of the entry, the namespace's incarnation and the stamps of the tags it is expected to have; those it has besides
//! are asked for afterwards, which sees every invalidation in between. What is valid is also kept in this process, unless its
//! key or anything it depends on changed since the question was asked.
//! Next: `docs/design/cache.md` ("Valid"), `local/`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use smallvec::SmallVec;

use super::key::KeyText;
use super::local::{Held, Moment, Pending};
use super::shared::Trouble;
use super::space::{Call, Hint, Site, Space};
use super::standing::{Standing, meta_of};
use super::value::{Envelope, Header};

/// What the store had.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Which entry it was; empty when there was none.
    pub(crate) id: EntryId,
    /// The entry, if nothing that concerns it was invalidated since.
    pub(crate) held: Option<Arc<Held>>,
    pub(crate) took: Duration,
}

/// The id of an entry as it lies in the store, whoever wrote it; as many bytes as there are.
pub(crate) type EntryId = SmallVec<[u8; 16]>;

/// A read or write under way whose result may be kept in this process: taken before the store is asked.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) pending: Option<Pending>,
    pub(crate) moment: Moment,
}

type Replies = Vec<Option<Vec<u8>>>;

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
        let space = &self.space;
        let before = self.before(key);
        let began = Instant::now();
        let hint = space.hints.get(key);
        let named = call.tags.iter().map(super::Tag::as_str);
        let remembered = hint.iter().flat_map(|hint| hint.tags.iter().map(|tag| &**tag));
        let mut asked: SmallVec<[&str; 4]> = named.chain(remembered).collect();
        asked.sort_unstable();
        asked.dedup();

        let mut question = redis::cmd("MGET");
        question
            .arg(space.keys.entry(key.as_bytes()))
            .arg(space.keys.incarnation());
        for stamp in Space::stamps(&call.tenant, asked.iter().copied()) {
            question.arg(space.keys.stamp(&stamp));
        }
        let replies: Replies = self.fetch(&question).await?;
        let mut replies = replies.into_iter();
        let Some(entry) = replies.next().flatten() else {
            return Ok(Seen {
                took: began.elapsed(),
                ..Seen::default()
            });
        };
        let id = id_of(&entry);
        let unusable = |took| Seen { id: id.clone(), held: None, took };
        space.recorder.read_bytes(entry.len());
        let envelope = match Envelope::parse(Bytes::from(entry)) {
            Ok(envelope) => envelope,
            Err(foreign) => {
                space.found(foreign, key);
                return Ok(unusable(began.elapsed()));
            }
        };
        let header = envelope.header();
        let is_of_now = replies.next().flatten().is_some_and(|now| now == header.incarnation);
        let known: SmallVec<[Option<u64>; 4]> = replies.map(|stamp| number(stamp.as_deref())).collect();
        if !is_of_now || !self.is_valid(header, call, &asked, &known).await? {
            return Ok(unusable(began.elapsed()));
        }
        self.remember(key, header, call, hint.as_ref());
        let held = match (space.form.decode)(&envelope, &space.settings.packing, space.place(key)) {
            Ok(value) => {
                let meta = meta_of(header, &space.settings, self.shared.clock.now());
                self.hold(value, envelope.bytes().len(), meta, &call.tenant, before.moment)
            }
            Err(foreign) => {
                space.found(foreign, key);
                return Ok(unusable(began.elapsed()));
            }
        };
        if let Some(pending) = &before.pending
            && self.standing(&held) != Standing::Ended
        {
            pending.fill(&held);
        }
        Ok(Seen {
            id,
            held: Some(held),
            took: began.elapsed(),
        })
    }

    /// Whether every stamp it depends on is there and not above it. `known` belongs to the tenant, if there is one, then to `asked`.
    async fn is_valid(
        &self,
        header: &Header,
        call: &Call,
        asked: &[&str],
        known: &[Option<u64>],
    ) -> Result<bool, Trouble> {
        let is_good = |stamp: &Option<u64>| stamp.is_some_and(|stamp| stamp <= header.as_of);
        let tenants = usize::from(!call.tenant.is_empty());
        let Some((tenant, tags)) = known.split_at_checked(tenants) else {
            return Ok(false);
        };
        if !tenant.iter().all(is_good) {
            return Ok(false);
        }
        let mut others: SmallVec<[&str; 4]> = SmallVec::new();
        for tag in &header.tags {
            match asked.iter().position(|name| *name == &**tag) {
                Some(at) if tags.get(at).is_some_and(is_good) => (),
                Some(_) => return Ok(false),
                None => others.push(tag),
            }
        }
        if others.is_empty() {
            return Ok(true);
        }
        let mut question = redis::cmd("MGET");
        // Without the tenant: it was asked for already.
        for tag in &others {
            let stamp = [call.tenant.as_bytes(), b":", tag.as_bytes(), b":"].concat();
            question.arg(self.space.keys.stamp(&stamp));
        }
        let replies: Replies = self.fetch(&question).await?;
        Ok(replies.len() == others.len()
            && replies.iter().all(|stamp| is_good(&number(stamp.as_deref()))))
    }

    async fn fetch(&self, question: &redis::Cmd) -> Result<Replies, Trouble> {
        let answer = match self.heed().await {
            Ok(()) => {
                let send = |mut connection| async move { question.query_async(&mut connection).await };
                self.shared.ask("read the cache", send).await
            }
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = &answer {
            self.troubled(trouble);
        }
        answer
    }

    /// Sees to it that changes of this namespace are heard of, before anything is read that this process may keep.
    pub(crate) async fn heed(&self) -> Result<(), Trouble> {
        let Self { shared, space } = self;
        // Again, for what was opened outside a runtime.
        shared.report();
        if !space.settings.keeps_local() {
            return Ok(());
        }
        let watch = async {
            let watched = space.keys.watched();
            let prefixes = watched.each_ref().map(Vec::as_slice);
            shared.watch(&prefixes).await
        };
        space.watched.get_or_try_init(|| watch).await.map(|()| ())
    }

    /// Counts a call that the store did not answer.
    pub(crate) fn troubled(&self, trouble: &Trouble) {
        match trouble {
            Trouble::Skipped { .. } => self.space.recorder.skipped_by_breaker(),
            Trouble::Failed(_) => self.space.recorder.store_failed(),
        }
    }

    /// What the next read of this key should ask for, and whether its life is to be prolonged.
    fn remember(&self, key: &KeyText, header: &Header, call: &Call, hint: Option<&Hint>) {
        let now = self.shared.clock.now();
        let is_known = |tag: &str| {
            call.tags.iter().any(|named| named.as_str() == tag)
                || hint.is_some_and(|hint| hint.tags.iter().any(|known| **known == *tag))
        };
        let touched = hint.map_or(header.created, |hint| hint.touched);
        let is_due = header.is_sliding && now.since(touched) >= header.ttl / 4;
        if !is_due && header.tags.iter().all(|tag| is_known(tag)) {
            return;
        }
        let hint = Hint {
            tags: header.tags.clone(),
            touched: if is_due { now } else { touched },
        };
        self.space.hints.insert(key.clone(), hint);
        if is_due {
            let (site, key, tenant) = (self.clone(), key.clone(), Arc::clone(&call.tenant));
            let header = header.clone();
            tokio::spawn(async move {
                // A touch that fails is tried again by the read after next.
                let _ = site.prolong(&key, &tenant, &header.id, header.ttl, &header.tags).await;
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
        let cells = self.shared.local.cells(
            self.space.number,
            tenant,
            meta.tags.iter().map(|tag| &**tag),
        );
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::new(Held::new(value, bytes, meta, cells, moment))
    }

    pub(crate) fn standing(&self, held: &Held) -> Standing {
        Standing::of(held.meta(), &self.space.settings, self.shared.clock.now())
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
