//! Who may come in.
//!
//! Without a token the server listens on loopback, and only requests addressed to loopback by name or number are
//! answered: a page whose host name was made to point here (DNS rebinding) is refused. With a token every route but
//! `/health/live` asks for it, as a bearer or as a session cookie that a login page got from [`Auth::issue_session`].
//! In either case a changing request from another site's page is refused by its Origin.
//!
//! The token is kept as a digest and compared in constant time; a session is signed with it and ends with it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{ACCEPT, AUTHORIZATION, COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::config::Token;
use crate::problem::{Kind, Problem};

/// The cookie of a session.
const COOKIE_NAME: &str = "oxherd_session";
/// How long a session lasts.
const SESSION: Duration = Duration::from_secs(12 * 60 * 60);
/// What a probe asks that has no token and addresses the server by whatever name.
const LIVENESS: &str = "/health/live";
/// Where a browser without a session is sent, once there is such a page.
const LOGIN: &str = "/login";
/// What the login page itself needs.
const ASSETS: &str = "/assets/";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks tokens and sessions.
#[derive(Clone, Debug)]
pub struct Auth {
    digest: Option<[u8; 32]>,
    has_login_page: bool,
}

impl Auth {
    /// Asks for this token, or for none.
    #[must_use]
    pub fn new(token: Option<&Token>) -> Self {
        Self {
            digest: token.map(|token| Sha256::digest(token.reveal()).into()),
            has_login_page: false,
        }
    }

    /// The same, with a login page at `/login` that needs `/assets/`: both are open, and browsers are sent there.
    #[must_use]
    pub const fn with_login_page(mut self) -> Self {
        self.has_login_page = true;
        self
    }

    /// Whether a token is asked for.
    #[must_use]
    pub const fn needs_token(&self) -> bool {
        self.digest.is_some()
    }

    /// Whether this is the token; true when none is asked for.
    #[must_use]
    pub fn is_token(&self, offered: &str) -> bool {
        self.digest.is_none_or(|digest| {
            let offered: [u8; 32] = Sha256::digest(offered).into();
            // Digests are compared without leaving early, and of digests a timing would tell nothing anyway.
            let difference = digest
                .iter()
                .zip(offered)
                .fold(0, |seen, (one, other)| seen | (one ^ other));
            difference == 0
        })
    }

    /// A `Set-Cookie` value for whoever knows the token: the session lasts 12 h, and no longer than the token.
    #[must_use]
    pub fn issue_session(&self, token: &str) -> Option<HeaderValue> {
        if !self.is_token(token) {
            return None;
        }
        let ends = SystemTime::now()
            .checked_add(SESSION)?
            .duration_since(UNIX_EPOCH)
            .ok()?
            .as_secs();
        let signature = URL_SAFE_NO_PAD.encode(self.signature(ends)?.finalize().into_bytes());
        let age = SESSION.as_secs();
        let cookie =
            format!("{COOKIE_NAME}={ends}.{signature}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict");
        HeaderValue::try_from(cookie).ok()
    }

    /// A `Set-Cookie` value that makes the browser forget its session.
    #[must_use]
    pub fn end_session(&self) -> HeaderValue {
        HeaderValue::from_static("oxherd_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    }

    fn signature(&self, ends: u64) -> Option<Hmac<Sha256>> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.digest?).ok()?;
        code.update(b"oxherd session until ");
        code.update(&ends.to_be_bytes());
        Some(code)
    }

    fn is_session(&self, cookie: &str) -> bool {
        let Some((ends, signature)) = cookie.split_once('.') else {
            return false;
        };
        let (Ok(ends), Ok(signature)) = (ends.parse::<u64>(), URL_SAFE_NO_PAD.decode(signature)) else {
            return false;
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let code = self.signature(ends).filter(|_| now < ends);
        code.is_some_and(|code| code.verify_slice(&signature).is_ok())
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|token| self.is_token(token))
            || cookies(headers).any(|cookie| self.is_session(cookie))
    }

    /// Why this request is refused, if it is.
    fn refusal(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
        if uri.path() == LIVENESS {
            return None;
        }
        let host = host_of(uri, headers);
        if !self.needs_token() && !host.as_deref().is_some_and(is_loopback) {
            return Some(Problem::new(
                Kind::Forbidden,
                "without a token this server answers only to localhost, 127.0.0.1 and [::1] as host name: use one of \
                 them, or set OXHERD_TOKEN",
            ));
        }
        if !method.is_safe() && !is_own_page(host.as_deref(), headers) {
            return Some(Problem::new(
                Kind::Forbidden,
                "a page of another site may not change anything here (the Origin header names another host)",
            ));
        }
        let is_open = self.has_login_page && (uri.path() == LOGIN || uri.path().starts_with(ASSETS));
        if !self.needs_token() || is_open || self.knows(headers) {
            return None;
        }
        let detail = match bearer(headers) {
            Some(_) => "the token is not the one of this server",
            None => "send the server's token: Authorization: Bearer <OXHERD_TOKEN>",
        };
        Some(Problem::new(Kind::Unauthorized, detail))
    }
}

/// The layer around all routes.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let Some(refusal) = app.auth.refusal(method, uri, headers) else {
        return next.run(request).await;
    };
    let wants_page = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if refusal.kind() == Kind::Unauthorized && app.auth.has_login_page && method == Method::GET && wants_page
    {
        let wanted = uri.path_and_query().map_or("/", |path| path.as_str());
        let wanted: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
        return Redirect::to(&format!("{LOGIN}?next={wanted}")).into_response();
    }
    refusal.into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}

/// Whom the request is addressed to, with the port: the Host header, or the authority of an absolute request line.
fn host_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let written = uri.authority().map(http::uri::Authority::as_str);
    let mut named = headers.get_all(HOST).into_iter();
    let host = written.or_else(|| named.next()?.to_str().ok())?;
    Some(host.to_ascii_lowercase())
}

/// `localhost`, a subdomain of it (browsers never look those up), `127.0.0.0/8` or `[::1]`, with any port.
fn is_loopback(host: &str) -> bool {
    let name = without_port(host);
    let number = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name.ends_with(".localhost")
        || number
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Programs send neither header; browsers send an Origin with every changing request.
fn is_own_page(host: Option<&str>, headers: &HeaderMap) -> bool {
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    let Some(origin) = headers.get(ORIGIN) else {
        return matches!(site, None | Some(b"same-origin" | b"none"));
    };
    let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
    let Some((scheme, from)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let plain = |address: &str| address.strip_suffix(default_port).unwrap_or(address).to_owned();
    host.is_some_and(|host| plain(host) == plain(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn token(text: &str) -> Auth {
        let flags = crate::config::Flags {
            token: Some(text.to_owned()),
            ..Default::default()
        };
        let config = crate::config::Config::resolve(&flags, &Default::default(), None).unwrap();
        Auth::new(config.token.as_ref())
    }

    fn status(auth: &Auth, method: &Method, path: &str, pairs: &[(&'static str, &str)]) -> u16 {
        let refusal = auth.refusal(method, &path.parse().unwrap(), &headers(pairs));
        refusal.map_or(200, |problem| problem.kind().status().as_u16())
    }

    #[test]
    fn without_a_token_only_loopback_names_are_answered() {
        let auth = Auth::new(None);
        for host in [
            "localhost:7070",
            "LOCALHOST",
            "127.0.0.1:80",
            "127.3.2.1",
            "[::1]:7070",
            "a.localhost",
        ] {
            assert_eq!(status(&auth, &Method::GET, "/", &[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example:7070",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "",
        ] {
            assert_eq!(status(&auth, &Method::GET, "/", &[("host", host)]), 403, "{host}");
        }
        assert_eq!(status(&auth, &Method::GET, "/", &[]), 403);
        assert_eq!(
            status(&auth, &Method::GET, "/health/live", &[("host", "10.1.2.3:7070")]),
            200
        );
    }

    #[test]
    fn pages_of_other_sites_change_nothing() {
        let (open, closed) = (Auth::new(None), token("0123456789abcdef"));
        let bearer = ("authorization", "Bearer 0123456789abcdef");
        for (origin, expected) in [
            ("http://localhost:7070", 200),
            ("https://localhost:7070", 200),
            ("http://localhost:8080", 403),
            ("http://127.0.0.1:7070", 403),
            ("https://evil.example", 403),
            ("null", 403),
            ("file://localhost:7070", 403),
        ] {
            let host = ("host", "localhost:7070");
            assert_eq!(
                status(&open, &Method::POST, "/", &[host, ("origin", origin)]),
                expected,
                "{origin}"
            );
            assert_eq!(
                status(&open, &Method::GET, "/", &[host, ("origin", origin)]),
                200,
                "{origin}"
            );
            let with_token = [host, bearer, ("origin", origin)];
            assert_eq!(
                status(&closed, &Method::DELETE, "/", &with_token),
                expected,
                "{origin}"
            );
        }
        let proxied = [
            ("host", "jobs.example"),
            bearer,
            ("origin", "https://jobs.example:443"),
        ];
        assert_eq!(status(&closed, &Method::POST, "/", &proxied), 200);
        let cross = [("host", "localhost"), ("sec-fetch-site", "cross-site")];
        assert_eq!(status(&open, &Method::POST, "/", &cross), 403);
    }

    #[test]
    fn with_a_token_everything_but_liveness_asks_for_it() {
        let auth = token("0123456789abcdef");
        assert_eq!(status(&auth, &Method::GET, "/health/live", &[]), 200);
        assert_eq!(status(&auth, &Method::GET, "/health/ready", &[]), 401);
        for (value, expected) in [
            ("Bearer 0123456789abcdef", 200),
            ("bearer  0123456789abcdef", 200),
            ("Bearer 0123456789abcdeF", 401),
            ("Bearer", 401),
            ("Basic 0123456789abcdef", 401),
        ] {
            assert_eq!(
                status(&auth, &Method::GET, "/metrics", &[("authorization", value)]),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn a_session_opens_until_it_ends_or_the_token_changes() {
        let auth = token("0123456789abcdef").with_login_page();
        assert!(auth.issue_session("wrong").is_none());
        let cookie = auth.issue_session("0123456789abcdef").unwrap();
        let value = cookie.to_str().unwrap().split(';').next().unwrap();
        let with_cookie = [("cookie", &*format!("theme=dark; {value}"))];
        assert_eq!(status(&auth, &Method::GET, "/metrics", &with_cookie), 200);
        assert_eq!(
            status(
                &token("another-token-here"),
                &Method::GET,
                "/metrics",
                &with_cookie
            ),
            401
        );

        let (_, signed) = value.split_once('=').unwrap();
        let (ends, signature) = signed.split_once('.').unwrap();
        let later = format!("{}.{signature}", ends.parse::<u64>().unwrap() + 1);
        assert!(!auth.is_session(&later) && !auth.is_session("1.") && !auth.is_session(""));
        let past = 1000;
        let signed = URL_SAFE_NO_PAD.encode(auth.signature(past).unwrap().finalize().into_bytes());
        assert!(!auth.is_session(&format!("{past}.{signed}")));
        assert_eq!(status(&auth, &Method::POST, "/login", &[]), 200);
    }
}
