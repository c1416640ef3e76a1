//! `oxherd serve`: the server, until a signal ends it.
//!
//! Where it listens goes to stdout, logs go to stderr. Everything else is the server's own: this file only hands over
//! the settings and turns the end into an exit code.

use std::io::{self, IsTerminal as _};

use clap::Args;
use oxherd_server::config::{Config, Flags, LogFormat};
use oxherd_server::serve::{self, StartError};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{BootLine, Output};

/// Run the server: HTTP API, dashboard, metrics and built-in workers
///
/// Ends in good order at the first SIGINT or SIGTERM: running jobs may end within the grace, the others go back to
/// their queues. A second signal ends it at once.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Queues and webhook deliveries are set in the file alone, as [queues.NAME] and [[webhooks]].
--print-config shows all settings in force, and where each came from.")]
pub(crate) struct Serve {
    /// Address to listen on (OXHERD_LISTEN) [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address on which a store in this process listens for Redis clients (OXHERD_RESP); the token is their password
    #[arg(long, value_name = "ADDRESS")]
    resp: Option<String>,
    /// Most that a store in this process may hold, as in 512MiB (OXHERD_MAX_MEMORY) [default: no limit]
    #[arg(long, value_name = "SIZE")]
    max_memory: Option<String>,
    /// Who may use the server from elsewhere; others see command lines, so better OXHERD_TOKEN
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Log filter: a level or target=level pairs (OXHERD_LOG) [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Form of log lines, text or json (OXHERD_LOG_FORMAT) [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Largest request body, as in 512KiB (OXHERD_MAX_BODY) [default: 1MiB]
    #[arg(long, value_name = "SIZE")]
    max_body: Option<String>,
    /// How long jobs may run on after the first signal (OXHERD_SHUTDOWN_GRACE) [default: 25s]
    #[arg(long, value_name = "TIME")]
    shutdown_grace: Option<String>,
    /// Fields of payloads to hide besides the usual ones, with commas; `none` hides nothing (OXHERD_MASK)
    #[arg(long, value_name = "NAMES")]
    mask: Option<String>,
    /// Print the settings in force as TOML and end
    #[arg(long)]
    print_config: bool,
}

/// Where the server listens.
#[derive(Serialize)]
struct Listening {
    address: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resp: Option<String>,
}

impl Serve {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let print_config = self.print_config;
        let config = Config::load(&self.flags(global)).map_err(|error| connect::of_settings(&error))?;
        if print_config {
            return output.text(&config.print());
        }
        start_log(&config)?;
        let mut has_started = false;
        let line = BootLine::new(output);
        let started = |running: &serve::Running| {
            has_started = true;
            line.clear();
            let address = running.address();
            let listening = Listening {
                address: address.to_string(),
                url: format!("http://{address}"),
                resp: running.resp_address().map(|address| format!("redis://{address}")),
            };
            let resp = listening.resp.as_ref();
            let resp = resp.map(|url| format!(", for Redis clients on {url}"));
            let text = format!("Oxherd listens on {}{}", listening.url, resp.unwrap_or_default());
            // A server goes on when nobody reads where it is.
            let _ = output.changed(&listening, &text);
        };
        let served = serve::run_as(config, line.opening(), started).await;
        line.clear();
        match served.map_err(of_start)? {
            None if has_started => Err(Failure::failed(
                "stopped at once by a second signal; jobs that still ran stall and are taken up by another worker",
            )),
            _ => Ok(()),
        }
    }

    fn flags(self, global: &Global) -> Flags {
        Flags {
            listen: self.listen,
            resp: self.resp,
            max_memory: self.max_memory,
            token: self.token,
            log: self.log,
            log_format: self.log_format,
            max_body: self.max_body,
            shutdown_grace: self.shutdown_grace,
            mask: self.mask,
            ..global.flags()
        }
    }
}

fn start_log(config: &Config) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(config.log.as_str())
        .map_err(|error| Failure::usage("the log filter cannot be used").because(error))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match config.log_format.value {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
    }
    Ok(())
}

/// One table from failed starts to exit codes.
fn of_start(error: StartError) -> Failure {
    match error {
        StartError::Store(error) => error.into(),
        StartError::OpenDoor(_) | StartError::Webhooks(_) | StartError::HeldElsewhere { .. } => {
            Failure::usage(error.to_string())
        }
        other => Failure::failed(other.to_string()),
    }
}
