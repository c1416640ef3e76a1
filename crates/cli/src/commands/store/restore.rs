//! `oxherd store restore`: a directory from a backup.

use std::path::{Path, PathBuf};

use clap::Args;
use oxherd::engine::{self, RestoreReport};
use serde::Serialize;

use super::directory::{Bar, blocking, directory, failed, size};
use crate::args::Global;
use crate::exit::Failure;
use crate::output::{Details, Output, moment};

/// Make a store's directory from a backup
///
/// The directory must be empty or not there. All of the backup is read and looked at before the first file has its name:
/// afterwards everything is there, or nothing. Needs as much memory as a server with the same data.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  oxherd store restore /backup/oxherd-2026-11-21.oxb --store embedded:/var/lib/oxherd
  ssh elsewhere 'cat oxherd.oxb' | oxherd store restore -")]
pub(crate) struct Restore {
    /// The backup; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Told {
    directory: String,
    bytes: u64,
    files: u64,
    keys: u64,
    store: String,
    last_change: u64,
    taken_at: u64,
    is_salvaged: bool,
}

impl Restore {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let directory = directory(None, "restore", global, output)?;
        let bar = Bar::new("restoring", output);
        let shown = bar.clone();
        let (file, into) = (self.file, directory.clone());
        let restored = blocking(move || {
            let hear = |boot| shown.show(boot);
            match file == Path::new("-") {
                true => engine::restore(&mut std::io::stdin().lock(), None, into, hear),
                false => engine::restore_file(file, into, hear),
            }
        })
        .await;
        bar.clear();
        let report = restored?.map_err(|error| refused(&error))?;
        let told = told(&report, &directory);
        output.one(&told, || details(&told))?;
        if report.is_salvaged {
            output.note("warning: this backup was taken of a damaged store, and does not hold everything");
        }
        Ok(())
    }
}

fn refused(error: &engine::Error) -> Failure {
    let failure = failed(error);
    match error.kind() {
        engine::ErrorKind::Exists => failure.help(
            "restore into another directory (--store embedded:DIRECTORY), or move this one away; nothing is overwritten",
        ),
        _ => failure,
    }
}

fn told(report: &RestoreReport, directory: &Path) -> Told {
    Told {
        directory: directory.display().to_string(),
        bytes: report.bytes,
        files: report.files,
        keys: report.keys,
        store: format!("{:032x}", report.store),
        last_change: report.last_change,
        taken_at: report.taken_at,
        is_salvaged: report.is_salvaged,
    }
}

fn details(told: &Told) -> String {
    let mut details = Details::default();
    details.line("restored", told.directory.as_str());
    details.line("keys", told.keys.to_string());
    details.line("size", size(told.bytes));
    details.line("store", told.store.as_str());
    details.line("last change", told.last_change.to_string());
    details.line("backup of", moment(told.taken_at));
    details.render()
}
