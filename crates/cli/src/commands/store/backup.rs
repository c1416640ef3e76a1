//! `oxherd store backup`: the files of a directory in one file.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use oxherd::engine::{self, BackupReport};
use serde::Serialize;

use super::directory::{Bar, blocking, counted, directory, failed, size};
use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::output::{Details, Output};

/// Write all files of a store in a directory to one file
///
/// Another process may have the directory and goes on meanwhile: everything it had acknowledged before the backup began is
/// in it. Every checksum is looked at on the way. The file has its name when it is whole and on the disk.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  oxherd store backup /backup/oxherd-$(date +%F).oxb
  oxherd store backup - | ssh elsewhere 'cat > oxherd.oxb'")]
pub(crate) struct Backup {
    /// The file to write; - is stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    replace: bool,
    /// Of damaged files take what is whole before the damage; ends with 1 when something is missing
    #[arg(long)]
    salvage: bool,
}

#[derive(Serialize)]
struct Told {
    file: Option<String>,
    bytes: u64,
    files: u64,
    store: String,
    last_change: u64,
    missing: Option<String>,
}

impl Backup {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let directory = directory(None, "backup", global, output)?;
        let is_stdout = self.file == Path::new("-");
        if is_stdout && std::io::stdout().is_terminal() {
            return Err(Failure::usage("a backup is nothing for a terminal")
                .help("name a file, as in `oxherd store backup store.oxb`"));
        }
        let bar = Bar::new("backup", output);
        let shown = bar.clone();
        let backup = engine::Backup::of(directory)
            .salvage(self.salvage)
            .replace(self.replace)
            .on_progress(move |boot| shown.show(boot));
        let file = self.file.clone();
        let written = blocking(move || match is_stdout {
            true => {
                let mut stdout = std::io::BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
                let written = backup.write_to(&mut stdout);
                // Whatever the backup could not flush it has told.
                drop(stdout.flush());
                written
            }
            false => backup.write_to_file(file),
        })
        .await;
        bar.clear();
        let report = written?.map_err(|error| refused(&error, &self.file))?;
        let told = told(&report, (!is_stdout).then_some(&self.file));
        if is_stdout {
            output.note(details(&told).trim_end());
        } else {
            output.one(&told, || details(&told))?;
        }
        report.missing.map_or(Ok(()), |missing| {
            let what = format!(
                "the backup holds everything up to change {}, and no more",
                report.last_change
            );
            let failure = Failure::failed(what).because(missing.message);
            Err(match missing.groups_behind {
                0 => failure,
                count => failure.because(format!(
                    "{} behind it cannot be used without it",
                    counted(count, "group")
                )),
            })
        })
    }
}

fn refused(error: &engine::Error, file: &Path) -> Failure {
    match error.kind() {
        engine::ErrorKind::Exists => {
            Failure::new(Code::Refused, format!("{} is there already", file.display()))
                .help("--replace replaces it when the backup is whole")
        }
        _ => failed(error),
    }
}

fn told(report: &BackupReport, file: Option<&PathBuf>) -> Told {
    Told {
        file: file.map(|file| file.display().to_string()),
        bytes: report.bytes,
        files: report.files,
        store: format!("{:032x}", report.store),
        last_change: report.last_change,
        missing: report.missing.as_ref().map(|missing| missing.message.clone()),
    }
}

fn details(told: &Told) -> String {
    let mut details = Details::default();
    details.maybe("backup", told.file.clone());
    details.line("size", size(told.bytes));
    details.line("store", told.store.as_str());
    details.line("last change", told.last_change.to_string());
    details.render()
}
