//! What adding jobs leaves in the keys.

use serde_json::{Value, json};

use crate::side::{Side, leaves_the_same_keys};

/// A time far ahead that a script gives, so that scores can be compared to the digit.
const GIVEN: u64 = 2_000_000_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_lifo_prioritized_and_delayed_jobs() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("n", json!({"a": 1, "b": {"c": [1, null, "x"]}}), json!({}))
            .await;
        side.compare("one standard job").await;
        side.add("second", json!({}), json!({})).await;
        side.add("last in", json!({}), json!({"lifo": true})).await;
        side.add("five", json!({}), json!({"priority": 5})).await;
        side.add("three", json!({}), json!({"priority": 3})).await;
        side.add("five again", json!({}), json!({"priority": 5})).await;
        side.add("least", json!({}), json!({"priority": 2_097_151})).await;
        side.compare("lifo and priorities").await;
        side.add("in a minute", json!({}), json!({"delay": 60_000})).await;
        side.add(
            "in two minutes",
            json!({}),
            json!({"delay": 120_000, "priority": 7}),
        )
        .await;
        side.add(
            "in half a minute",
            json!({}),
            json!({"delay": 30_000, "lifo": true}),
        )
        .await;
        side.compare("delays").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delays_alone_mark_when_the_first_is_due() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("in two minutes", json!({}), json!({"delay": 120_000}))
            .await;
        side.compare("a later one").await;
        side.add("in a minute", json!({}), json!({"delay": 60_000})).await;
        side.compare("an earlier one").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delays_of_one_millisecond_take_the_slots_of_its_score() {
    leaves_the_same_keys(async |side: &mut Side| {
        for _ in 0..4 {
            side.add(
                "same time",
                json!({}),
                json!({"timestamp": GIVEN, "delay": 5_000}),
            )
            .await;
        }
        side.add("next", json!({}), json!({"timestamp": GIVEN, "delay": 5_001}))
            .await;
        side.add("before", json!({}), json!({"timestamp": GIVEN, "delay": 4_999}))
            .await;
        side.compare("slots").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_are_stored_with_the_same_names_and_values() {
    leaves_the_same_keys(async |side: &mut Side| {
        for opts in [
            json!({"attempts": 3, "backoff": 1000}),
            json!({"attempts": 2, "backoff": {"type": "exponential", "delay": 10, "jitter": 0.5}}),
            json!({"backoff": {"type": "mine"}}),
            json!({"backoff": {"type": "mine", "delay": 5}}),
            json!({"removeOnComplete": true, "removeOnFail": false}),
            json!({"removeOnComplete": 7, "removeOnFail": {"age": 10, "count": 5}}),
            json!({"removeOnComplete": {"age": 10, "count": 5, "limit": 1}}),
            json!({"keepLogs": 7, "stackTraceLimit": 2, "sizeLimit": 100}),
            json!({"timestamp": 1_700_000_000_123_u64}),
            json!({"delay": 0, "priority": 0, "lifo": false}),
        ] {
            side.add("with options", json!({"k": "v"}), opts).await;
        }
        side.compare("options").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_off_without_a_delay_is_stored_as_given() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("with options", json!({}), json!({"backoff": {"type": "fixed"}}))
            .await;
        side.compare("back-off").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_of_every_kind() {
    leaves_the_same_keys(async |side: &mut Side| {
        for data in [
            Value::Null,
            json!("text"),
            json!(-1.5e-7),
            json!([]),
            json!({}),
            json!(9_007_199_254_740_991_u64),
            json!({"ü": "\u{1f402} / \" \\ \u{1}", "empty": [], "deep": {"a": {"b": {"c": []}}}}),
        ] {
            side.add("data", data, json!({})).await;
        }
        side.compare("data").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_id_counts_and_is_taken_once() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("n", json!({"first": true}), json!({"jobId": "abc"}))
            .await;
        side.compare("custom id").await;
        side.add(
            "n",
            json!({"first": false}),
            json!({"jobId": "abc", "delay": 5_000}),
        )
        .await;
        side.add("n", json!({}), json!({"jobId": "a:b:c", "priority": 2}))
            .await;
        side.add("n", json!({}), json!({})).await;
        side.compare("a duplicate, an id of three parts and a counted one")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_is_its_jobs_one_by_one() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add_bulk(&[
            ("standard", json!({"n": 1}), json!({})),
            ("prioritized", json!({"n": 2}), json!({"priority": 3})),
            ("delayed", json!({"n": 3}), json!({"delay": 60_000})),
            ("last in", json!({"n": 4}), json!({"lifo": true})),
            ("own", json!({"n": 5}), json!({"jobId": "own"})),
            ("own", json!({"n": 6}), json!({"jobId": "own"})),
        ])
        .await;
        side.compare("bulk").await;
    })
    .await;
}
