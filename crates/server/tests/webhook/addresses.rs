//! No way leads to an address that may not be dialled.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use oxherd_server::processors::webhook::{
    Courier, Delivery, HumanDuration, Reason, Resolve, SystemResolver, WebhookConfig,
};
use rustls::RootCertStore;

use crate::receiver::Receiver;
use crate::scene::{Scripted, config, courier, courier_resolving, deliver, trusting};

fn to_name(receiver: &Receiver) -> String {
    format!(
        r#"{{"url":"http://hooks.example.com:{}/","body":1}}"#,
        receiver.address.port()
    )
}

fn allowing_nothing(receiver: &Receiver) -> WebhookConfig {
    WebhookConfig {
        allow_networks: Vec::new(),
        ..config(receiver.address)
    }
}

#[tokio::test]
async fn a_public_name_with_a_private_address_is_refused_for_good() {
    let receiver = Receiver::answering(200, &[], "").await;
    for address in [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "::1",
        "169.254.169.254",
        "10.0.0.1",
        "64:ff9b::7f00:1",
    ] {
        let resolver = Scripted::answering(&[&[address]]);
        let courier = courier_resolving(&allowing_nothing(&receiver), resolver.clone());
        let delivery = deliver(&courier, &to_name(&receiver)).await;
        let Delivery::Refused {
            reason: reason @ Reason::Address { .. },
        } = delivery
        else {
            panic!("{delivery:?}")
        };
        assert!(reason.to_string().starts_with("hooks.example.com: "), "{reason}");
        assert_eq!(resolver.asked(), ["hooks.example.com"]);
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn rebinding_gains_nothing_because_the_judged_address_is_the_dialled_one() {
    let receiver = Receiver::answering(200, &["connection: close"], "").await;
    // The classic attack: a good address for the check, a forbidden one for the connection.
    let resolver = Scripted::answering(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let courier = courier_resolving(&config(receiver.address), resolver.clone());

    let first = deliver(&courier, &to_name(&receiver)).await;
    assert!(matches!(first, Delivery::Delivered(_)), "{first:?}");
    assert_eq!(
        resolver.asked().len(),
        1,
        "a second look-up could have another answer"
    );

    let second = deliver(&courier, &to_name(&receiver)).await;
    assert!(
        matches!(
            second,
            Delivery::Refused {
                reason: Reason::Address { .. }
            }
        ),
        "{second:?}"
    );
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn of_mixed_addresses_only_the_allowed_are_dialled() {
    let mut receiver = Receiver::answering(200, &[], "").await;
    let resolver = Scripted::answering(&[&["10.0.0.1", "::1", "127.0.0.2", "127.0.0.1"]]);
    let courier = courier_resolving(&config(receiver.address), resolver);
    let delivery = deliver(&courier, &to_name(&receiver)).await;
    assert!(matches!(delivery, Delivery::Delivered(_)), "{delivery:?}");
    assert_eq!(
        receiver.request().await.headers["host"],
        format!("hooks.example.com:{}", receiver.address.port())
    );
}

#[tokio::test]
async fn a_dead_address_gives_way_to_the_next() {
    let receiver = Receiver::answering(200, &[], "").await;
    let mut config = config(receiver.address);
    config.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let courier = courier_resolving(&config, Scripted::answering(&[&["127.0.0.3", "127.0.0.1"]]));
    let delivery = deliver(&courier, &to_name(&receiver)).await;
    assert!(matches!(delivery, Delivery::Delivered(_)), "{delivery:?}");
}

#[tokio::test]
async fn addresses_in_the_url_are_refused_in_any_spelling() {
    let mut receiver = Receiver::answering(200, &[], "").await;
    let courier = courier(&allowing_nothing(&receiver));
    let port = receiver.address.port();
    for host in [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "0177.1",
        "127.1",
        "127.0.0.1.",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "%31%32%37.0.0.1",
        "①②⑦.0.0.1",
    ] {
        let payload = format!(r#"{{"url":"http://{host}:{port}/","body":1}}"#);
        let delivery = deliver(&courier, &payload).await;
        let Delivery::Refused {
            reason: Reason::Payload(error),
        } = delivery
        else {
            panic!("{host}: {delivery:?}")
        };
        assert_eq!(error.field(), "url", "{host}");
    }
    assert!(receiver.has_no_request());
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn the_systems_names_for_this_machine_are_refused() {
    let receiver = Receiver::answering(200, &[], "").await;
    let trust = trusting(RootCertStore::empty());
    let courier = Courier::with(&allowing_nothing(&receiver), Arc::new(SystemResolver), trust).unwrap();
    for host in ["localhost", "LOCALHOST", "localhost."] {
        let payload = format!(
            r#"{{"url":"http://{host}:{}/","body":1}}"#,
            receiver.address.port()
        );
        let delivery = deliver(&courier, &payload).await;
        // The spelling with a full stop is unknown to some resolvers, which is as good.
        let is_safe = matches!(
            delivery,
            Delivery::Refused {
                reason: Reason::Address { .. }
            } | Delivery::RetryLater {
                reason: Reason::NoConnection { .. },
                ..
            }
        );
        assert!(is_safe, "{host}: {delivery:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_port_that_is_not_listed_is_refused() {
    let receiver = Receiver::answering(200, &[], "").await;
    let mut config = config(receiver.address);
    config.allow_ports = WebhookConfig::default().allow_ports;
    let delivery = deliver(&courier(&config), &to_name(&receiver)).await;
    let Delivery::Refused {
        reason: Reason::Payload(error),
    } = delivery
    else {
        panic!("{delivery:?}")
    };
    assert!(error.to_string().contains("use one of 80, 443"), "{error}");
}

#[tokio::test]
async fn a_name_without_addresses_is_tried_again() {
    let receiver = Receiver::answering(200, &[], "").await;
    let courier = courier_resolving(&config(receiver.address), Scripted::answering(&[&[]]));
    let delivery = deliver(&courier, &to_name(&receiver)).await;
    assert!(
        matches!(
            delivery,
            Delivery::RetryLater {
                reason: Reason::NoConnection { .. },
                ..
            }
        ),
        "{delivery:?}"
    );
}

#[derive(Debug)]
struct Broken;

impl Resolve for Broken {
    fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        std::future::ready(Err(io::Error::other("the name server is on strike"))).boxed()
    }
}

#[derive(Debug)]
struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn a_name_server_that_fails_or_hangs_is_tried_again_in_time() {
    let receiver = Receiver::answering(200, &[], "").await;
    let mut config = config(receiver.address);
    config.connect_timeout = HumanDuration::from_millis(200).unwrap();

    let delivery = deliver(&courier_resolving(&config, Arc::new(Broken)), &to_name(&receiver)).await;
    let Delivery::RetryLater { reason, .. } = delivery else {
        panic!("{delivery:?}")
    };
    let expected =
        "no connection to the receiver: cannot look up hooks.example.com: the name server is on strike";
    assert_eq!(reason.to_string(), expected);

    let started = Instant::now();
    let delivery = deliver(&courier_resolving(&config, Arc::new(Silent)), &to_name(&receiver)).await;
    let Delivery::RetryLater { reason, .. } = delivery else {
        panic!("{delivery:?}")
    };
    assert_eq!(
        reason.to_string(),
        "no connection to the receiver: no connection within 200ms"
    );
    assert!(started.elapsed() < Duration::from_secs(8));
}
