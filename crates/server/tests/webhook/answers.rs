//! How the receiver's answer decides the outcome.

use std::time::Duration;

use jiff::Timestamp;
use oxherd_server::processors::webhook::{Answer, BodyEnd, Courier, Delivery, Reason};

use crate::receiver::{Receiver, Reply, response};
use crate::scene::{config, courier, deliver, now, to};

async fn answered(status: u16, headers: &[&str], body: &str) -> Delivery {
    let receiver = Receiver::answering(status, headers, body).await;
    deliver(&courier(&config(receiver.address)), &to(receiver.address)).await
}

fn answer(delivery: &Delivery) -> &Answer {
    delivery
        .answer()
        .unwrap_or_else(|| panic!("no answer: {delivery:?}"))
}

#[tokio::test]
async fn every_2xx_is_a_success_and_its_answer_is_kept() {
    for status in [200, 201, 202, 204, 299] {
        let body = if status == 204 { "" } else { "taken" };
        let delivery = answered(status, &[], body).await;
        assert!(matches!(delivery, Delivery::Delivered(_)), "{delivery:?}");
        let answer = answer(&delivery);
        assert_eq!(
            (answer.status, answer.body.as_str(), answer.body_end),
            (status, body, BodyEnd::Complete)
        );
    }
}

#[tokio::test]
async fn every_other_answer_but_410_is_tried_again() {
    for status in [
        300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 502, 503, 504,
    ] {
        let delivery = answered(status, &[], "").await;
        assert!(
            matches!(delivery, Delivery::RetryLater { after: None, .. }),
            "{delivery:?}"
        );
        assert_eq!(answer(&delivery).status, status);
    }
    let gone = answered(410, &["retry-after: 5"], "moved out").await;
    let Delivery::Refused { reason } = &gone else {
        panic!("{gone:?}")
    };
    assert_eq!(reason.to_string(), "the receiver answered 410");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut elsewhere = Receiver::answering(200, &[], "").await;
    let location = format!("location: http://{}/", elsewhere.address);
    let delivery = answered(307, &[&location], "").await;
    assert!(matches!(delivery, Delivery::RetryLater { .. }), "{delivery:?}");
    assert!(elsewhere.has_no_request());
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn retry_after_is_honoured_in_seconds_and_as_a_date() {
    let date = |offset: u64| {
        let timestamp = Timestamp::try_from(now() + Duration::from_secs(offset)).unwrap();
        timestamp
            .strftime("retry-after: %a, %d %b %Y %H:%M:%S GMT")
            .to_string()
    };
    let day = Duration::from_secs(86_400);
    for (status, header, expected) in [
        (429, "retry-after: 120".to_owned(), Some(Duration::from_secs(120))),
        (503, "retry-after: 0".to_owned(), Some(Duration::ZERO)),
        (429, "retry-after: 999999999999".to_owned(), Some(day)),
        (429, date(86_400 * 30), Some(day)),
        (429, "retry-after: soon".to_owned(), None),
    ] {
        let delivery = answered(status, &[&header], "").await;
        let Delivery::RetryLater { after, .. } = delivery else {
            panic!("{delivery:?}")
        };
        assert_eq!(after, expected, "{header}");
    }
    let delivery = answered(503, &[&date(120)], "").await;
    let Delivery::RetryLater {
        after: Some(after), ..
    } = delivery
    else {
        panic!("{delivery:?}")
    };
    // The attempt itself took a moment, which counts.
    assert!(
        after <= Duration::from_secs(120) && after > Duration::from_secs(110),
        "{after:?}"
    );
}

#[tokio::test]
async fn a_long_answer_is_cut_to_what_is_kept() {
    let body = format!("{}ü{}", "x".repeat(4_095), "y".repeat(1_000));
    let delivery = answered(500, &[], &body).await;
    let answer = answer(&delivery);
    assert_eq!(answer.body, "x".repeat(4_095));
    assert_eq!(answer.body_end, BodyEnd::Cut);
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again() {
    let silent = Receiver::start(Reply::ThenClose(Vec::new())).await;
    let delivery = deliver(&courier(&config(silent.address)), &to(silent.address)).await;
    assert!(
        matches!(
            &delivery,
            Delivery::RetryLater {
                reason: Reason::NoAnswer { .. },
                ..
            }
        ),
        "{delivery:?}"
    );

    let garbled = Receiver::start(Reply::ThenClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())).await;
    let delivery = deliver(&courier(&config(garbled.address)), &to(garbled.address)).await;
    assert!(
        matches!(
            &delivery,
            Delivery::RetryLater {
                reason: Reason::NoAnswer { .. },
                ..
            }
        ),
        "{delivery:?}"
    );

    let mut halfway = response(200, &[], "1234567890");
    halfway.truncate(halfway.len() - 5);
    let broken = Receiver::start(Reply::ThenClose(halfway)).await;
    let delivery = deliver(&courier(&config(broken.address)), &to(broken.address)).await;
    assert!(
        matches!(delivery, Delivery::Delivered(_)),
        "a 2xx was said: {delivery:?}"
    );
    assert_eq!(
        (answer(&delivery).body.as_str(), answer(&delivery).body_end),
        ("12345", BodyEnd::Broken)
    );
}

#[tokio::test]
async fn a_host_that_does_not_listen_is_tried_again() {
    let receiver = Receiver::answering(200, &[], "").await;
    // The port is held but nothing accepts on this address.
    let mut config = config(receiver.address);
    config.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let payload = format!(
        r#"{{"url":"http://127.0.0.9:{}/","body":1}}"#,
        receiver.address.port()
    );
    let delivery = deliver(&courier(&config), &payload).await;
    let Delivery::RetryLater {
        reason: reason @ Reason::NoConnection { .. },
        ..
    } = delivery
    else {
        panic!("{delivery:?}")
    };
    assert!(reason.to_string().contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_broken_payload_is_refused_for_good_and_nothing_is_sent() {
    let mut receiver = Receiver::answering(200, &[], "").await;
    let courier = courier(&config(receiver.address));
    for payload in ["", "[]", "{}", r#"{"url":"ftp://example.com","body":1}"#] {
        let delivery = deliver(&courier, payload).await;
        assert!(
            matches!(
                delivery,
                Delivery::Refused {
                    reason: Reason::Payload(_)
                }
            ),
            "{delivery:?}"
        );
    }
    assert!(receiver.has_no_request());
}

#[tokio::test]
async fn a_courier_with_the_machines_own_trust_delivers_too() {
    let receiver = Receiver::answering(200, &[], "").await;
    let courier = Courier::new(&config(receiver.address)).unwrap();
    let delivery = deliver(&courier, &to(receiver.address)).await;
    assert!(matches!(delivery, Delivery::Delivered(_)), "{delivery:?}");
}
