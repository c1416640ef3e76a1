//! `oxherd cache get`: one entry as it lies in the store.

use std::time::Duration;

use clap::Args;
use oxherd::cache::EntryState;
use oxherd_server::view::CacheEntry;
use serde_json::Value;

use super::{Which, Whose, micros};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{Details, Output, length, moment};

/// Show one entry: whether it is valid, what it says about itself, its value
///
/// Fields that look like secrets are shown as "***"; sealed values are not shown.
#[derive(Args, Debug)]
pub(crate) struct Get {
    #[command(flatten)]
    which: Which,
    /// The key as lists show it: its parts joined by `/`
    key: String,
    #[command(flatten)]
    whose: Whose,
}

impl Get {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let view = connect::view(global, output).await?;
        let (namespace, tenant) = (&self.which.namespace, &self.whose.tenant);
        let Some(entry) = view.cache_entry(namespace, tenant, &self.key).await? else {
            let settings = self.which.settings(&view).await?;
            return Err(self.not_there(&settings));
        };
        output.one(&entry, || details_of(&entry))
    }
}

impl Get {
    fn not_there(&self, settings: &Value) -> Failure {
        let namespace = &self.which.namespace;
        let message = format!("there is no entry {:?} in namespace {namespace:?}", self.key);
        let help = if settings.get("tiers").is_some_and(|tiers| tiers == "local") {
            "its processes keep this namespace to themselves: nothing of it is in the store; `oxherd cache stats` and `oxherd cache top` count it"
        } else if self.whose.tenant.is_empty() {
            "--tenant names the tenant, where there are tenants"
        } else {
            "a key is given as lists show it, its parts joined by `/`; `oxherd cache top` shows some"
        };
        Failure::not_found(message).help(help)
    }
}

fn details_of(shown: &CacheEntry) -> String {
    let entry = &shown.entry;
    let time = |milliseconds: u64| length(Duration::from_millis(milliseconds));
    let mut details = Details::default();
    details.line("namespace", entry.namespace.as_str());
    if !entry.tenant.is_empty() {
        details.line("tenant", entry.tenant.as_str());
    }
    details.line("key", entry.key.as_str());
    let state = match entry.state {
        EntryState::Fresh => "fresh",
        EntryState::Stale => "stale",
        EntryState::Invalid => "invalid",
        _ => "foreign",
    };
    details.line("state", state);
    details.maybe("reason", entry.reason.clone());
    details.line("bytes", entry.bytes.to_string());
    details.maybe("leaves in", entry.expires_in_ms.map(time));
    details.maybe("fence", entry.fence.map(|fence| fence.to_string()));
    details.maybe("being loaded for", entry.lease_ms.map(time));
    if let Some(header) = &entry.header {
        details.line("made", moment(header.created.as_millis()));
        details.line(
            "age",
            format!("{} of {} fresh", time(header.age_ms), time(header.ttl_ms)),
        );
        details.line(
            "stale",
            format!(
                "{} while refreshed, {} when the source fails",
                time(header.stale_while_revalidate_ms),
                time(header.stale_if_error_ms)
            ),
        );
        details.line("load", micros(header.load_micros));
        details.line(
            "version",
            match header.version {
                0 => "none".to_owned(),
                version => version.to_string(),
            },
        );
        details.line("as of", header.as_of.to_string());
        if !header.tags.is_empty() {
            details.line("tags", header.tags.join(", "));
        }
        let sealed = header.sealed_with.map(|key| format!(", sealed with key {key}"));
        details.line(
            "packed",
            format!(
                "{}, {}, {} bytes plain{}",
                header.codec,
                header.compression,
                header.plain_bytes,
                sealed.unwrap_or_default()
            ),
        );
    }
    details.maybe("value", shown.value.as_ref().map(|value| value.pretty()));
    details.maybe("no value", entry.hidden);
    details.render()
}
