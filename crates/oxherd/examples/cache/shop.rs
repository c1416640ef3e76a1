//! What the other examples read: a database whose rows have versions, and which counts how often it was asked.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// A row. Whoever changes it counts its version up in the same transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: u64,
    pub(crate) category: u64,
    /// In cents.
    pub(crate) price: u64,
    pub(crate) version: u64,
}

/// Cheap to clone, as a pool of connections is.
#[derive(Clone, Default)]
pub(crate) struct Database(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    rows: BTreeMap<u64, Product>,
    asked: u64,
    is_down: bool,
}

impl Database {
    /// With the products 1 to 9, at 12.90 each, in the categories 0 to 2.
    pub(crate) fn new() -> Self {
        let row = |id| Product {
            id,
            category: id % 3,
            price: 1_290,
            version: 1,
        };
        let database = Self::default();
        database.0.lock().rows = (1..=9).map(|id| (id, row(id))).collect();
        database
    }

    /// A replica that has everything until now, and hears of nothing else.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().clone())))
    }

    pub(crate) async fn find(self, id: u64) -> Result<Option<Product>, Error> {
        Ok(self.products(vec![id]).await?.remove(&id))
    }

    pub(crate) async fn product(self, id: u64) -> Result<Product, Error> {
        self.find(id).await?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(crate) async fn products(
        self,
        ids: Vec<u64>,
    ) -> Result<std::collections::HashMap<u64, Product>, Error> {
        // Somebody else's turn, as with every real query.
        tokio::task::yield_now().await;
        let mut state = self.0.lock();
        state.asked += 1;
        if state.is_down {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        Ok(ids
            .iter()
            .filter_map(|id| Some((*id, state.rows.get(id)?.clone())))
            .collect())
    }

    /// Commits a new price; the row as it is now.
    pub(crate) fn set_price(&self, id: u64, price: u64) -> Product {
        let mut state = self.0.lock();
        let row = state.rows.entry(id).or_insert(Product {
            id,
            category: id % 3,
            price,
            version: 0,
        });
        row.price = price;
        row.version += 1;
        row.clone()
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.0.lock().is_down = is_down;
    }

    /// How many queries there were.
    pub(crate) fn asked(&self) -> u64 {
        self.0.lock().asked
    }
}

/// Where a slow load stops, until it is told to go on.
#[derive(Default)]
pub(crate) struct Pause {
    reached: Notify,
    resumed: Notify,
}

impl Pause {
    pub(crate) async fn here(&self) {
        self.reached.notify_one();
        self.resumed.notified().await;
    }

    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(crate) fn resume(&self) {
        self.resumed.notify_one();
    }
}
