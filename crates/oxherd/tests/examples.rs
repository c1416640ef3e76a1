//! The examples do what they say.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    dead_code,
    reason = "examples bring a main function that tests do not use"
)]

use oxherd::breaker::State;
use oxherd_testkit::RedisServer;

#[path = "../examples/breaker.rs"]
mod breaker;
#[path = "../examples/cache/main.rs"]
mod cache;
#[path = "../examples/lock.rs"]
mod lock;
#[path = "../examples/outcomes.rs"]
mod outcomes;
#[path = "../examples/typed_job.rs"]
mod typed_job;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_job_stores_its_result() {
    let server = RedisServer::start().await;
    let stored = typed_job::run(&server.url()).await.unwrap();
    assert_eq!(stored.as_deref(), Some(r#""welcome, user 7""#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_end_as_their_comments_say() {
    let server = RedisServer::start().await;
    assert_eq!(outcomes::run(&server.url()).await.unwrap(), (4, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_lets_one_write_and_its_number_keeps_the_late_one_out() {
    let server = RedisServer::start().await;
    assert_eq!(lock::run(&server.url()).await.unwrap(), 2);
    assert_eq!(lock::run("memory:").await.unwrap(), 2);
}

#[tokio::test]
async fn a_breaker_spares_a_service_that_fails() {
    assert_eq!(breaker::run().await.unwrap(), (10, State::Closed));
}

async fn play_the_cache_on(store: &str) {
    for (name, pattern) in cache::PATTERNS {
        if let Err(error) = cache::play(pattern, store).await {
            panic!("{name} on {store}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_patterns_of_the_cache_do_what_they_say_in_memory() {
    play_the_cache_on("memory:").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_patterns_of_the_cache_do_what_they_say_on_a_server() {
    let server = RedisServer::start().await;
    play_the_cache_on(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_patterns_of_the_cache_do_what_they_say_in_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    play_the_cache_on(&format!("embedded:{}", directory.path().display())).await;
}
