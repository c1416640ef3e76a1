//! Calls that write, one after the other.

use std::convert::Infallible;

use oxherd::cache::Namespace;

use super::figures::{Figure, Of};
use super::run::Scene;
use super::scratch::{Row, lasting};
use crate::exit::Failure;

pub(super) async fn measure(scene: &Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let cache = scene.cache()?;
    let rows: Namespace<u64, Row> = cache.namespace("rows").freshness(lasting()).open()?;
    let counts: Namespace<u64, i64> = cache.namespace("counts").freshness(lasting()).open()?;
    let loaded: Namespace<u64, Row> = cache.namespace("loaded").freshness(lasting()).open()?;
    // The first calls connect, and teach the server the scripts.
    rows.set(&0, Row::number(0)).await?;
    rows.remove(&0).await?;
    counts.increment(&0, 1).await?;
    loaded
        .get_or_load(&u64::MAX, async || Ok::<_, Infallible>(Row::number(0)))
        .await?;

    let set = scene
        .times(scene.calls, async |number| {
            Ok(rows.set(&number, Row::number(number)).await?)
        })
        .await?;
    let remove = scene
        .times(scene.calls, async |number| {
            rows.remove(&number).await?;
            Ok(())
        })
        .await?;
    let miss = scene
        .times(scene.calls, async |number| {
            let load = move || async move { Ok::<_, Infallible>(Row::number(number)) };
            loaded.get_or_load(&number, load).await?;
            Ok(())
        })
        .await?;
    let increment = scene
        .times(scene.calls, async |number| {
            counts.increment(&(number % 100), 1).await?;
            Ok(())
        })
        .await?;
    let figure = |bench, times: &[_]| Figure::of_calls(bench, Of::default(), times);
    Ok(vec![
        figure("set", &set),
        figure("remove", &remove),
        figure("get_or_load_miss", &miss),
        figure("increment", &increment),
    ])
}
