//! Deliveries over TLS: a receiver must prove its name to the authorities that are trusted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxherd_server::processors::webhook::{Courier, Delivery, HumanDuration, Reason};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

use crate::receiver::{Receiver, response};
use crate::scene::{Scripted, config, deliver, trusting};

/// A receiver that calls itself hooks.example.com, answers each connection's first request and ends with its
/// thread's last connection.
fn tls_receiver(connections: usize) -> (SocketAddr, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["hooks.example.com".to_owned()]).unwrap();
    let certificate = cert.der().clone();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let server = Arc::new(server);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for _ in 0..connections {
            let (mut socket, _) = listener.accept().unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&server)).unwrap();
            let mut stream = Stream::new(&mut connection, &mut socket);
            let mut request = [0; 4096];
            // A sender that does not trust us hangs up here.
            if stream.read(&mut request).is_ok_and(|bytes| bytes > 0) {
                stream
                    .write_all(&response(200, &["connection: close"], "over tls"))
                    .unwrap();
            }
        }
    });
    (address, certificate)
}

fn courier_trusting(receiver: SocketAddr, certificate: Option<CertificateDer<'static>>) -> Courier {
    let mut roots = RootCertStore::empty();
    if let Some(certificate) = certificate {
        roots.add(certificate).unwrap();
    }
    let mut config = config(receiver);
    config.connect_timeout = HumanDuration::from_secs(2);
    Courier::with(&config, Scripted::answering(&[&["127.0.0.1"]]), trusting(roots)).unwrap()
}

fn to(host: &str, receiver: SocketAddr) -> String {
    format!(r#"{{"url":"https://{host}:{}/","body":1}}"#, receiver.port())
}

#[tokio::test]
async fn a_trusted_receiver_is_delivered_to() {
    let (address, certificate) = tls_receiver(1);
    let delivery = deliver(
        &courier_trusting(address, Some(certificate)),
        &to("hooks.example.com", address),
    )
    .await;
    let Delivery::Delivered(answer) = delivery else {
        panic!("{delivery:?}")
    };
    assert_eq!(answer.body, "over tls");
}

#[tokio::test]
async fn a_stranger_and_a_wrong_name_are_not() {
    let (address, certificate) = tls_receiver(2);
    for (trusted, host) in [
        (None, "hooks.example.com"),
        (Some(certificate), "other.example.com"),
    ] {
        let delivery = deliver(&courier_trusting(address, trusted), &to(host, address)).await;
        let Delivery::RetryLater {
            reason: reason @ Reason::NoConnection { .. },
            ..
        } = delivery
        else {
            panic!("{delivery:?}")
        };
        assert!(reason.to_string().contains("certificate"), "{reason}");
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    // Takes the connection, waits for the end of an HTTP head and therefore never answers the handshake.
    let mut receiver = Receiver::answering(200, &[], "").await;
    let started = Instant::now();
    let delivery = deliver(
        &courier_trusting(receiver.address, None),
        &to("hooks.example.com", receiver.address),
    )
    .await;
    let Delivery::RetryLater {
        reason: Reason::NoConnection { message },
        ..
    } = delivery
    else {
        panic!("{delivery:?}")
    };
    assert_eq!(message, "no connection within 2000ms");
    assert!(started.elapsed() < Duration::from_secs(10));
    receiver.hang_up().await;
}
