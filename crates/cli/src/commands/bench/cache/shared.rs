//! Reads that ask the store, in turn with a GET of the same bytes.

use std::time::{Duration, Instant};

use oxherd::cache::{Namespace, Tiers};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::figures::{Figure, Of, median, nanos, per_second, rounded};
use super::run::Scene;
use super::scratch::{Page, Row, lasting};
use crate::commands::bench::server::Connection;
use crate::exit::Failure;

const KEY: u64 = 42;
const IN_FLIGHT: usize = 100;
/// Turns of many at once.
const TURNS: u32 = 20;

/// Asks for one entry, by the cache or past it.
struct Reader<V> {
    namespace: Namespace<u64, V>,
    connection: Connection,
    key: Vec<u8>,
}

impl<V> Clone for Reader<V> {
    fn clone(&self) -> Self {
        Self {
            namespace: self.namespace.clone(),
            connection: self.connection.clone(),
            key: self.key.clone(),
        }
    }
}

#[derive(Clone, Copy)]
enum Way {
    Cache,
    Bare,
}

pub(super) async fn measure(scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let mut figures = of_value(scene, "row", Row::number(KEY)).await?;
    figures.extend(of_value(scene, "page", Page::new()).await?);
    Ok(figures)
}

async fn of_value<V>(scene: &mut Scene<'_>, name: &'static str, value: V) -> Result<Vec<Figure>, Failure>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let cache = scene.cache()?;
    let namespace: Namespace<u64, V> = cache
        .namespace(name)
        .tiers(Tiers::Shared)
        .freshness(lasting())
        .open()?;
    namespace.set(&KEY, value).await?;
    // The one entry is the longest string there is: what else belongs to a namespace is a few bytes.
    let beginning = format!("{}:cache:{{{}}}:", scene.store.prefix(), namespace.name());
    let found = scene.server.longest(&beginning).await?;
    let (key, bytes) = found.ok_or_else(|| Failure::failed("the entry of the bench is not on the store"))?;
    let mut reader = Reader {
        namespace,
        connection: scene.server.connection(),
        key,
    };
    let of = Of {
        value: Some(name),
        bytes: Some(bytes),
        in_flight: Some(1),
        ..Of::default()
    };
    let mut figures = one_by_one(scene, &mut reader, of).await?;
    figures.extend(at_once(scene, &reader, of).await?);
    Ok(figures)
}

async fn one_by_one<V>(scene: &Scene<'_>, reader: &mut Reader<V>, of: Of) -> Result<Vec<Figure>, Failure>
where
    V: Send + Sync + 'static,
{
    // The first calls connect.
    for way in [Way::Cache, Way::Bare] {
        reader.read(way).await?;
    }
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in scene.numbers(scene.calls) {
        for (way, times) in [(Way::Cache, &mut ours), (Way::Bare, &mut bare)] {
            let began = Instant::now();
            reader.read(way).await?;
            times.push(began.elapsed());
        }
    }
    let bare = Figure::of_calls("bare_get", of, &bare);
    let mut ours = Figure::of_calls("l2_get", of, &ours);
    ours.ratio = Some(rounded(ours.ns / bare.ns.max(1.0), 1000.0));
    Ok(vec![ours, bare])
}

async fn at_once<V>(scene: &Scene<'_>, reader: &Reader<V>, of: Of) -> Result<Vec<Figure>, Failure>
where
    V: Send + Sync + 'static,
{
    let of = Of {
        in_flight: Some(IN_FLIGHT),
        ..of
    };
    let each = (scene.calls * 10 / TURNS).div_ceil(100).max(2);
    let mut turns: [Vec<(Vec<Duration>, Duration)>; 2] = Default::default();
    for _ in scene.numbers(TURNS) {
        for (way, turns) in [Way::Cache, Way::Bare].into_iter().zip(&mut turns) {
            turns.push(turn(reader, way, each).await?);
        }
    }
    let [ours, bare] = turns;
    let ratio = median(
        ours.iter()
            .zip(&bare)
            .map(|((_, ours), (_, bare))| nanos(*ours) / nanos(*bare).max(1.0)),
    );
    let figure = |bench, turns: &[(Vec<Duration>, Duration)], ratio| {
        let calls = turns.iter().map(|(times, _)| times.len() as u64).sum();
        let took = turns.iter().map(|(_, took)| *took).sum();
        let times = turns.iter().flat_map(|(times, _)| times);
        Figure {
            bench,
            of,
            calls,
            ns: rounded(median(times.map(|time| nanos(*time))), 10.0),
            per_second: per_second(calls, took),
            ratio,
            ..Figure::default()
        }
    };
    Ok(vec![
        figure("l2_get", &ours, Some(rounded(ratio, 1000.0))),
        figure("bare_get", &bare, None),
    ])
}

/// So many tasks at once, each with so many calls: the times of the calls, and of all of it.
async fn turn<V>(reader: &Reader<V>, way: Way, each: u32) -> Result<(Vec<Duration>, Duration), Failure>
where
    V: Send + Sync + 'static,
{
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..IN_FLIGHT {
        let mut reader = reader.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            for _ in 0..each {
                let called = Instant::now();
                reader.read(way).await?;
                times.push(called.elapsed());
            }
            Ok::<_, Failure>(times)
        });
    }
    let ended = tasks.join_all().await;
    let took = began.elapsed();
    let mut times = Vec::new();
    for task in ended {
        times.extend(task?);
    }
    Ok((times, took))
}

impl<V: Send + Sync + 'static> Reader<V> {
    async fn read(&mut self, way: Way) -> Result<(), Failure> {
        let is_there = match way {
            Way::Cache => self.namespace.get(&KEY).await?.is_some(),
            Way::Bare => {
                let mut question = redis::cmd("GET");
                question.arg(&self.key);
                let entry: Option<Vec<u8>> = question
                    .query_async(&mut self.connection)
                    .await
                    .map_err(|error| Failure::failed("the store did not answer GET").because(error))?;
                entry.is_some()
            }
        };
        // The cache counts a store that is away as a miss.
        is_there
            .then_some(())
            .ok_or_else(|| Failure::failed("the entry of the bench was not there"))
    }
}
