//! Opening a store: connect once by hand, so that every way to fail has its own words, then check the server.

use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, ProtocolVersion, PushInfo, RedisError, TlsCertificates,
};

use super::url::Server;
use crate::error::{Error, OpenProblem};

/// Connecting may take this long in all; the caller has its answer within 5 s.
const OPEN_TIMEOUT: Duration = Duration::from_secs(4);

/// What the server said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerVersion {
    /// `redis`, `valkey`, `dragonfly`, or `oxherd-engine` in this process.
    pub product: String,
    /// The version as the server writes it.
    pub version: String,
    /// What happens when memory runs out: anything but `noeviction` loses jobs.
    pub eviction_policy: String,
}

/// A client for this URL. Nothing is connected yet.
pub(super) fn client(url: &Server) -> Result<Client, Error> {
    // rustls asks for a provider to be chosen; a choice the program made earlier stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let info = url.connection_info()?;
    let client = match url.tls_ca() {
        Some(path) => {
            let pem = std::fs::read(path).map_err(|error| Error::StoreUrl {
                reason: format!("cannot read tls_ca {}: {error}", path.display()),
            })?;
            Client::build_with_tls(
                info,
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(pem),
                },
            )
        }
        None => Client::open(info),
    };
    client.map_err(|error| Error::StoreUrl {
        reason: error.to_string(),
    })
}

/// Connects, authenticates and reads the server's version.
pub(super) async fn probe(client: &Client, url: &Server) -> Result<ServerVersion, Error> {
    let failed = |problem, source: Option<RedisError>| Error::Open {
        store: url.to_string(),
        problem,
        source: source.map(Into::into),
    };
    let attempt = async {
        let mut connection = connect(client, OPEN_TIMEOUT).await?;
        redis::cmd("INFO").query_async::<String>(&mut connection).await
    };
    let info = match tokio::time::timeout(OPEN_TIMEOUT, attempt).await {
        Ok(Ok(info)) => info,
        Ok(Err(error)) => return Err(failed(silence_over(url, problem_of(&error)), Some(error))),
        Err(_elapsed) => return Err(failed(silence_over(url, OpenProblem::Silent), None)),
    };
    let server = parse_info(&info).ok_or_else(|| failed(OpenProblem::NotRedis, None))?;
    if is_too_old(&server) {
        return Err(failed(OpenProblem::Unsupported, None));
    }
    Ok(server)
}

/// One connection without any of redis-rs's own deadlines: ours are outside.
pub(super) async fn connect(client: &Client, timeout: Duration) -> Result<MultiplexedConnection, RedisError> {
    client
        .get_multiplexed_async_connection_with_config(&without_deadlines(timeout))
        .await
}

/// As [`connect`], and `ending` is dropped when nobody reads the connection any more: at its end, or at that of the runtime
/// it is on. `None` where RESP3 is refused.
///
/// redis-rs says nothing of the end of a RESP2 connection, but gives the task that reads a RESP3 one something to hold. So
/// each begins with RESP3 and is turned back before anybody uses it: replies are those of RESP2.
pub(super) async fn connect_watched(
    client: &Client,
    timeout: Duration,
    ending: impl Send + Sync + 'static,
) -> Result<Option<MultiplexedConnection>, RedisError> {
    let client = speaking_resp3(client)?;
    let hear = move |_push: PushInfo| -> Result<(), ()> {
        let _held = &ending;
        Ok(())
    };
    let mut connection = match connect_hearing(&client, timeout, hear).await {
        Ok(connection) => connection,
        // Some proxies hang up on what they do not know.
        Err(error) if !error.is_io_error() || is_hung_up(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    match redis::cmd("HELLO").arg(2).exec_async(&mut connection).await {
        Ok(()) => Ok(Some(connection)),
        Err(error) if error.is_io_error() => Err(error),
        Err(_refused) => Ok(None),
    }
}

/// As [`connect`], with RESP3; pushes are handed over in the task that reads the connection.
pub(super) async fn connect_hearing(
    client: &Client,
    timeout: Duration,
    hear: impl AsyncPushSender,
) -> Result<MultiplexedConnection, RedisError> {
    let config = without_deadlines(timeout).set_push_sender(hear);
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// Whether a server that was there ended the connection; redis-rs calls it dropped also where there was none.
fn is_hung_up(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_connection_refusal()
}

/// A client of the same server that speaks RESP3.
pub(super) fn speaking_resp3(client: &Client) -> Result<Client, RedisError> {
    let info = client.get_connection_info().clone();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    // The address brings its certificates along.
    Client::open(info.set_redis_settings(settings))
}

fn without_deadlines(connecting: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connecting))
        .set_response_timeout(None)
}

/// Tells the operator what on the server endangers jobs.
pub(super) fn warn_of_settings(server: &ServerVersion) {
    if !server.eviction_policy.is_empty() && server.eviction_policy != "noeviction" {
        tracing::warn!(
            policy = %server.eviction_policy,
            "the server may evict jobs when its memory is full; set `maxmemory-policy noeviction`"
        );
    }
}

/// A server without TLS takes the beginning of a handshake for an unfinished command, and waits for its end.
fn silence_over(url: &Server, problem: OpenProblem) -> OpenProblem {
    match problem {
        OpenProblem::Silent if url.wants_tls() => OpenProblem::Tls,
        other => other,
    }
}

fn problem_of(error: &RedisError) -> OpenProblem {
    let text = error.to_string();
    let lower = text.to_lowercase();
    // What redis-rs says of SELECT has lost the server's code.
    let is_select = lower.contains("refused to switch database");
    if error.code() == Some("NOPERM") || (is_select && lower.contains("permission")) {
        return OpenProblem::NotPermitted {
            command: command_in(&lower),
        };
    }
    if is_select {
        OpenProblem::Database
    } else if matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
        || error.kind() == ErrorKind::AuthenticationFailed
    {
        OpenProblem::Authentication
    } else if lower.contains("certificate")
        || lower.contains("tls")
        || lower.contains("corrupt message")
        || lower.contains("handshake")
    {
        OpenProblem::Tls
    } else if error.is_timeout() {
        OpenProblem::Silent
    } else if error.is_connection_refusal() {
        OpenProblem::Unreachable
    } else if error.kind() == ErrorKind::Parse {
        OpenProblem::NotRedis
    } else if error.is_connection_dropped() {
        OpenProblem::Cut
    } else {
        OpenProblem::Unreachable
    }
}

/// The command that a server says it does not permit.
fn command_in(lower: &str) -> &'static str {
    let all = ["INFO", "SELECT", "HELLO", "AUTH", "CLIENT", "PING"];
    let is_named = |command: &&str| lower.contains(&format!("'{}", command.to_lowercase()));
    all.into_iter().find(is_named).unwrap_or("INFO")
}

fn parse_info(info: &str) -> Option<ServerVersion> {
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.trim().to_owned())
    };
    let (product, version) = [
        ("oxherd-engine", "engine_version"),
        ("valkey", "valkey_version"),
        ("dragonfly", "dragonfly_version"),
        ("redis", "redis_version"),
    ]
    .into_iter()
    .find_map(|(product, name)| Some((product, field(name)?)))?;
    Some(ServerVersion {
        product: product.to_owned(),
        version,
        eviction_policy: field("maxmemory_policy").unwrap_or_default(),
    })
}

/// `LPOS` came with 6.0.6 and popping several list items at once with 6.2.
fn is_too_old(server: &ServerVersion) -> bool {
    let mut parts = server
        .version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    server.product == "redis" && version < (6, 2)
}

#[cfg(test)]
mod tests {
    use super::{is_too_old, parse_info};

    #[test]
    fn the_server_is_known_by_its_own_name() {
        let server =
            parse_info("redis_version:7.2.4\r\nvalkey_version:9.1.2\r\nmaxmemory_policy:allkeys-lru\r\n")
                .unwrap();
        assert_eq!(
            (server.product.as_str(), server.version.as_str()),
            ("valkey", "9.1.2")
        );
        assert_eq!(server.eviction_policy, "allkeys-lru");
        assert!(parse_info("hello: world").is_none());
    }

    #[test]
    fn redis_before_6_2_is_too_old() {
        for (version, too_old) in [
            ("6.0.16", true),
            ("5.0.0", true),
            ("6.2.0", false),
            ("7.0.15", false),
            ("10.1", false),
        ] {
            let server = parse_info(&format!("redis_version:{version}\r\n")).unwrap();
            assert_eq!(is_too_old(&server), too_old, "{version}");
        }
    }
}
