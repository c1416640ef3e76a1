//! Adding and changing jobs, by Node or by Oxherd.

use oxherd::{JobId, JobOptions, NewJob};
use serde_json::{Value, json};

use super::{Program, Side};
use crate::scene::QUEUE;

impl Side {
    /// Adds a job with BullMQ's public options, and answers its id.
    pub(crate) async fn add(&self, name: &str, data: Value, opts: Value) -> String {
        match self.program {
            Program::Node => self.scene.node_adds(name, data, opts).await,
            Program::Oxherd => {
                let added = self
                    .scene
                    .queue()
                    .add_job(new_job(name, &data, &opts))
                    .await
                    .unwrap();
                added.id.to_string()
            }
        }
    }

    /// Adds several jobs in one call.
    pub(crate) async fn add_bulk(&self, jobs: &[(&str, Value, Value)]) {
        match self.program {
            Program::Node => {
                let jobs: Vec<Value> = jobs
                    .iter()
                    .map(|(name, data, opts)| json!({"name": name, "data": data, "opts": opts}))
                    .collect();
                self.scene.node("queue.addBulk", json!({"jobs": jobs})).await;
            }
            Program::Oxherd => {
                let jobs = jobs.iter().map(|(name, data, opts)| new_job(name, data, opts));
                for added in self.scene.queue().add_many(jobs.collect()).await.unwrap() {
                    added.unwrap();
                }
            }
        }
    }

    pub(crate) async fn pause(&self) {
        match self.program {
            Program::Node => drop(self.scene.node("queue.pause", json!({})).await),
            Program::Oxherd => self.scene.queue().pause().await.unwrap(),
        }
    }

    pub(crate) async fn resume(&self) {
        match self.program {
            Program::Node => drop(self.scene.node("queue.resume", json!({})).await),
            Program::Oxherd => self.scene.queue().resume().await.unwrap(),
        }
    }

    /// Runs a job that is in `state` (failed or completed) again.
    pub(crate) async fn retry(&self, id: &str, state: &str, reset: bool) {
        self.retry_in(QUEUE, id, state, reset).await;
    }

    /// The same in another queue.
    pub(crate) async fn retry_in(&self, queue: &str, id: &str, state: &str, reset: bool) {
        let opts = json!({"resetAttemptsMade": reset, "resetAttemptsStarted": reset});
        let retry = json!({"queue": queue, "job": id, "state": state, "opts": opts});
        match self.program {
            Program::Node => drop(self.scene.node("job.retry", retry).await),
            Program::Oxherd => {
                let queue = self.scene.oxherd.queue(queue).unwrap();
                queue.retry(&JobId::existing(id), reset).await.unwrap();
            }
        }
    }

    pub(crate) async fn promote(&self, id: &str) {
        match self.program {
            Program::Node => drop(self.scene.node("job.promote", json!({"job": id})).await),
            Program::Oxherd => self.scene.queue().promote(&JobId::existing(id)).await.unwrap(),
        }
    }

    pub(crate) async fn remove(&self, id: &str) {
        match self.program {
            Program::Node => drop(self.scene.node("job.remove", json!({"job": id})).await),
            Program::Oxherd => drop(self.scene.queue().remove(&JobId::existing(id)).await.unwrap()),
        }
    }
}

fn new_job(name: &str, data: &Value, opts: &Value) -> NewJob {
    NewJob::new(name, data)
        .unwrap()
        .with_options(JobOptions::from_json(opts).unwrap())
}
