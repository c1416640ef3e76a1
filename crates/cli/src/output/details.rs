//! One thing in detail: a label and a value a line.

use super::text::{harmless, width};

/// Labelled lines, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Details {
    lines: Vec<(&'static str, String)>,
}

impl Details {
    /// Adds a line. A value of several lines goes on under its first.
    pub(crate) fn line(&mut self, label: &'static str, value: impl Into<String>) {
        self.lines.push((label, value.into()));
    }

    /// Adds a line when there is a value.
    pub(crate) fn maybe(&mut self, label: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.line(label, value);
        }
    }

    /// The lines as text.
    pub(crate) fn render(&self) -> String {
        let widest = self
            .lines
            .iter()
            .map(|(label, _)| width(label))
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for (label, value) in &self.lines {
            let value = harmless(value);
            let mut rest = *label;
            // An empty value keeps its label.
            for line in std::iter::once(value.lines().next().unwrap_or_default()).chain(value.lines().skip(1))
            {
                let shown = format!("{rest:widest$}  {line}");
                text.push_str(shown.trim_end());
                text.push('\n');
                rest = "";
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Details;

    #[test]
    fn values_of_several_lines_stay_in_their_column() {
        let mut details = Details::default();
        details.line("id", "7");
        details.line("data", "{\n  1\n}");
        details.line("empty", "");
        details.maybe("never", None::<String>);
        assert_eq!(
            details.render(),
            "id     7\ndata   {\n         1\n       }\nempty\n"
        );
    }
}
