//! A store, a server on it, and a client.

use std::collections::BTreeMap;
use std::time::Duration;

use oxherd::{Queue, Worker, WorkerBuilder};
use oxherd_server::config::{Config, ConfigFile, Flags};
use oxherd_server::serve::{Running, Server};
use oxherd_testkit::TestStore;

use crate::client::Client;

/// Longer than anything here may take.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    pub(crate) server: Running,
    pub(crate) client: Client,
    // Last, since it goes with its data.
    pub(crate) store: TestStore,
}

/// Settings for a server on this store and a free port, with the rest from a file's text.
pub(crate) fn config(store: &TestStore, toml: &str) -> Config {
    let flags = Flags {
        store: Some(store.url()),
        listen: Some("127.0.0.1:0".to_owned()),
        ..Flags::default()
    };
    let file = ConfigFile {
        path: "oxherd.toml".into(),
        text: toml.to_owned(),
    };
    Config::resolve(&flags, &BTreeMap::new(), Some(&file)).unwrap()
}

impl Scene {
    pub(crate) async fn start(store: TestStore) -> Self {
        Self::with(store, "").await
    }

    pub(crate) async fn with(store: TestStore, toml: &str) -> Self {
        let server = Server::start(config(&store, toml)).await.unwrap();
        let client = Client::new(server.address());
        Self {
            server,
            client,
            store,
        }
    }

    /// A handle of its own, as another program would have: in a directory it finds the server and uses its socket.
    pub(crate) async fn queue(&self, name: &str) -> Queue {
        let store = oxherd::Store::open(&self.store.url()).await.unwrap();
        Queue::new(&store, name).unwrap()
    }

    pub(crate) async fn worker(
        &self,
        queue: &str,
        setup: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    ) -> Worker {
        setup(Worker::on(&self.queue(queue).await)).start().await.unwrap()
    }

    /// Writes a field of a job's hash, as a careless program might.
    pub(crate) async fn set_field(&self, key: &str, field: &str, value: &str) {
        let mut connection = self.store.connection().await;
        let mut command = redis::cmd("HSET");
        command.arg(key).arg(field).arg(value);
        command.exec_async(&mut connection).await.unwrap();
    }
}
