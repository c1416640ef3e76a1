//! The examples do what they say.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    dead_code,
    reason = "examples bring a main function that tests do not use"
)]

use oxherd_engine::Engine;

#[path = "../examples/embed.rs"]
mod embed;
#[path = "../examples/serve.rs"]
mod serve;
#[path = "../examples/subscribe.rs"]
mod subscribe;
#[path = "../examples/watch_changes.rs"]
mod watch_changes;

#[tokio::test]
async fn embed_tells_who_leads() {
    assert_eq!(embed::run().await.unwrap(), [("Ada".to_owned(), 7.0)]);
}

#[tokio::test]
async fn serve_answers_on_every_url_it_tells() {
    let directory = tempfile::tempdir().unwrap();
    let (server, urls) = serve::listen(&Engine::in_memory(), directory.path().join("engine.sock")).unwrap();
    assert_eq!(urls.len(), 2);
    for url in urls {
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let pong: String = redis::cmd("PING").query_async(&mut connection).await.unwrap();
        assert_eq!(pong, "PONG");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn watch_changes_tells_of_three_units() {
    let batches = watch_changes::run().await.unwrap();
    let expected = [
        vec![
            "1 is a hash, as follows",
            "1 is named user:7",
            "1 has name = Ada",
            "1 has visits = 1",
        ],
        vec![
            "1 is named user:8",
            "1 is a hash, as follows",
            "1 has name = Ada",
            "1 has visits = 2",
        ],
        vec!["1 is gone"],
    ];
    let sorted = |mut batch: Vec<String>| {
        batch.sort();
        batch
    };
    let expected = expected.map(|batch| sorted(batch.into_iter().map(str::to_owned).collect()));
    assert_eq!(batches.into_iter().map(sorted).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn subscribe_hears_the_channel_and_the_pattern() {
    assert_eq!(
        subscribe::run().await.unwrap(),
        ["news: all is well", "weather.north: rain"]
    );
}
