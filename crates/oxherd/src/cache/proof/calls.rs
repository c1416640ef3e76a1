//! What a process does: readers and writers, each a task that stops at gates.

use std::sync::Arc;
use std::time::Duration;

use super::chance::Chance;
use super::counting::Counting;
use super::ledger::{Claim, Versions};
use super::many::ReadMany;
use super::plan::{By, TAGS, Way};
use super::stage::{Row, Stage};
use crate::cache::answer::Answered;
use crate::cache::load::loader_of;
use crate::cache::space::{Call, Wishes};
use crate::cache::stats::Tier;
use crate::cache::{Loaded, Namespace, Tag};
use crate::clock::Clock;
use crate::error::Result;

/// What a task of a process has at hand.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) stage: Arc<Stage>,
    pub(super) process: usize,
    pub(super) clock: Clock,
    /// Of each tenant.
    pub(super) rows: Vec<Namespace<u64, Row>>,
    pub(super) counts: Option<Namespace<u64, i64>>,
}

/// How a row is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) row: (usize, usize),
    loads: bool,
    is_strict: bool,
    wants_current: bool,
    /// Tags that the caller names; bits.
    tags: u8,
    /// Whether its load, if there is one, reads the replica; fails.
    lags: bool,
    fails: bool,
}

/// What follows a commit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    Remove,
    RemoveVersion,
    /// Every key of the tenant.
    RemoveMany,
    /// By a pattern, which all keys of the tenant have, or this one alone.
    RemoveMatching {
        all: bool,
    },
    Set {
        tags: u8,
    },
    /// Every key of the tenant.
    SetMany,
    Invalidate {
        tag: usize,
    },
    Clear,
    ClearTenant,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Read(Read),
    ReadMany(ReadMany),
    Count(usize, Counting),
    Write {
        row: (usize, usize),
        then: Then,
        commits: bool,
    },
    Announce {
        row: (usize, usize),
        term: Duration,
        concludes: bool,
    },
}

fn tag(number: usize) -> Tag {
    Tag::new(["x", "y"][number])
}

fn tags(bits: u8) -> impl Iterator<Item = Tag> {
    (0..TAGS).filter(move |number| bits & (1 << number) != 0).map(tag)
}

impl Then {
    /// Whether it is about all keys of a tenant.
    const fn is_of_every_key(self) -> bool {
        matches!(
            self,
            Self::RemoveMany | Self::RemoveMatching { all: true } | Self::SetMany
        )
    }
}

impl Work {
    pub(super) fn draw(stage: &Stage, chance: &mut Chance) -> Self {
        let plan = &stage.plan;
        let row = (chance.below(plan.tenants), chance.below(plan.keys));
        if chance.percent(plan.counts) {
            return Self::Count(row.1, Counting::draw(chance));
        }
        let is_of_many = chance.percent(plan.many);
        if chance.percent(plan.reads) {
            return if is_of_many {
                Self::ReadMany(ReadMany::draw(stage, chance, row.0))
            } else {
                Self::Read(Read::draw(stage, chance, row))
            };
        }
        let tags = chance.below(4) as u8;
        let then = match plan.way {
            Way::Announcing if chance.percent(80) => {
                return Self::Announce {
                    row,
                    term: Duration::from_millis(chance.pick(&[200, 5_000, 60_000])),
                    concludes: chance.percent(85),
                };
            }
            Way::Announcing | Way::Invalidating => {
                let kind = match plan.by {
                    By::Anything => chance.below(10),
                    By::Keys => chance.below(5),
                    By::Tags => chance.pick(&[0, 5, 5, 5]),
                    By::Clearing => chance.pick(&[0, 7, 7, 8]),
                };
                match kind {
                    4 if plan.is_versioned => Then::RemoveVersion,
                    0..=4 if is_of_many => chance.pick(&[
                        Then::RemoveMany,
                        Then::RemoveMatching { all: true },
                        Then::RemoveMatching { all: false },
                    ]),
                    0..=4 => Then::Remove,
                    5 | 6 => Then::Invalidate {
                        tag: chance.below(TAGS),
                    },
                    8 | 9 if plan.tenants > 1 => Then::ClearTenant,
                    _ => Then::Clear,
                }
            }
            Way::Versioned | Way::Lagging => match chance.below(10) {
                0..=4 if is_of_many && plan.is_version_of => Then::SetMany,
                0..=4 => Then::Set { tags },
                5..=8 => Then::RemoveVersion,
                // Promises nothing here, see `Way`.
                _ => Then::Invalidate {
                    tag: chance.below(TAGS),
                },
            },
        };
        Self::Write {
            row,
            then,
            commits: chance.percent(90),
        }
    }
}

impl Read {
    fn draw(stage: &Stage, chance: &mut Chance, row: (usize, usize)) -> Self {
        let plan = &stage.plan;
        Self {
            row,
            loads: chance.percent(80),
            is_strict: chance.percent(10),
            wants_current: plan.is_versioned && chance.percent(20),
            tags: chance.below(4) as u8 & chance.below(4) as u8,
            lags: plan.way == Way::Lagging && chance.percent(50),
            fails: chance.percent(plan.failing_loads),
        }
    }

    /// One with a loader that works, for the end.
    pub(super) fn last(row: (usize, usize)) -> Self {
        Self {
            row,
            loads: true,
            is_strict: false,
            wants_current: false,
            tags: 0,
            lags: false,
            fails: false,
        }
    }
}

impl Desk {
    pub(super) async fn work(self, work: Work) {
        match work {
            Work::Read(read) => self.read(read).await,
            Work::ReadMany(read) => self.read_many(read).await,
            Work::Count(key, counting) => self.count(key, counting).await,
            Work::Write { row, then, commits } => {
                let rows = (0..self.stage.plan.keys).map(|key| (row.0, key));
                for one in rows.filter(|one| commits && (*one == row || then.is_of_every_key())) {
                    self.stage.commit(self.process, one);
                }
                self.stage.gate(self.process, "after its commit").await;
                self.write(row, then).await;
            }
            Work::Announce { row, term, concludes } => self.announce(row, term, concludes).await,
        }
    }

    async fn read(self, read: Read) {
        let Self {
            stage,
            process,
            clock,
            rows,
            ..
        } = &self;
        let rows = &rows[read.row.0];
        let is_live = rows.site.shared.is_live();
        let mut least = 0;
        let mut begun = stage.begin(*process, read.row, clock.now(), is_live, |book| {
            if read.wants_current {
                least = book.source[read.row.0][read.row.1];
            }
            format!("{read:?}, at least {least}")
        });
        begun.min_version = least;
        begun.troubles = self.troubles(read.row.0);
        let key = rows.key(&(read.row.1 as u64)).unwrap();
        let call = Call {
            min_version: least,
            is_strict: read.is_strict,
            tags: tags(read.tags).collect(),
            ..rows.call()
        };
        let mut wishes = Wishes::default();
        wishes.wish().min_version = least;
        wishes.wish().is_strict = read.is_strict;
        if let Ok(held) = rows.site.quick(key.as_bytes(), &wishes, false, Arc::clone) {
            let answer = Answered {
                held,
                tier: Some(Tier::Local),
                is_stale: false,
            };
            return stage.answered(&begun, &answer, self.troubles(read.row.0));
        }
        if !read.loads {
            let found = rows.site.find(&key, &call).await;
            return match found.filter(|answer| answer.held.meta().version >= least) {
                Some(answer) => stage.answered(&begun, &answer, self.troubles(read.row.0)),
                None => stage.unanswered(&begun, "nothing there"),
            };
        }
        let loader = loader_of::<Row, _, _, _, _>({
            let desk = self.clone();
            move || desk.load(read)
        });
        match rows.site.clone().obtain(key, call, loader).await {
            Ok(answer) => stage.answered(&begun, &answer, self.troubles(read.row.0)),
            Err(error) => stage.unanswered(&begun, error),
        }
    }

    /// How often the store has not answered this process.
    pub(super) fn troubles(&self, tenant: usize) -> u64 {
        if self.stage.plan.way != Way::Lagging {
            return 0;
        }
        let counts = self.rows[tenant].site.space.recorder.counts();
        counts.store_errors + counts.skipped_by_breaker
    }

    async fn load(self, read: Read) -> Result<Loaded<Row>, std::io::Error> {
        let Self {
            stage,
            process,
            clock,
            ..
        } = &self;
        let (tenant, key) = read.row;
        let load = stage.begin_load(*process, read.row);
        stage.gate(*process, "its load reads the source").await;
        let version = {
            let mut book = stage.book();
            let version = if read.lags { book.replica } else { book.source }[tenant][key];
            book.note(|| format!("load {load} reads version {version}"));
            version
        };
        stage.gate(*process, "its load returns").await;
        if read.fails {
            stage.note(|| format!("load {load} fails"));
            return Err(std::io::Error::other("the source is down"));
        }
        stage.end_load(load, clock.now());
        Ok(self.loaded(read.row, version, read.tags, load))
    }

    /// What a load returns.
    pub(super) fn loaded(
        &self,
        (tenant, key): (usize, usize),
        version: u64,
        named: u8,
        load: usize,
    ) -> Loaded<Row> {
        let plan = &self.stage.plan;
        let late = plan.late_tags[key];
        let loaded = Loaded::new(Row {
            tenant,
            key,
            version,
            tags: named | late,
            load: Some(load),
        });
        let loaded = loaded.tags(tags(late));
        if plan.is_versioned && !plan.is_version_of {
            loaded.version(version)
        } else {
            loaded
        }
    }

    async fn write(&self, row: (usize, usize), then: Then) {
        let Self {
            stage,
            process,
            clock,
            ..
        } = self;
        let tenant = row.0;
        let (tag_of, whole, all) = match then {
            Then::Invalidate { tag } => (Some(tag), true, false),
            Then::ClearTenant => (None, true, tenant == 0),
            Then::Clear => (None, true, true),
            then => (None, then.is_of_every_key(), false),
        };
        let versions = stage.versions(|of, at| all || (of == tenant && (whole || at == row.1)));
        let begun = stage.begin(*process, row, clock.now(), false, |_| {
            format!("{then:?} for versions {versions:?}")
        });
        let epoch = stage.book().ledger.epoch;
        let answer = self.tell(row, then, &versions).await;
        let is_promised = match then {
            Then::Set { .. } | Then::SetMany | Then::RemoveVersion => true,
            _ => matches!(stage.plan.way, Way::Invalidating | Way::Announcing),
        };
        let claim = Claim {
            tag: tag_of,
            versions,
        };
        match answer {
            Ok(is_done) => {
                if is_promised && is_done {
                    stage.acknowledged(Some(*process), &claim, epoch);
                }
                stage.end(&begun, format_args!("done: {is_done}"));
            }
            Err(error) => {
                // What was to be removed by a pattern is not known to be what was not removed.
                let is_wish = !matches!(then, Then::RemoveMatching { .. });
                if is_promised && is_wish && error.is_store_unavailable() {
                    stage.wished(*process, &claim, epoch);
                }
                stage.end(&begun, error);
            }
        }
    }

    /// Does what follows a commit; whether all of it.
    async fn tell(&self, (tenant, key): (usize, usize), then: Then, versions: &Versions) -> Result<bool> {
        let rows = &self.rows[tenant];
        let (version, number) = (versions[tenant][key], key as u64);
        match then {
            Then::Remove => rows.remove(&number).await.map(drop)?,
            Then::RemoveVersion => rows.remove(&number).version(version).await.map(drop)?,
            Then::RemoveMany => rows.remove_many(&self.keys()).await.map(drop)?,
            Then::RemoveMatching { all } => return self.remove_matching(rows, (!all).then_some(key)).await,
            Then::SetMany => self.set_many(tenant, versions).await?,
            Then::Set { tags: bits } => {
                let value = Row::written((tenant, key), version, bits);
                let set = rows.set(&number, value).version(version);
                set.tags(tags(bits)).await?;
            }
            Then::Invalidate { tag: number } => rows.invalidate(&[tag(number)]).await?,
            Then::Clear => self.rows[0].clear().await?,
            Then::ClearTenant => rows.clear().await?,
        }
        Ok(true)
    }

    async fn announce(&self, row: (usize, usize), term: Duration, concludes: bool) {
        let Self {
            stage,
            process,
            clock,
            rows,
            ..
        } = self;
        let rows = &rows[row.0];
        let key = row.1 as u64;
        let (asked, flushes) = (clock.now(), stage.book().flushes);
        let begun = stage.begin(*process, row, asked, false, |_| format!("announce for {term:?}"));
        let intent = match rows.intend(&key, term).await {
            Ok(intent) => {
                stage.end(&begun, "announced");
                intent
            }
            Err(error) => return stage.end(&begun, error),
        };
        stage.gate(*process, "it commits what it announced").await;
        stage.commit(*process, row);
        let only_this = |tenant, key| (tenant, key) == row;
        // The mark stood, by the clock of the store, which runs as this one.
        if clock.now() < asked.after(term) && stage.book().flushes == flushes {
            let claim = Claim {
                tag: None,
                versions: stage.versions(only_this),
            };
            let epoch = stage.book().ledger.epoch;
            stage.acknowledged(None, &claim, epoch);
        }
        stage.gate(*process, "it concludes").await;
        if !concludes {
            return;
        }
        let claim = Claim {
            tag: None,
            versions: stage.versions(only_this),
        };
        let begun = stage.begin(*process, row, clock.now(), false, |_| "conclude".to_owned());
        let epoch = stage.book().ledger.epoch;
        match intent.conclude().await {
            Ok(_stood) => {
                stage.acknowledged(Some(*process), &claim, epoch);
                stage.end(&begun, "concluded");
            }
            Err(error) => stage.end(&begun, error),
        }
    }
}
