//! What every route needs: the view, the settings, who may come in, and whether the server is about to stop.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::config::Config;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::view::View;

/// Event streams open at the same time. Each holds a connection to the store.
const MOST_STREAMS: usize = 256;

/// The state of all routes. Cheap to clone; clones are the same server.
#[derive(Clone, Debug)]
pub struct App {
    /// The one way to read the system.
    pub view: View,
    /// The settings in force.
    pub config: Arc<Config>,
    /// Who may come in.
    pub auth: Auth,
    /// What is counted.
    pub metrics: Metrics,
    pub(crate) intake: Arc<Intake>,
    pub(crate) streams: Arc<Semaphore>,
    draining: CancellationToken,
}

impl App {
    /// The state of a server on this view.
    #[must_use]
    pub fn new(view: View, config: Config) -> Self {
        Self {
            view,
            auth: Auth::new(config.token.as_ref()).with_login_page(),
            metrics: Metrics::default(),
            intake: Arc::new(Intake::new(&config)),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            config: Arc::new(config),
            draining: CancellationToken::new(),
        }
    }

    /// Whether the server is about to stop: it is no longer ready and event streams end, but requests are answered.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Ready once the server is about to stop; event streams of pages end then, too.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Begins to drain. There is no way back.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }
}
