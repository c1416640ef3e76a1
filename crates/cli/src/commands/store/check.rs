//! `oxherd store check`: whether a directory is whole, and what it holds.

use std::path::PathBuf;

use clap::Args;
use oxherd::engine::{Damaged, FileRole, InspectedDatabase, InspectedFile, Inspection};
use serde::Serialize;

use super::directory::{Bar, blocking, counted, directory, failed, image_size, size};
use crate::args::Global;
use crate::exit::Failure;
use crate::output::{Details, Output, Table, left, right};

/// Read all files of a store in a directory and tell whether they are whole
///
/// Every checksum, the order of changes, and whether they fit together: what a start would find out. Nothing is
/// changed, and another process may have the directory. Needs as much memory as that. Ends with 0 when all is well, 1
/// when something is damaged, 5 when it cannot be read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  oxherd store check                             # the directory of --store, OXHERD_STORE or oxherd.toml
  oxherd store check /var/lib/oxherd --output json | jq .damage")]
pub(crate) struct Check {
    /// The directory [default: the store's]
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// What a check prints as JSON.
#[derive(Serialize)]
struct Told {
    directory: String,
    is_whole: bool,
    is_held: bool,
    held_by: Option<u32>,
    store: Option<String>,
    last_change: u64,
    groups: u64,
    keys: u64,
    databases: Vec<ToldDatabase>,
    torn: Option<ToldTail>,
    damage: Option<ToldDamage>,
    files: Vec<ToldFile>,
}

#[derive(Serialize)]
struct ToldDatabase {
    index: usize,
    string: u64,
    list: u64,
    hash: u64,
    set: u64,
    zset: u64,
    stream: u64,
    expiring: u64,
    due: u64,
}

#[derive(Serialize)]
struct ToldTail {
    file: String,
    offset: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ToldDamage {
    message: String,
    file: Option<String>,
    offset: Option<u64>,
    groups_behind: u64,
    is_salvageable: bool,
}

#[derive(Serialize)]
pub(super) struct ToldFile {
    name: String,
    role: &'static str,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<u64>,
}

impl Check {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let directory = directory(self.directory, "check", global, output)?;
        let bar = Bar::new("checking", output);
        let shown = bar.clone();
        let checked = blocking(move || Inspection::of(directory, |boot| shown.show(boot))).await;
        bar.clear();
        let inspection = checked?.map_err(|error| failed(&error))?;
        if output.is_json() {
            output.json(&told(&inspection))?;
        } else {
            output.text(&details(&inspection))?;
            output.text("\n")?;
            output.table(&files_table(&inspection))?;
        }
        match &inspection.damage {
            Some(damage) => Err(failure(&inspection, damage)),
            None => Ok(()),
        }
    }
}

/// What is lost, what is not, and the commands that save it.
fn failure(inspection: &Inspection, damage: &Damaged) -> Failure {
    let failure = Failure::failed(damage.message.as_str());
    let behind = match damage.groups_behind {
        0 => String::new(),
        count => format!(
            "; {} behind it cannot be used without what is missing",
            counted(count, "group")
        ),
    };
    if damage.is_salvageable {
        return failure.help(format!(
            "{} up to change {} can be recovered{behind}: `oxherd store backup --salvage FILE`, then `oxherd store restore \
             FILE` into a new directory; a backup that is newer holds more",
            counted(inspection.keys(), "key"),
            inspection.last_change,
        ));
    }
    failure.help(format!(
        "nothing can be recovered from these files by themselves{behind}: `oxherd store restore` the last backup into a new \
         directory"
    ))
}

fn told(inspection: &Inspection) -> Told {
    Told {
        directory: inspection.directory.display().to_string(),
        is_whole: inspection.damage.is_none(),
        is_held: inspection.holder.is_some(),
        held_by: inspection.holder.flatten(),
        store: inspection.store.map(|store| format!("{store:032x}")),
        last_change: inspection.last_change,
        groups: inspection.groups,
        keys: inspection.keys(),
        databases: inspection.databases.iter().map(told_database).collect(),
        torn: inspection.torn.as_ref().map(|torn| ToldTail {
            file: torn.file.clone(),
            offset: torn.offset,
            bytes: torn.bytes,
        }),
        damage: inspection.damage.as_ref().map(|damage| ToldDamage {
            message: damage.message.clone(),
            file: damage.file.clone(),
            offset: damage.offset,
            groups_behind: damage.groups_behind,
            is_salvageable: damage.is_salvageable,
        }),
        files: told_files(inspection),
    }
}

fn told_database(database: &InspectedDatabase) -> ToldDatabase {
    ToldDatabase {
        index: database.index,
        string: database.strings,
        list: database.lists,
        hash: database.hashes,
        set: database.sets,
        zset: database.sorted_sets,
        stream: database.streams,
        expiring: database.expiring,
        due: database.due,
    }
}

/// The files as JSON.
pub(super) fn told_files(inspection: &Inspection) -> Vec<ToldFile> {
    let files = inspection.files.iter().map(|file| ToldFile {
        name: file.name.clone(),
        role: role(file),
        bytes: file.bytes,
        whole: file.whole,
    });
    files.collect()
}

fn role(file: &InspectedFile) -> &'static str {
    match file.role {
        FileRole::Image => "image",
        FileRole::Log => "log",
        FileRole::Leftover => "left over",
        FileRole::Lock => "lock",
        _ if file.name == "oxherd.sock" => "socket",
        _ if file.name == "oxherd.holder" => "holder",
        _ => "other",
    }
}

fn details(inspection: &Inspection) -> String {
    let mut details = Details::default();
    details.line("directory", inspection.directory.display().to_string());
    details.line(
        "state",
        match (&inspection.damage, &inspection.torn) {
            (Some(_), _) => "damaged",
            (None, Some(_)) if inspection.holder.is_some() => "whole; a group is being written",
            (None, Some(_)) => "whole, but for a torn end that nobody was told of",
            (None, None) => "whole",
        },
    );
    details.line("held by", holder(inspection));
    details.maybe("store", inspection.store.map(|store| format!("{store:032x}")));
    details.line("last change", inspection.last_change.to_string());
    let (image, log) = inspection.bytes();
    details.line(
        "size",
        format!(
            "image {}, log {} in {}",
            image_size(image),
            size(log),
            counted(inspection.groups, "group")
        ),
    );
    if let Some(torn) = &inspection.torn {
        details.line(
            "torn end",
            format!("{}: {} from byte {} on", torn.file, size(torn.bytes), torn.offset),
        );
    }
    let is_known = inspection
        .damage
        .as_ref()
        .is_none_or(|damage| damage.is_salvageable);
    if is_known {
        details.line("keys", inspection.keys().to_string());
    }
    for database in &inspection.databases {
        details.line("", of_database(database));
    }
    details.render()
}

fn of_database(database: &InspectedDatabase) -> String {
    let kinds = [
        ("string", database.strings),
        ("list", database.lists),
        ("hash", database.hashes),
        ("set", database.sets),
        ("zset", database.sorted_sets),
        ("stream", database.streams),
    ];
    let kinds = kinds.iter().filter(|(_, count)| *count > 0);
    let kinds: Vec<String> = kinds.map(|(kind, count)| format!("{kind} {count}")).collect();
    let mut line = format!("database {}: {}", database.index, kinds.join(", "));
    if database.expiring > 0 {
        line.push_str(&format!("; {} expire", database.expiring));
    }
    if database.due > 0 {
        line.push_str(&format!(", {} are due", database.due));
    }
    line
}

/// Who has the directory.
pub(super) fn holder(inspection: &Inspection) -> String {
    match inspection.holder {
        None => "nobody".to_owned(),
        Some(None) => "another process".to_owned(),
        Some(Some(process)) => format!("process {process}"),
    }
}

/// The files as a table.
pub(super) fn files_table(inspection: &Inspection) -> Table {
    let mut table = Table::new([left("FILE"), left("WHAT"), right("BYTES"), right("WHOLE")]);
    for file in &inspection.files {
        table.row([
            file.name.clone(),
            role(file).to_owned(),
            file.bytes.to_string(),
            file.whole
                .map_or_else(|| "-".to_owned(), |whole| whole.to_string()),
        ]);
    }
    table
}
