//! What processing the children and parents of a flow leaves in the keys.
//!
//! Node adds the flow on both sides. A child that fails has a queue of its own, so that a script decides when.

use serde_json::{Value, json};

use crate::scene::QUEUE;
use crate::side::{Handler, Settings, Side, leaves_the_same_keys};

/// The queue of children that fail.
const FRAGILE: &str = "fragile";

/// A parent with three children, the second one in the fragile queue.
async fn add_family(side: &Side, parent_opts: Value, fragile_opts: Value) {
    let child = |id: &str, queue: &str, opts: &Value| {
        let mut opts = opts.clone();
        opts["jobId"] = json!(id);
        json!({"name": id, "queueName": queue, "data": {"child": id}, "opts": opts})
    };
    let mut opts = parent_opts;
    opts["jobId"] = json!("parent");
    let flow = json!({
        "name": "parent", "queueName": QUEUE, "data": {"is": "parent"}, "opts": opts,
        "children": [
            child("c1", QUEUE, &json!({})), child("c2", FRAGILE, &fragile_opts), child("c3", QUEUE, &json!({})),
        ],
    });
    side.scene.peer.call("flow.add", json!({"flow": flow})).await;
}

async fn work_on(side: &mut Side, queue: &str, handler: Handler, point: &'static str) {
    let working = side.start(queue, handler, Settings::default()).await;
    side.until_idle(queue).await;
    side.compare(point).await;
    side.stop(working).await;
}

async fn a_child_fails_first(flag: &str) {
    leaves_the_same_keys(async |side: &mut Side| {
        add_family(side, json!({}), json!({flag: true})).await;
        work_on(side, FRAGILE, Handler::FailForGood, "a child failed").await;
        work_on(side, QUEUE, Handler::Echo, "the others followed").await;
    })
    .await;
}

async fn a_child_fails_last(flag: &str) {
    leaves_the_same_keys(async |side: &mut Side| {
        add_family(side, json!({}), json!({flag: true})).await;
        work_on(side, QUEUE, Handler::Echo, "two children completed").await;
        work_on(side, FRAGILE, Handler::FailForGood, "the last one failed").await;
        work_on(side, QUEUE, Handler::Echo, "the parent followed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_follows_its_last_child() {
    leaves_the_same_keys(async |side: &mut Side| {
        add_family(side, json!({}), json!({})).await;
        side.compare("added").await;
        work_on(side, QUEUE, Handler::Echo, "one child is left").await;
        work_on(side, FRAGILE, Handler::Echo, "the parent is released").await;
        work_on(side, QUEUE, Handler::Echo, "the parent followed").await;
    })
    .await;
    for opts in [json!({"priority": 3}), json!({"delay": 60_000})] {
        leaves_the_same_keys(async |side: &mut Side| {
            add_family(side, opts.clone(), json!({"removeOnComplete": true})).await;
            work_on(side, QUEUE, Handler::Echo, "one child is left").await;
            work_on(
                side,
                FRAGILE,
                Handler::Echo,
                "the parent is released by priority or delay",
            )
            .await;
            work_on(side, QUEUE, Handler::Echo, "the parent followed or waits").await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fail_parent_on_failure_fails_the_parent_at_once() {
    a_child_fails_first("failParentOnFailure").await;
    a_child_fails_last("failParentOnFailure").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continue_parent_on_failure_as_the_last_child_lets_the_parent_run() {
    a_child_fails_last("continueParentOnFailure").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continue_parent_on_failure_releases_the_parent_before_its_other_children() {
    a_child_fails_first("continueParentOnFailure").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_released_early_with_attempts_left_completes_after_its_children() {
    leaves_the_same_keys(async |side: &mut Side| {
        add_family(
            side,
            json!({"attempts": 2}),
            json!({"continueParentOnFailure": true}),
        )
        .await;
        work_on(side, FRAGILE, Handler::FailForGood, "a child failed").await;
        work_on(side, QUEUE, Handler::Echo, "everybody followed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_cannot_complete_over_a_child_that_failed_meanwhile() {
    leaves_the_same_keys(async |side: &mut Side| {
        let child = |id: &str, queue: &str, flag: &str| {
            json!({"name": id, "queueName": queue, "data": {}, "opts": {"jobId": id, flag: true}})
        };
        let children =
            [child("early", FRAGILE, "continueParentOnFailure"), child("late", "late", "failParentOnFailure")];
        let flow = json!({
            "name": "parent", "queueName": QUEUE, "data": {}, "opts": {"jobId": "parent"}, "children": children,
        });
        let working = side.start(QUEUE, Handler::Hold, Settings::default()).await;
        side.scene.peer.call("flow.add", json!({"flow": flow})).await;
        let _fragile = side.start(FRAGILE, Handler::FailForGood, Settings::default()).await;
        side.until_active(QUEUE, 1).await;
        let _late = side.start("late", Handler::FailForGood, Settings::default()).await;
        side.until_idle("late").await;
        side.compare("the late child failed while the parent runs").await;
        side.release(&working).await;
        side.until_idle(QUEUE).await;
        side.compare("the parent ended").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ignore_dependency_on_failure_lets_the_parent_run() {
    a_child_fails_first("ignoreDependencyOnFailure").await;
    a_child_fails_last("ignoreDependencyOnFailure").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remove_dependency_on_failure_lets_the_parent_run() {
    a_child_fails_first("removeDependencyOnFailure").await;
    a_child_fails_last("removeDependencyOnFailure").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_child_without_a_flag_holds_its_parent_until_it_completes() {
    leaves_the_same_keys(async |side: &mut Side| {
        add_family(side, json!({}), json!({})).await;
        work_on(side, FRAGILE, Handler::FailForGood, "a child failed").await;
        work_on(side, QUEUE, Handler::Echo, "the others completed").await;
        side.retry_in(FRAGILE, "c2", "failed", false).await;
        work_on(side, FRAGILE, Handler::Echo, "the child completed").await;
        work_on(side, QUEUE, Handler::Echo, "the parent followed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_child_that_runs_again_holds_its_parent_again() {
    for flag in [
        "failParentOnFailure",
        "ignoreDependencyOnFailure",
        "removeDependencyOnFailure",
    ] {
        leaves_the_same_keys(async |side: &mut Side| {
            add_family(side, json!({}), json!({flag: true})).await;
            work_on(side, FRAGILE, Handler::FailForGood, "a child failed").await;
            side.retry_in(FRAGILE, "c2", "failed", false).await;
            side.compare("the child is in line again").await;
            work_on(side, FRAGILE, Handler::Echo, "the child completed").await;
            work_on(side, QUEUE, Handler::Echo, "everybody followed").await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_with_attempts_left_holds_its_parent() {
    leaves_the_same_keys(async |side: &mut Side| {
        add_family(
            side,
            json!({}),
            json!({"attempts": 2, "failParentOnFailure": true}),
        )
        .await;
        work_on(
            side,
            FRAGILE,
            Handler::Fail { times: 1 },
            "the child completed at the second attempt",
        )
        .await;
        work_on(side, QUEUE, Handler::Echo, "the parent followed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_child_that_is_not_kept_holds_nobody() {
    leaves_the_same_keys(async |side: &mut Side| {
        add_family(side, json!({}), json!({"removeOnFail": true})).await;
        work_on(side, FRAGILE, Handler::FailForGood, "a child failed and is gone").await;
        work_on(side, QUEUE, Handler::Echo, "the parent followed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_the_last_child_releases_its_parent() {
    leaves_the_same_keys(async |side: &mut Side| {
        add_family(side, json!({}), json!({})).await;
        side.remove("c1").await;
        side.remove("c3").await;
        side.compare("two children removed").await;
        work_on(side, FRAGILE, Handler::Echo, "the last child completed").await;
        work_on(side, QUEUE, Handler::Echo, "the parent followed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_climbs_from_grandchild_to_grandparent() {
    leaves_the_same_keys(async |side: &mut Side| {
        let member = |id: &str, queue: &str, children: Value| {
            let opts = json!({"jobId": id, "failParentOnFailure": true});
            json!({"name": id, "queueName": queue, "data": {}, "opts": opts, "children": children})
        };
        let grandchild = member("grandchild", FRAGILE, json!([]));
        let child = member("child", QUEUE, json!([grandchild]));
        let mut flow = member("parent", QUEUE, json!([child]));
        flow["opts"] = json!({"jobId": "parent"});
        side.scene.peer.call("flow.add", json!({"flow": flow})).await;
        work_on(side, FRAGILE, Handler::FailForGood, "the grandchild failed").await;
        work_on(side, QUEUE, Handler::Echo, "child and parent failed").await;
    })
    .await;
}
