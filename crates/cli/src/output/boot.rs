//! The line that shows how far the reading of a large directory is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oxherd::{BootProgress, Opening};

use super::Output;

/// What is read sooner needs no line.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far a boot is, on a terminal, once it takes long.
#[derive(Clone)]
pub(crate) struct BootLine {
    bar: ProgressBar,
    is_shown: bool,
    began: Instant,
    is_over: Arc<AtomicBool>,
}

impl BootLine {
    pub(crate) fn new(output: &Output) -> Self {
        Self {
            // Nothing is drawn before it takes long.
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            is_shown: output.shows_progress(),
            began: Instant::now(),
            is_over: Arc::default(),
        }
    }

    /// How a store is opened so that the line shows. Where there is no terminal the log is told.
    pub(crate) fn opening(&self) -> Opening {
        if !self.is_shown {
            return Opening::new();
        }
        let line = self.clone();
        Opening::new().on_boot(move |progress| line.show(progress))
    }

    fn show(&self, progress: BootProgress) {
        if self.began.elapsed() < PATIENCE || self.is_over.load(Ordering::Relaxed) {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {eta}") {
                self.bar.set_style(style);
            }
        }
        self.bar.set_message(match progress.process {
            None => "reading the store".to_owned(),
            Some(process) => format!("process {process} reads the store"),
        });
        self.bar.set_length(progress.of);
        self.bar.set_position(progress.read);
    }

    /// The store is open, or never will be.
    pub(crate) fn clear(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.bar.finish_and_clear();
    }
}
