//! Every setting of the server: flag over environment over `oxherd.toml` over default.
//!
//! | key in the file  | flag and environment                      | default                  |
//! |------------------|-------------------------------------------|--------------------------|
//! | `store`          | `--store`, `OXHERD_STORE`                 | `embedded:./oxherd-data` |
//! | `prefix`         | `--prefix`, `OXHERD_PREFIX`               | `bull`                   |
//! | `listen`         | `--listen`, `OXHERD_LISTEN`               | `127.0.0.1:7070`         |
//! | `resp`           | `--resp`, `OXHERD_RESP`                   | none: no Redis clients   |
//! | `max_memory`     | `--max-memory`, `OXHERD_MAX_MEMORY`       | none: no limit           |
//! | `token`          | `--token`, `OXHERD_TOKEN`                 | none: loopback only      |
//! | `log`            | `--log`, `OXHERD_LOG`                     | `info`                   |
//! | `log_format`     | `--log-format`, `OXHERD_LOG_FORMAT`       | `text`                   |
//! | `max_body`       | `--max-body`, `OXHERD_MAX_BODY`           | `1MiB`                   |
//! | `shutdown_grace` | `--shutdown-grace`, `OXHERD_SHUTDOWN_GRACE` | `25s`                  |
//! | `mask`           | `--mask`, `OXHERD_MASK` (with commas)     | adds to the usual names  |
//!
//! `[queues.NAME]` with `max_waiting` and `[[webhooks]]` are read from the file alone. The file is `--config`, else
//! `OXHERD_CONFIG`, else `oxherd.toml` in the working directory if it is there. Everything wrong is reported at once,
//! each with its place, key and remedy. An empty environment variable counts as unset.
//! Next: `layers.rs` (who wins), `file.rs` (reading TOML), `values.rs` (what a value may be), `print.rs`.

mod error;
mod file;
mod layers;
mod print;
mod setting;
mod tables;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oxherd::{QueueName, StoreUrl};

pub use error::{ConfigError, Fault};
pub use layers::Flags;
pub use setting::{Setting, Source};
pub use tables::{QueueTable, WebhookTable};
pub(crate) use values::open_door;
pub use values::{LogFormat, Token};

use crate::processors::webhook::WebhookConfig;
use crate::view::Masking;
use layers::Layers;

/// The file that is read from the working directory when no other is named.
pub const DEFAULT_FILE: &str = "oxherd.toml";
/// The environment variable that names another file.
const FILE_VARIABLE: &str = "OXHERD_CONFIG";

/// A configuration file: where it is and what it says.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Where it was read from; appears in messages.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// All settings, each with where it came from.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Where the data lives, with the prefix in it.
    pub store: Setting<StoreUrl>,
    /// The first part of every key, as the store has it.
    pub prefix: Setting<String>,
    /// The address to listen on.
    pub listen: Setting<SocketAddr>,
    /// The address on which a store in this process listens for Redis clients; the token is their password.
    pub resp: Setting<Option<SocketAddr>>,
    /// Bytes a store in this process may hold; beyond, what would add to it is refused.
    pub max_memory: Setting<Option<usize>>,
    /// Who may use the server; without one only this machine can.
    pub token: Setting<Option<Token>>,
    /// Log filter: a level, or `target=level` pairs with commas.
    pub log: Setting<String>,
    /// How log lines look.
    pub log_format: Setting<LogFormat>,
    /// The largest request body, in bytes.
    pub max_body: Setting<usize>,
    /// How long jobs may go on after the first signal to stop.
    pub shutdown_grace: Setting<Duration>,
    /// Which fields of payloads are hidden.
    pub mask: Setting<Masking>,
    /// Settings of single queues.
    pub queues: BTreeMap<QueueName, QueueTable>,
    /// Queues whose jobs are webhook deliveries.
    pub webhooks: Vec<WebhookTable>,
    /// What is odd and no error.
    pub warnings: Vec<String>,
}

impl Config {
    /// Settings from the flags, this process's environment and the file that they name.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong; also when a file that was named cannot be read.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(layers::VARIABLE_PREFIX))
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect();
        let file = read_file(flags, &environment)?;
        Self::resolve(flags, &environment, file.as_ref())
    }

    /// Settings from exactly these sources; reads nothing else.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn resolve(
        flags: &Flags,
        environment: &BTreeMap<String, String>,
        file: Option<&ConfigFile>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::new(flags, environment, file);
        let (store, prefix) = layers.store_and_prefix();
        let listen = layers.setting("listen", values::listen, values::default_listen);
        let token = layers.setting("token", |text| values::token(text).map(Some), || None);
        layers.refuse_an_open_door(&listen, &token);
        let resp = layers.setting("resp", |text| values::listen(text).map(Some), || None);
        let max_memory = layers.setting("max_memory", |text| values::memory_size(text).map(Some), || None);
        layers.check_in_process(&store.value, &resp, &max_memory, token.value.as_ref());
        let log = layers.setting("log", values::log_filter, || "info".to_owned());
        let log_format = layers.setting("log_format", values::log_format, LogFormat::default);
        let max_body = layers.setting("max_body", values::byte_size, || 1024 * 1024);
        let grace = layers.setting("shutdown_grace", values::duration, || Duration::from_secs(25));
        let mask = layers.setting("mask", |text| Ok(values::mask(text)), Masking::default);
        let (queues, webhooks) = layers.tables();
        let warnings = layers.finish()?;
        Ok(Self {
            file: file.map(|file| file.path.clone()),
            store,
            prefix,
            listen,
            resp,
            max_memory,
            token,
            log,
            log_format,
            max_body,
            shutdown_grace: grace,
            mask,
            queues,
            webhooks,
            warnings,
        })
    }

    /// The webhook settings of a queue, if its jobs are deliveries.
    #[must_use]
    pub fn webhook_of(&self, queue: &str) -> Option<&WebhookConfig> {
        let mut tables = self.webhooks.iter().map(|table| &table.config);
        tables.find(|config| config.queues.iter().any(|name| name == queue))
    }

    /// The settings in force as TOML, each with where it came from, secrets redacted.
    #[must_use]
    pub fn print(&self) -> String {
        print::print(self)
    }
}

fn read_file(
    flags: &Flags,
    environment: &BTreeMap<String, String>,
) -> Result<Option<ConfigFile>, ConfigError> {
    let named = flags.config.clone().or_else(|| {
        let named = environment.get(FILE_VARIABLE)?;
        (!named.is_empty()).then(|| PathBuf::from(named))
    });
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    match std::fs::read(&path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(ConfigFile { path, text })),
            Err(_) => Err(unreadable(&path, "it is not UTF-8")),
        },
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path, &error.to_string())),
    }
}

fn unreadable(path: &Path, reason: &str) -> ConfigError {
    let place = path.display().to_string();
    ConfigError::from(vec![Fault::new(place, "", format!("cannot be read: {reason}"))])
}
