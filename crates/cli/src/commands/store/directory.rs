//! The directory of a store, and what the engine says of its files.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oxherd::engine::{Boot, Error, ErrorKind};

use crate::args::Global;
use crate::connect;
use crate::exit::{Code, Failure};
use crate::output::Output;

/// The directory that is named, or else the one of the settings.
pub(super) fn directory(
    named: Option<PathBuf>,
    verb: &str,
    global: &Global,
    output: &Output,
) -> Result<PathBuf, Failure> {
    if let Some(directory) = named {
        return Ok(directory);
    }
    let url = connect::settings(global, output)?.store.value;
    let directory = url.directory().map(ToOwned::to_owned);
    directory.ok_or_else(|| {
        let failure = Failure::usage(format!(
            "store {verb} is for a store in a directory (embedded:), and this is {url}"
        ));
        match url.is_transient() {
            true => failure.help("memory: is a store inside one process and keeps no files"),
            false => failure.help(
                "`oxherd store dump` writes the keys of any store to a file, `oxherd store load` reads them",
            ),
        }
    })
}

/// Does work that blocks. Of a process that is interrupted nothing is left, see the engine.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|failure| Failure::failed("the work was given up").because(failure))
}

/// A failure of the engine, by its kind.
pub(super) fn failed(error: &Error) -> Failure {
    let (code, help) = match error.kind() {
        ErrorKind::Damaged => (
            Code::Failed,
            Some(
                "`oxherd store check` tells what can be recovered; --salvage takes what is whole up to there",
            ),
        ),
        ErrorKind::Backup => (Code::Usage, Some("take another backup; nothing was restored")),
        ErrorKind::DirectoryInUse => (
            Code::Refused,
            Some("stop that process, or restore into another directory"),
        ),
        ErrorKind::Format => (
            Code::Unreachable,
            Some("use the version of Oxherd that has written it, or a newer one"),
        ),
        ErrorKind::NoStore => (Code::Unreachable, Some("check --store (or OXHERD_STORE)")),
        ErrorKind::Exists => (Code::Refused, None),
        ErrorKind::Storage => (Code::Unreachable, None),
        _ => (Code::Failed, None),
    };
    let failure = Failure::new(code, error.to_string());
    let failure =
        match std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>()) {
            Some(cause) => failure.because(copy_of(cause)),
            None => failure,
        };
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Keeps what ends a program quietly: a reader who went away.
fn copy_of(error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), error.to_string())
}

/// `1 key`, `2 keys`.
pub(super) fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// Bytes as people say them, beside the exact number.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes as f64;
    let mut shown = format!("{bytes} bytes");
    for unit in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        shown = format!("{size:.1} {unit}");
    }
    shown
}

/// An image that was never taken is none.
pub(super) fn image_size(bytes: u64) -> String {
    match bytes {
        0 => "none".to_owned(),
        _ => size(bytes),
    }
}

/// How far it is, on a terminal.
#[derive(Clone)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(what: &'static str, output: &Output) -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{msg:9} {wide_bar} {bytes}/{total_bytes} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        if !output.shows_progress() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self(bar)
    }

    pub(super) fn show(&self, boot: Boot) {
        self.0.set_length(boot.of);
        self.0.set_position(boot.read);
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{counted, size};

    #[test]
    fn sizes_have_units() {
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1024), "1.0 KiB");
        assert_eq!(size(64 << 20), "64.0 MiB");
        assert_eq!(counted(1, "key"), "1 key");
        assert_eq!(counted(0, "key"), "0 keys");
    }
}
