//! What is generated: one family per part of the command table.
//!
//! A family names its forms (see `grammar.rs`), its pools, and what lies in the keyspace at the beginning, so that
//! wrong types come up. Next: any of the files, `campaign.rs` (how a family runs).

pub(crate) mod clients;
pub(crate) mod collections;
pub(crate) mod keyspace;
pub(crate) mod programs;
pub(crate) mod sorted;
pub(crate) mod streams;
pub(crate) mod strings;

use fastrand::Rng;

use crate::grammar::Form;
use crate::mutation::{is_hazardous, mutate};
use crate::pools::Pools;
use crate::step::{Arguments, Kind, Protocol, Sequence, Step};

/// A part of the command table and how it is exercised.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) forms: &'static [&'static str],
    pub(crate) pools: &'static [&'static str],
    /// Commands at the beginning of each sequence.
    pub(crate) setup: &'static str,
    pub(crate) clients: usize,
    /// Who else is told or woken matters: see `Sequence::is_stepwise`.
    pub(crate) is_stepwise: bool,
    /// Only the newer protocol.
    pub(crate) is_resp3: bool,
    pub(crate) length: usize,
}

const PLAIN: Family = Family {
    name: "",
    forms: &[],
    pools: &[OTHER_KEYS],
    setup: OTHER_TYPES,
    clients: 1,
    is_stepwise: false,
    is_resp3: false,
    length: 120,
};

/// Keys of each type, which a family's own commands meet now and then.
const OTHER_TYPES: &str = "
SET str 10
RPUSH list 1 2 3 a
SADD set 1 2 3
SADD words a b c 1
HSET hash f 1 g 2.5 h a
ZADD zset 1 a 2 b 3 c 4 1
XADD stream 1-1 f v
";

const OTHER_KEYS: &str = "
x a b c str list set words hash zset stream missing
k a b c a b c a b c ~ str list set words hash zset stream missing
";

/// All families in the order in which a run takes them.
pub(crate) const ALL: &[&Family] = &[
    &strings::STRINGS,
    &strings::BITS,
    &strings::HYPERLOGLOG,
    &keyspace::KEYS,
    &keyspace::EXPIRY,
    &keyspace::DATABASES,
    &keyspace::SCAN,
    &collections::HASHES,
    &collections::LISTS,
    &collections::SETS,
    &collections::SORT,
    &sorted::SORTED_SETS,
    &streams::STREAMS,
    &streams::GROUPS,
    &programs::SCRIPTS,
    &programs::TRANSACTIONS,
    &clients::BLOCKING,
    &clients::PUBLISHING,
    &clients::TRACKING,
    &clients::CONNECTION,
    &EVERYTHING,
];

/// All of one client's commands on the same few keys.
pub(crate) const EVERYTHING: Family = Family {
    name: "everything",
    forms: &[
        strings::STRING_FORMS,
        strings::BIT_FORMS,
        strings::HYPERLOGLOG_FORMS,
        keyspace::KEY_FORMS,
        keyspace::SCAN_FORMS,
        collections::HASH_FORMS,
        collections::LIST_FORMS,
        collections::SET_FORMS,
        collections::SORT_FORMS,
        sorted::SORTED_SET_FORMS,
        streams::STREAM_FORMS,
        streams::GROUP_FORMS,
    ],
    pools: &[
        OTHER_KEYS,
        "k a b str list set words hash zset stream missing",
        collections::SORT_POOLS,
        streams::POOLS,
    ],
    ..PLAIN
};

/// A family made ready: parsed, and without the forms that a side does not know.
pub(crate) struct Generator {
    family: &'static Family,
    forms: Vec<Form>,
    setup: Vec<Step>,
    pools: Pools,
}

impl Generator {
    pub(crate) fn new(family: &'static Family, mut knows: impl FnMut(&Form) -> bool) -> Self {
        let mut forms: Vec<Form> = family
            .forms
            .iter()
            .flat_map(|text| Form::parse_all(text))
            .collect();
        forms.retain(&mut knows);
        let setup = family.setup.lines().filter(|line| !line.is_empty());
        let setup = setup
            .filter(|line| Form::parse_all(line).iter().all(&mut knows))
            .map(setup_step)
            .collect();
        Self {
            family,
            forms,
            setup,
            pools: Pools::new(&family.pools.join("\n")),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The sequence of a seed; the same seed yields the same sequence.
    pub(crate) fn sequence(&self, seed: u64) -> Sequence {
        let mut random = Rng::with_seed(seed);
        let protocols = (0..self.family.clients)
            .map(|_| match self.family.is_resp3 || random.bool() {
                true => Protocol::Resp3,
                false => Protocol::Resp2,
            })
            .collect();
        let mut steps = self.setup.clone();
        let length = steps.len() + random.usize(self.family.length / 4..=self.family.length);
        let weights: u32 = self.forms.iter().map(|form| form.weight).sum();
        let mut client = 0;
        while steps.len() < length {
            if random.u32(..3) == 0 {
                client = random.usize(..self.family.clients);
            }
            let mut ticket = random.u32(..weights);
            let form = self
                .forms
                .iter()
                .find(|form| match ticket.checked_sub(form.weight) {
                    Some(rest) => {
                        ticket = rest;
                        false
                    }
                    None => true,
                });
            let commands = form.expect("weights add up").generate(&mut random, &self.pools);
            let made = commands
                .into_iter()
                .map(|arguments| self.step(client, arguments, &mut random));
            let made: Vec<Step> = made.collect();
            if !made
                .iter()
                .any(|step| step.kind == Kind::Command && is_hazardous(&step.arguments))
            {
                steps.extend(made);
            }
        }
        Sequence {
            protocols,
            is_stepwise: self.family.is_stepwise,
            steps,
        }
    }

    fn step(&self, client: usize, mut arguments: Arguments, random: &mut Rng) -> Step {
        // `1!` before a command: by another client.
        let client = match arguments[0].as_slice() {
            b"other!" => {
                arguments.remove(0);
                (client + 1) % self.family.clients
            }
            _ => client,
        };
        let kind = match arguments[0].as_slice() {
            b"!iterate" => Kind::Iterate,
            b"!pass" => Kind::PassTime,
            b"!await" => Kind::Await,
            _ => Kind::Command,
        };
        if kind == Kind::Command {
            mutate(&mut arguments, random, &self.pools);
        } else {
            arguments.remove(0);
        }
        let mut step = Step::new(client, kind, arguments);
        step.although_waiting = random.u32(..12) == 0;
        step
    }
}

fn setup_step(line: &str) -> Step {
    Step::new(0, Kind::Command, crate::notation::arguments(line))
}

/// Every description can be read, and every pool it names exists.
#[test]
fn every_family_generates() {
    for family in ALL {
        let generator = Generator::new(family, |_| true);
        for seed in 0..200 {
            let sequence = generator.sequence(seed);
            assert!(!sequence.steps.is_empty(), "{} yields nothing", family.name);
        }
    }
}
