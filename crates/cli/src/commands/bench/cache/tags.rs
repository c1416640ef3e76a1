//! What tags cost: a read that has to check them, and their invalidation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use oxherd::cache::{Cache, Namespace, Tag, Tiers};
use tokio::task::JoinSet;

use super::figures::{Figure, Of, nanos, rounded};
use super::hits::BATCH;
use super::run::Scene;
use super::scratch::{Row, lasting};
use crate::exit::Failure;

/// Numbers of tags: with so many an entry of the store, and of this process, is read.
const THERE: [u32; 4] = [0, 1, 4, 16];
const HERE: [u32; 3] = [0, 1, 4];
/// Entries that are written at once.
const IN_FLIGHT: u32 = 100;
/// How often the tag is invalidated again.
const AGAIN: u32 = 100;

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let cache = scene.cache()?;
    let mut figures = there(scene, &cache).await?;
    figures.extend(here(scene, &cache).await?);
    Ok(figures)
}

fn of(tier: &'static str, tags: u32) -> Of {
    Of {
        tier: Some(tier),
        tags: usize::try_from(tags).ok(),
        ..Of::default()
    }
}

/// One entry for each number of tags.
async fn tagged(
    cache: &Cache,
    name: &str,
    tiers: Tiers,
    all: &[u32],
) -> Result<Namespace<u32, Row>, Failure> {
    let namespace: Namespace<u32, Row> = cache.namespace(name).tiers(tiers).freshness(lasting()).open()?;
    for tags in all {
        let named = (0..*tags).map(|tag| Tag::new("author").with(&tag));
        namespace
            .set(tags, Row::number(u64::from(*tags)))
            .tags(named)
            .await?;
        // Whoever reads an entry for the first time does not know its tags yet.
        for _ in 0..2 {
            read(&namespace, *tags).await?;
        }
    }
    Ok(namespace)
}

async fn read(namespace: &Namespace<u32, Row>, key: u32) -> Result<(), Failure> {
    match namespace.get(&key).await? {
        Some(_) => Ok(()),
        None => Err(Failure::failed("an entry of the bench was not there")),
    }
}

async fn there(scene: &Scene<'_>, cache: &Cache) -> Result<Vec<Figure>, Failure> {
    let namespace = tagged(cache, "there", Tiers::Shared, &THERE).await?;
    let mut times = THERE.map(|tags| (tags, Vec::new()));
    for _ in scene.numbers(scene.calls) {
        for (tags, times) in &mut times {
            let began = Instant::now();
            read(&namespace, *tags).await?;
            times.push(began.elapsed());
        }
    }
    let figure = |(tags, times): &(u32, Vec<_>)| Figure::of_calls("tag_check", of("shared", *tags), times);
    Ok(times.iter().map(figure).collect())
}

async fn here(scene: &Scene<'_>, cache: &Cache) -> Result<Vec<Figure>, Failure> {
    let namespace = tagged(cache, "here", Tiers::Both, &HERE).await?;
    let mut times = HERE.map(|tags| (tags, Vec::new()));
    for _ in scene.numbers((scene.calls / 10).max(10)) {
        for (tags, times) in &mut times {
            let began = Instant::now();
            for _ in 0..BATCH {
                read(&namespace, *tags).await?;
            }
            times.push(began.elapsed() / BATCH);
        }
    }
    let figure = |(tags, times): &(u32, Vec<_>)| {
        let mut figure = Figure::of_calls("tag_check", of("local", *tags), times);
        figure.calls *= u64::from(BATCH);
        figure
    };
    Ok(times.iter().map(figure).collect())
}

pub(super) async fn invalidate(scene: &Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let cache = scene.cache()?;
    let namespace: Namespace<u32, u32> = cache.namespace("carriers").freshness(lasting()).open()?;
    let tag = Tag::new("shop").with(&7);
    fill(scene, &namespace, &tag).await?;
    if scene.is_over() {
        return Ok(Vec::new());
    }
    let began = Instant::now();
    namespace.invalidate(std::slice::from_ref(&tag)).await?;
    let first = began.elapsed();
    if namespace.get(&0).await?.is_some() {
        return Err(Failure::failed(
            "an entry was served after its tag was invalidated",
        ));
    }
    let mut times = vec![first];
    let again = async |_| Ok(namespace.invalidate(std::slice::from_ref(&tag)).await?);
    times.extend(scene.times(AGAIN, again).await?);
    let of = Of {
        entries: Some(scene.entries),
        ..Of::default()
    };
    let mut figure = Figure::of_calls("invalidate_tag", of, &times);
    figure.first_ns = Some(rounded(nanos(first), 1.0));
    Ok(vec![figure])
}

async fn fill(scene: &Scene<'_>, namespace: &Namespace<u32, u32>, tag: &Tag) -> Result<(), Failure> {
    scene.bar.set_length(u64::from(scene.entries));
    scene.bar.reset();
    let next = Arc::new(AtomicU32::new(0));
    let mut filling = JoinSet::new();
    for _ in 0..IN_FLIGHT.min(scene.entries) {
        let (namespace, tag, next) = (namespace.clone(), tag.clone(), Arc::clone(&next));
        let (entries, bar, interrupted) = (scene.entries, scene.bar.clone(), scene.interrupted.clone());
        filling.spawn(async move {
            while !interrupted.is_cancelled() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= entries {
                    break;
                }
                namespace.set(&number, number).tag(tag.clone()).await?;
                bar.inc(1);
            }
            Ok::<_, Failure>(())
        });
    }
    // All are waited for, a failed one notwithstanding: none may write after the bench.
    filling.join_all().await.into_iter().collect()
}
