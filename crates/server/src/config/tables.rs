//! The tables of the file: settings of single queues and webhook deliveries.

use crate::processors::webhook::WebhookConfig;

/// `[queues.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueTable {
    /// How many jobs may wait in all before adding is refused with 429; `None`: no limit.
    pub max_waiting: Option<u64>,
    /// The line of the table's name, from 1.
    pub line: usize,
}

/// One `[[webhooks]]` table.
#[derive(Clone, Debug)]
pub struct WebhookTable {
    /// What it says.
    pub config: WebhookConfig,
    /// The line where it begins, from 1.
    pub line: usize,
}
