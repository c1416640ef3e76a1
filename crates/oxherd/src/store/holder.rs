//! What the process that has a directory says of itself, for those who wait for it.
//!
//! One short line in the file `oxherd.holder`: the process's number and what it is doing. It is a hint and nothing more:
//! who has the directory is decided by the engine's lock alone, and a line that is missing, old or cut off only makes
//! others wait for a shorter time. Next: `embedded.rs` (who reads it), `boot.rs` (who writes it while it reads).

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The file's name in the directory.
const FILE: &str = "oxherd.holder";
/// Every line is as long as this, so that none ever leaves a rest of the one before.
const LENGTH: usize = 72;

/// What a holder is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It reads what the directory holds: so many bytes of so many.
    Reading { read: u64, of: u64 },
    /// It works, and others come in through its socket.
    Serving,
    /// It works, and lets nobody in: a command that is done soon, or there can be no socket.
    Alone,
    /// It writes the last changes and leaves.
    Leaving,
    /// The same, and somebody waits who needs the directory: others let that one go first.
    HandingOver,
}

/// What a holder has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The number of its process.
    pub(super) process: u32,
    pub(super) stage: Stage,
}

/// Where a holder says it.
#[derive(Clone, Debug)]
pub(super) struct Notice(PathBuf);

impl Notice {
    pub(super) fn in_directory(directory: &Path) -> Self {
        Self(directory.join(FILE))
    }

    /// Says what this process does. Others only wait less patiently if that is impossible.
    pub(super) fn say(&self, stage: Stage) {
        if let Err(error) = self.write(stage) {
            tracing::debug!(file = %self.0.display(), %error, "cannot say what the store's holder does");
        }
    }

    fn write(&self, stage: Stage) -> io::Result<()> {
        let process = std::process::id();
        let text = match stage {
            Stage::Reading { read, of } => format!("{process} reading {read} {of}"),
            Stage::Serving => format!("{process} serving"),
            Stage::Alone => format!("{process} alone"),
            Stage::Leaving => format!("{process} leaving"),
            Stage::HandingOver => format!("{process} handing-over"),
        };
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(&self.0)?;
        // In one piece, so that who reads meanwhile finds this line or the one before.
        file.write_all_at(format!("{text:<LENGTH$}\n").as_bytes(), 0)
    }

    /// What the last holder has said, if it can be understood.
    pub(super) fn read(&self) -> Option<Said> {
        let mut text = String::new();
        let file = std::fs::File::open(&self.0).ok()?;
        file.take(4096).read_to_string(&mut text).ok()?;
        let mut words = text.lines().next()?.split_ascii_whitespace();
        let process = words.next()?.parse().ok()?;
        let stage = match words.next()? {
            "reading" => Stage::Reading {
                read: words.next()?.parse().ok()?,
                of: words.next()?.parse().ok()?,
            },
            "serving" => Stage::Serving,
            "alone" => Stage::Alone,
            "leaving" => Stage::Leaving,
            "handing-over" => Stage::HandingOver,
            _ => return None,
        };
        Some(Said { process, stage })
    }
}

#[cfg(test)]
mod tests {
    use super::{Notice, Said, Stage};

    #[test]
    fn what_a_holder_says_is_understood_and_replaces_what_was_said_before() {
        let directory = tempfile::tempdir().unwrap();
        let notice = Notice::in_directory(directory.path());
        assert_eq!(notice.read(), None);
        for stage in [
            Stage::Reading {
                read: u64::MAX - 1,
                of: u64::MAX,
            },
            Stage::Serving,
            Stage::Alone,
            Stage::Leaving,
            Stage::HandingOver,
        ] {
            notice.say(stage);
            let process = std::process::id();
            assert_eq!(notice.read(), Some(Said { process, stage }));
        }
    }

    #[test]
    fn nonsense_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let notice = Notice::in_directory(directory.path());
        for text in [
            "",
            "x serving",
            "1",
            "1 dancing",
            "1 reading",
            "1 reading 5",
            "1 reading -1 5",
            "\u{0}",
        ] {
            std::fs::write(directory.path().join(super::FILE), text).unwrap();
            assert_eq!(notice.read(), None, "{text:?}");
        }
    }
}
