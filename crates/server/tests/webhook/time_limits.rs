//! Receivers that never end: each attempt does, in time and with a bounded answer.

use std::time::{Duration, Instant};

use oxherd_server::processors::webhook::{BodyEnd, Courier, Delivery, HumanDuration, Reason};

use crate::receiver::{Receiver, Reply};
use crate::scene::{config, courier, deliver, to};

const LIMIT_MS: u64 = 300;
// Far above the limit and far below the default of 15 s, so a busy machine does not fail the test.
const SOON: Duration = Duration::from_secs(8);

fn hasty(receiver: &Receiver) -> Courier {
    let mut config = config(receiver.address);
    config.timeout = HumanDuration::from_millis(LIMIT_MS).unwrap();
    courier(&config)
}

async fn attempt(receiver: &Receiver) -> Delivery {
    let started = Instant::now();
    let delivery = deliver(&hasty(receiver), &to(receiver.address)).await;
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    delivery
}

#[tokio::test]
async fn silence_instead_of_an_answer_is_hung_up_on_and_tried_again() {
    let mut receiver = Receiver::start(Reply::ThenSilence(Vec::new())).await;
    let delivery = attempt(&receiver).await;
    let after = Duration::from_millis(LIMIT_MS);
    let expected = Delivery::RetryLater {
        after: None,
        reason: Reason::TimedOut { after },
    };
    assert_eq!(delivery, expected);
    receiver.hang_up().await;
}

#[tokio::test]
async fn silence_after_half_a_head_is_a_time_out_too() {
    let mut receiver = Receiver::start(Reply::ThenSilence(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())).await;
    let delivery = attempt(&receiver).await;
    assert!(
        matches!(
            delivery,
            Delivery::RetryLater {
                reason: Reason::TimedOut { .. },
                ..
            }
        ),
        "{delivery:?}"
    );
    receiver.hang_up().await;
}

#[tokio::test]
async fn silence_within_the_body_keeps_the_status_that_was_said() {
    for (status, is_delivered) in [(200, true), (500, false)] {
        let head = format!("HTTP/1.1 {status} Answer\r\ncontent-length: 100\r\n\r\nhalf");
        let mut receiver = Receiver::start(Reply::ThenSilence(head.into_bytes())).await;
        let delivery = attempt(&receiver).await;
        assert_eq!(
            matches!(delivery, Delivery::Delivered(_)),
            is_delivered,
            "{delivery:?}"
        );
        let answer = delivery.answer().unwrap();
        assert_eq!(
            (answer.status, answer.body.as_str(), answer.body_end),
            (status, "half", BodyEnd::TimedOut)
        );
        receiver.hang_up().await;
    }
}

#[tokio::test]
async fn an_endless_body_costs_its_connection_after_64_kib() {
    for head in [
        "HTTP/1.1 500 Answer\r\ncontent-length: 5000000000\r\n\r\n",
        "HTTP/1.1 500 Answer\r\nconnection: close\r\n\r\n",
    ] {
        let mut receiver = Receiver::start(Reply::ThenForever(head.as_bytes().to_vec())).await;
        // With the default of 15 s: it must be the size that ends it.
        let delivery = deliver(&courier(&config(receiver.address)), &to(receiver.address)).await;
        let answer = delivery.answer().unwrap();
        assert_eq!((answer.body.len(), answer.body_end), (4_096, BodyEnd::Cut));
        assert!(answer.duration < SOON);
        // What the kernel buffers on both sides comes on top of what was read.
        let taken = receiver.hang_up().await;
        assert!(taken < 32 * 1024 * 1024, "{taken} bytes");
    }
}

#[tokio::test]
async fn an_endless_head_is_no_answer() {
    let mut receiver = Receiver::start(Reply::ThenForever(b"HTTP/1.1 200 OK\r\nx-long: ".to_vec())).await;
    let delivery = deliver(&courier(&config(receiver.address)), &to(receiver.address)).await;
    assert!(
        matches!(
            delivery,
            Delivery::RetryLater {
                reason: Reason::NoAnswer { .. },
                ..
            }
        ),
        "{delivery:?}"
    );
    receiver.hang_up().await;
}

#[tokio::test]
async fn a_job_may_ask_for_its_own_time_out() {
    let receiver = Receiver::start(Reply::ThenSilence(Vec::new())).await;
    let payload = format!(
        r#"{{"url":"http://{}/","body":1,"timeout_ms":200}}"#,
        receiver.address
    );
    let delivery = deliver(&courier(&config(receiver.address)), &payload).await;
    let after = Duration::from_millis(200);
    assert_eq!(
        delivery,
        Delivery::RetryLater {
            after: None,
            reason: Reason::TimedOut { after }
        }
    );
}
