//! Webhook deliveries as jobs: a worker for each queue that a `[[webhooks]]` table names.
//!
//! Every attempt leaves a row in the job's log, its answer becomes the job's result, and how long to wait is the
//! receiver's word (`Retry-After`) before the job's before the table's.

use std::sync::Arc;
use std::time::SystemTime;

use oxherd::{JobContext, Outcome, Retention, Stop, Worker, WorkerBuilder};
use serde_json::Value;

use crate::app::App;
use crate::intake::WEBHOOK_BACKOFF;
use crate::processors::webhook::{Courier, CourierError, Delivery, MessageId, WebhookConfig};

/// The name that these workers write into the jobs they run.
const WORKER_NAME: &str = "webhook";
/// Delivered messages kept when the job does not say. Without an end they would fill the store; failed ones stay.
const DELIVERED_KEPT: u64 = 10_000;
/// Minutes of throughput kept in the store.
const METRICS_POINTS: u32 = 24 * 60;

/// What delivers the messages of one table.
pub(super) fn courier(config: &WebhookConfig) -> Result<Courier, CourierError> {
    Courier::new(config)
}

/// A worker for one of its queues, to be started.
pub(super) fn worker(
    app: &App,
    queue: &str,
    config: &WebhookConfig,
    courier: &Arc<Courier>,
) -> oxherd::Result<WorkerBuilder> {
    let (courier, backoff) = (Arc::clone(courier), config.backoff.clone());
    let mut worker = Worker::on(&app.view.queue(queue)?)
        .name(WORKER_NAME)
        .concurrency(config.concurrency.get())
        .remove_on_complete(Retention::KeepLatest(DELIVERED_KEPT))
        .metrics(METRICS_POINTS)
        .backoff_strategy(WEBHOOK_BACKOFF, move |attempt, _| {
            Some(backoff.wait_after(attempt, rand::random()))
        })
        .handle_any(move |_, context| deliver(Arc::clone(&courier), context));
    if let Some(limit) = config.rate_limit {
        worker = worker.limiter(limit.max.get(), limit.per.get());
    }
    Ok(worker)
}

async fn deliver(courier: Arc<Courier>, context: JobContext) -> Outcome<Value> {
    let record = context.record();
    let created = record.timestamp.as_millis();
    let message = MessageId::of_job(context.queue().as_str(), context.id().as_str(), created);
    // The stored text and not the parsed value: the body is signed and sent byte for byte.
    let delivery = courier.deliver(&message, record.data.as_bytes(), SystemTime::now());
    let delivery = tokio::select! {
        delivery = delivery => delivery,
        () = context.cancelled() => return Err(Stop::retry("given up while it was under way")),
    };
    let outcome = match &delivery {
        Delivery::Delivered(answer) => format!("delivered, the receiver answered {}", answer.status),
        Delivery::RetryLater { reason, .. } | Delivery::Refused { reason } => reason.to_string(),
    };
    if let Err(error) = context
        .log(format!("attempt {}: {outcome}", context.attempt()))
        .await
    {
        // A delivery counts without its row.
        tracing::debug!(job = %context.id(), %error, "cannot note an attempt");
    }
    match delivery {
        Delivery::Delivered(answer) => Ok(serde_json::to_value(answer)?),
        Delivery::RetryLater {
            after: Some(wait),
            reason,
        } => Err(Stop::retry_after(wait, reason.into_failure())),
        Delivery::RetryLater { after: None, reason } => Err(Stop::retry(reason.into_failure())),
        Delivery::Refused { reason } => Err(Stop::fail(reason.into_failure())),
    }
}
