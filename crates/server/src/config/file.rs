//! Reading `oxherd.toml` by hand instead of through serde, so that every fault has its line and key, and no message
//! repeats a secret.
//!
//! Simple values become text, as flags and variables are; `values.rs` then reads all three alike.

use std::collections::BTreeMap;

use oxherd::QueueName;
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigFile;
use super::error::Fault;
use super::layers::KEYS;
use super::tables::{QueueTable, WebhookTable};
use crate::processors::webhook::WebhookConfig;

type Entry<'a> = (String, usize, Spanned<DeValue<'a>>);

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct FileValues {
    /// Text and line by key.
    pub(super) values: BTreeMap<String, (String, usize)>,
    pub(super) queues: BTreeMap<QueueName, QueueTable>,
    pub(super) webhooks: Vec<WebhookTable>,
}

impl FileValues {
    /// Everything that can be read, and everything that is wrong.
    pub(super) fn read(file: &ConfigFile) -> (Self, Vec<Fault>) {
        let mut reader = Reader {
            file,
            found: Self::default(),
            faults: Vec::new(),
        };
        reader.read();
        (reader.found, reader.faults)
    }
}

struct Reader<'a> {
    file: &'a ConfigFile,
    found: FileValues,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        let document = match DeTable::parse(&self.file.text) {
            Ok(document) => document.into_inner(),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                self.fault(at, "", format!("is no valid TOML: {}", error.message()));
                return;
            }
        };
        for (key, at, value) in entries(document) {
            match key.as_str() {
                "queues" => self.queues(at, value),
                "webhooks" => self.webhooks(at, value),
                simple if KEYS.contains(&simple) => self.simple(&key, &value),
                unknown => {
                    let known = KEYS.into_iter().chain(["queues", "webhooks"]);
                    self.unknown(at, "", unknown, &known.collect::<Vec<_>>());
                }
            }
        }
    }

    fn simple(&mut self, key: &str, value: &Spanned<DeValue<'_>>) {
        let at = value.span().start;
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().replace('_', ""),
            DeValue::Array(_) if key == "mask" => match names(value) {
                Some(names) => names.join(","),
                None => return self.fault(at, key, "must be a list of strings".to_owned()),
            },
            other => {
                let problem = format!("must be a string, not a {}", other.type_str());
                return self.fault(at, key, problem);
            }
        };
        self.found.values.insert(key.to_owned(), (text, self.line(at)));
    }

    fn queues(&mut self, at: usize, value: Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = value.into_inner() else {
            let problem = "must be tables such as [queues.mail]".to_owned();
            return self.fault(at, "queues", problem);
        };
        for (name, at, value) in entries(table) {
            let key = format!("queues.{name}");
            match (name.parse::<QueueName>(), value.into_inner()) {
                (Err(error), _) => self.fault(at, &key, error.to_string()),
                (Ok(_), value) if !value.is_table() => {
                    self.fault(at, &key, "must be a table with max_waiting".to_owned());
                }
                (Ok(queue), DeValue::Table(table)) => {
                    let settings = self.queue(&key, at, table);
                    self.found.queues.insert(queue, settings);
                }
                (Ok(_), _) => {}
            }
        }
    }

    fn queue(&mut self, key: &str, at: usize, table: DeTable<'_>) -> QueueTable {
        let mut settings = QueueTable {
            max_waiting: None,
            line: self.line(at),
        };
        for (name, at, value) in entries(table) {
            if name != "max_waiting" {
                self.unknown(at, key, &name, &["max_waiting"]);
                continue;
            }
            let number = value.get_ref().as_integer();
            let number = number.and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
            settings.max_waiting = number.filter(|most| *most > 0);
            if settings.max_waiting.is_none() {
                let problem = "must be a whole number from 1; leave it out for no limit".to_owned();
                self.fault(value.span().start, &format!("{key}.max_waiting"), problem);
            }
        }
        settings
    }

    fn webhooks(&mut self, at: usize, value: Spanned<DeValue<'_>>) {
        let DeValue::Array(tables) = value.into_inner() else {
            let problem = "must be tables in double brackets: [[webhooks]]".to_owned();
            return self.fault(at, "webhooks", problem);
        };
        for table in tables {
            self.webhook(table);
        }
    }

    fn webhook(&mut self, table: Spanned<DeValue<'_>>) {
        let start = table.span().start;
        // serde would repeat the value that it did not expect, and this one is secret.
        let secrets = table.get_ref().get("secrets");
        if let Some(secrets) = secrets
            && names(secrets).is_none()
        {
            let problem = "must be a list of strings: [\"whsec_…\"]".to_owned();
            return self.fault(secrets.span().start, "webhooks.secrets", problem);
        }
        let places: Vec<(String, std::ops::Range<usize>)> = match table.get_ref() {
            DeValue::Table(table) => table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), key.span().start..value.span().end))
                .collect(),
            _ => Vec::new(),
        };
        let place_of = |wanted: &str| {
            let found = places.iter().find(|(name, _)| name == wanted);
            found.map_or(start, |(_, range)| range.start)
        };
        let config = match WebhookConfig::deserialize(toml::de::ValueDeserializer::from(table)) {
            Ok(config) => config,
            Err(error) => {
                let at = error.span().map_or(start, |span| span.start);
                let inside = places.iter().find(|(_, range)| range.contains(&at));
                let key = inside.map_or("webhooks".to_owned(), |(name, _)| format!("webhooks.{name}"));
                return self.fault(at, &key, error.message().to_owned());
            }
        };
        if let Err(error) = config.check() {
            let message = error.to_string();
            let key = format!("webhooks.{}", error.key());
            let problem = message.strip_prefix(&format!("{key}: ")).unwrap_or(&message);
            return self.fault(place_of(error.key()), &key, problem.to_owned());
        }
        for name in &config.queues {
            if let Err(error) = name.parse::<QueueName>() {
                return self.fault(place_of("queues"), "webhooks.queues", error.to_string());
            }
            let taken = self
                .found
                .webhooks
                .iter()
                .find(|other| other.config.queues.contains(name));
            if let Some(other) = taken {
                let problem = format!(
                    "{name:?} is delivered by the table on line {} already",
                    other.line
                );
                return self.fault(place_of("queues"), "webhooks.queues", problem);
            }
        }
        let line = self.line(start);
        self.found.webhooks.push(WebhookTable { config, line });
    }

    fn unknown(&mut self, at: usize, table: &str, name: &str, known: &[&str]) {
        let key = match table {
            "" => name.to_owned(),
            table => format!("{table}.{name}"),
        };
        let problem = match nearest(name, known.iter().copied()) {
            Some(meant) => format!("is not a setting; did you mean `{meant}`?"),
            None => format!("is not a setting; known are {}", known.join(", ")),
        };
        self.fault(at, &key, problem);
    }

    fn fault(&mut self, at: usize, key: &str, problem: String) {
        let place = format!("{}:{}", self.file.path.display(), self.line(at));
        self.faults.push(Fault::new(place, key, problem));
    }

    fn line(&self, at: usize) -> usize {
        let before = self.file.text.get(..at).unwrap_or(&self.file.text);
        before.matches('\n').count() + 1
    }
}

/// Keys with their places and values, in the order of the file.
fn entries(table: DeTable<'_>) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = table
        .into_iter()
        .map(|(key, value)| (key.get_ref().to_string(), key.span().start, value))
        .collect();
    entries.sort_by_key(|(_, at, _)| *at);
    entries
}

/// A list of strings, if it is one.
fn names(value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    let list = value.get_ref().as_array()?;
    list.iter()
        .map(|entry| entry.get_ref().as_str().map(ToOwned::to_owned))
        .collect()
}

/// The known word that this one was probably meant to be: at most two letters are changed, added or lost.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const SLIPS: usize = 2;
    known
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= SLIPS && candidate.len() > SLIPS)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = above;
        let mut beside = above + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(right.chars()) {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = *cell;
            beside = replaced.min(*cell + 1).min(beside + 1);
            *cell = beside;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
