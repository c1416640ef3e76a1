//! Resolves a host and dials it: one look-up, its addresses judged, and exactly those dialled.
//!
//! There is no second look-up between judging and dialling, so a name server that answers differently each
//! time (DNS rebinding) gains nothing. Addresses written in the URL take the same way as looked-up ones.
//! Next: `address.rs` (the judging), `client.rs` (what travels over the connection).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;
use url::Host;

use super::address::{AddressPolicy, RefusedAddress};

/// More addresses than this would only split the time-out into slices too short to connect in.
const MOST_ADDRESSES: usize = 6;

/// Looks up the addresses of a name.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// All addresses of `host`, best first. May take long: the caller gives up at its own time-out.
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver, so `/etc/hosts` and search domains count; their addresses are judged like
/// all.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|socket| socket.ip()).collect())
        }
        .boxed()
    }
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{host} leads to no allowed address: {refused}")]
    Refused { host: String, refused: RefusedAddress },
    #[error("the URL has no host that can be dialled")]
    NoHost,
    #[error("cannot look up {host}")]
    LookUp { host: String, source: io::Error },
    #[error("{host} has no address")]
    NoAddress { host: String },
    #[error("cannot connect to {host} at {address}")]
    Connect {
        host: String,
        address: SocketAddr,
        source: io::Error,
    },
    #[error("no connection within {}ms", .0.as_millis())]
    TimedOut(Duration),
}

/// A connector that only reaches what the policy allows.
#[derive(Clone, Debug)]
pub(super) struct Dialler {
    policy: Arc<AddressPolicy>,
    resolver: Arc<dyn Resolve>,
    connect_timeout: Duration,
}

impl Dialler {
    pub(super) fn new(policy: AddressPolicy, resolver: Arc<dyn Resolve>, connect_timeout: Duration) -> Self {
        Self {
            policy: Arc::new(policy),
            resolver,
            connect_timeout,
        }
    }

    async fn dial(self, uri: Uri) -> Result<TcpStream, DialError> {
        let is_tls = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let host = Host::parse(uri.host().unwrap_or_default()).map_err(|_| DialError::NoHost)?;
        let shown = host.to_string();
        let refuse = |refused| DialError::Refused {
            host: shown.clone(),
            refused,
        };

        self.policy.check_port(port).map_err(refuse)?;
        let found = match host {
            Host::Ipv4(address) => vec![IpAddr::V4(address)],
            Host::Ipv6(address) => vec![IpAddr::V6(address)],
            Host::Domain(name) => self
                .resolver
                .resolve(name)
                .await
                .map_err(|source| DialError::LookUp {
                    host: shown.clone(),
                    source,
                })?,
        };
        let allowed = self.allowed(&found).map_err(refuse)?;

        let share = self.connect_timeout / u32::try_from(allowed.len().max(1)).unwrap_or(1);
        let mut failure = DialError::NoAddress { host: shown.clone() };
        for address in allowed.into_iter().map(|ip| SocketAddr::new(ip, port)) {
            failure = match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(source)) => DialError::Connect {
                    host: shown.clone(),
                    address,
                    source,
                },
                Err(_) => DialError::TimedOut(share),
            };
        }
        Err(failure)
    }

    /// The addresses that may be dialled, families in turn, so that one broken family does not use up the
    /// time.
    fn allowed(&self, found: &[IpAddr]) -> Result<Vec<IpAddr>, RefusedAddress> {
        let mut allowed = Vec::new();
        let mut first_refusal = None;
        for address in found {
            match self.policy.check_address(*address) {
                Ok(()) => allowed.push(*address),
                Err(refused) => first_refusal = first_refusal.or(Some(refused)),
            }
        }
        if let (true, Some(refused)) = (allowed.is_empty(), first_refusal) {
            return Err(refused);
        }
        let preferred_is_v4 = allowed.first().is_some_and(IpAddr::is_ipv4);
        let (preferred, other): (Vec<_>, Vec<_>) = allowed
            .into_iter()
            .partition(|address| address.is_ipv4() == preferred_is_v4);
        let mut ranked: Vec<(usize, IpAddr)> = preferred
            .into_iter()
            .enumerate()
            .chain(other.into_iter().enumerate())
            .collect();
        // Stable, so of two with the same rank the preferred family stays in front.
        ranked.sort_by_key(|(rank, _)| *rank);
        Ok(ranked
            .into_iter()
            .map(|(_, address)| address)
            .take(MOST_ADDRESSES)
            .collect())
    }
}

impl Service<Uri> for Dialler {
    type Response = TokioIo<TcpStream>;
    type Error = DialError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialler = self.clone();
        async move {
            let stream = dialler.dial(uri).await?;
            // Only costs latency when it fails, so the connection is good without it.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot switch off Nagle's algorithm");
            }
            Ok(TokioIo::new(stream))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialler() -> Dialler {
        let policy = AddressPolicy::new(&[], &[]);
        Dialler::new(policy, Arc::new(SystemResolver), Duration::from_secs(1))
    }

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn forbidden_addresses_are_dropped_and_families_alternate() {
        let found = addresses(&[
            "2606::1", "2606::2", "10.0.0.1", "1.1.1.1", "::1", "2606::3", "1.1.1.2",
        ]);
        let expected = addresses(&["2606::1", "1.1.1.1", "2606::2", "1.1.1.2", "2606::3"]);
        assert_eq!(dialler().allowed(&found).unwrap(), expected);
    }

    #[test]
    fn only_forbidden_addresses_are_a_refusal_and_none_is_not() {
        assert!(dialler().allowed(&addresses(&["10.0.0.1", "::1"])).is_err());
        assert!(dialler().allowed(&[]).unwrap().is_empty());
    }
}
