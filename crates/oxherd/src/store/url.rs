//! Store URLs: which server, or none, and which key prefix on it.
//!
//! `redis://`, `rediss://`, `valkey://`, `valkeys://` and `unix:` take `?prefix=` (default `bull`) and, with TLS,
//! `?tls_ca=FILE` for a certificate authority of one's own; `embedded:DIRECTORY` is a store kept in a directory and
//! takes `?prefix=`, `?fsync=` and `?volatile=`; `memory:` is a store in this process and takes `?prefix=` alone. Secrets never leave
//! through `Display` or `Debug`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use oxherd_engine::{Fsync, Options};
use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use url::Url;

use crate::error::Error;

/// The prefix every BullMQ client uses unless told otherwise.
const DEFAULT_PREFIX: &str = "bull";

/// Parameters that belong to the server's address, not to us.
const SERVER_PARAMETERS: [&str; 3] = ["db", "user", "pass"];

/// A parsed store URL.
#[derive(Clone)]
pub struct StoreUrl {
    place: Place,
    prefix: String,
}

/// Where the data lives.
#[derive(Clone)]
pub(super) enum Place {
    Server(Server),
    /// In a directory, held by this process or by another one that lets it in.
    Embedded(Embedded),
    /// In this process, for as long as it runs.
    Memory,
}

/// A directory of this machine.
#[derive(Clone)]
pub(super) struct Embedded {
    pub(super) directory: PathBuf,
    pub(super) fsync: Fsync,
    /// Keys whose names begin with one of these are kept in memory alone.
    volatile: Vec<String>,
}

/// A Redis or Valkey server.
#[derive(Clone)]
pub(super) struct Server {
    url: Url,
    tls_ca: Option<PathBuf>,
}

impl StoreUrl {
    /// The first part of every key, without its colon.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The directory of an `embedded:` store, as it was given.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &self.place {
            Place::Embedded(embedded) => Some(&embedded.directory),
            Place::Server(_) | Place::Memory => None,
        }
    }

    /// The same store under another key prefix.
    ///
    /// # Errors
    /// [`Error::StoreUrl`] when the prefix is empty or ends with a colon.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Result<Self, Error> {
        let prefix = prefix.into();
        if prefix.is_empty() || prefix.ends_with(':') {
            return Err(invalid(format!(
                "prefix {prefix:?} must not be empty or end with `:`"
            )));
        }
        self.prefix = prefix;
        Ok(self)
    }

    /// Whether the store can live in this process: `memory:`, or `embedded:` when no other process has the directory.
    #[must_use]
    pub fn is_in_process(&self) -> bool {
        matches!(self.place, Place::Memory | Place::Embedded(_))
    }

    /// Whether the store ends with this process.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.place, Place::Memory)
    }

    /// Whether answers leave before the disk has what they say.
    pub(super) fn is_lazy(&self) -> bool {
        matches!(&self.place, Place::Embedded(embedded) if embedded.is_lazy())
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

impl Embedded {
    /// How whoever holds the directory keeps what is in it.
    pub(super) fn options(&self) -> Options {
        let volatile = self.volatile.iter().map(String::as_str);
        Options::default().fsync(self.fsync).volatile(volatile)
    }

    /// Whether answers leave before the disk has what they say.
    pub(super) fn is_lazy(&self) -> bool {
        self.fsync != Fsync::Always
    }
}

impl Server {
    /// The server behind a socket of this machine.
    pub(super) fn behind(socket: &Path) -> Result<Self, Error> {
        let shown = socket.display();
        let text = socket
            .to_str()
            .ok_or_else(|| invalid(format!("{shown} is not UTF-8")))?;
        let mut url = Url::parse("unix:///").map_err(|error| invalid(error.to_string()))?;
        url.set_path(&text.replace('%', "%25"));
        Ok(Self { url, tls_ca: None })
    }

    pub(super) fn wants_tls(&self) -> bool {
        matches!(self.url.scheme(), "rediss" | "valkeys")
    }

    pub(super) fn tls_ca(&self) -> Option<&PathBuf> {
        self.tls_ca.as_ref()
    }

    pub(super) fn connection_info(&self) -> Result<ConnectionInfo, Error> {
        let info = self.url.clone().into_connection_info();
        let info = info.map_err(|error| invalid(error.to_string()))?;
        let settings = info.redis_settings().clone();
        let settings = settings
            .set_protocol(ProtocolVersion::RESP2)
            .set_lib_name("oxherd", env!("CARGO_PKG_VERSION"));
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
    }
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme).ok_or_else(|| {
            invalid(format!(
                "{:?} has no scheme; use for example redis://127.0.0.1:6379, or embedded:./oxherd-data for a directory",
                redact(text)
            ))
        })?;
        match scheme {
            "redis" | "rediss" | "valkey" | "valkeys" | "unix" => server(text),
            "embedded" => embedded(text),
            "memory" => memory(text),
            "redis+sentinel" | "redis+cluster" => Err(invalid(format!(
                "{scheme}: stores are not part of this version; use embedded:, memory:, redis://, rediss://, valkey:// \
                 or unix:"
            ))),
            other => Err(invalid(format!(
                "unknown scheme {other:?}; use embedded:, memory:, redis://, rediss://, valkey://, valkeys:// or unix:"
            ))),
        }
    }
}

fn server(text: &str) -> Result<StoreUrl, Error> {
    let parsed = Url::parse(text).map_err(|error| invalid(format!("{error} in {}", redact(text))))?;
    let mut server = Server {
        url: parsed.clone(),
        tls_ca: None,
    };
    server.url.set_query(None);
    let mut prefix = None;
    for (name, value) in parsed.query_pairs() {
        match name.as_ref() {
            "prefix" => prefix = Some(value.into_owned()),
            "tls_ca" => server.tls_ca = Some(PathBuf::from(value.as_ref())),
            known if SERVER_PARAMETERS.contains(&known) => {
                server.url.query_pairs_mut().append_pair(known, &value);
            }
            unknown => {
                return Err(invalid(format!(
                    "unknown parameter `{unknown}`; known are prefix, tls_ca, db, user, pass"
                )));
            }
        }
    }
    server.connection_info()?;
    placed(Place::Server(server), prefix)
}

fn embedded(text: &str) -> Result<StoreUrl, Error> {
    let rest = text.strip_prefix("embedded:").unwrap_or(text);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path.is_empty() {
        return Err(invalid(
            "embedded: needs a directory, as in embedded:./oxherd-data".to_owned(),
        ));
    }
    if path.starts_with("//") && !path.starts_with("///") {
        return Err(invalid(format!(
            "embedded: takes a directory of this machine and no host; use embedded:{} or embedded:./{}",
            path.trim_start_matches('/'),
            path.trim_start_matches('/'),
        )));
    }
    let (mut prefix, mut fsync, mut volatile) = (None, Fsync::default(), Vec::new());
    let written = query.split('&').filter(|pair| !pair.is_empty());
    for (pair, (name, value)) in written.zip(url::form_urlencoded::parse(query.as_bytes())) {
        match name.as_ref() {
            "prefix" => prefix = Some(value.into_owned()),
            "fsync" => fsync = fsync_of(&value)?,
            "volatile" => {
                let written = pair.split_once('=').map_or("", |(_, value)| value);
                for prefix in written.split(',') {
                    volatile.push(volatile_prefix(prefix)?);
                }
            }
            unknown => {
                return Err(invalid(format!(
                    "unknown parameter `{unknown}`; embedded: knows prefix, fsync and volatile"
                )));
            }
        }
    }
    let directory = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
    let embedded = Embedded {
        directory,
        fsync,
        volatile,
    };
    placed(Place::Embedded(embedded), prefix)
}

/// One prefix as it is written in the URL, where `%2C` is a comma that belongs to it.
fn volatile_prefix(written: &str) -> Result<String, Error> {
    const MARK: char = char::REPLACEMENT_CHARACTER;
    let pair = format!("volatile={written}");
    let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
    let prefix = decoded.map(|(_, prefix)| prefix.into_owned()).unwrap_or_default();
    if prefix.is_empty() {
        return Err(invalid(
            "volatile takes the beginnings of keys, as in ?volatile=cache:,tmp: (a comma in one is %2C); an empty one \
             would be every key"
                .to_owned(),
        ));
    }
    let names_mark = written.contains(MARK) || written.to_ascii_uppercase().contains("%EF%BF%BD");
    if prefix.contains(MARK) && !names_mark {
        return Err(invalid(format!(
            "volatile: {written:?} is not UTF-8 when it is decoded"
        )));
    }
    Ok(prefix)
}

fn fsync_of(text: &str) -> Result<Fsync, Error> {
    match text {
        "always" => Ok(Fsync::Always),
        "everysec" => Ok(Fsync::EverySecond),
        "never" => Ok(Fsync::Never),
        other => Err(invalid(format!(
            "fsync is always (the default), everysec or never, not {other:?}"
        ))),
    }
}

fn memory(text: &str) -> Result<StoreUrl, Error> {
    let parsed = Url::parse(text).map_err(|error| invalid(format!("{error} in {text}")))?;
    if parsed.has_authority() || !parsed.path().is_empty() {
        return Err(invalid(
            "memory: takes no address and no path; it is a store in this process".to_owned(),
        ));
    }
    let mut prefix = None;
    for (name, value) in parsed.query_pairs() {
        if name != "prefix" {
            return Err(invalid(format!(
                "unknown parameter `{name}`; memory: knows only prefix"
            )));
        }
        prefix = Some(value.into_owned());
    }
    placed(Place::Memory, prefix)
}

fn placed(place: Place, prefix: Option<String>) -> Result<StoreUrl, Error> {
    let url = StoreUrl {
        place,
        prefix: DEFAULT_PREFIX.to_owned(),
    };
    match prefix {
        Some(prefix) => url.with_prefix(prefix),
        None => Ok(url),
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Server(server) => server.fmt(f),
            Place::Embedded(embedded) => embedded.fmt(f),
            Place::Memory => f.write_str("memory:"),
        }
    }
}

impl fmt::Display for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "embedded:{}", self.directory.display())?;
        let mut mark = '?';
        let fsync = match self.fsync {
            Fsync::EverySecond => Some("everysec"),
            Fsync::Never => Some("never"),
            _ => None,
        };
        if let Some(fsync) = fsync {
            write!(f, "{mark}fsync={fsync}")?;
            mark = '&';
        }
        for prefix in &self.volatile {
            write!(f, "{mark}volatile=")?;
            url::form_urlencoded::byte_serialize(prefix.as_bytes()).try_for_each(|part| f.write_str(part))?;
            mark = '&';
        }
        Ok(())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        let has_secret = shown.password().is_some() || shown.query_pairs().any(|(name, _)| name == "pass");
        shown.set_query(None);
        if shown.password().is_some() && shown.set_password(Some("***")).is_err() {
            return f.write_str(shown.scheme());
        }
        write!(f, "{shown}")?;
        if has_secret && self.url.password().is_none() {
            f.write_str("?pass=***")?;
        }
        Ok(())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self}, prefix {:?})", self.prefix)
    }
}

fn invalid(reason: String) -> Error {
    Error::StoreUrl { reason }
}

/// A text that did not parse may still hold a password: show only what cannot.
fn redact(text: &str) -> String {
    text.rsplit_once('@').map_or_else(
        || text.split(['?', '#']).next().unwrap_or_default().to_owned(),
        |(_, host)| format!("***@{}", host.split(['?', '#']).next().unwrap_or_default()),
    )
}

#[cfg(test)]
mod tests {
    use super::{Place, StoreUrl};

    #[test]
    fn a_password_never_shows() {
        for text in [
            "redis://:geheim@localhost:6379/2?prefix=app",
            "unix:/tmp/redis.sock?pass=geheim",
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert!(!format!("{url} {url:?}").contains("geheim"), "{url}");
        }
        for text in [
            "redis//:geheim@localhost",
            "redis://:geheim@[bad",
            "redis://:geheim@0.0.0.0",
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }

    #[test]
    fn the_prefix_is_ours_and_the_rest_the_servers() {
        let url: StoreUrl = "valkey://localhost/3?prefix=app".parse().unwrap();
        assert_eq!(url.prefix(), "app");
        let Place::Server(server) = url.place() else {
            panic!("{url} is a server");
        };
        assert_eq!(server.connection_info().unwrap().redis_settings().db(), 3);
        assert_eq!("redis://localhost".parse::<StoreUrl>().unwrap().prefix(), "bull");
    }

    #[test]
    fn a_store_in_memory_needs_no_address() {
        let url: StoreUrl = "memory:?prefix=app".parse().unwrap();
        assert!(url.is_in_process());
        assert_eq!((url.prefix(), url.to_string().as_str()), ("app", "memory:"));
    }

    #[test]
    fn a_directory_is_taken_as_it_stands() {
        for (text, directory) in [
            ("embedded:./oxherd-data", "./oxherd-data"),
            (
                "embedded:data dir/100%?prefix=app&fsync=everysec",
                "data dir/100%",
            ),
            ("embedded:/var/lib/oxherd", "/var/lib/oxherd"),
            ("embedded:///var/lib/oxherd", "/var/lib/oxherd"),
        ] {
            let url: StoreUrl = text.parse().unwrap();
            let Place::Embedded(embedded) = url.place() else {
                panic!("{url} is a directory");
            };
            assert_eq!(embedded.directory.to_str(), Some(directory));
            assert!(
                url.to_string().starts_with(&format!("embedded:{directory}")),
                "{url}"
            );
            assert!(url.is_in_process() && !url.is_transient());
        }
    }

    #[test]
    fn volatile_prefixes_may_be_repeated_and_joined_by_commas() {
        for (query, prefixes) in [
            ("", &[][..]),
            ("?volatile=cache:", &["cache:"]),
            (
                "?&volatile=cache:,tmp:&fsync=never&&volatile=a%20b",
                &["cache:", "tmp:", "a b"],
            ),
            (
                "?volatile=a%2Cb,%EF%BF%BD,c=d,%26",
                &["a,b", "\u{fffd}", "c=d", "&"],
            ),
        ] {
            let url: StoreUrl = format!("embedded:./data{query}").parse().unwrap();
            // What is shown means the same.
            let shown: StoreUrl = url.to_string().parse().unwrap();
            for url in [url, shown] {
                let Place::Embedded(embedded) = url.place() else {
                    panic!("{url} is a directory");
                };
                assert_eq!(embedded.volatile, prefixes, "{query}");
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, named) in [
            ("localhost", "no scheme"),
            ("http://localhost", "unknown scheme"),
            ("redis://localhost?prefx=a", "unknown parameter `prefx`"),
            ("redis://localhost?prefix=", "must not be empty"),
            ("redis://localhost/eight", "database number"),
            ("embedded:", "needs a directory"),
            ("embedded:?prefix=a", "needs a directory"),
            ("embedded://host/data", "no host"),
            (
                "embedded:./data?fsync=sometimes",
                "always (the default), everysec or never",
            ),
            ("embedded:./data?db=1", "knows prefix, fsync and volatile"),
            ("embedded:./data?volatile=", "an empty one would be every key"),
            ("embedded:./data?volatile", "an empty one would be every key"),
            (
                "embedded:./data?volatile=a,,b",
                "volatile takes the beginnings of keys",
            ),
            ("embedded:./data?volatile=%ff", "volatile: \"%ff\" is not UTF-8"),
            ("memory:?volatile=a", "unknown parameter `volatile`"),
            ("redis+cluster://host", "not part of this version"),
            ("memory:name", "no path"),
            ("memory://host", "no address"),
            ("memory:?db=1", "unknown parameter `db`"),
            ("memory:?prefix=a:", "must not be empty or end with"),
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
