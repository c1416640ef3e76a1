//! The server as a whole: started from its settings, stopped in good order.
//!
//! Starting checks the settings, opens the store, starts the workers and listens, in that order, and fails with a
//! sentence that says which of them did not work. Stopping turns readiness off first, lets running jobs end within the
//! grace, gives the others back to their queues, and closes last.
//! Next: `connections.rs` (what clients may take), `router.rs` (all routes), `workers.rs`, `deliveries.rs` (webhooks),
//! `signals.rs` (what ends it).

mod connections;
mod deliveries;
mod router;
mod signals;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxherd::engine::Server as RespServer;
use oxherd::{Opening, StopReport, Store, WorkerStopper};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::{Config, open_door};
use crate::processors::webhook::CourierError;
use crate::view::{View, ViewSettings};
use connections::Bounds;
use workers::RunningWorkers;

pub use router::router;
pub use signals::{run, run_as};

/// How long open requests may take once everything else has stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// How long Redis clients may take for their last replies. A script that goes on for ever keeps them for ever.
const LAST_REPLIES: Duration = Duration::from_secs(6);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It would be open to everybody.
    #[error("{0}")]
    OpenDoor(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with --listen or OXHERD_LISTEN")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address for Redis clients cannot be listened on.
    #[error(
        "cannot listen for Redis clients on {address}: {source}; choose another with --resp or OXHERD_RESP"
    )]
    Resp {
        /// The address.
        address: SocketAddr,
        /// What was wrong.
        source: oxherd::engine::Error,
    },
    /// A setting is for the process that has the store's directory, and that is another one.
    #[error(
        "another process has the store's directory: `{setting}` must be set there, or that process stopped first"
    )]
    HeldElsewhere {
        /// The setting.
        setting: &'static str,
    },
    /// The store cannot be used, or was lost while starting.
    #[error(transparent)]
    Store(#[from] oxherd::Error),
    /// The webhook deliveries cannot be set up.
    #[error("webhooks: {0}")]
    Webhooks(#[from] CourierError),
}

/// Starts servers.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts a server with these settings and returns once it listens.
    ///
    /// # Errors
    /// [`StartError`]. A store that is away is an error now; later it may come and go.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        Self::start_as(config, Opening::new()).await
    }

    /// As [`Server::start`], with the store opened in a way of the program's own, so that it sees how far the reading of a
    /// large directory is.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_as(config: Config, opening: Opening) -> Result<Running, StartError> {
        if let Some(problem) = open_door(config.listen.value, config.token.as_ref()) {
            return Err(StartError::OpenDoor(problem));
        }
        let address = config.listen.value;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| StartError::Listen { address, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Listen { address, source })?;

        // These cannot be had through another process.
        let opening = if config.resp.value.is_some() || config.max_memory.value.is_some() {
            opening.needs_to_hold()
        } else {
            opening
        };
        let store = Store::connect_as(config.store.value.clone(), opening).await?;
        let resp = resp_endpoint(&store, &config)?;
        let webhooks = config.webhooks.iter().flat_map(|table| &table.config.queues);
        let mut queues = webhooks
            .map(|name| Ok((name.parse()?, None)))
            .collect::<oxherd::Result<std::collections::BTreeMap<_, _>>>()?;
        queues.extend(
            config
                .queues
                .iter()
                .map(|(name, table)| (name.clone(), table.max_waiting)),
        );
        let settings = ViewSettings {
            queues,
            masking: config.mask.value.clone(),
            serving_since: Some(Instant::now()),
        };
        let app = App::new(View::with_settings(store, settings), config);

        let mut workers = RunningWorkers::default();
        for table in &app.config.webhooks {
            let courier = Arc::new(deliveries::courier(&table.config)?);
            for queue in &table.config.queues {
                let worker = deliveries::worker(&app, queue, &table.config, &courier)?;
                workers.enter(&app, worker.start().await?);
            }
        }

        let stop_http = CancellationToken::new();
        let serving = connections::serve(
            listener,
            router(app.clone()),
            Bounds::default(),
            stop_http.clone(),
        );
        let http = tokio::spawn(serving);
        tracing::info!(%address, store = app.view.store().name(), "listening");
        if let Some(address) = resp.as_ref().and_then(address_of) {
            tracing::info!(%address, "listening for Redis clients");
        }
        Ok(Running {
            address,
            app,
            workers,
            http,
            stop_http,
            resp,
        })
    }
}

/// Sets up the store in this process, and lets Redis clients in if the settings say so.
fn resp_endpoint(store: &Store, config: &Config) -> Result<Option<RespServer>, StartError> {
    let Some(engine) = store.engine() else {
        // Settings for a store in this process are refused with any other; so the directory is another's.
        let setting = [
            ("resp", config.resp.value.is_some()),
            ("max_memory", config.max_memory.value.is_some()),
        ];
        let setting = setting.into_iter().find(|(_, is_set)| *is_set);
        return setting.map_or(Ok(None), |(setting, _)| {
            Err(StartError::HeldElsewhere { setting })
        });
    };
    engine.set_max_memory(config.max_memory.value);
    if let Some(token) = &config.token.value {
        engine.set_password(token.reveal());
    }
    let Some(address) = config.resp.value else {
        return Ok(None);
    };
    let server = engine.endpoint().listen_on(address).spawn_thread();
    Ok(Some(
        server.map_err(|source| StartError::Resp { address, source })?,
    ))
}

fn address_of(server: &RespServer) -> Option<&oxherd::engine::Address> {
    server.addresses().first()
}

/// A server that runs until it is stopped or dropped. Dropping it ends everything at once: jobs that run then stall and
/// are taken up by another worker.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    app: App,
    workers: RunningWorkers,
    http: JoinHandle<()>,
    stop_http: CancellationToken,
    /// Redis clients of a store in this process.
    resp: Option<RespServer>,
}

impl Running {
    /// Where it listens; with port 0 in the settings, the port that was found.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where Redis clients reach a store in this process, if they may.
    #[must_use]
    pub fn resp_address(&self) -> Option<String> {
        self.resp.as_ref().and_then(address_of).map(ToString::to_string)
    }

    /// Its state.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Handles by which a [`Running::stop`] under way gives its workers' jobs back at once.
    #[must_use]
    pub fn stoppers(&self) -> Vec<WorkerStopper> {
        self.workers.stoppers()
    }

    /// Stops in good order: not ready, no more jobs taken, running ones may end within `grace`, the rest is given back
    /// (for which the store has 5 s more), then open requests have 3 s and Redis clients 6 s.
    pub async fn stop(mut self, grace: Duration) -> StopReport {
        self.app.drain();
        let report = std::mem::take(&mut self.workers).stop(grace).await;
        self.stop_http.cancel();
        if tokio::time::timeout(LAST_ANSWERS, &mut self.http).await.is_err() {
            tracing::info!("closing connections that are still open");
            self.http.abort();
        }
        if let Some(resp) = self.resp.take()
            && tokio::time::timeout(LAST_REPLIES, resp.shutdown()).await.is_err()
        {
            tracing::warn!("a script of a Redis client still runs; it ends with the process");
        }
        match tokio::time::timeout(LAST_REPLIES, self.app.view.store().close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the last changes could not be kept"),
            Err(_elapsed) => {
                tracing::error!("the store does not end; what was acknowledged is as safe as `fsync` says");
            }
        }
        report
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.app.drain();
        self.stop_http.cancel();
        self.http.abort();
    }
}
