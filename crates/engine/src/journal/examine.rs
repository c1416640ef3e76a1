//! Reads a frozen state from its beginning to its end, and says what is the matter with it.
//!
//! Every checksum, the order of all files and records, the effects in them and whether they fit together: all that a
//! start would find out, and where it would give up this goes on as far as it can. Needs as much memory as an engine
//! with the same data.
//! Next: `frozen.rs` (what is read), `inspect.rs` (how programs ask for it).

use std::sync::Arc;

use super::contents::{Contents, Cut, OnDamage};
use super::error::{Damage, JournalError};
use super::frame::{FileKind, RecordKind};
use super::frozen::Frozen;
use super::load::{Loaded, Loading};
use super::reader::{Reader, Step};
use super::storage::Storage;
use super::survey::{Survey, name};
use crate::config::Config;
use crate::engine::Boot;

/// What a state is like.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The directory that its files were made in.
    pub(super) store: Option<u128>,
    /// The files read and how much of each is whole.
    pub(super) lengths: Vec<(FileKind, u64, u64)>,
    /// The last change.
    pub(super) last: u64,
    /// Groups of the log.
    pub(super) groups: u64,
    /// What a start would cut off.
    pub(super) cut: Option<Cut>,
    pub(super) trouble: Option<Trouble>,
    /// What is held, or of a damaged state: what it held before the damage; `None` when that cannot be told.
    pub(super) loaded: Option<Loaded>,
}

/// Why no engine would start there.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What it would say.
    pub(super) error: JournalError,
    /// The file, and where in it.
    pub(super) place: Option<(String, u64)>,
    /// Groups behind it that are whole, in the same file and in later ones.
    pub(super) groups_behind: u64,
}

/// Reads everything.
pub(super) fn examine(
    frozen: &Arc<Frozen>,
    now: u64,
    hear: &mut dyn FnMut(Boot),
) -> Result<Findings, JournalError> {
    let mut survey = Survey::list(frozen.listed());
    let gap = survey.cut_at_gap();
    let storage: Arc<dyn Storage> = Arc::<Frozen>::clone(frozen);
    let mut findings = Findings::default();
    if survey.has_beginning() {
        let mut contents = Contents::new(Arc::clone(&storage), &survey, OnDamage::Stop, None)?;
        let read = read(&mut contents, now, &mut findings, hear);
        findings.store = contents.store();
        findings.lengths = contents.lengths().to_vec();
        findings.last = contents.last();
        findings.groups = contents.groups();
        findings.cut = contents.end().and_then(|end| end.cut.clone());
        match (read, contents.stopped()) {
            // That the log does not reach what the image needs says less than that it is missing.
            (Err(JournalError::Damaged(_)), _)
                if gap.is_some() && !contents.in_image() && survey.segments.is_empty() => {}
            (Err(error @ (JournalError::Storage { .. } | JournalError::Format { .. })), _) => {
                return Err(error);
            }
            (Err(error), _) => findings.trouble = Some(trouble(error)),
            (Ok(()), Some(damage)) => {
                findings.trouble = Some(trouble(JournalError::Damaged(damage.clone())));
            }
            (Ok(()), None) => {}
        }
    }
    if findings.trouble.is_none()
        && let Some(gap) = gap
    {
        findings.trouble = Some(trouble(gap.seen_up_to(findings.last)));
    }
    if let Some(Trouble {
        place: Some((file, _)),
        groups_behind,
        ..
    }) = &mut findings.trouble
    {
        *groups_behind += groups_after(frozen.as_ref(), file);
    }
    Ok(findings)
}

fn read(
    contents: &mut Contents,
    now: u64,
    findings: &mut Findings,
    hear: &mut dyn FnMut(Boot),
) -> Result<(), JournalError> {
    let mut loading = Loading::new(Config::default().databases, false, now);
    while let Some(record) = contents.next()? {
        let taken = loading.read(record.payload);
        taken.map_err(|error| JournalError::unreadable(error, contents.place()))?;
        let progress = contents.progress();
        hear(Boot {
            read: progress.read,
            of: progress.of,
        });
    }
    findings.loaded = Some(loading.finish().map_err(JournalError::Contradictory)?);
    Ok(())
}

fn trouble(error: JournalError) -> Trouble {
    let (place, groups_behind) = match &error {
        JournalError::Damaged(Damage {
            file,
            offset,
            groups_behind,
            ..
        }) => (Some((file.clone(), *offset)), *groups_behind),
        JournalError::UnreadableAt { file, offset, .. } => (Some((file.clone(), *offset)), 0),
        _ => (None, 0),
    };
    Trouble {
        error,
        place,
        groups_behind,
    }
}

/// Whole groups in the segments behind a file, each from its beginning on.
fn groups_after(frozen: &Frozen, file: &str) -> u64 {
    let survey = Survey::list(frozen.listed());
    let segments = survey.segments.into_iter();
    let segments = segments.map(|number| name(FileKind::Log, number));
    // Names of one length are ordered as their numbers are; an image is before all of them.
    let behind = segments.filter(|segment| segment.as_str() > file);
    behind.map(|segment| groups_in(frozen, &segment)).sum()
}

fn groups_in(frozen: &Frozen, segment: &str) -> u64 {
    let mut groups = 0;
    // What cannot be read holds none; it is behind something that is reported already.
    if let Ok(mut reader) = Reader::open(frozen, segment) {
        while let Ok(Step::Record(header)) = reader.advance() {
            groups += u64::from(header.kind == RecordKind::Group);
        }
    }
    groups
}
