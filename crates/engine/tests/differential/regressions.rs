//! Kept cases: sequences with the exact replies of the real server.
//!
//! The files of `tests/regressions` hold what once differed and what random sequences seldom reach. Each case has a
//! sentence for a name, its clients' protocols where they are not one RESP2 client, and what reached whom after each
//! step:
//!
//! ```text
//! == a list of one element is gone when it is popped
//! 0> RPUSH key a
//! 0< :1
//! ```
//!
//! Both sides are held to the file. To add a case, write its steps and run the test with
//! `OXHERD_REGRESSIONS_RECORD=1`, which puts the server's replies in.
//! Next: `notation.rs`, `runner.rs` (what the steps that begin with `!` do).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::side::{SILENCE, Side, machine_time_ms};
use crate::step::{Kind, Protocol, SOON, SOON_DURATION, Step, encode};

/// How far ahead deadlines lie; cases are short.
const MARGIN_MS: u64 = 60;

struct Case {
    name: String,
    protocols: Vec<Protocol>,
    steps: Vec<Step>,
    /// The case as the file has it, in the form in which a run is written.
    text: String,
}

/// Holds both sides to every file.
///
/// # Panics
/// When a side answers otherwise; the message shows the case as it should be and as it was.
pub(crate) fn check(oracle: &mut dyn Side, subject: &mut dyn Side) {
    let is_recording = std::env::var_os("OXHERD_REGRESSIONS_RECORD").is_some();
    let mut failures = String::new();
    for path in files() {
        let cases = read(&path);
        if is_recording {
            let recorded: Vec<String> = cases.iter().map(|case| run(oracle, case)).collect();
            std::fs::write(&path, recorded.join("\n")).expect("the file can be written");
            continue;
        }
        for case in &cases {
            hold(oracle, case, &mut failures);
            hold(subject, case, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn hold(side: &mut dyn Side, case: &Case, failures: &mut String) {
    let (text, expected) = (run(side, case), &case.text);
    if text != *expected {
        write!(failures, "\n{} says\n{text}instead of\n{expected}", side.name()).expect("a string takes all");
    }
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    let entries = std::fs::read_dir(directory).expect("the directory of kept cases");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files
}

fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).expect("a file of kept cases");
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(name) = line.strip_prefix("== ") {
            let (name, protocols) = (name.to_owned(), vec![Protocol::Resp2]);
            cases.push(Case {
                name,
                protocols,
                steps: Vec::new(),
                text: format!("{line}\n"),
            });
            continue;
        }
        let case = cases.last_mut().expect("a case begins with ==");
        writeln!(case.text, "{line}").expect("a string takes all");
        if let Some(list) = line.strip_prefix("protocols ") {
            case.protocols = list.split(' ').map(protocol).collect();
        } else if line
            .split_once("> ")
            .is_some_and(|(client, _)| client.parse::<usize>().is_ok())
        {
            case.steps.push(Step::read(line));
        }
    }
    cases
}

fn protocol(number: &str) -> Protocol {
    match number {
        "2" => Protocol::Resp2,
        "3" => Protocol::Resp3,
        _ => panic!("there is no protocol {number:?}"),
    }
}

/// The case with what this side answers.
fn run(side: &mut dyn Side, case: &Case) -> String {
    let mut text = format!("== {}\n", case.name);
    if case.protocols != [Protocol::Resp2] {
        let numbers = case.protocols.iter().map(|protocol| match protocol {
            Protocol::Resp2 => "2",
            Protocol::Resp3 => "3",
        });
        writeln!(text, "protocols {}", numbers.collect::<Vec<_>>().join(" ")).expect("a string takes all");
    }
    side.set_time(machine_time_ms());
    side.begin(&case.protocols);
    let mut deadline = 0;
    for step in &case.steps {
        side.set_time(machine_time_ms());
        writeln!(text, "{step}").expect("a string takes all");
        match step.kind {
            Kind::PassTime => pass(side, deadline),
            Kind::Await => {}
            Kind::Command | Kind::Iterate => {
                let soon = machine_time_ms() + MARGIN_MS;
                deadline = soon + MARGIN_MS;
                send(side, step, soon);
            }
        }
        show(side, step, case.protocols.len(), &mut text);
    }
    text
}

fn send(side: &mut dyn Side, step: &Step, soon: u64) {
    let filled = step.arguments.iter().map(|argument| match argument.as_slice() {
        SOON => soon.to_string().into_bytes(),
        SOON_DURATION => MARGIN_MS.to_string().into_bytes(),
        other => match other.strip_prefix(crate::step::CLIENT_ID) {
            Some(client) => {
                let client = std::str::from_utf8(client)
                    .expect("a digit")
                    .parse()
                    .expect("a number");
                side.client_id(client).to_string().into_bytes()
            }
            None => other.to_vec(),
        },
    });
    let filled: Vec<Vec<u8>> = filled.collect();
    let mut bytes = Vec::new();
    encode(&filled, &mut bytes);
    side.send(step.client, &bytes);
}

fn pass(side: &mut dyn Side, deadline: u64) {
    while machine_time_ms() <= deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    side.set_time(machine_time_ms());
}

fn show(side: &mut dyn Side, step: &Step, clients: usize, text: &mut String) {
    side.settle();
    let start = Instant::now();
    for client in 0..clients {
        let mut frames = side.arrived(client);
        while step.kind == Kind::Await
            && client == step.client
            && frames.is_empty()
            && start.elapsed() < SILENCE
        {
            std::thread::sleep(Duration::from_millis(1));
            side.set_time(machine_time_ms());
            side.end_waits();
            frames = side.arrived(client);
        }
        for frame in frames {
            writeln!(text, "{client}< {frame}").expect("a string takes all");
        }
    }
}
