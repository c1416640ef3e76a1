//! `oxherd cache invalidate …`: by key, tag, prefix, tenant, or the whole namespace.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use oxherd::cache::{Bounds, Matching};
use oxherd_server::view::View;
use serde::Serialize;

use super::{Which, Whose};
use crate::args::{Global, length_of_time};
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// What is invalidated.
#[derive(Debug, Subcommand)]
pub(crate) enum Invalidate {
    Key(Key),
    Tag(Tag),
    Prefix(Prefix),
    Tenant(Tenant),
    Namespace(Whole),
}

/// Remove one entry, and void the load that is under way for it
#[derive(Args, Debug)]
pub(crate) struct Key {
    #[command(flatten)]
    which: Which,
    /// The key as lists show it: its parts joined by `/`
    key: String,
    #[command(flatten)]
    whose: Whose,
}

/// Make every entry with one of these tags a miss
#[derive(Args, Debug)]
pub(crate) struct Tag {
    #[command(flatten)]
    which: Which,
    /// The tags as entries show them, as `category/7`
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    tags: Vec<String>,
    #[command(flatten)]
    whose: Whose,
}

/// Remove the entries whose keys begin so
///
/// Walks all keys of the store: for what happens often, use tags.
#[derive(Args, Debug)]
pub(crate) struct Prefix {
    #[command(flatten)]
    which: Which,
    /// The beginning of the keys; with --pattern, a pattern of whole keys
    // Not `prefix`: that is a flag of every command, and clap would take one for the other.
    #[arg(value_name = "PREFIX")]
    beginning: String,
    /// Take it as a pattern, with `*`, `?` and `[a-z]`
    #[arg(long)]
    pattern: bool,
    /// So many entries at the most
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// For so long at the most
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = length_of_time)]
    time: std::time::Duration,
    #[command(flatten)]
    whose: Whose,
}

/// Make every entry of a tenant a miss
#[derive(Args, Debug)]
pub(crate) struct Tenant {
    #[command(flatten)]
    which: Which,
    /// The tenant
    tenant: String,
}

/// Make every entry of the namespace a miss
#[derive(Args, Debug)]
pub(crate) struct Whole {
    #[command(flatten)]
    which: Which,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Invalidated<'a> {
    namespace: &'a str,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
}

impl Invalidate {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let view = connect::view(global, output).await?;
        let which = match &self {
            Self::Key(command) => &command.which,
            Self::Tag(command) => &command.which,
            Self::Prefix(command) => &command.which,
            Self::Tenant(command) => &command.which,
            Self::Namespace(command) => &command.which,
        };
        which.settings(&view).await?;
        let namespace = which.namespace.clone();
        let (done, sentence) = match self {
            Self::Key(command) => command.run(&view, &namespace).await?,
            Self::Tag(command) => command.run(&view, &namespace).await?,
            Self::Prefix(command) => command.run(&view, &namespace, output).await?,
            Self::Tenant(command) => {
                view.inspector()
                    .invalidate_tenant(&namespace, &command.tenant)
                    .await?;
                let sentence = format!(
                    "every entry of tenant {:?} in {namespace} is a miss now",
                    command.tenant
                );
                (plain(&namespace, "tenant"), sentence)
            }
            Self::Namespace(_) => {
                view.inspector().clear(&namespace).await?;
                (
                    plain(&namespace, "all"),
                    format!("every entry of {namespace} is a miss now"),
                )
            }
        };
        output.changed(&done, &sentence)
    }
}

const fn plain<'a>(namespace: &'a str, by: &'static str) -> Invalidated<'a> {
    Invalidated {
        namespace,
        by,
        removed: None,
        complete: None,
    }
}

impl Key {
    async fn run<'a>(self, view: &View, namespace: &'a str) -> Result<(Invalidated<'a>, String), Failure> {
        let was_there = view
            .inspector()
            .remove(namespace, &self.whose.tenant, &self.key)
            .await?;
        let sentence = if was_there {
            format!("entry {:?} of {namespace} is gone", self.key)
        } else {
            format!(
                "there was no entry {:?} in {namespace}; loads under way for it are void",
                self.key
            )
        };
        let done = Invalidated {
            removed: Some(u64::from(was_there)),
            ..plain(namespace, "key")
        };
        Ok((done, sentence))
    }
}

impl Tag {
    async fn run<'a>(self, view: &View, namespace: &'a str) -> Result<(Invalidated<'a>, String), Failure> {
        let tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
        view.inspector()
            .invalidate_tags(namespace, &self.whose.tenant, &tags)
            .await?;
        let sentence = format!(
            "every entry of {namespace} {} with tag {} is a miss now",
            self.whose.words(),
            tags.join(" or "),
        );
        Ok((plain(namespace, "tag"), sentence))
    }
}

impl Prefix {
    async fn run<'a>(
        self,
        view: &View,
        namespace: &'a str,
        output: &Output,
    ) -> Result<(Invalidated<'a>, String), Failure> {
        let (matching, by) = if self.pattern {
            (Matching::Pattern(&self.beginning), "pattern")
        } else {
            (Matching::Prefix(&self.beginning), "prefix")
        };
        let bounds = Bounds::default().with_keys(self.limit).with_time(self.time);
        let shows = output.shows_progress();
        // One line in a thousand removals; a page has 250.
        let mut told = 0;
        let progress = |removed: u64| {
            if shows && removed >= told + 1000 {
                told = removed;
                output.note(&format!("{removed} entries are gone"));
            }
        };
        let inspector = view.inspector();
        let done = inspector
            .remove_matching(namespace, &self.whose.tenant, matching, bounds, progress)
            .await?;
        let mut sentence = format!("{} entries of {namespace} are gone", done.removed);
        if !done.complete {
            sentence.push_str("; there may be more: repeat to go on");
        }
        let done = Invalidated {
            removed: Some(done.removed),
            complete: Some(done.complete),
            ..plain(namespace, by)
        };
        Ok((done, sentence))
    }
}
