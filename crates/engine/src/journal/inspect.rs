//! What a directory holds and whether it is whole, for programs that look after it.
//!
//! Looking changes nothing and asks nobody: a process that has the directory goes on meanwhile, and what it writes from
//! then on is not looked at.
//! Next: `examine.rs` (how it is read), `backup/` (copies of it).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::JournalError;
use super::examine::{Findings, Trouble, examine};
use super::frame::FileKind;
use super::frozen::Frozen;
use super::load::Loaded;
use super::storage::disk::{self, Disk};
use super::survey::{Survey, parse};
use crate::clock::Clock;
use crate::engine::Boot;
use crate::error::Error;
use crate::keyspace::{Database, Value};

/// What a directory holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The directory.
    pub directory: PathBuf,
    /// The files in it, by name.
    pub files: Vec<InspectedFile>,
    /// The process that has it: `None` when nobody has, `Some(None)` when it has not said its number.
    pub holder: Option<Option<u32>>,
    /// A random number that all files of a store have in common. `None` when no file says it.
    pub store: Option<u128>,
    /// The number of the last change that is whole.
    pub last_change: u64,
    /// Groups of changes in the log that are whole.
    pub groups: u64,
    /// The end of the log that a start would cut off, or that is being written.
    pub torn: Option<TornTail>,
    /// Why no engine would start there.
    pub damage: Option<Damaged>,
    /// What it holds, by the index clients use, without databases that are empty. Of a damaged directory: what is whole
    /// before the damage.
    pub databases: Vec<InspectedDatabase>,
}

/// A file of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InspectedFile {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: FileRole,
    /// Its length in bytes.
    pub bytes: u64,
    /// So many bytes from its beginning on are whole, if that was looked at.
    pub whole: Option<u64>,
}

/// What a file is for an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileRole {
    /// Everything as it was at some moment.
    Image,
    /// What has changed since.
    Log,
    /// It belongs to no state any more, or not yet: a process was cut short, or is writing it.
    Leftover,
    /// It is locked by the process that has the directory.
    Lock,
    /// None of the engine's business.
    Other,
}

/// The end of a log that was being written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// The file.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
}

/// Why no engine would start on a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damaged {
    /// The file, when it is in one.
    pub file: Option<String>,
    /// Where in the file.
    pub offset: Option<u64>,
    /// What an engine says of it.
    pub message: String,
    /// Whole groups of changes behind it, in the same file and in later ones. They cannot be used without what is missing.
    pub groups_behind: u64,
    /// Everything up to [`Inspection::last_change`] can be had back: a [`Backup`](crate::Backup) with
    /// [`salvage`](crate::Backup::salvage) holds it.
    pub is_salvageable: bool,
}

/// What a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InspectedDatabase {
    /// Its index.
    pub index: usize,
    /// Strings.
    pub strings: u64,
    /// Lists.
    pub lists: u64,
    /// Hashes.
    pub hashes: u64,
    /// Sets.
    pub sets: u64,
    /// Sorted sets.
    pub sorted_sets: u64,
    /// Streams.
    pub streams: u64,
    /// Of all these, so many expire.
    pub expiring: u64,
    /// And so many of them would be gone by now.
    pub due: u64,
}

impl InspectedDatabase {
    /// Keys of all types.
    pub fn keys(&self) -> u64 {
        let Self {
            strings,
            lists,
            hashes,
            sets,
            sorted_sets,
            streams,
            ..
        } = self;
        strings + lists + hashes + sets + sorted_sets + streams
    }
}

impl Inspection {
    /// Reads everything in a directory. Blocks, and needs as much memory as an engine with the same data; `hear` is told
    /// how far it is.
    ///
    /// Whatever is wrong with the files is in [`Inspection::damage`].
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`](crate::ErrorKind) when it holds nothing, `Format` when another version has written it,
    /// `Storage` when the system refuses something.
    pub fn of(directory: impl AsRef<Path>, mut hear: impl FnMut(Boot)) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let (frozen, mut inspection) = Self::begin(directory)?;
        let now = Clock::system().wall_nanos() / 1_000_000;
        let findings = examine(&Arc::new(frozen), now, &mut hear)?;
        inspection.take(findings, now);
        Ok(inspection)
    }

    /// Lists the files of a directory and who has it, and reads none of them.
    ///
    /// # Errors
    /// As [`Inspection::of`].
    pub fn list(directory: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self::begin(directory.as_ref())?.1)
    }

    fn begin(directory: &Path) -> Result<(Frozen, Self), JournalError> {
        let holder = disk::holder(directory);
        let disk = Disk::visit(directory)?;
        let frozen = Frozen::new(&disk)?;
        let names = frozen.listed();
        let survey = Survey::list(names.clone());
        if survey.is_new() {
            return Err(JournalError::NoStore(directory.to_owned()));
        }
        let state: Vec<String> = survey.state().collect();
        let files = names
            .into_iter()
            .map(|name| file(directory, name, &state, &survey));
        let mut files: Vec<InspectedFile> = files.collect();
        files.sort_by(|one, other| one.name.cmp(&other.name));
        let inspection = Self {
            directory: directory.to_owned(),
            files,
            holder,
            store: None,
            last_change: 0,
            groups: 0,
            torn: None,
            damage: None,
            databases: Vec::new(),
        };
        Ok((frozen, inspection))
    }

    fn take(&mut self, findings: Findings, now: u64) {
        self.store = findings.store;
        self.last_change = findings.last;
        self.groups = findings.groups;
        for (kind, number, length) in &findings.lengths {
            let name = super::survey::name(*kind, *number);
            if let Some(file) = self.files.iter_mut().find(|file| file.name == name) {
                file.whole = Some(*length);
            }
        }
        self.torn = findings.cut.map(|cut| TornTail {
            file: cut.file,
            offset: cut.offset,
            bytes: cut.bytes,
        });
        let is_salvageable = findings.loaded.is_some();
        self.damage = findings.trouble.map(|trouble| damaged(&trouble, is_salvageable));
        let Loaded { databases, .. } = findings.loaded.unwrap_or_default();
        let counted = databases.iter().enumerate();
        let counted = counted.map(|(index, database)| count(index, database, now));
        self.databases = counted.filter(|database| database.keys() > 0).collect();
    }

    /// Bytes of the image and of the log that belong to the state.
    pub fn bytes(&self) -> (u64, u64) {
        let of = |role| {
            let files = self.files.iter().filter(|file| file.role == role);
            files.map(|file| file.bytes).sum()
        };
        (of(FileRole::Image), of(FileRole::Log))
    }

    /// Keys of all databases.
    pub fn keys(&self) -> u64 {
        self.databases.iter().map(InspectedDatabase::keys).sum()
    }
}

fn file(directory: &Path, name: String, state: &[String], survey: &Survey) -> InspectedFile {
    let role = match parse(&name) {
        Some((FileKind::Image, _)) if state.contains(&name) => FileRole::Image,
        Some((FileKind::Log, _)) if state.contains(&name) => FileRole::Log,
        _ if survey.leftovers.contains(&name) => FileRole::Leftover,
        _ if name == disk::LOCK => FileRole::Lock,
        _ => FileRole::Other,
    };
    // One that has gone meanwhile has no length.
    let bytes = fs::symlink_metadata(directory.join(&name)).map_or(0, |data| data.len());
    InspectedFile {
        name,
        role,
        bytes,
        whole: None,
    }
}

fn damaged(trouble: &Trouble, is_salvageable: bool) -> Damaged {
    let (file, offset) = trouble.place.clone().unzip();
    Damaged {
        file,
        offset,
        message: trouble.error.to_string(),
        groups_behind: trouble.groups_behind,
        is_salvageable,
    }
}

fn count(index: usize, database: &Database, now: u64) -> InspectedDatabase {
    let mut counted = InspectedDatabase {
        index,
        expiring: database.volatile() as u64,
        due: database.count_due(now) as u64,
        ..InspectedDatabase::default()
    };
    for (_, entry) in database.iter() {
        let count = match &entry.value {
            Value::String(_) => &mut counted.strings,
            Value::List(_) => &mut counted.lists,
            Value::Hash(_) => &mut counted.hashes,
            Value::Set(_) => &mut counted.sets,
            Value::SortedSet(_) => &mut counted.sorted_sets,
            Value::Stream(_) => &mut counted.streams,
        };
        *count += 1;
    }
    counted
}
