//! How much of a job is shown.
//!
//! A payload can be tens of megabytes, and a list shows many: lists carry only beginnings, and the page of one job
//! carries as much as the server takes by default in a request.

/// The most bytes of each part of a job that are shown; longer parts are cut and named in `truncated`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Data, result and progress, each.
    pub json_bytes: usize,
    /// The reason of a failure, one row of a log, and one error chain, each.
    pub text_bytes: usize,
    /// Error chains, the latest ones.
    pub stacks: usize,
}

impl Limits {
    /// In lists.
    pub const LIST: Self = Self {
        json_bytes: 2 * 1024,
        text_bytes: 512,
        stacks: 0,
    };
    /// On the page of one job.
    pub const DETAIL: Self = Self {
        json_bytes: 1024 * 1024,
        text_bytes: 64 * 1024,
        stacks: 100,
    };
}

/// The beginning of a text, at most `most` bytes, and whether something was cut.
pub(super) fn cut(mut text: String, most: usize) -> (String, bool) {
    if text.len() <= most {
        return (text, false);
    }
    text.truncate(boundary(&text, most));
    (text, true)
}

/// The last position up to `most` that splits no letter.
pub(super) fn boundary(text: &str, most: usize) -> usize {
    (0..=most.min(text.len()))
        .rev()
        .find(|position| text.is_char_boundary(*position))
        .unwrap_or(0)
}
