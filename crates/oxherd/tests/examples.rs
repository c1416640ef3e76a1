//! The examples do what they say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
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

/// A file of the repository.
fn read(path: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    std::fs::read_to_string(format!("{root}/{path}")).unwrap()
}

/// Lines that say something, without their indentation, which differs between a page and a program.
fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

fn examples_of_the_cache() -> Vec<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cache");
    let files = std::fs::read_dir(directory).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names
        .map(|name| {
            (
                name.clone(),
                read(&format!("crates/oxherd/examples/cache/{name}")),
            )
        })
        .collect()
}

#[test]
fn what_the_pages_on_the_cache_show_is_what_the_examples_run() {
    let examples = examples_of_the_cache();
    let programs: Vec<Vec<&str>> = examples.iter().map(|(_, text)| lines(text)).collect();
    for page in ["docs/cache.md", "docs/cache-patterns.md", "README.md"] {
        let text = read(page);
        let blocks = text
            .split("```rust")
            .skip(1)
            .filter_map(|rest| rest.split("```").next());
        // The other programs of the front page are not about the cache.
        for block in blocks.filter(|block| page != "README.md" || block.contains(".cache()")) {
            let shown = lines(block.strip_prefix(",ignore").unwrap_or(block));
            let is_run = |program: &Vec<&str>| program.windows(shown.len()).any(|part| part == shown);
            assert!(
                programs.iter().any(is_run),
                "{page} shows what no example runs:{block}"
            );
        }
    }
}

#[test]
fn every_example_of_the_cache_is_played_and_on_its_page() {
    let page = read("docs/cache.md");
    for (name, _) in examples_of_the_cache() {
        let pattern = name.trim_end_matches(".rs");
        if matches!(pattern, "main" | "shop") {
            continue;
        }
        assert!(
            cache::PATTERNS.iter().any(|(known, _)| *known == pattern),
            "{name} is not played"
        );
        assert!(
            pattern == "quick_start" || page.contains(&name),
            "docs/cache.md does not lead to {name}"
        );
    }
}
