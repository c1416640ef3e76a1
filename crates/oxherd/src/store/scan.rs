//! Walking all keys of a store.
//!
//! A page at a time, so that neither side is held up. A key may come twice and one that comes or goes meanwhile may or
//! may not be seen: what Redis promises of `SCAN`. Every node is walked; today's stores have one.

use redis::Cmd;

use super::{Connection, Store, refused};
use crate::error::Result;

/// Keys asked for at a time.
const PAGE: usize = 1000;

/// Which keys.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pick<'a> {
    /// A glob pattern that their names match.
    pub(crate) pattern: Option<&'a [u8]>,
    /// The type they have, as `TYPE` names it.
    pub(crate) kind: Option<&'a str>,
}

/// A walk under way.
pub(crate) struct Scan<'a> {
    connection: Connection,
    pick: Pick<'a>,
    /// What the walk is for, for errors: "cannot ...".
    operation: &'a str,
    /// `None` once the walk is over.
    cursor: Option<u64>,
}

impl Store {
    /// Walks the keys of the whole store, whatever their prefix.
    pub(crate) fn scan<'a>(&self, pick: Pick<'a>, operation: &'a str) -> Scan<'a> {
        Scan {
            connection: self.shared(),
            pick,
            operation,
            cursor: Some(0),
        }
    }
}

impl Scan<'_> {
    /// The next page, which may be empty; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Vec<u8>>>> {
        let Some(cursor) = self.cursor else {
            return Ok(None);
        };
        let reply = self.command(cursor).query_async(&mut self.connection).await;
        let (next, page): (u64, Vec<Vec<u8>>) = reply.map_err(|error| refused(self.operation, error))?;
        self.cursor = (next != 0).then_some(next);
        Ok(Some(page))
    }

    fn command(&self, cursor: u64) -> Cmd {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("COUNT").arg(PAGE);
        if let Some(pattern) = self.pick.pattern {
            scan.arg("MATCH").arg(pattern);
        }
        if let Some(kind) = self.pick.kind {
            scan.arg("TYPE").arg(kind);
        }
        scan
    }
}
