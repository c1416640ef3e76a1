//! Part of a job's log. The end is shown first, since that is where the news is.

use super::frame::Parameters;
use super::words;
use crate::problem::{Kind, Problem};
use crate::view::LogPage;

/// Rows on a page.
pub(super) const ROWS: u64 = 200;

#[derive(Debug)]
pub(super) struct Log {
    pub(super) page: LogPage,
    /// The position of the first row shown, from 0.
    pub(super) first: u64,
    /// `201–400 of 450 rows`.
    pub(super) range: String,
    pub(super) earlier: Option<String>,
    pub(super) later: Option<String>,
}

/// Where the shown part of the log begins; `None` when there is no log.
pub(super) fn first_row(parameters: &Parameters, rows: u64) -> Result<Option<u64>, Problem> {
    if rows == 0 {
        return Ok(None);
    }
    let Some(text) = parameters.get("logs") else {
        return Ok(Some(rows.saturating_sub(ROWS)));
    };
    let first = text.parse::<u32>().map_err(|_| {
        let detail = format!(
            "`logs` must be a whole number from 0 to {}, not {text:?}",
            u32::MAX
        );
        Problem::new(Kind::InvalidRequest, detail)
    })?;
    Ok(Some(u64::from(first)))
}

impl Log {
    pub(super) fn new(page: LogPage, job_address: &str) -> Self {
        let shown = page.rows.len() as u64;
        let (first, total) = (page.offset, page.total);
        let at = |row: u64| format!("{job_address}?logs={row}#log");
        Self {
            range: match shown {
                0 => format!("none of {}", words::count(total)),
                _ => format!(
                    "{}–{} of {}",
                    words::count(first + 1),
                    words::count(first + shown),
                    words::counted(total, "row", "rows")
                ),
            },
            earlier: (first > 0).then(|| at(first.min(total).saturating_sub(ROWS))),
            later: (shown > 0 && first + shown < total).then(|| at(first + shown)),
            first,
            page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_opens_at_its_end_and_leads_to_its_beginning() {
        assert_eq!(first_row(&Parameters::new(), 0).unwrap(), None);
        assert_eq!(first_row(&Parameters::new(), 5).unwrap(), Some(0));
        assert_eq!(first_row(&Parameters::new(), 450).unwrap(), Some(250));
        let at = |text: &str| Parameters::from([("logs".to_owned(), text.to_owned())]);
        assert_eq!(first_row(&at("7"), 450).unwrap(), Some(7));
        assert!(first_row(&at("-1"), 450).is_err());
        let rows = vec!["x".to_owned(); 200];
        let log = Log::new(
            LogPage {
                total: 450,
                offset: 200,
                limit: 200,
                rows,
            },
            "/j",
        );
        assert_eq!(log.range, "201–400 of 450 rows");
        assert_eq!(log.earlier.as_deref(), Some("/j?logs=0#log"));
        assert_eq!(log.later.as_deref(), Some("/j?logs=400#log"));
    }
}
