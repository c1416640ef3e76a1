//! Keys in memory alone beside a directory.

use oxherd::cache::{Inspector, Namespace};
use oxherd::{Oxherd, Store};
use tempfile::TempDir;

async fn open(directory: &TempDir, query: &str) -> Oxherd {
    let url = format!("embedded:{}{query}", directory.path().display());
    Oxherd::on(Store::open(&url).await.unwrap())
}

async fn waiting(oxherd: &Oxherd, queue: &str) -> u64 {
    oxherd.queue(queue).unwrap().counts().await.unwrap().waiting
}

#[tokio::test]
async fn a_volatile_queue_is_gone_after_a_restart_and_the_others_are_there() {
    const VOLATILE: &str = "?volatile=bull%3Amail:,cache:";
    let directory = tempfile::tempdir().unwrap();
    let oxherd = open(&directory, "").await;
    for queue in ["mail", "news"] {
        oxherd.queue(queue).unwrap().add("n", ()).await.unwrap();
    }
    oxherd.store().close().await.unwrap();
    drop(oxherd);

    // What was kept before is dropped.
    let oxherd = open(&directory, VOLATILE).await;
    assert_eq!(
        (waiting(&oxherd, "mail").await, waiting(&oxherd, "news").await),
        (0, 1)
    );
    for queue in ["mail", "news"] {
        oxherd.queue(queue).unwrap().add("n", ()).await.unwrap();
    }
    assert_eq!(
        (waiting(&oxherd, "mail").await, waiting(&oxherd, "news").await),
        (1, 2)
    );
    oxherd.store().close().await.unwrap();
    drop(oxherd);

    for query in [VOLATILE, ""] {
        let oxherd = open(&directory, query).await;
        assert_eq!(
            (waiting(&oxherd, "mail").await, waiting(&oxherd, "news").await),
            (0, 2)
        );
        oxherd.store().close().await.unwrap();
    }
}

#[tokio::test]
async fn the_cache_in_memory_alone_takes_no_queue_of_its_name_along() {
    let directory = tempfile::tempdir().unwrap();
    let oxherd = open(&directory, "?volatile=bull:cache:{").await;
    oxherd.queue("cache").unwrap().add("n", ()).await.unwrap();
    let products: Namespace<u64, u64> = oxherd.cache().namespace("products").open().unwrap();
    products.set(&7, 49).await.unwrap();
    let acme = products.tenant("acme").unwrap();
    acme.set(&7, 49)
        .tag(oxherd::cache::Tag::new("all"))
        .await
        .unwrap();
    oxherd.store().close().await.unwrap();
    drop((oxherd, products, acme));

    let oxherd = open(&directory, "").await;
    assert_eq!(waiting(&oxherd, "cache").await, 1, "jobs are kept");
    let inspector = Inspector::new(oxherd.store().clone());
    assert_eq!(inspector.entry("products@1", "", "7").await.unwrap(), None);
    let held: Vec<String> = redis::cmd("KEYS")
        .arg("bull:cache:{*")
        .query_async(&mut oxherd.store().engine().unwrap().connect())
        .await
        .unwrap();
    assert_eq!(held, [""; 0], "nothing of the cache is");
    oxherd.store().close().await.unwrap();
    drop((oxherd, inspector));

    // Without the brace the queue is volatile too.
    let oxherd = open(&directory, "?volatile=bull:cache:").await;
    assert_eq!(waiting(&oxherd, "cache").await, 0);
}
