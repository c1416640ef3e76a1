//! How soon an idle worker hears of a job, and that no news is lost between workers that come and go.

use std::time::Duration;

use oxherd::{NewJob, Worker};

use crate::gate::Gate;
use crate::scene::{on_every_store, stop};

/// Longer than any test runs: who needs a look after the drain delay is too late.
const NEVER: Duration = Duration::from_secs(600);

on_every_store! {
    async fn an_idle_worker_runs_a_new_job_at_once(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        let worker = Worker::on(&queue).drain_delay(NEVER).handle_any(gate.handler()).start().await.unwrap();
        for round in 1..=3 {
            scene.listeners(1).await;
            queue.add("n", ()).await.unwrap();
            gate.until_started(round * 2 - 1).await;
            scene.listeners(1).await;
            queue.add("n", ()).priority(3).await.unwrap();
            gate.until_started(round * 2).await;
        }
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_worker_with_a_free_place_runs_a_new_job_at_once(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        let worker = Worker::on(&queue)
            .concurrency(3)
            .drain_delay(NEVER)
            .handle_any(gate.handler())
            .start()
            .await
            .unwrap();
        for running in 1..=3 {
            queue.add("n", ()).await.unwrap();
            gate.until_running(running).await;
        }
        gate.open();
        stop(worker).await;
    }
}

on_every_store! {
    async fn each_job_wakes_another_idle_worker(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        let mut workers = Vec::new();
        for _ in 0..3 {
            let process = scene.other_process().await;
            let worker = process.worker("q").unwrap().drain_delay(NEVER).handle_any(gate.handler());
            workers.push(worker.start().await.unwrap());
        }
        scene.listeners(3).await;
        queue.add_many((0..3).map(|_| NewJob::new("n", &()).unwrap()).collect()).await.unwrap();
        gate.until_running(3).await;
        gate.open();
        for worker in workers {
            stop(worker).await;
        }
    }
}

on_every_store! {
    async fn a_worker_that_became_busy_while_listening_passes_the_news_on(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        let hour = Duration::from_secs(3600);
        queue.add("n", ()).delay(hour).await.unwrap();
        let mut workers = Vec::new();
        for _ in 0..2 {
            let process = scene.other_process().await;
            let worker = process.worker("q").unwrap().drain_delay(NEVER).handle_any(gate.handler());
            workers.push(worker.start().await.unwrap());
        }
        scene.listeners(2).await;
        // Both know when the job is due; one of them takes it while it still listens.
        scene.clock.advance(hour);
        gate.until_running(1).await;
        scene.listeners(1).await;
        queue.add("n", ()).await.unwrap();
        gate.until_running(2).await;
        gate.open();
        for worker in workers {
            stop(worker).await;
        }
    }
}

on_every_store! {
    async fn a_worker_that_stops_leaves_the_news_to_the_others(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        let worker = || Worker::on(&queue).drain_delay(NEVER).handle_any(gate.handler()).start();
        for round in 0..2 {
            let leaver = worker().await.unwrap();
            scene.listeners(1).await;
            let stayer = worker().await.unwrap();
            scene.listeners(2).await;
            if round == 0 {
                stop(leaver).await;
            } else {
                drop(leaver);
            }
            let started = gate.started().len();
            queue.add("n", ()).await.unwrap();
            gate.until_started(started + 1).await;
            stop(stayer).await;
        }
    }
}

on_every_store! {
    async fn a_job_that_comes_while_a_worker_stops_is_left_to_the_others(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        let stayer = Worker::on(&queue).drain_delay(NEVER).handle_any(gate.handler()).start().await.unwrap();
        for round in 1..=100 {
            let leaver =
                Worker::on(&queue).drain_delay(NEVER).handle_any(gate.handler()).start().await.unwrap();
            if round % 2 == 0 {
                scene.listeners(2).await;
            }
            let (_, added) = tokio::join!(leaver.stop_now(), queue.add("n", ()).into_future());
            added.unwrap();
            gate.until_started(round).await;
        }
        stop(stayer).await;
    }
}
