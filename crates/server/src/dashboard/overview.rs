//! All queues at a glance, and first of all whether anything lives.

use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use oxherd::JobState;

use super::frame::{Frame, Parameters, render};
use super::{address, state, words};
use crate::app::App;
use crate::view::{QueueCounts, QueueStatus, Status, StoreStatus, WorkerStatus};

/// The columns, in the order in which a job passes the states.
const COLUMNS: [JobState; 7] = JobState::LISTED;

#[derive(Debug, Template)]
#[template(path = "queue/list.html")]
struct Page {
    frame: Frame,
    store: StoreStatus,
    trouble_for: Option<String>,
    evicting: Option<String>,
    tiles: Vec<Tile>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    workers: Vec<Worker>,
    uptime: Option<String>,
}

/// One number that matters.
#[derive(Debug)]
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    /// `good`, `bad` or empty.
    tone: &'static str,
}

#[derive(Debug)]
struct Column {
    state: JobState,
    word: &'static str,
}

#[derive(Debug)]
struct Row {
    name: String,
    address: String,
    is_paused: bool,
    problem: Option<String>,
    cells: Vec<Cell>,
    oldest: Option<String>,
}

#[derive(Debug)]
struct Cell {
    state: JobState,
    word: &'static str,
    number: u64,
    count: String,
    address: String,
}

#[derive(Debug)]
struct Worker {
    status: WorkerStatus,
    address: String,
    last_exchange: Option<String>,
}

/// `GET /`: 503 while the store is away, and then the page says so.
pub(super) async fn show(State(app): State<App>, Query(parameters): Query<Parameters>) -> Response {
    let status = app.view.status().await;
    let mut frame = Frame::new(&app, "Queues")
        .after(&parameters)
        .live("The store answers");
    let mut code = StatusCode::OK;
    if !status.store.connected {
        frame.ask_again("The store does not answer");
        code = StatusCode::SERVICE_UNAVAILABLE;
    }
    render(code, &Page::new(frame, &status))
}

impl Page {
    fn new(frame: Frame, status: &Status) -> Self {
        // Hardly anybody has parents; their column appears with the first of them.
        let is_shown = |state: &JobState| {
            *state != JobState::WaitingChildren || sum(status, |counts| counts.waiting_children) > 0
        };
        let columns: Vec<_> = COLUMNS
            .into_iter()
            .filter(is_shown)
            .map(|state| Column {
                state,
                word: state::word(state),
            })
            .collect();
        let rows = status
            .queues
            .iter()
            .map(|queue| Row::new(queue, &columns))
            .collect();
        let store = status.store.clone();
        Self {
            frame,
            trouble_for: store.trouble_for_ms.map(length_of_ms),
            evicting: evicting(&store),
            tiles: tiles(status),
            columns,
            rows,
            workers: status.workers.iter().map(Worker::new).collect(),
            uptime: status.uptime_ms.map(length_of_ms),
            store,
        }
    }
}

impl Row {
    fn new(queue: &QueueStatus, columns: &[Column]) -> Self {
        let name = queue.name.as_str();
        let counts = queue.counts;
        let cells = columns.iter().filter_map(|column| {
            let number = counts?.of(column.state)?;
            Some(Cell {
                state: column.state,
                word: column.word,
                number,
                count: words::count(number),
                address: address::jobs(name, column.state, 1),
            })
        });
        Self {
            name: name.to_owned(),
            address: address::queue(name),
            is_paused: counts.is_some_and(|counts| counts.paused),
            problem: queue.problem.clone(),
            cells: cells.collect(),
            oldest: counts
                .and_then(|counts| counts.oldest_waiting_age_ms)
                .map(length_of_ms),
        }
    }
}

impl Worker {
    fn new(status: &WorkerStatus) -> Self {
        Self {
            address: address::queue(status.queue.as_str()),
            last_exchange: status.last_exchange_ms.map(length_of_ms),
            status: status.clone(),
        }
    }
}

/// The line of numbers on top. A store that does not answer has no numbers, and none are made up.
fn tiles(status: &Status) -> Vec<Tile> {
    let Some(round_trip) = status.store.round_trip_ms else {
        return Vec::new();
    };
    let in_line = sum(status, |counts| counts.waiting + counts.prioritized);
    let oldest = counts(status)
        .filter_map(|counts| counts.oldest_waiting_age_ms)
        .max();
    let failed = sum(status, |counts| counts.failed);
    let mut tiles = vec![
        Tile {
            label: "Store answers in",
            value: words::round_trip(round_trip),
            note: format!("{} {}", status.store.product, status.store.version),
            tone: if status.store.writes_refused.is_some() {
                "bad"
            } else {
                "good"
            },
        },
        Tile {
            label: "In line",
            value: words::count(in_line),
            note: match oldest {
                Some(oldest) => format!("the oldest for {}", length_of_ms(oldest)),
                None if in_line > 0 => "by priority".to_owned(),
                None => "nothing waits".to_owned(),
            },
            tone: "",
        },
        Tile {
            label: "Active",
            value: words::count(sum(status, |counts| counts.active)),
            note: "being processed".to_owned(),
            tone: "",
        },
        Tile {
            label: "Delayed",
            value: words::count(sum(status, |counts| counts.delayed)),
            note: "until their time".to_owned(),
            tone: "",
        },
        Tile {
            label: "Failed",
            value: words::count(failed),
            note: "failed for good, kept".to_owned(),
            tone: if failed > 0 { "bad" } else { "" },
        },
    ];
    let totals: Vec<u64> = counts(status)
        .filter_map(|counts| counts.completed_total)
        .collect();
    if !totals.is_empty() {
        let lost = sum(status, |counts| counts.failed_total.unwrap_or(0));
        tiles.push(Tile {
            label: "Completed in all",
            value: words::count(totals.into_iter().fold(0, u64::saturating_add)),
            note: format!("and {} failed, since counting began", words::count(lost)),
            tone: "",
        });
    }
    tiles
}

fn counts(status: &Status) -> impl Iterator<Item = &QueueCounts> {
    status.queues.iter().filter_map(|queue| queue.counts.as_ref())
}

fn sum(status: &Status, number: impl Fn(&QueueCounts) -> u64) -> u64 {
    counts(status).map(number).fold(0, u64::saturating_add)
}

/// The policy by which the store drops keys when its memory is full, if it does.
fn evicting(store: &StoreStatus) -> Option<String> {
    let policy = &store.eviction_policy;
    (store.connected && !policy.is_empty() && policy != "noeviction").then(|| policy.clone())
}

fn length_of_ms(milliseconds: u64) -> String {
    words::length(Duration::from_millis(milliseconds))
}
