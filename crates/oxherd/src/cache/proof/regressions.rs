//! What schedules have found, told step by step.

use std::time::Duration;

use oxherd_engine::Engine;
use redis::aio::ConnectionLike as _;

use crate::cache::{Bounds, Cache, Matching, Namespace, Tag, Tiers};
use crate::store::Store;
use crate::store::simulated::{Channel, Event, Network, Turns};

/// A process that keeps nothing itself.
fn process(network: &Network, number: usize) -> Namespace<u64, u64> {
    process_with(network, number, Tiers::Shared)
}

fn process_with(network: &Network, number: usize, tiers: Tiers) -> Namespace<u64, u64> {
    let cache = Cache::builder(&Store::simulated(network, number)).open().unwrap();
    cache.namespace("rows").tiers(tiers).open().unwrap()
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

/// Lets everything happen that is under way.
async fn quiet(network: &Network) {
    while network.step(0).is_some() {
        network.settle().await;
    }
}

/// Has the store do what it is asked, by whoever asks; over which connection.
fn execute(network: &Network) -> usize {
    let asked = network.pending().into_iter().find_map(|event| match event {
        Event::Execute { connection } => Some(connection),
        _ => None,
    });
    let connection = asked.expect("somebody asks");
    network.play(Event::Execute { connection });
    connection
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

#[tokio::test(start_paused = true)]
async fn a_doubt_that_comes_and_goes_while_the_store_answers_is_not_read_past() {
    let engine = Engine::in_memory();
    let network = Network::new(&engine, Turns::Long);
    let writer = process(&network, 1);
    let before = async move {
        writer.set(&1, 10).tag(Tag::new("y")).await.unwrap();
        // The script is known from now on, so that the repeated removal is one question.
        writer.remove(&2).await.unwrap();
    };
    play(&network, before, None).await;

    let cache = Cache::builder(&Store::simulated(&network, 2)).deadline(Duration::from_secs(1));
    let rows: Namespace<u64, u64> = cache.open().unwrap().namespace("rows").open().unwrap();
    // The connection is slow: the removal gives up, and a read that began after it does not yet.
    let remover = rows.clone();
    let removing = tokio::spawn(async move { remover.remove(&1).await });
    network.settle().await;
    tokio::time::advance(Duration::from_millis(600)).await;
    let reader = rows.clone();
    let reading = tokio::spawn(async move { reader.get(&1).strict().await });
    network.settle().await;
    tokio::time::advance(Duration::from_millis(500)).await;
    network.settle().await;
    removing.await.unwrap().unwrap_err();
    assert!(!reading.is_finished());

    // It finds the entry, has to ask for its tag, and meanwhile the removal is repeated.
    play(&network, async move { reading.await.unwrap().unwrap() }, None).await;
    let found = play(&network, async move { rows.get(&1).await.unwrap() }, None).await;
    assert_eq!(found, None);
}

#[tokio::test]
async fn a_clearing_that_is_sent_again_does_not_bring_back_what_was_cleared_since() {
    let engine = Engine::in_memory();
    let network = Network::new(&engine, Turns::Short);
    let (one, other) = (process(&network, 1), process(&network, 2));
    // Both are connected, and the script is known.
    let (first, second) = (one.clone(), other.clone());
    let before = async move {
        first.clear().await.unwrap();
        second.clear().await.unwrap();
    };
    play(&network, before, None).await;

    // It is cleared, and the reply is on its way.
    let clearing = tokio::spawn(async move { one.clear().await });
    network.settle().await;
    let connection = execute(&network);
    let lost = Event::Deliver { connection };
    // Meanwhile another process keeps an entry, and clears it.
    let writer = other.clone();
    let meanwhile = async move {
        writer.set(&1, 10).await.unwrap();
        writer.clear().await.unwrap();
        writer.get(&1).await.unwrap()
    };
    assert_eq!(play(&network, meanwhile, Some(lost)).await, None);
    // The reply is lost with its connection.
    network.play(Event::Break { connection });
    network.settle().await;
    play(&network, async move { clearing.await.unwrap().unwrap() }, None).await;
    assert_eq!(
        play(&network, async move { other.get(&1).await.unwrap() }, None).await,
        None
    );
}

#[tokio::test]
async fn what_a_pattern_removes_is_let_go_of_by_processes_that_did_not_hear_of_its_eviction() {
    let engine = Engine::in_memory();
    let network = Network::with_channel(&engine, Turns::Short, Channel::Announced);
    let [writer, reader] = [1, 2].map(|number| process_with(&network, number, Tiers::Both));
    let rows = reader.clone();
    play(&network, async move { rows.set(&1, 10).await.unwrap() }, None).await;
    quiet(&network).await;
    let rows = reader.clone();
    play(&network, async move { rows.get(&1).await.unwrap() }, None).await;
    // The store is full; nobody is told.
    let entry = reader.site.space.keys.entry(reader.key(&1).unwrap().as_bytes());
    let mut direct = engine.connect();
    let evict = redis::cmd("DEL").arg(entry).clone();
    direct.req_packed_command(&evict).await.unwrap();
    let rows = reader.clone();
    let held = play(&network, async move { rows.get(&1).await.unwrap() }, None).await;
    assert_eq!(held.as_deref(), Some(&10));

    let removal = async move {
        let everything = Matching::Pattern("*");
        writer
            .remove_matching(everything, Bounds::default())
            .await
            .unwrap()
    };
    assert!(play(&network, removal, None).await.complete);
    quiet(&network).await;
    let found = play(&network, async move { reader.get(&1).await.unwrap() }, None).await;
    assert_eq!(found, None);
}

#[tokio::test]
async fn what_another_process_found_superseded_is_not_read_here_while_our_write_waits_for_its_reply() {
    let engine = Engine::in_memory();
    let network = Network::with_channel(&engine, Turns::Short, Channel::Beside);
    let [writer, other] = [1, 2].map(|number| process_with(&network, number, Tiers::Both));
    let (rows, others) = (writer.clone(), other.clone());
    let before = async move {
        // The scripts are known, and both listen.
        others.set(&2, 20).version(1).await.unwrap();
        others.remove(&2).version(2).await.unwrap();
        rows.set(&1, 10).version(3).await.unwrap();
    };
    play(&network, before, None).await;
    quiet(&network).await;
    let rows = writer.clone();
    let held = play(&network, async move { rows.get(&1).await.unwrap() }, None).await;
    assert_eq!(held.as_deref(), Some(&10));

    // The store has it, and the reply is on its way.
    let rows = writer.clone();
    let setting = tokio::spawn(async move { rows.set(&1, 50).version(5).await });
    network.settle().await;
    let connection = execute(&network);
    let reply = Event::Deliver { connection };
    // What the other process removes is older than that: there is nothing to remove, and nothing to announce.
    let removed = async move { other.remove(&1).version(4).await.unwrap() };
    assert!(!play(&network, removed, Some(reply)).await);
    while let Some(event) = network.pending().into_iter().find(|event| *event != reply) {
        network.play(event);
        network.settle().await;
    }
    let held = writer
        .site
        .shared
        .local
        .get(writer.site.space.number, writer.key(&1).unwrap().as_bytes());
    assert!(held.is_none_or(|held| held.meta().version >= 4));
    play(&network, async move { setting.await.unwrap().unwrap() }, None).await;
    let found = play(&network, async move { writer.get(&1).await.unwrap() }, None).await;
    assert_eq!(found.as_deref(), Some(&50));
}
