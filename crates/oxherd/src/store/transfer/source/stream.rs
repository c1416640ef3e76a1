//! Streams: entries, then groups with what their consumers have pending, then what the stream remembers.
//!
//! An entry may be gone while it is still pending. It is handed on without fields, so that the target can be brought
//! to the same state. When an entry was delivered is known as its age, so the copy's time may differ by a millisecond
//! or a few; when a consumer was last seen cannot be written by any command.

use std::collections::{BTreeSet, HashMap};

use redis::{FromRedisValue, Pipeline, Value};

use super::large::Pace;
use super::{Head, Piece, Seen, Sink, Source};
use crate::error::Result;
use crate::store::transfer::row::{Entry, Group, Id, Kind, Pending, State};

/// Pending entries asked for at a time.
const PAGE: usize = 1000;

type Facts = HashMap<String, Value>;
type Raw = Vec<(String, Vec<Vec<u8>>)>;

/// What was met among the entries.
#[derive(Default)]
struct Found {
    deleted: Vec<Id>,
    first: Option<Id>,
    length: u64,
}

/// What a stream is known by: changes whenever an entry comes or goes.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::transfer) struct Mark {
    pub(in crate::store::transfer) length: u64,
    last: Id,
    added: u64,
    max_deleted: Id,
}

impl Source {
    /// Reads the stream into the sink; `None` when it is gone.
    pub(super) async fn stream(
        &mut self,
        head: Head,
        memory: u64,
        sink: &mut impl Sink,
    ) -> Result<Option<Seen>> {
        let (key, expires_at) = (head.key.clone(), head.expires_at);
        sink.begin(head).await?;
        // In this order nothing is pending, and no entry is read, that is later than the last id known.
        let groups = self.groups(&key).await?;
        let mut info = redis::cmd("XINFO");
        info.arg("STREAM").arg(&key);
        let mark = {
            let facts = self.ask(info).await?;
            self.mark(facts)?
        };
        let mut lost: BTreeSet<Id> = groups
            .iter()
            .flat_map(|group| group.pending.iter().map(|pending| pending.id))
            .collect();
        let pace = Pace::new(mark.length, memory);
        let found = self.entries(&key, mark.last, pace, &mut lost, sink).await?;
        for group in groups {
            sink.add(Piece::Group(group)).await?;
        }
        let state = State {
            last: mark.last,
            added: mark.added,
            max_deleted: mark.max_deleted,
            deleted: found.deleted,
            first: found.first,
            length: found.length,
        };
        sink.add(Piece::State(state)).await?;
        Ok(Some(Seen {
            kind: Kind::Stream,
            size: mark.length,
            expires_at,
            stamp: mark.stamp(),
        }))
    }

    /// Hands on the entries up to `until`, and in their order the `lost`: pending ones that are not there.
    async fn entries(
        &mut self,
        key: &[u8],
        until: Id,
        mut pace: Pace,
        lost: &mut BTreeSet<Id>,
        sink: &mut impl Sink,
    ) -> Result<Found> {
        let mut from = "-".to_owned();
        let until = until.to_string();
        let mut found = Found::default();
        let dead = |id| Entry { id, fields: None };
        loop {
            let mut range = redis::cmd("XRANGE");
            range
                .arg(key)
                .arg(&from)
                .arg(&until)
                .arg("COUNT")
                .arg(pace.count());
            let page: Raw = self.ask(range).await?;
            let Some((last, _)) = page.last() else { break };
            // Nothing can follow the highest id there is, and asking would be an error.
            let is_last = *last == until;
            from = format!("({last}");
            let mut entries = Vec::with_capacity(page.len());
            for (id, words) in page {
                let id = self.id(&id)?;
                while let Some(first) = lost.first().copied().filter(|first| *first <= id) {
                    lost.pop_first();
                    if first != id {
                        found.deleted.push(first);
                        entries.push(dead(first));
                    }
                }
                found.first.get_or_insert(id);
                found.length += 1;
                let mut words = words.into_iter();
                let pairs = std::iter::from_fn(|| Some((words.next()?, words.next()?)));
                entries.push(Entry {
                    id,
                    fields: Some(pairs.collect()),
                });
            }
            let piece = Piece::Entries(entries);
            let (count, bytes) = piece.size();
            pace.learn(count, bytes);
            sink.add(piece).await?;
            if is_last {
                break;
            }
        }
        if !lost.is_empty() {
            found.deleted.extend(lost.iter().copied());
            sink.add(Piece::Entries(lost.iter().copied().map(dead).collect()))
                .await?;
        }
        Ok(found)
    }

    async fn groups(&mut self, key: &[u8]) -> Result<Vec<Group>> {
        let mut info = redis::cmd("XINFO");
        info.arg("GROUPS").arg(key);
        let facts: Vec<Facts> = self.ask(info).await?;
        let mut groups = Vec::with_capacity(facts.len());
        for mut facts in facts {
            let name: Vec<u8> = self.fact(&mut facts, "name")?;
            let last: String = self.fact(&mut facts, "last-delivered-id")?;
            let mut info = redis::cmd("XINFO");
            info.arg("CONSUMERS").arg(key).arg(&name);
            let all: Vec<Facts> = self.ask(info).await?;
            let mut consumers = Vec::with_capacity(all.len());
            for mut consumer in all {
                consumers.push(self.fact(&mut consumer, "name")?);
            }
            groups.push(Group {
                last_delivered: self.id(&last)?,
                entries_read: self.fact(&mut facts, "entries-read")?,
                pending: self.pending(key, &name).await?,
                name,
                consumers,
            });
        }
        Ok(groups)
    }

    async fn pending(&mut self, key: &[u8], group: &[u8]) -> Result<Vec<Pending>> {
        let mut from = "-".to_owned();
        let mut all = Vec::new();
        loop {
            let mut pipeline = Pipeline::new();
            // The store tells ages: the time they count from is asked beside them.
            pipeline.cmd("TIME");
            pipeline
                .cmd("XPENDING")
                .arg(key)
                .arg(group)
                .arg(&from)
                .arg("+")
                .arg(PAGE);
            let mut replies = self.ask_all(&pipeline).await?.into_iter();
            let (seconds, micros): (u64, u64) = self.next(&mut replies)?;
            let now = seconds * 1000 + micros / 1000;
            let page: Vec<(String, Vec<u8>, u64, u64)> = self.next(&mut replies)?;
            let Some((last, ..)) = page.last() else {
                return Ok(all);
            };
            from = format!("({last}");
            let is_last = page.len() < PAGE;
            for (id, consumer, age, deliveries) in page {
                all.push(Pending {
                    id: self.id(&id)?,
                    consumer,
                    delivered_at: now.saturating_sub(age),
                    deliveries,
                });
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    /// What `XINFO STREAM` tells.
    pub(in crate::store::transfer) fn mark(&self, mut facts: Facts) -> Result<Mark> {
        let last: String = self.fact(&mut facts, "last-generated-id")?;
        let deleted: String = self.fact(&mut facts, "max-deleted-entry-id")?;
        Ok(Mark {
            length: self.fact(&mut facts, "length")?,
            last: self.id(&last)?,
            added: self.fact(&mut facts, "entries-added")?,
            max_deleted: self.id(&deleted)?,
        })
    }

    fn fact<T: FromRedisValue>(&self, facts: &mut Facts, name: &str) -> Result<T> {
        let value = facts.remove(name).unwrap_or(Value::Nil);
        T::from_redis_value(value).map_err(|error| self.unexpected(format!("{name}: {error}")))
    }

    fn id(&self, text: &str) -> Result<Id> {
        text.parse().map_err(|error: String| self.unexpected(error))
    }
}

impl Mark {
    pub(in crate::store::transfer) fn stamp(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        (self.last, self.added, self.max_deleted).hash(&mut hasher);
        hasher.finish()
    }
}
