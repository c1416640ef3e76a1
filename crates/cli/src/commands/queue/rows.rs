//! Queues as rows of a table, for every command that shows them.

use std::time::Duration;

use oxherd_server::view::QueueStatus;

use crate::output::{Table, left, length, right};

/// One row a queue.
pub(crate) fn table_of(queues: &[QueueStatus]) -> Table {
    let mut table = Table::new([
        left("QUEUE"),
        right("WAITING"),
        right("PRIORITIZED"),
        right("DELAYED"),
        right("CHILDREN"),
        right("ACTIVE"),
        right("COMPLETED"),
        right("FAILED"),
        right("OLDEST"),
        left("STATE"),
    ]);
    for queue in queues {
        let name = queue.name.to_string();
        let Some(counts) = &queue.counts else {
            let unknown = || "?".to_owned();
            let problem = queue.problem.clone().unwrap_or_else(|| "not counted".to_owned());
            table.row([
                name,
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                problem,
            ]);
            continue;
        };
        table.row([
            name,
            counts.waiting.to_string(),
            counts.prioritized.to_string(),
            counts.delayed.to_string(),
            counts.waiting_children.to_string(),
            counts.active.to_string(),
            counts.completed.to_string(),
            counts.failed.to_string(),
            counts
                .oldest_waiting_age_ms
                .map_or_else(|| "-".to_owned(), |age| length(Duration::from_millis(age))),
            if counts.paused { "paused" } else { "open" }.to_owned(),
        ]);
    }
    table
}
