//! What is cached for a bench only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxherd::cache::{Freshness, Ttl};
use serde::{Deserialize, Serialize};

/// A prefix nobody else has. Processes report their caches and namespaces under the prefix, so a name would not be enough.
pub(super) fn prefix(of_store: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!(
        "{of_store}-oxherd-bench-{}-{:x}",
        std::process::id(),
        now.as_micros()
    )
}

/// Nothing ends, and nothing is refreshed ahead of its end, while it is measured.
pub(super) fn lasting() -> Freshness {
    let hour = Ttl(Duration::from_secs(3600));
    Freshness::of(hour).jitter(0.0).local_ttl(hour.0)
}

/// A row of a database.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Row {
    id: u64,
    name: String,
    category: u64,
    cents: u64,
    is_sold: bool,
    description: String,
}

impl Row {
    pub(super) fn number(id: u64) -> Self {
        Self {
            id,
            name: format!("product {id}"),
            category: id % 100,
            cents: 1_290,
            is_sold: true,
            description: "A thing that many ask for and few buy.".to_owned(),
        }
    }
}

/// What an API answers: 25 items, 6.5 kB as JSON.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Page {
    page: u32,
    items: Vec<Item>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Item {
    id: u64,
    title: String,
    author: String,
    summary: String,
    tags: Vec<String>,
    likes: u32,
    score: f64,
    is_featured: bool,
    created_at: String,
}

impl Page {
    pub(super) fn new() -> Self {
        let item = |id: u32| Item {
            id: 7_340_000 + u64::from(id) * 17,
            title: format!("Chapter {id}: what the river took back"),
            author: format!("author-{}", id * 7919 % 1000),
            summary: format!(
                "In part {id} the house stands open and nobody of the {} guests says why.",
                id + 3
            ),
            tags: vec!["serial".to_owned(), format!("mood-{}", id % 5)],
            likes: id * 7919 % 10_007,
            score: f64::from(id) * 0.37,
            is_featured: id.is_multiple_of(4),
            created_at: format!("2026-11-{:02}T10:{:02}:00Z", id + 1, id * 2),
        };
        Self {
            page: 1,
            items: (0..25).map(item).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Page, Row};

    #[test]
    fn values_are_as_large_as_they_are_said_to_be() {
        let page = serde_json::to_vec(&Page::new()).unwrap_or_default().len();
        assert!((6_000..7_000).contains(&page), "{page}");
        let row = serde_json::to_vec(&Row::number(7)).unwrap_or_default().len();
        assert!((120..180).contains(&row), "{row}");
    }
}
