//! Calls about several keys: each answer is held against what was promised of its own key.

use std::collections::HashMap;
use std::io::Error;

use super::calls::Desk;
use super::chance::Chance;
use super::ledger::Versions;
use super::plan::{KEYS, Way};
use super::stage::{Begun, Row, Stage};
use crate::cache::key::KeyText;
use crate::cache::space::Call;
use crate::cache::{Bounds, Loaded, Matching, Namespace};
use crate::error::Result;

/// How several rows of a tenant are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadMany {
    tenant: usize,
    /// Which keys, in this order; one may come twice.
    keys: &'static [u64],
    loads: bool,
    lags: bool,
    fails: bool,
    is_strict: bool,
    wants_current: bool,
}

impl ReadMany {
    pub(super) fn draw(stage: &Stage, chance: &mut Chance, tenant: usize) -> Self {
        let plan = &stage.plan;
        let keys = if plan.keys < KEYS {
            chance.pick(&[&[0_u64][..], &[0, 0]])
        } else {
            chance.pick(&[&[0_u64, 1][..], &[1, 0], &[1], &[0, 1, 0]])
        };
        Self {
            tenant,
            keys,
            loads: chance.percent(75),
            lags: plan.way == Way::Lagging && chance.percent(50),
            fails: chance.percent(plan.failing_loads),
            is_strict: chance.percent(10),
            wants_current: plan.is_versioned && chance.percent(20),
        }
    }
}

impl Desk {
    pub(super) fn keys(&self) -> Vec<u64> {
        (0..self.stage.plan.keys as u64).collect()
    }

    pub(super) async fn read_many(self, read: ReadMany) {
        let stage = &self.stage;
        let rows = &self.rows[read.tenant];
        let is_live = rows.site.shared.is_live();
        let troubles = self.troubles(read.tenant);
        let least = self.least_of(read);
        let begin = |key: &u64| {
            let row = (read.tenant, *key as usize);
            let mut begun = stage.begin(self.process, row, self.clock.now(), is_live, |_| {
                format!("{read:?}, at least {least}")
            });
            begun.min_version = least;
            begun.troubles = troubles;
            begun
        };
        let begun: Vec<Begun> = read.keys.iter().map(begin).collect();
        let answers = if read.loads {
            let desk = self.clone();
            let load = move |keys| desk.clone().load_many(read, keys);
            let mut reading = rows.get_or_load_many(read.keys, load).min_version(least);
            if read.is_strict {
                reading = reading.strict();
            }
            match reading.obtain().await {
                Ok(answers) => answers.into_iter().map(Some).collect(),
                Err(error) => {
                    return begun.iter().for_each(|begun| stage.unanswered(begun, &error));
                }
            }
        } else {
            let keys: Vec<KeyText> = read.keys.iter().map(|key| rows.key(key).unwrap()).collect();
            let call = Call {
                min_version: least,
                is_strict: read.is_strict,
                ..rows.call()
            };
            rows.site.find_many(&keys, &call).await
        };
        if answers.len() != begun.len() {
            stage.wrong(format!("{} answers for {read:?}", answers.len()));
        }
        for (begun, answer) in begun.iter().zip(answers) {
            match answer {
                Some(answer) => stage.answered(begun, &answer, self.troubles(read.tenant)),
                None => stage.unanswered(begun, "nothing there"),
            }
        }
    }

    /// What all of the rows have come to.
    fn least_of(&self, read: ReadMany) -> u64 {
        if !read.wants_current {
            return 0;
        }
        let versions = self.stage.book().source[read.tenant];
        let of_keys = read.keys.iter().map(|key| versions[*key as usize]);
        of_keys.min().unwrap_or_default()
    }

    /// The source is asked for several rows at once.
    async fn load_many(self, read: ReadMany, keys: Vec<u64>) -> Result<HashMap<u64, Loaded<Row>>, Error> {
        let stage = &self.stage;
        let row = |key: &u64| (read.tenant, *key as usize);
        let begin = |key: &u64| (*key, stage.begin_load(self.process, row(key)));
        let loads: Vec<(u64, usize)> = keys.iter().map(begin).collect();
        stage.gate(self.process, "its batch reads the source").await;
        let versions = {
            let mut book = stage.book();
            let versions = if read.lags { book.replica } else { book.source }[read.tenant];
            book.note(|| format!("loads {loads:?} read versions {versions:?}"));
            versions
        };
        stage.gate(self.process, "its batch returns").await;
        if read.fails {
            stage.note(|| format!("loads {loads:?} fail"));
            return Err(Error::other("the source is down"));
        }
        let loaded = loads.into_iter().map(|(key, load)| {
            stage.end_load(load, self.clock.now());
            let loaded = self.loaded(row(&key), versions[key as usize], 0, load);
            (key, loaded)
        });
        Ok(loaded.collect())
    }

    pub(super) async fn set_many(&self, tenant: usize, versions: &Versions) -> Result<()> {
        let keys = self.keys();
        let value = |key: &u64| {
            let key = *key as usize;
            Row::written((tenant, key), versions[tenant][key], 0)
        };
        let values = keys.iter().map(|key| (key, value(key)));
        self.rows[tenant].set_many(values).await
    }

    /// Removes one key, or all, by a pattern; whether everything was looked at.
    pub(super) async fn remove_matching(
        &self,
        rows: &Namespace<u64, Row>,
        key: Option<usize>,
    ) -> Result<bool> {
        let pattern = key.map_or_else(|| "*".to_owned(), |key| key.to_string());
        let matching = Matching::Pattern(&pattern);
        let removed = rows.remove_matching(matching, Bounds::default()).await?;
        Ok(removed.complete)
    }
}
