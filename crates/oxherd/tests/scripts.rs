//! Every Lua script keeps the form that the library, and whoever reads it, rely on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn scripts(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua").join(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "lua") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    assert!(!found.is_empty(), "no scripts in {}", root.display());
    found
}

const NOUNS: [&str; 5] = ["cache", "job", "lock", "queue", "worker"];

/// Those that ask the store for the time: fencing numbers, the ends of write intents and of reports, which processes must agree on, and
/// incarnations, which are never to be again.
const MAY_ASK_THE_TIME: [&str; 5] = [
    "lock/acquire.lua",
    "cache/intend.lua",
    "cache/report.lua",
    "include/cache_intent.lua",
    "include/cache_sequence.lua",
];

#[test]
fn every_script_opens_with_its_contract() {
    for noun in NOUNS {
        for (path, text) in scripts(noun) {
            let name = format!("{noun}/{}", path.file_stem().unwrap().to_str().unwrap());
            let header: Vec<_> = text.lines().take_while(|line| line.starts_with("--")).collect();
            assert!(
                header[0].starts_with(&format!("-- {name}: ")),
                "{name}: the first line says what it does"
            );
            for part in ["KEYS", "ARGV", "CLOCK", "RETURN", "RESEND"] {
                let is_there = header.iter().any(|line| line.starts_with(&format!("-- {part} ")));
                assert!(is_there, "{name}: the header has a line {part}");
            }
        }
    }
}

#[test]
fn no_script_walks_the_keyspace_or_is_random() {
    for folder in NOUNS.into_iter().chain(["include"]) {
        for (path, text) in scripts(folder) {
            for forbidden in ["'KEYS'", "'SCAN'", "'TIME'", "math.random", "'FLUSH", "EVAL"] {
                let may_ask = MAY_ASK_THE_TIME.iter().any(|script| path.ends_with(script));
                let is_granted = forbidden == "'TIME'" && may_ask;
                assert!(
                    is_granted || !text.contains(forbidden),
                    "{}: uses {forbidden}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn every_included_file_exists_and_is_used() {
    let mut included: Vec<String> = Vec::new();
    for folder in NOUNS.into_iter().chain(["include"]) {
        for (_, text) in scripts(folder) {
            included.extend(
                text.lines()
                    .filter_map(|line| line.strip_prefix("-- @include "))
                    .map(ToOwned::to_owned),
            );
        }
    }
    for (path, _) in scripts("include") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            included.iter().any(|used| used == name),
            "include/{name}.lua is not used"
        );
    }
}
