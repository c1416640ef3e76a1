//! Reads that ask the store, in turn with a GET of the same bytes, and, where they are JSON, with a GET of the value as plain JSON, which is
//! then decoded. Entries of a page are compressed, plain JSON is not: the third is what a program without a cache would do, not a lower bound.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxherd::cache::{Codec, Namespace, Packing, Tiers};
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
    /// Of the value alone, as JSON.
    plain: String,
    plain_bytes: usize,
}

impl<V> Clone for Reader<V> {
    fn clone(&self) -> Self {
        Self {
            namespace: self.namespace.clone(),
            connection: self.connection.clone(),
            key: self.key.clone(),
            plain: self.plain.clone(),
            plain_bytes: self.plain_bytes,
        }
    }
}

#[derive(Clone, Copy)]
enum Way {
    Cache,
    Bare,
    Decoded,
}

/// A value, and how it is written.
struct Case {
    value: &'static str,
    codec: (&'static str, Codec),
    ways: &'static [Way],
}

const JSON: (&str, Codec) = ("json", Codec::Json);
const POSTCARD: (&str, Codec) = ("postcard", Codec::Postcard);
const WAYS: &[Way] = &[Way::Cache, Way::Bare, Way::Decoded];
/// In turn with a GET whose bytes nobody decodes.
const BARE_WAYS: &[Way] = &[Way::Cache, Way::Bare];

impl Way {
    const fn bench(self) -> &'static str {
        match self {
            Self::Cache => "l2_get",
            Self::Bare => "bare_get",
            Self::Decoded => "get_and_decode",
        }
    }
}

pub(super) async fn measure(scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let case = |value, codec, ways| Case { value, codec, ways };
    let mut figures = of_value(scene, &case("row", JSON, WAYS), Row::number(KEY)).await?;
    figures.extend(of_value(scene, &case("page", JSON, WAYS), Page::new()).await?);
    figures.extend(of_value(scene, &case("page", POSTCARD, BARE_WAYS), Page::new()).await?);
    Ok(figures)
}

async fn of_value<V>(scene: &mut Scene<'_>, case: &Case, value: V) -> Result<Vec<Figure>, Failure>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let Case {
        value: name, codec, ..
    } = *case;
    let cache = scene.cache()?;
    let namespace: Namespace<u64, V> = cache
        .namespace(&format!("{name}-{}", codec.0))
        .packing(Packing::new().with_codec(codec.1))
        .tiers(Tiers::Shared)
        .freshness(lasting())
        .open()?;
    let json = serde_json::to_vec(&value)
        .map_err(|error| Failure::failed("the value of the bench is no JSON").because(error))?;
    namespace.set(&KEY, value).await?;
    // The one entry is the longest string there is: what else belongs to a namespace is a few bytes.
    let beginning = format!("{}:cache:{{{}}}:", scene.store.prefix(), namespace.name());
    let found = scene.server.longest(&beginning).await?;
    let (key, bytes) = found.ok_or_else(|| Failure::failed("the entry of the bench is not on the store"))?;
    let mut reader = Reader {
        namespace,
        connection: scene.server.connection(),
        key,
        plain: format!("{}:plain:{name}", scene.store.prefix()),
        plain_bytes: json.len(),
    };
    if case.ways.iter().any(|way| matches!(way, Way::Decoded)) {
        reader.put(&json).await?;
    }
    let of = Of {
        value: Some(name),
        codec: Some(codec.0),
        bytes: Some(bytes),
        in_flight: Some(1),
        ..Of::default()
    };
    let mut figures = one_by_one(scene, &mut reader, case.ways, of).await?;
    figures.extend(at_once(scene, &reader, case.ways, of).await?);
    Ok(figures)
}

async fn one_by_one<V>(
    scene: &Scene<'_>,
    reader: &mut Reader<V>,
    ways: &[Way],
    of: Of,
) -> Result<Vec<Figure>, Failure>
where
    V: DeserializeOwned + Send + Sync + 'static,
{
    // The first calls connect.
    for way in ways {
        reader.read(*way).await?;
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); ways.len()];
    for _ in scene.numbers(scene.calls) {
        for (way, times) in ways.iter().zip(&mut times) {
            let began = Instant::now();
            reader.read(*way).await?;
            times.push(began.elapsed());
        }
    }
    let mut figures = Vec::new();
    for (way, times) in ways.iter().zip(&times) {
        figures.push(Figure::of_calls(way.bench(), reader.of(*way, of), times));
    }
    let bare = figures.iter().find(|figure| figure.bench == Way::Bare.bench());
    let bare = bare.map_or(1.0, |bare| bare.ns.max(1.0));
    for figure in figures
        .iter_mut()
        .filter(|figure| figure.bench != Way::Bare.bench())
    {
        figure.ratio = Some(rounded(figure.ns / bare, 1000.0));
    }
    Ok(figures)
}

async fn at_once<V>(
    scene: &Scene<'_>,
    reader: &Reader<V>,
    ways: &[Way],
    of: Of,
) -> Result<Vec<Figure>, Failure>
where
    V: DeserializeOwned + Send + Sync + 'static,
{
    let of = Of {
        in_flight: Some(IN_FLIGHT),
        ..of
    };
    let each = (scene.calls * 10 / TURNS).div_ceil(100).max(2);
    let mut turns: Vec<Vec<Turn>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in scene.numbers(TURNS) {
        for (way, turns) in ways.iter().zip(&mut turns) {
            turns.push(turn(reader, *way, each).await?);
        }
    }
    let bare = ways.iter().position(|way| matches!(way, Way::Bare));
    let bare = bare.and_then(|bare| turns.get(bare));
    let figure = |(way, turns): (&Way, &Vec<Turn>)| {
        let ratio = median(
            turns
                .iter()
                .zip(bare.into_iter().flatten())
                .map(|((_, took), (_, bare))| nanos(*took) / nanos(*bare).max(1.0)),
        );
        let calls = turns.iter().map(|(times, _)| times.len() as u64).sum();
        let took = turns.iter().map(|(_, took)| *took).sum();
        let times = turns.iter().flat_map(|(times, _)| times);
        Figure {
            bench: way.bench(),
            of: reader.of(*way, of),
            calls,
            ns: rounded(median(times.map(|time| nanos(*time))), 10.0),
            per_second: per_second(calls, took),
            ratio: (way.bench() != Way::Bare.bench()).then(|| rounded(ratio, 1000.0)),
            ..Figure::default()
        }
    };
    Ok(ways.iter().zip(&turns).map(figure).collect())
}

/// The times of the calls, and of all of them together.
type Turn = (Vec<Duration>, Duration);

/// So many tasks at once, each with so many calls.
async fn turn<V>(reader: &Reader<V>, way: Way, each: u32) -> Result<Turn, Failure>
where
    V: DeserializeOwned + Send + Sync + 'static,
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

impl<V: DeserializeOwned + Send + Sync + 'static> Reader<V> {
    async fn read(&mut self, way: Way) -> Result<(), Failure> {
        let is_there = match way {
            Way::Cache => self.namespace.get(&KEY).await?.is_some(),
            Way::Bare => {
                let mut question = redis::cmd("GET");
                question.arg(&self.key);
                self.ask::<Option<Vec<u8>>>(&question).await?.is_some()
            }
            Way::Decoded => {
                let mut question = redis::cmd("GET");
                question.arg(&self.plain);
                let json: Option<Vec<u8>> = self.ask(&question).await?;
                let value: Option<V> = json
                    .map(|json| serde_json::from_slice(&json))
                    .transpose()
                    .map_err(|error| {
                        Failure::failed("the value of the bench is other JSON by now").because(error)
                    })?;
                // Kept as the cache keeps it.
                black_box(value.map(Arc::new)).is_some()
            }
        };
        // The cache counts a store that is away as a miss.
        is_there
            .then_some(())
            .ok_or_else(|| Failure::failed("the entry of the bench was not there"))
    }

    fn of(&self, way: Way, of: Of) -> Of {
        match way {
            Way::Cache | Way::Bare => of,
            Way::Decoded => Of {
                bytes: Some(self.plain_bytes),
                ..of
            },
        }
    }

    async fn put(&mut self, json: &[u8]) -> Result<(), Failure> {
        let mut question = redis::cmd("SET");
        question.arg(&self.plain).arg(json);
        self.ask(&question).await
    }

    async fn ask<T: redis::FromRedisValue>(&mut self, question: &redis::Cmd) -> Result<T, Failure> {
        question.query_async(&mut self.connection).await.map_err(|error| {
            Failure::failed("the store did not answer GET or SET as it should").because(error)
        })
    }
}
