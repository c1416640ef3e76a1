//! What a process does: readers and writers, each a task that stops at gates.

use std::sync::Arc;
use std::time::Duration;

use super::chance::Chance;
use super::ledger::Claim;
use super::plan::{By, TAGS, Way};
use super::stage::{Row, Stage};
use crate::cache::answer::Answered;
use crate::cache::load::loader_of;
use crate::cache::space::{Call, Wishes};
use crate::cache::stats::Tier;
use crate::cache::{Loaded, Namespace, Tag};
use crate::clock::Clock;

/// What a task of a process has at hand.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) stage: Arc<Stage>,
    pub(super) process: usize,
    pub(super) clock: Clock,
    /// Of each tenant.
    pub(super) rows: Vec<Namespace<u64, Row>>,
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
    Set { tags: u8 },
    Invalidate { tag: usize },
    Clear,
    ClearTenant,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Read(Read),
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

impl Work {
    pub(super) fn draw(stage: &Stage, chance: &mut Chance) -> Self {
        let plan = &stage.plan;
        let row = (chance.below(plan.tenants), chance.below(plan.keys));
        if chance.percent(plan.reads) {
            return Self::Read(Read::draw(stage, chance, row));
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
                    0..=4 => Then::Remove,
                    5 | 6 => Then::Invalidate {
                        tag: chance.below(TAGS),
                    },
                    8 | 9 if plan.tenants > 1 => Then::ClearTenant,
                    _ => Then::Clear,
                }
            }
            Way::Versioned | Way::Lagging => match chance.below(10) {
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
            Work::Write { row, then, commits } => {
                if commits {
                    self.stage.commit(self.process, row);
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
        let wishes = Wishes {
            min_version: least,
            is_strict: read.is_strict,
            ..Wishes::default()
        };
        if let Ok(held) = rows.site.quick(key.as_bytes(), &wishes) {
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
    fn troubles(&self, tenant: usize) -> u64 {
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
        let late = stage.plan.late_tags[key];
        let loaded = Loaded::new(Row {
            tenant,
            key,
            version,
            tags: read.tags | late,
            load: Some(load),
        });
        let loaded = loaded.tags(tags(late));
        Ok(if stage.plan.is_versioned {
            loaded.version(version)
        } else {
            loaded
        })
    }

    async fn write(&self, row: (usize, usize), then: Then) {
        let Self {
            stage,
            process,
            clock,
            rows,
        } = self;
        let (tenant, key) = (row.0, row.1 as u64);
        let rows = &rows[tenant];
        let (tag_of, whole, all) = match then {
            Then::Invalidate { tag } => (Some(tag), true, false),
            Then::ClearTenant => (None, true, tenant == 0),
            Then::Clear => (None, true, true),
            _ => (None, false, false),
        };
        let versions = stage.versions(|of, at| all || (of == tenant && (whole || at == row.1)));
        let version = versions[tenant][row.1];
        let begun = stage.begin(*process, row, clock.now(), false, |_| {
            format!("{then:?} for version {version}")
        });
        let epoch = stage.book().ledger.epoch;
        let answer = match then {
            Then::Remove => rows.remove(&key).await.map(drop),
            Then::RemoveVersion => rows.remove(&key).version(version).await.map(drop),
            Then::Set { tags: bits } => {
                let (tenant, key) = row;
                let value = Row {
                    tenant,
                    key,
                    version,
                    tags: bits,
                    load: None,
                };
                rows.set(&(key as u64), value)
                    .version(version)
                    .tags(tags(bits))
                    .await
            }
            Then::Invalidate { tag: number } => rows.invalidate(&[tag(number)]).await,
            Then::Clear => self.rows[0].clear().await,
            Then::ClearTenant => rows.clear().await,
        };
        let is_promised = match then {
            Then::Set { .. } | Then::RemoveVersion => true,
            _ => matches!(stage.plan.way, Way::Invalidating | Way::Announcing),
        };
        let claim = Claim {
            tag: tag_of,
            versions,
        };
        match answer {
            Ok(()) => {
                if is_promised {
                    stage.acknowledged(Some(*process), &claim, epoch);
                }
                stage.end(&begun, "done");
            }
            Err(error) => {
                if is_promised && error.is_store_unavailable() {
                    stage.wished(*process, &claim, epoch);
                }
                stage.end(&begun, error);
            }
        }
    }

    async fn announce(&self, row: (usize, usize), term: Duration, concludes: bool) {
        let Self {
            stage,
            process,
            clock,
            rows,
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
