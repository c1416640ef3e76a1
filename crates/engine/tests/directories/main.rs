//! Directories that this version or an earlier one has written, whole and damaged, kept as they were.
//!
//! `tests/fixtures/directories/<name>/store` is a directory; `expected.txt` is what a check says of it, and what it holds
//! or the exact words with which it is refused. Directories of released formats are never made anew. Those of the format
//! of this version were made with `OXHERD_MAKE_DIRECTORIES=1 cargo test -p oxherd-engine --test directories`, which
//! makes whatever is not there; `OXHERD_MAKE_EXPECTED=1` writes down what is found.
//! Next: `make.rs` (how they were made), `dump.rs` (what they hold, as text).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod dump;
mod make;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use oxherd_engine::{Backup, Clock, Error, ErrorKind, Inspection, Options, restore_file};

/// The moment at which the directories were made and are read.
const NOW: Duration = Duration::from_millis(1_700_000_000_000);

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/directories")
}

fn is_wanted(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

/// The names of all fixtures, in order.
fn names() -> Vec<String> {
    let entries = fs::read_dir(fixtures()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| fixtures().join(name).is_dir()).collect();
    names.sort();
    names
}

/// A copy that may be written.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn options() -> Options {
    let (clock, _) = Clock::manual(UNIX_EPOCH + NOW);
    Options::default().clock(clock).seed(7)
}

/// All that is said of a directory and in it, without where it is.
async fn told(store: &Path) -> String {
    let mut told = String::new();
    match Inspection::of(store, |_| {}) {
        Ok(inspection) => check(&inspection, &mut told),
        Err(error) => refused("check", &error, store, &mut told),
    }
    let scratch = tempfile::tempdir().unwrap();
    for salvage in [false, true] {
        let file = scratch.path().join(salvage.to_string());
        let verb = if salvage { "salvage" } else { "backup" };
        match Backup::of(store).salvage(salvage).write_to_file(&file) {
            Err(error) => refused(verb, &error, store, &mut told),
            Ok(report) => {
                let again = scratch.path().join(format!("{salvage} again"));
                let restored = restore_file(&file, &again, |_| {}).unwrap();
                assert_eq!(restored.last_change, report.last_change);
                let missing = report
                    .missing
                    .map_or("nothing".to_owned(), |missing| missing.message);
                let (files, last) = (report.files, report.last_change);
                writeln!(
                    told,
                    "{verb}: {files} files up to change {last}, missing {missing}"
                )
                .unwrap();
            }
        }
    }
    match options().open(store) {
        Ok(engine) => {
            told.push_str("opened\n\n");
            told.push_str(&dump::all(&engine).await);
        }
        Err(error) => refused("open", &error, store, &mut told),
    }
    told
}

fn check(inspection: &Inspection, told: &mut String) {
    for file in &inspection.files {
        let whole = file.whole.map_or("-".to_owned(), |whole| whole.to_string());
        let (role, bytes) = (file.role, file.bytes);
        writeln!(told, "{} {role:?} {bytes} bytes, whole {whole}", file.name).unwrap();
    }
    let (last, groups, keys) = (inspection.last_change, inspection.groups, inspection.keys());
    writeln!(told, "check: change {last}, {groups} groups, {keys} keys").unwrap();
    for database in &inspection.databases {
        // Which keys are due depends on the day.
        let (index, keys, expiring) = (database.index, database.keys(), database.expiring);
        writeln!(told, "database {index}: {keys} keys, {expiring} expire").unwrap();
    }
    if let Some(torn) = &inspection.torn {
        writeln!(
            told,
            "torn: {} from byte {} on, {} bytes",
            torn.file, torn.offset, torn.bytes
        )
        .unwrap();
    }
    if let Some(damage) = &inspection.damage {
        let (message, behind) = (&damage.message, damage.groups_behind);
        let can = if damage.is_salvageable { "can" } else { "cannot" };
        writeln!(
            told,
            "damage: {message}\ngroups behind: {behind}; {can} be salvaged"
        )
        .unwrap();
    }
}

fn refused(verb: &str, error: &Error, store: &Path, told: &mut String) {
    let message = error.to_string().replace(store.to_str().unwrap(), "DIRECTORY");
    writeln!(told, "{verb} refused ({:?}): {message}", error.kind()).unwrap();
}

#[tokio::test]
async fn directories_are_read_as_they_were_when_they_were_made() {
    if is_wanted("OXHERD_MAKE_DIRECTORIES") {
        make::missing(&fixtures()).await;
    }
    let names = names();
    assert!(names.len() >= 13, "{names:?}");
    for name in names {
        let fixture = fixtures().join(&name);
        let scratch = tempfile::tempdir().unwrap();
        let store = scratch.path().join("store");
        copy(&fixture.join("store"), &store);
        let told = told(&store).await;
        let expected = fixture.join("expected.txt");
        if is_wanted("OXHERD_MAKE_EXPECTED") {
            fs::write(&expected, &told).unwrap();
        }
        assert_eq!(told, fs::read_to_string(&expected).unwrap(), "{name}");
    }
}

#[test]
fn a_refused_directory_is_left_as_it_is() {
    for name in names() {
        let scratch = tempfile::tempdir().unwrap();
        let store = scratch.path().join("store");
        copy(&fixtures().join(&name).join("store"), &store);
        let Err(error) = options().open(&store) else {
            continue;
        };
        assert!(
            matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Format),
            "{name}: {error}"
        );
        for entry in fs::read_dir(fixtures().join(&name).join("store")).unwrap() {
            let entry = entry.unwrap();
            let there = fs::read(store.join(entry.file_name())).unwrap();
            assert!(
                there == fs::read(entry.path()).unwrap(),
                "{name}: {:?}",
                entry.file_name()
            );
        }
    }
}
