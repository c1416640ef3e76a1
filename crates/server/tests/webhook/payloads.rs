//! What a job may say, and how it is told what it may not.

use oxherd_server::processors::webhook::{Payload, PayloadError, WebhookConfig};
use proptest::prelude::*;

fn check(payload: &str) -> Result<Payload, PayloadError> {
    Payload::parse(payload.as_bytes(), &WebhookConfig::default().rules())
}

fn with(rest: &str) -> String {
    format!(r#"{{"url":"https://example.com/hook","body":{{}}{rest}}}"#)
}

#[test]
fn any_json_is_a_body() {
    for body in [
        "{}",
        "null",
        "0",
        "\"text\"",
        "[1, 2]",
        "true",
        "1e400",
        "{\"a\":1,\"a\":2}",
    ] {
        let payload = check(&format!(r#"{{"url":"https://example.com","body": {body} }}"#)).unwrap();
        assert_eq!(payload.body(), body.as_bytes());
    }
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(check(&format!(r#"{{"url":"https://example.com","body":{deep}}}"#)).is_ok());
}

#[test]
fn optional_fields_may_be_null() {
    assert!(check(&with(r#","method":null,"headers":null,"timeout_ms":null"#)).is_ok());
    assert!(
        check(&with(
            r#","method":"PUT","headers":{"authorization":"Bearer x"},"timeout_ms":60000"#
        ))
        .is_ok()
    );
}

#[test]
fn every_error_names_its_field_and_the_remedy() {
    let credentials = "url: must not hold a user name or password: send them in headers.authorization";
    let timeout = "timeout_ms: must be a whole number of milliseconds from 1 to 60000 (max_timeout)";
    let unknown = "is not known: use url, method, headers, body and timeout_ms";
    for (payload, expected) in [
        (String::new(), "payload: is not valid JSON"),
        ("{".to_owned(), "payload: is not valid JSON"),
        ("{} x".to_owned(), "payload: is not valid JSON"),
        (
            "\"s3cret\"".to_owned(),
            "payload: must be a JSON object such as {\"url\"",
        ),
        ("[]".to_owned(), "payload: must be a JSON object such as {\"url\""),
        ("{}".to_owned(), "url: is missing"),
        (r#"{"url":null,"body":1}"#.to_owned(), "url: is missing"),
        (r#"{"url":"https://example.com"}"#.to_owned(), "body: is missing"),
        (r#"{"url":7,"body":1}"#.to_owned(), "url: must be a string"),
        (r#"{"url":"\ud800","body":1}"#.to_owned(), "url: must be a string"),
        (r#"{"url":"","body":1}"#.to_owned(), "url: is not an absolute URL"),
        (
            r#"{"url":"/hook","body":1}"#.to_owned(),
            "url: is not an absolute URL",
        ),
        (
            r#"{"url":"https://","body":1}"#.to_owned(),
            "url: is not an absolute URL",
        ),
        (
            r#"{"url":"http://exa mple.com","body":1}"#.to_owned(),
            "url: is not an absolute URL",
        ),
        (
            r#"{"url":"ftp://example.com","body":1}"#.to_owned(),
            "url: must be http or https",
        ),
        (
            r#"{"url":"file:///etc/passwd","body":1}"#.to_owned(),
            "url: must be http or https",
        ),
        (
            r#"{"url":"https://user@example.com","body":1}"#.to_owned(),
            credentials,
        ),
        (
            r#"{"url":"https://:pass@example.com","body":1}"#.to_owned(),
            credentials,
        ),
        (
            r#"{"url":"http://example.com:25","body":1}"#.to_owned(),
            "url: port 25 may not be dialled",
        ),
        (
            r#"{"url":"http://10.0.0.1","body":1}"#.to_owned(),
            "url: 10.0.0.1 is a private address",
        ),
        (
            with(r#","url":"https://example.com""#),
            "url: is there more than once",
        ),
        (with(r#","body":1"#), "body: is there more than once"),
        (with(r#","uri":1"#), &format!("uri: {unknown}")),
        (with(r#","a\u0000\nb":1"#), &format!("a\\0\\nb: {unknown}")),
        (with(r#","method":"GET""#), "method: must be POST or PUT"),
        (with(r#","method":"post""#), "method: must be POST or PUT"),
        (with(r#","method":5"#), "method: must be a string"),
        (with(r#","timeout_ms":0"#), timeout),
        (with(r#","timeout_ms":-1"#), timeout),
        (with(r#","timeout_ms":1.5"#), timeout),
        (with(r#","timeout_ms":60001"#), timeout),
        (with(r#","timeout_ms":"5""#), timeout),
        (with(r#","timeout_ms":99999999999999999999999999"#), timeout),
    ] {
        let error = check(&payload).unwrap_err().to_string();
        assert!(
            error.starts_with(expected),
            "{payload}\n  says {error}\n  not  {expected}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn headers_that_break_the_request_or_the_signature_are_named() {
    let reserved = "is set by the delivery itself: leave it out";
    let value = "must be visible ASCII, spaces and tabs only";
    for (headers, expected) in [
        (
            "[]",
            "headers: must be an object of header names and string values",
        ),
        (r#"{"x-a":1}"#, "headers.x-a: must be a string"),
        (r#"{"x-a":null}"#, "headers.x-a: must be a string"),
        (r#"{"x-a":"1","X-A":"2"}"#, "headers.X-A: is there more than once"),
        (
            r#"{"":"1"}"#,
            "headers.: is not a header name: use letters, digits and hyphens",
        ),
        (
            r#"{"x a":"1"}"#,
            "headers.x a: is not a header name: use letters, digits and hyphens",
        ),
        (
            r#"{"x\r\nhost":"1"}"#,
            "headers.x\\r\\nhost: is not a header name: use letters, digits and hyphens",
        ),
        (r#"{"x-a":"s3cret\r\nHost: b"}"#, &format!("headers.x-a: {value}")),
        (r#"{"x-a":"s3crät"}"#, &format!("headers.x-a: {value}")),
        (r#"{"x-a":"a\u0000"}"#, &format!("headers.x-a: {value}")),
        (r#"{"Host":"b"}"#, &format!("headers.Host: {reserved}")),
        (
            r#"{"content-length":"5"}"#,
            &format!("headers.content-length: {reserved}"),
        ),
        (
            r#"{"Transfer-Encoding":"chunked"}"#,
            &format!("headers.Transfer-Encoding: {reserved}"),
        ),
        (
            r#"{"connection":"close"}"#,
            &format!("headers.connection: {reserved}"),
        ),
        (r#"{"upgrade":"h2c"}"#, &format!("headers.upgrade: {reserved}")),
        (
            r#"{"expect":"100-continue"}"#,
            &format!("headers.expect: {reserved}"),
        ),
        (
            r#"{"proxy-authorization":"x"}"#,
            &format!("headers.proxy-authorization: {reserved}"),
        ),
        (
            r#"{"Webhook-Signature":"v1,x"}"#,
            &format!("headers.Webhook-Signature: {reserved}"),
        ),
        (
            r#"{"webhook-anything":"x"}"#,
            &format!("headers.webhook-anything: {reserved}"),
        ),
    ] {
        let error = check(&with(&format!(r#","headers":{headers}"#)))
            .unwrap_err()
            .to_string();
        assert_eq!(error, expected);
    }
}

#[test]
fn sizes_are_limited() {
    let body = |length: usize| {
        format!(
            r#"{{"url":"https://example.com","body":"{}"}}"#,
            "x".repeat(length - 2)
        )
    };
    assert!(check(&body(262_144)).is_ok());
    let error = check(&body(262_145)).unwrap_err().to_string();
    assert!(
        error.starts_with("body: holds 262145 bytes, but at most 262144 are sent"),
        "{error}"
    );

    let url = |length: usize| {
        format!(
            r#"{{"url":"https://example.com/{}","body":1}}"#,
            "x".repeat(length - 20)
        )
    };
    assert!(check(&url(8_000)).is_ok());
    assert_eq!(
        check(&url(8_001)).unwrap_err().to_string(),
        "url: is longer than 8000 characters"
    );

    let many: Vec<String> = (0..51).map(|number| format!(r#""x-{number}":"1""#)).collect();
    let long = format!(r#""x-a":"{}""#, "x".repeat(9_000));
    for headers in [many.join(","), long] {
        let error = check(&with(&format!(r#","headers":{{{headers}}}"#))).unwrap_err();
        assert_eq!(error.field(), "headers");
    }

    let name = "n".repeat(10_000);
    assert!(
        check(&with(&format!(r#","{name}":1"#)))
            .unwrap_err()
            .to_string()
            .len()
            < 200
    );
}

#[test]
fn debug_output_shows_no_secret() {
    let payload = check(
        r#"{"url":"https://example.com/s3cret?key=s3cret","body":"s3cret","headers":{"authorization":"s3cret"}}"#,
    );
    let shown = format!("{:?}", payload.unwrap());
    assert!(
        shown.contains("example.com") && !shown.contains("s3cret"),
        "{shown}"
    );
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        prop::sample::select(vec![
            "https://example.com/",
            "http://[::1]",
            "POST",
            "x\r\ny",
            "http://0x7f.1"
        ])
        .prop_map(Into::into),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "url",
            "method",
            "headers",
            "body",
            "timeout_ms",
            "host",
            "x-a"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn checking_never_panics_on_any_json(json in any_json()) {
        let _ = check(&json.to_string());
    }

    #[test]
    fn checking_never_panics_on_any_bytes(bytes in any::<Vec<u8>>()) {
        let _ = Payload::parse(&bytes, &WebhookConfig::default().rules());
    }

    #[test]
    fn checking_never_panics_on_almost_good_payloads(
        url in any::<String>(), name in any::<String>(), value in any::<String>(), body in any_json(), timeout in any::<i64>(),
    ) {
        let json = serde_json::json!({
            "url": format!("https://{url}"), "headers": {name: value}, "body": body, "timeout_ms": timeout,
        });
        let _ = check(&json.to_string());
    }

    #[test]
    fn a_url_that_passes_never_shows_a_special_address(address in any::<u32>(), spelling in 0..3_u8) {
        let [a, b, c, d] = address.to_be_bytes();
        let host = match spelling {
            0 => format!("{a}.{b}.{c}.{d}"),
            1 => format!("{address:#x}"),
            _ => format!("[::ffff:{a}.{b}.{c}.{d}]"),
        };
        let ip = std::net::Ipv4Addr::from(address);
        let is_special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast()
            || ip.is_broadcast() || ip.is_unspecified() || ip.is_documentation();
        let is_good = check(&format!(r#"{{"url":"http://{host}/","body":1}}"#)).is_ok();
        prop_assert!(!(is_special && is_good), "{}", host);
    }
}
