//! Which of a directory's files make the state, by their names alone.
//!
//! The newest image and every segment since it began. Older files and unfinished ones are left over from a process
//! that ended before it could remove them. Names that are not the journal's are none of its business.
//! Next: `contents.rs`, which reads them.

use super::error::{Damage, JournalError, MISSING};
use super::frame::FileKind;

/// Appended to a file's name until it is whole and durable.
pub(crate) const PART: &str = ".part";

const LOG: &str = "log-";
const IMAGE: &str = "image-";

/// The name of a file.
pub(crate) fn name(kind: FileKind, number: u64) -> String {
    match kind {
        FileKind::Log => format!("{LOG}{number:016x}"),
        FileKind::Image => format!("{IMAGE}{number:016x}"),
    }
}

/// What a directory holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The image's number.
    pub(crate) image: Option<u64>,
    /// The segments' numbers, without a gap.
    pub(crate) segments: Vec<u64>,
    /// What is to be removed.
    pub(crate) leftovers: Vec<String>,
}

impl Survey {
    pub(crate) fn of(names: Vec<String>) -> Result<Self, JournalError> {
        let survey = Self::list(names);
        survey.check()?;
        Ok(survey)
    }

    /// What is there, even if something is missing.
    pub(crate) fn list(names: Vec<String>) -> Self {
        let mut survey = Self::default();
        let mut images = Vec::new();
        for name in names {
            match parse(&name) {
                Some((FileKind::Log, number)) => survey.segments.push(number),
                Some((FileKind::Image, number)) => images.push(number),
                None if name.strip_suffix(PART).and_then(parse).is_some() => survey.leftovers.push(name),
                None => {}
            }
        }
        survey.image = images.iter().copied().max();
        let newest = survey.image;
        let first = newest.unwrap_or_default();
        images.retain(|image| Some(*image) != newest);
        survey
            .leftovers
            .extend(images.into_iter().map(|image| name(FileKind::Image, image)));
        let old = survey.segments.extract_if(.., |segment| *segment < first);
        survey
            .leftovers
            .extend(old.map(|segment| name(FileKind::Log, segment)));
        survey.segments.sort_unstable();
        survey.leftovers.sort_unstable();
        survey
    }

    /// The names of the files that make the state, in the order in which they are read.
    pub(crate) fn state(&self) -> impl Iterator<Item = String> {
        let image = self.image.map(|number| name(FileKind::Image, number));
        let segments = self.segments.iter().map(|number| name(FileKind::Log, *number));
        image.into_iter().chain(segments)
    }

    /// There is something to be read.
    pub(crate) fn has_beginning(&self) -> bool {
        self.image.is_some() || !self.segments.is_empty()
    }

    /// Leaves out every segment behind one that is missing, and says which that is.
    pub(crate) fn cut_at_gap(&mut self) -> Option<JournalError> {
        let gap = self.check().err()?;
        let first = self.image.unwrap_or_default();
        let whole = (first..).zip(&self.segments);
        let length = whole.take_while(|(wanted, there)| wanted == *there).count();
        self.segments.truncate(length);
        Some(gap)
    }

    /// Nothing was ever written here.
    pub(crate) fn is_new(&self) -> bool {
        self.segments.is_empty() && self.image.is_none()
    }

    /// Refuses a directory of which a segment is missing.
    fn check(&self) -> Result<(), JournalError> {
        if self.is_new() {
            return Ok(());
        }
        let first = self.image.unwrap_or_default();
        let last = self.segments.last().copied().unwrap_or(first);
        let missing = (first..=last).zip(self.segments.iter().map(Some).chain(std::iter::repeat(None)));
        for (wanted, there) in missing {
            if there != Some(&wanted) {
                return Err(JournalError::Damaged(Damage {
                    file: name(FileKind::Log, wanted),
                    offset: 0,
                    what: MISSING.into(),
                    whole_up_to: 0,
                    groups_behind: 0,
                }));
            }
        }
        Ok(())
    }
}

/// What a name says, if it is one of the journal's.
pub(crate) fn parse(name: &str) -> Option<(FileKind, u64)> {
    let (kind, number) = match (name.strip_prefix(LOG), name.strip_prefix(IMAGE)) {
        (Some(number), _) => (FileKind::Log, number),
        (_, Some(number)) => (FileKind::Image, number),
        _ => return None,
    };
    let is_ours = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if number.len() != 16 || !number.bytes().all(is_ours) {
        return None;
    }
    Some((kind, u64::from_str_radix(number, 16).ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn survey(names: &[&str]) -> Result<Survey, String> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Survey::of(names).map_err(|error| error.to_string())
    }

    #[test]
    fn the_newest_image_and_the_segments_since_make_the_state() {
        let found = survey(&[
            "log-000000000000000b",
            "image-000000000000000a",
            "log-0000000000000009",
            "image-0000000000000002",
            "image-000000000000000b.part",
            "log-000000000000000a",
            "lock",
            "oxherd.sock",
            "log-12",
            "log-000000000000000A",
            "note.part",
        ])
        .unwrap();
        assert_eq!(found.image, Some(10));
        assert_eq!(found.segments, [10, 11]);
        let leftovers = [
            "image-0000000000000002",
            "image-000000000000000b.part",
            "log-0000000000000009",
        ];
        assert_eq!(found.leftovers, leftovers);
    }

    #[test]
    fn a_directory_without_a_file_of_ours_is_new() {
        assert!(survey(&["lock", "oxherd.sock"]).unwrap().is_new());
        assert!(survey(&["log-0000000000000000.part"]).unwrap().is_new());
    }

    #[test]
    fn a_missing_segment_is_damage() {
        let image = "image-0000000000000002";
        for (names, missing) in [
            (&["log-0000000000000001"][..], "log-0000000000000000"),
            (
                &["log-0000000000000000", "log-0000000000000002"],
                "log-0000000000000001",
            ),
            (&[image], "log-0000000000000002"),
            (&[image, "log-0000000000000003"], "log-0000000000000002"),
        ] {
            let refused = survey(names).unwrap_err();
            assert!(refused.starts_with(missing), "{names:?}: {refused}");
        }
    }
}
