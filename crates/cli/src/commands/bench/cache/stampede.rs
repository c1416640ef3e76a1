//! Many callers at once for a key that nobody has.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oxherd::cache::Namespace;
use tokio::task::JoinSet;

use super::figures::{Figure, Of, per_second};
use super::run::Scene;
use super::scratch::{Row, lasting};
use crate::exit::Failure;

const CALLERS: u32 = 2_500;
const TURNS: u32 = 20;

pub(super) async fn measure(scene: &Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let cache = scene.cache()?;
    let namespace: Namespace<u64, Row> = cache.namespace("wanted").freshness(lasting()).open()?;
    let mut most = 0;
    let turns = scene.times(TURNS, async |key| {
        most = most.max(all_want(&namespace, key).await?);
        Ok(())
    });
    let turns = turns.await?;
    let of = Of {
        in_flight: usize::try_from(CALLERS).ok(),
        ..Of::default()
    };
    let mut figure = Figure::of_calls("stampede", of, &turns);
    figure.calls *= u64::from(CALLERS);
    figure.per_second = per_second(figure.calls, turns.iter().sum());
    figure.loads = Some(most);
    Ok(vec![figure])
}

/// How often it was loaded.
async fn all_want(namespace: &Namespace<u64, Row>, key: u64) -> Result<u64, Failure> {
    let loads = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (namespace, loads) = (namespace.clone(), Arc::clone(&loads));
        callers.spawn(async move {
            let load = move || async move {
                loads.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(Row::number(key))
            };
            namespace.get_or_load(&key, load).await.map(drop)
        });
    }
    for answer in callers.join_all().await {
        answer?;
    }
    Ok(loads.load(Ordering::Relaxed))
}
