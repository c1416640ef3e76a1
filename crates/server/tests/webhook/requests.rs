//! What a receiver gets to see.

use std::time::Duration;

use oxherd_server::processors::webhook::{DEFAULT_TOLERANCE, Delivery, MessageId, verify};

use crate::receiver::Receiver;
use crate::scene::{NEXT_SECRET, SECRET, config, courier, deliver, id, now, secret, to};

#[tokio::test]
async fn a_delivery_is_signed_and_its_receiver_can_verify_it() {
    let mut receiver = Receiver::answering(200, &[], "ok").await;
    let delivery = deliver(&courier(&config(receiver.address)), &to(receiver.address)).await;
    assert!(matches!(delivery, Delivery::Delivered(_)), "{delivery:?}");

    let seen = receiver.request().await;
    assert_eq!(seen.line, "POST /hook?key=7 HTTP/1.1");
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.headers["host"], receiver.address.to_string());
    assert_eq!(seen.headers["webhook-timestamp"], "1760000000");
    let verified = verify(
        &[secret(SECRET)],
        &seen.headers,
        &seen.body,
        now(),
        DEFAULT_TOLERANCE,
    );
    assert_eq!(verified, Ok(id().as_str()));
    let with_another = verify(
        &[secret(NEXT_SECRET)],
        &seen.headers,
        &seen.body,
        now(),
        DEFAULT_TOLERANCE,
    );
    assert!(with_another.is_err());
}

#[tokio::test]
async fn while_a_secret_is_changed_both_verify() {
    let mut receiver = Receiver::answering(200, &[], "").await;
    let mut config = config(receiver.address);
    config.secrets = vec![secret(NEXT_SECRET), secret(SECRET)];
    let _ = deliver(&courier(&config), &to(receiver.address)).await;

    let seen = receiver.request().await;
    for known in [SECRET, NEXT_SECRET] {
        let verified = verify(
            &[secret(known)],
            &seen.headers,
            &seen.body,
            now(),
            DEFAULT_TOLERANCE,
        );
        assert!(verified.is_ok());
    }
}

#[tokio::test]
async fn the_id_stays_and_the_timestamp_moves_from_attempt_to_attempt() {
    let mut receiver = Receiver::answering(500, &[], "").await;
    let courier = courier(&config(receiver.address));
    let payload = to(receiver.address);
    let later = now() + Duration::from_secs(300);
    let _ = courier.deliver(&id(), payload.as_bytes(), now()).await;
    let _ = courier.deliver(&id(), payload.as_bytes(), later).await;

    let (first, second) = (receiver.request().await, receiver.request().await);
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);
    assert_eq!(second.headers["webhook-timestamp"], "1760000300");
    assert_ne!(
        first.headers["webhook-signature"],
        second.headers["webhook-signature"]
    );
}

#[tokio::test]
async fn without_secrets_a_message_goes_unsigned_but_named() {
    let mut receiver = Receiver::answering(200, &[], "").await;
    let mut config = config(receiver.address);
    config.secrets.clear();
    let _ = deliver(&courier(&config), &to(receiver.address)).await;

    let seen = receiver.request().await;
    assert!(seen.headers.contains_key("webhook-id"));
    assert!(!seen.headers.contains_key("webhook-signature"));
}

#[tokio::test]
async fn the_body_is_sent_byte_for_byte_with_the_jobs_method_and_headers() {
    let mut receiver = Receiver::answering(200, &[], "").await;
    let body = r#"{ "b": 1.50, "a": 123456789012345678901234567890, "ü": "\u00fc\ud83d\ude00" }"#;
    let payload = format!(
        r#"{{"body": {body}, "method": "PUT", "url": "http://{}/a#part", "timeout_ms": null,
            "headers": {{"Content-Type": "application/cloudevents+json", "X-Tenant": "7", "user-agent": "mine"}}}}"#,
        receiver.address
    );
    let _ = deliver(&courier(&config(receiver.address)), &payload).await;

    let seen = receiver.request().await;
    assert_eq!(seen.line, "PUT /a HTTP/1.1");
    assert_eq!(seen.body, body.as_bytes());
    for (name, value) in [
        ("content-type", "application/cloudevents+json"),
        ("x-tenant", "7"),
        ("user-agent", "mine"),
    ] {
        let values: Vec<_> = seen.headers.get_all(name).iter().collect();
        assert_eq!(values, [value]);
    }
}

#[tokio::test]
async fn deliveries_to_one_host_share_a_connection() {
    // More than is kept, less than is read: still worth the connection.
    let receiver = Receiver::answering(200, &[], &"x".repeat(60_000)).await;
    let courier = courier(&config(receiver.address));
    for number in 0..20 {
        let id = MessageId::of_job("webhooks", &number.to_string(), 1);
        let delivery = courier.deliver(&id, to(receiver.address).as_bytes(), now()).await;
        assert!(matches!(delivery, Delivery::Delivered(_)), "{delivery:?}");
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let mut receiver = Receiver::answering(200, &[], "").await;
    let body = format!("\"{}\"", "x".repeat(262_142));
    let payload = format!(r#"{{"url":"http://{}/","body":{body}}}"#, receiver.address);
    let delivery = deliver(&courier(&config(receiver.address)), &payload).await;
    assert!(matches!(delivery, Delivery::Delivered(_)), "{delivery:?}");
    assert_eq!(receiver.request().await.body.len(), 262_144);
}
