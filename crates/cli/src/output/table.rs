//! Columns of text.
//!
//! On a narrow terminal number columns with nothing but zeros go first, then text is cut, the widest column first.
//! Numbers are never cut, because half a number is a wrong number.

use super::text::{one_line, truncated, width};

/// Between two columns.
const GAP: &str = "  ";
/// A text column gives way no further than this.
const NARROWEST: usize = 8;

/// The heading of a column and how it is aligned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    heading: &'static str,
    is_number: bool,
}

/// A column of text.
pub(crate) const fn left(heading: &'static str) -> Column {
    Column {
        heading,
        is_number: false,
    }
}

/// A column of numbers.
pub(crate) const fn right(heading: &'static str) -> Column {
    Column {
        heading,
        is_number: true,
    }
}

/// Rows under headings.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self {
            columns: columns.into(),
            rows: Vec::new(),
        }
    }

    /// Adds a row: one cell a column.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        let cells = cells.into();
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells.iter().map(|cell| one_line(cell)).collect());
    }

    /// The table in lines of at most `limit` columns, as far as that is possible.
    pub(crate) fn render(&self, limit: Option<usize>, has_headings: bool, has_colour: bool) -> String {
        let headings: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.heading.to_owned())
            .collect();
        let widths = self.widths(has_headings.then_some(&headings), limit.unwrap_or(usize::MAX));
        let mut text = String::new();
        if has_headings {
            let line = self.line(&headings, &widths);
            text.push_str(&if has_colour {
                format!("\u{1b}[1m{line}\u{1b}[0m\n")
            } else {
                format!("{line}\n")
            });
        }
        for row in &self.rows {
            text.push_str(&self.line(row, &widths));
            text.push('\n');
        }
        text
    }

    /// The width of each column; `None` for one that is left out.
    fn widths(&self, headings: Option<&Vec<String>>, limit: usize) -> Vec<Option<usize>> {
        let mut widths: Vec<Option<usize>> = vec![Some(0); self.columns.len()];
        for row in self.rows.iter().chain(headings) {
            for (widest, cell) in widths.iter_mut().flatten().zip(row) {
                *widest = width(cell).max(*widest);
            }
        }
        // The last column first: the more it matters, the further left it stands.
        for (index, column) in self.columns.iter().enumerate().rev() {
            let is_empty = || {
                self.rows
                    .iter()
                    .all(|row| row.get(index).is_none_or(|cell| says_nothing(cell)))
            };
            if total(&widths) > limit && column.is_number && is_empty() {
                widths
                    .iter_mut()
                    .skip(index)
                    .take(1)
                    .for_each(|width| *width = None);
            }
        }
        while total(&widths) > limit {
            let texts = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(_, column)| !column.is_number);
            match texts.filter_map(|(width, _)| width.as_mut()).max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                _ => break,
            }
        }
        widths
    }

    fn line(&self, cells: &[String], widths: &[Option<usize>]) -> String {
        let shown = cells.iter().zip(widths).zip(&self.columns);
        let cells = shown.filter_map(|((cell, limit), column)| {
            let limit = (*limit)?;
            let cell = if column.is_number {
                cell.clone()
            } else {
                truncated(cell, limit)
            };
            let padding = " ".repeat(limit.saturating_sub(width(&cell)));
            Some(if column.is_number {
                padding + &cell
            } else {
                cell + &padding
            })
        });
        let mut line = cells.collect::<Vec<_>>().join(GAP);
        line.truncate(line.trim_end().len());
        line
    }
}

/// Columns of a line with these cells and the gaps between them.
fn total(widths: &[Option<usize>]) -> usize {
    let (count, sum) = widths
        .iter()
        .flatten()
        .fold((0, 0), |(count, sum), width| (count + 1, sum + width));
    sum + GAP.len() * usize::saturating_sub(count, 1)
}

/// Whether a number column may be spared.
fn says_nothing(cell: &str) -> bool {
    matches!(cell, "0" | "-")
}

#[cfg(test)]
mod tests {
    use super::{Table, left, right};

    fn table() -> Table {
        let mut table = Table::new([left("QUEUE"), right("WAITING"), left("STATE")]);
        table.row(["mail".into(), "12".into(), "running".into()]);
        table.row(["a-queue-with-a-long-name".into(), "3".into(), String::new()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            table().render(None, true, false),
            "QUEUE                     WAITING  STATE\n\
             mail                           12  running\n\
             a-queue-with-a-long-name        3\n"
        );
    }

    #[test]
    fn the_widest_text_gives_way_on_a_narrow_terminal_and_numbers_do_not() {
        let narrow = table().render(Some(30), true, false);
        assert_eq!(
            narrow,
            "QUEUE         WAITING  STATE\n\
             mail               12  running\n\
             a-queue-wit…        3\n"
        );
        assert!(narrow.lines().all(|line| line.chars().count() <= 30), "{narrow}");
        assert!(table().render(Some(5), true, false).contains("12"));
    }

    #[test]
    fn columns_of_zeros_go_before_text_is_cut() {
        let mut table = Table::new([left("QUEUE"), right("WAITING"), right("FAILED"), right("ACTIVE")]);
        table.row(["mail".to_owned(), "0".to_owned(), "3".to_owned(), "0".to_owned()]);
        let shown = |limit| table.render(Some(limit), true, false);
        assert_eq!(
            shown(30),
            "QUEUE  WAITING  FAILED  ACTIVE\nmail         0       3       0\n"
        );
        assert_eq!(shown(29), "QUEUE  WAITING  FAILED\nmail         0       3\n");
        assert_eq!(shown(15), "QUEUE  FAILED\nmail        3\n");
    }

    #[test]
    fn headings_are_left_out_when_quiet() {
        assert!(table().render(None, false, false).starts_with("mail"));
    }
}
