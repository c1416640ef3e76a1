//! How long, from which seed, and what becomes of differences.
//!
//! By default each family runs for a few thousand commands, the same in every run: what they find is a change of ours.
//! With `OXHERD_DIFFERENTIAL_COMMANDS=1000000` a run is long and tells what it compared; `OXHERD_DIFFERENTIAL_SEED=…`
//! starts at another sequence, to look for what is not known yet, or at one that a run has printed.
//! Next: `runner.rs`, `shrink.rs`, `families/`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use crate::families::{ALL, Family, Generator};
use crate::grammar::Form;
use crate::runner::{Difference, Runner};
use crate::shrink::shrink;
use crate::side::Side;
use crate::statistics::Statistics;
use crate::step::{Arguments, Sequence, has_subcommands};

const COMMANDS: u64 = 4_000;
const SEED: u64 = 20_261_121;
/// Slow families wait for time-outs and deadlines.
const LONGEST: Duration = Duration::from_secs(6);
const DIFFERENCES: usize = 4;

struct Plan {
    commands: u64,
    seed: u64,
    is_long: bool,
}

impl Plan {
    fn read() -> Self {
        let number = |name: &str| {
            std::env::var(name).ok().map(|text| {
                text.parse::<u64>()
                    .unwrap_or_else(|_| panic!("{name} is a number"))
            })
        };
        let families = u64::try_from(ALL.len()).expect("a few");
        let commands = number("OXHERD_DIFFERENTIAL_COMMANDS");
        Self {
            commands: commands.map_or(COMMANDS, |all| all.div_ceil(families)),
            seed: number("OXHERD_DIFFERENTIAL_SEED").unwrap_or(SEED),
            is_long: commands.is_some(),
        }
    }
}

/// Compares the two sides on one family.
///
/// # Panics
/// When they differ, with the smallest sequences found.
pub(crate) fn run(family: &'static Family, oracle: Box<dyn Side>, subject: Box<dyn Side>) {
    let plan = Plan::read();
    let mut runner = Runner {
        oracle,
        subject,
        statistics: Statistics::default(),
    };
    let mut missing = Vec::new();
    let generator = Generator::new(family, |form| {
        let unknown = unknown_commands(&mut *runner.subject, form);
        missing.extend(unknown.iter().cloned());
        unknown.is_empty()
    });
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        println!(
            "{}: not known to {}: {}",
            family.name,
            runner.subject.name(),
            missing.join(", ")
        );
    }
    if generator.is_empty() {
        return;
    }
    let differences = compare(&plan, &generator, &mut runner);
    if plan.is_long {
        println!(
            "{}: {} replies compared: {}",
            family.name,
            runner.statistics.total(),
            runner.statistics
        );
    }
    let reports: Vec<String> = differences
        .values()
        .map(|(seed, found)| report(family, *seed, found))
        .collect();
    assert!(reports.is_empty(), "{}", reports.join("\n"));
}

type Found = (Sequence, Difference);

fn compare(plan: &Plan, generator: &Generator, runner: &mut Runner) -> BTreeMap<String, (u64, Found)> {
    let mut differences = BTreeMap::new();
    let limit = if plan.is_long {
        DIFFERENCES * 8
    } else {
        DIFFERENCES
    };
    let mut seed = plan.seed;
    let start = Instant::now();
    while runner.statistics.total() < plan.commands && differences.len() < limit {
        if !plan.is_long && start.elapsed() > LONGEST {
            break;
        }
        let sequence = generator.sequence(seed);
        let _announcement = Announcement {
            seed,
            sequence: sequence.clone(),
        };
        if let Some(difference) = runner.run(&sequence) {
            // One report per command and pair of replies: the first of them is enough.
            let signature = format!(
                "{} {} {}",
                difference.name,
                outline(&difference.oracle),
                outline(&difference.subject)
            );
            if let Entry::Vacant(place) = differences.entry(signature) {
                place.insert((seed, shrink(runner, sequence, difference)));
            }
        }
        seed += 1;
    }
    differences
}

/// Names the sequence when a side dies in it.
struct Announcement {
    seed: u64,
    sequence: Sequence,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let steps: Vec<String> = self.sequence.steps.iter().map(ToString::to_string).collect();
            println!(
                "in the sequence of OXHERD_DIFFERENTIAL_SEED={}:\n{}",
                self.seed,
                steps.join("\n")
            );
        }
    }
}

/// The kind of a reply, and the words of an error.
fn outline(reply: &str) -> String {
    let text: String = reply
        .chars()
        .skip(3)
        .take_while(|character| !character.is_ascii_digit())
        .collect();
    if text.starts_with('-') {
        text
    } else {
        text.chars().take(1).collect()
    }
}

fn report(family: &Family, seed: u64, (sequence, difference): &Found) -> String {
    let mut text = format!(
        "\n== {}: OXHERD_DIFFERENTIAL_SEED={seed}, protocols {:?}\n",
        family.name, sequence.protocols
    );
    for step in sequence.steps.iter().take(difference.at + 1) {
        text.push_str(&format!("{step}\n"));
    }
    if difference.at >= sequence.steps.len() {
        text.push_str(&format!("   at the end: {}\n", difference.command));
    }
    text + &format!(
        "   redis-server:\n{}\n   here:\n{}\n",
        difference.oracle, difference.subject
    )
}

/// The form's commands that the side does not have.
fn unknown_commands(side: &mut dyn Side, form: &Form) -> Vec<String> {
    let names = form.names();
    names
        .into_iter()
        .filter_map(|name| unknown_command(side, &name))
        .collect()
}

fn unknown_command(side: &mut dyn Side, name: &Arguments) -> Option<String> {
    let text = String::from_utf8_lossy(&name.join(&b' ')).into_owned();
    if name[0].starts_with(b"!") || ["NOSUCH", "QUIT"].iter().any(|word| text.starts_with(word)) {
        return None;
    }
    side.begin(&[crate::step::Protocol::Resp2]);
    let has_subcommand = name.len() > 1 && has_subcommands(&name[0]);
    let reply = side.call(0, &name[..1 + usize::from(has_subcommand)]).to_string();
    let is_unknown =
        reply.starts_with("-ERR unknown command") || reply.starts_with("-ERR unknown subcommand");
    is_unknown.then_some(text)
}
