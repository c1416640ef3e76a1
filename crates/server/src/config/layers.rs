//! Who wins: flag over environment over file over default.
//!
//! Values of all layers are checked, those included that another layer overrides: a mistake should not wait until a
//! flag is left out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use oxherd::{QueueName, StoreUrl};

use super::error::{ConfigError, Fault};
use super::file::{FileValues, nearest};
use super::setting::{Setting, Source};
use super::tables::{QueueTable, WebhookTable};
use super::values::{self, Token};
use super::{ConfigFile, FILE_VARIABLE};

/// What every environment variable of ours starts with.
pub(super) const VARIABLE_PREFIX: &str = "OXHERD_";
/// A shorter token can be guessed.
const SHORT_TOKEN: usize = 16;

/// The keys that are one value each, by their name in the file.
pub(super) const KEYS: [&str; 11] = [
    "store",
    "prefix",
    "listen",
    "resp",
    "max_memory",
    "token",
    "log",
    "log_format",
    "max_body",
    "shutdown_grace",
    "mask",
];

/// What was given on the command line, as text.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// `--store URL`.
    pub store: Option<String>,
    /// `--prefix PREFIX`.
    pub prefix: Option<String>,
    /// `--listen ADDRESS`.
    pub listen: Option<String>,
    /// `--resp ADDRESS`.
    pub resp: Option<String>,
    /// `--max-memory SIZE`.
    pub max_memory: Option<String>,
    /// `--token TOKEN`. Other users of the machine can read command lines; prefer the environment.
    pub token: Option<String>,
    /// `--log FILTER`.
    pub log: Option<String>,
    /// `--log-format FORMAT`.
    pub log_format: Option<String>,
    /// `--max-body SIZE`.
    pub max_body: Option<String>,
    /// `--shutdown-grace DURATION`.
    pub shutdown_grace: Option<String>,
    /// `--mask NAMES`.
    pub mask: Option<String>,
}

impl Flags {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "store" => self.store.as_deref(),
            "prefix" => self.prefix.as_deref(),
            "listen" => self.listen.as_deref(),
            "resp" => self.resp.as_deref(),
            "max_memory" => self.max_memory.as_deref(),
            "token" => self.token.as_deref(),
            "log" => self.log.as_deref(),
            "log_format" => self.log_format.as_deref(),
            "max_body" => self.max_body.as_deref(),
            "shutdown_grace" => self.shutdown_grace.as_deref(),
            "mask" => self.mask.as_deref(),
            _ => None,
        }
    }
}

/// All sources of settings, and what was found wrong in them.
pub(super) struct Layers<'a> {
    flags: &'a Flags,
    environment: &'a BTreeMap<String, String>,
    file: FileValues,
    path: PathBuf,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(
        flags: &'a Flags,
        environment: &'a BTreeMap<String, String>,
        file: Option<&ConfigFile>,
    ) -> Self {
        let mut layers = Self {
            flags,
            environment,
            file: FileValues::default(),
            path: file.map(|file| file.path.clone()).unwrap_or_default(),
            faults: Vec::new(),
            warnings: Vec::new(),
        };
        if let Some(file) = file {
            (layers.file, layers.faults) = FileValues::read(file);
        }
        layers.warn_of_misspelt_variables();
        layers
    }

    /// The value of a key from the highest layer that has one.
    pub(super) fn setting<T>(
        &mut self,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
        default: impl FnOnce() -> T,
    ) -> Setting<T> {
        let mut chosen: Option<Setting<T>> = None;
        for (source, text) in self.given(key) {
            match read(&text) {
                Ok(value) => chosen = chosen.or(Some(Setting { value, source })),
                Err(problem) => self.fault(&source, key, problem),
            }
        }
        chosen.unwrap_or_else(|| Setting {
            value: default(),
            source: Source::Default,
        })
    }

    /// The store with its prefix. The setting `prefix` wins over `?prefix=` in the URL, unless the URL comes from a
    /// higher layer.
    pub(super) fn store_and_prefix(&mut self) -> (Setting<StoreUrl>, Setting<String>) {
        let store = self.setting("store", values::store, values::default_store);
        let prefix = self.setting("prefix", |text| values::prefix(text).map(Some), || None);
        let (names_prefix, source) = (store.value.names_prefix, store.source);
        let url = store.value.url;
        let wins = !names_prefix || prefix.source.rank() >= source.rank();
        if let Some(text) = prefix.value.filter(|_| wins)
            && let Ok(url) = url.clone().with_prefix(text.clone())
        {
            let prefix = Setting {
                value: text,
                source: prefix.source,
            };
            return (Setting { value: url, source }, prefix);
        }
        let prefix = Setting {
            value: url.prefix().to_owned(),
            source: if names_prefix {
                source.clone()
            } else {
                Source::Default
            },
        };
        (Setting { value: url, source }, prefix)
    }

    /// Refuses settings of the store in this process when the store is elsewhere, and a port for Redis clients that is
    /// open to everybody.
    pub(super) fn check_in_process(
        &mut self,
        store: &StoreUrl,
        resp: &Setting<Option<SocketAddr>>,
        max_memory: &Setting<Option<usize>>,
        token: Option<&Token>,
    ) {
        let elsewhere = "is for a store in this process (embedded: or memory:); a server has its own";
        if let Some(address) = resp.value {
            if !store.is_in_process() {
                self.fault(&resp.source, "resp", elsewhere.to_owned());
            } else if let Some(problem) = values::open_door(address, token) {
                self.fault(&resp.source, "resp", problem);
            }
        }
        if max_memory.value.is_some() && !store.is_in_process() {
            self.fault(&max_memory.source, "max_memory", elsewhere.to_owned());
        }
    }

    /// Refuses to be open to everybody, and warns of a token that is nearly that.
    pub(super) fn refuse_an_open_door(
        &mut self,
        listen: &Setting<SocketAddr>,
        token: &Setting<Option<Token>>,
    ) {
        if let Some(problem) = values::open_door(listen.value, token.value.as_ref()) {
            self.fault(&listen.source, "listen", problem);
        }
        if token
            .value
            .as_ref()
            .is_some_and(|token| token.reveal().len() < SHORT_TOKEN)
        {
            self.warnings.push(format!(
                "the token is shorter than {SHORT_TOKEN} characters and can be guessed; make one with `openssl rand \
                 -hex 32`"
            ));
        }
    }

    pub(super) fn tables(&mut self) -> (BTreeMap<QueueName, QueueTable>, Vec<WebhookTable>) {
        (
            std::mem::take(&mut self.file.queues),
            std::mem::take(&mut self.file.webhooks),
        )
    }

    /// The warnings, unless something is wrong.
    pub(super) fn finish(self) -> Result<Vec<String>, ConfigError> {
        if self.faults.is_empty() {
            Ok(self.warnings)
        } else {
            Err(self.faults.into())
        }
    }

    /// What the layers say of a key, highest first.
    fn given(&self, key: &str) -> Vec<(Source, String)> {
        let variable = variable(key);
        let flag = self.flags.get(key).map(|text| {
            let source = Source::Flag(format!("--{}", key.replace('_', "-")));
            (source, text.to_owned())
        });
        let set = self.environment.get(&variable).filter(|text| !text.is_empty());
        let environment = set.map(|text| (Source::Environment(variable), text.clone()));
        let file = self.file.values.get(key).map(|(text, line)| {
            let source = Source::File {
                path: self.path.clone(),
                line: *line,
            };
            (source, text.clone())
        });
        [flag, environment, file].into_iter().flatten().collect()
    }

    fn fault(&mut self, source: &Source, key: &str, problem: String) {
        let key = match source {
            Source::Flag(_) | Source::Environment(_) => "",
            Source::File { .. } | Source::Default => key,
        };
        self.faults.push(Fault::new(source.to_string(), key, problem));
    }

    /// Variables that look like ours may belong to other programs; only a likely slip is worth a word.
    fn warn_of_misspelt_variables(&mut self) {
        let known: Vec<String> = KEYS.iter().map(|key| variable(key)).collect();
        for name in self
            .environment
            .keys()
            .filter(|name| name.starts_with(VARIABLE_PREFIX))
        {
            if known.contains(name) || name == FILE_VARIABLE {
                continue;
            }
            if let Some(meant) = nearest(name, known.iter().map(String::as_str)) {
                self.warnings
                    .push(format!("{name} is not a setting; did you mean {meant}?"));
            }
        }
    }
}

fn variable(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.to_uppercase())
}
