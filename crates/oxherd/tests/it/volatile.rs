//! Keys in memory alone beside a directory.

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
