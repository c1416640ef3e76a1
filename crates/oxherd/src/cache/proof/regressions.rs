//! What schedules have found, told step by step.

use oxherd_engine::Engine;
use redis::aio::ConnectionLike as _;

use crate::cache::{Cache, Namespace, Tag, Tiers};
use crate::store::Store;
use crate::store::simulated::{Event, Network, Turns};

/// A process that keeps nothing itself.
fn process(network: &Network, number: usize) -> Namespace<u64, u64> {
    let cache = Cache::builder(&Store::simulated(network, number)).open().unwrap();
    cache.namespace("rows").tiers(Tiers::Shared).open().unwrap()
}

/// Lets everything but one event happen until a task ends.
async fn play<T: Send + 'static>(
    network: &Network,
    work: impl Future<Output = T> + Send + 'static,
    but: Option<Event>,
) -> T {
    let task = tokio::spawn(work);
    network.settle().await;
    while !task.is_finished() {
        let event = network.pending().into_iter().find(|event| Some(*event) != but);
        network.play(event.expect("something happens"));
        network.settle().await;
    }
    task.await.unwrap()
}

#[tokio::test]
async fn stamps_of_a_sequence_that_was_made_anew_do_not_vouch_for_what_was_read_before() {
    let engine = Engine::in_memory();
    let network = Network::new(&engine, Turns::Short);
    let (writer, reader) = (process(&network, 1), process(&network, 2));
    let tag = || Tag::new("y");
    let rows = writer.clone();
    let before = async move {
        rows.set(&1, 10).tag(tag()).await.unwrap();
        rows.invalidate(&[tag()]).await.unwrap();
    };
    play(&network, before, None).await;

    // It knows of no tags, finds the entry, and asks for the stamps of what that depends on.
    let reading = tokio::spawn(async move { reader.get(&1).await.unwrap() });
    network.settle().await;
    let asks = |event: &Event| {
        let words = network.describe(*event);
        words.starts_with("process 2 asks MGET") && words.contains("}:t::y:")
    };
    let second = loop {
        if let Some(event) = network.pending().into_iter().find(asks) {
            break event;
        }
        network.step(0).expect("it asks");
        network.settle().await;
    };
    // Meanwhile everything is lost, and the tag is used anew.
    let mut direct = engine.connect();
    direct
        .req_packed_command(redis::cmd("FLUSHALL").arg("SYNC"))
        .await
        .unwrap();
    play(
        &network,
        async move { writer.set(&2, 20).tag(tag()).await.unwrap() },
        Some(second),
    )
    .await;
    let found = play(&network, async move { reading.await.unwrap() }, None).await;
    assert_eq!(found, None);
}
