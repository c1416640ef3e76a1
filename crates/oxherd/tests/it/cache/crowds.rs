//! Reads that come together are asked for together; nobody notices but the store.

use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::poll;
use oxherd::breaker::State;
use oxherd::cache::{Namespace, Tag, Tiers};
use oxherd_testkit::FaultProxy;

use crate::scene::{Scene, on_every_store_and_valkey, on_stores};

/// More than are asked for at once.
const CROWD: u64 = 150;

async fn prices(scene: &Scene) -> Namespace<u64, String> {
    let prices = scene
        .oxherd
        .cache()
        .namespace("prices")
        .tiers(Tiers::Shared)
        .open()
        .unwrap();
    for id in 0..CROWD {
        prices
            .set(&id, format!("price {id}"))
            .tag(Tag::new("parity").with(&(id % 2)))
            .await
            .unwrap();
    }
    prices
}

on_every_store_and_valkey! {
    async fn each_of_a_crowd_has_what_it_asked_for(scene: Scene) {
        let prices = prices(&scene).await;
        let acme = prices.tenant("acme").unwrap();
        acme.set(&7, "acme's".to_owned()).await.unwrap();
        prices.remove(&3).await.unwrap();
        prices.invalidate(&[Tag::new("parity").with(&1)]).await.unwrap();
        for _ in 0..3 {
            let mut reads = Vec::new();
            for id in 0..CROWD {
                let (prices, acme) = (prices.clone(), acme.clone());
                reads.push(tokio::spawn(async move {
                    let (all, own) = (prices.get(&id), acme.get(&7));
                    (all.await.unwrap(), own.await.unwrap())
                }));
            }
            for (id, read) in (0..CROWD).zip(reads) {
                let (price, own) = read.await.unwrap();
                let expected = (id % 2 == 0).then(|| format!("price {id}"));
                assert_eq!(price.as_deref(), expected.as_ref(), "key {id}");
                assert_eq!(own.as_deref().map(String::as_str), Some("acme's"));
            }
        }
    }
}

on_every_store_and_valkey! {
    async fn nobody_of_a_crowd_waits_for_another_that_went_away_or_does_not_look(scene: Scene) {
        let prices = prices(&scene).await;
        for (odd, goes) in (0..8).flat_map(|odd| [(odd, true), (odd, false)]) {
            let read = |id: u64| {
                let prices = prices.clone();
                Box::pin(async move { prices.get(&(2 * id)).await.unwrap() })
            };
            let mut reads: Vec<_> = (0..8).map(read).collect();
            let mut answers: Vec<_> = reads.iter().map(|_| None).collect();
            for (read, answer) in reads.iter_mut().zip(&mut answers) {
                if let Poll::Ready(price) = poll!(read.as_mut()) {
                    *answer = Some(price);
                }
            }
            let mut others: Vec<_> = (0_u64..).zip(reads.into_iter().zip(answers)).collect();
            let one = others.remove(odd);
            let kept = (!goes).then_some(one);
            for (id, (read, answer)) in others {
                let price = match answer {
                    Some(price) => price,
                    None => read.await,
                };
                assert_eq!(*price.unwrap(), format!("price {}", 2 * id), "without {odd}");
            }
            drop(kept);
        }
    }
}

on_stores! {
    [on_redis, on_valkey]
    async fn a_crowd_that_nobody_answers_opens_the_breaker_as_so_many_questions_would(scene: Scene) {
        prices(&scene).await;
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let far = scene.behind(&proxy).await;
        let mine = far.cache().namespace::<u64, String>("prices").tiers(Tiers::Shared).open().unwrap();
        mine.get(&2).await.unwrap().unwrap();
        proxy.blackhole(true);
        let began = Instant::now();
        let reads: Vec<_> = (0..CROWD).map(|id| {
            let mine = mine.clone();
            tokio::spawn(async move { mine.get(&id).await.unwrap() })
        }).collect();
        for read in reads {
            assert_eq!(read.await.unwrap(), None);
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let counts = mine.stats().counts;
        assert_eq!(counts.store_errors + counts.skipped_by_breaker, CROWD);
        assert_eq!(far.cache().breaker().state(), State::Open);
    }
}
