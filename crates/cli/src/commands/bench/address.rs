//! The store's server as the plain client of a bench reaches it.
//!
//! The settings keep secrets to themselves, so the address is read once more from where the settings say it is. A
//! directory that another process holds is reached through the socket in it.

use std::path::Path;

use oxherd_server::config::{Config, Source};
use redis::{Client, TlsCertificates};
use url::Url;

use crate::args::Global;
use crate::exit::Failure;

/// A client for the server of the store in the settings. Nothing is connected yet.
pub(super) fn of(config: &Config, global: &Global) -> Result<Client, Failure> {
    if let Some(directory) = config.store.value.directory() {
        return behind(directory);
    }
    let text = match &config.store.source {
        Source::Flag(_) => global.store.clone(),
        Source::Environment(name) => std::env::var(name).ok(),
        Source::File { path, .. } => store_in(path)?,
        // The default has no secrets.
        Source::Default => None,
    };
    client(&text.unwrap_or_else(|| config.store.to_string()))
}

/// A client for the process that holds the directory.
fn behind(directory: &Path) -> Result<Client, Failure> {
    let cannot = || Failure::failed("cannot name the socket of the store's directory");
    let socket =
        std::path::absolute(directory.join("oxherd.sock")).map_err(|error| cannot().because(error))?;
    let file = Url::from_file_path(socket).map_err(|()| cannot())?;
    client(&format!("unix://{}", file.path()))
}

fn store_in(path: &Path) -> Result<Option<String>, Failure> {
    let cannot = || Failure::failed(format!("cannot read {} again", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| cannot().because(error))?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| cannot().because(error))?;
    Ok(table
        .get("store")
        .and_then(toml::Value::as_str)
        .map(ToOwned::to_owned))
}

/// A client for the address, without the parameters that only the library understands.
fn client(url: &str) -> Result<Client, Failure> {
    let invalid = |reason: String| Failure::usage(format!("invalid store URL: {reason}"));
    let mut address = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
    let parameters: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    address.set_query(None);
    let mut authority = None;
    for (name, value) in parameters {
        match name.as_str() {
            "prefix" => {}
            "tls_ca" => {
                let read = std::fs::read(&value);
                authority =
                    Some(read.map_err(|error| invalid(format!("cannot read tls_ca {value}: {error}")))?);
            }
            _ => drop(address.query_pairs_mut().append_pair(&name, &value)),
        }
    }
    let client = match authority {
        None => Client::open(address),
        root_cert => Client::build_with_tls(
            address,
            TlsCertificates {
                client_tls: None,
                root_cert,
            },
        ),
    };
    client.map_err(|error| invalid(error.to_string()))
}
