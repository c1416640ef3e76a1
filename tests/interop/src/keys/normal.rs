//! What a key holds, without what differs from run to run.
//!
//! Times become `T` where they are the time of the run, and are kept exactly where the script gave them
//! (`opts.timestamp`). Times that lie ahead are shown as the distance from when they were written, to ten seconds.

use serde_json::{Map, Value, json};

/// Slots of one millisecond in a delayed job's score.
const SLOTS: u64 = 4096;
/// Later than any run of these tests: a time that the script itself gave.
const GIVEN_AFTER: u64 = 1_990_000_000_000;

/// One key of the dump `keys`.
pub(super) fn key(keys: &Map<String, Value>, key: &str, content: &Value) -> Value {
    let value = &content["value"];
    let (queue, part) = key
        .split_once(':')
        .and_then(|(_, rest)| rest.split_once(':'))
        .unwrap_or(("", key));
    let shown = match part {
        "meta" => without(value, &["version", "library"]),
        "events" => Value::Array(items(value).map(event).collect()),
        "completed" | "failed" | "waiting-children" => members(value),
        "delayed" => Value::Array(items(value).map(|member| delayed(keys, queue, member)).collect()),
        "marker" => Value::Array(items(value).map(|member| marker(keys, queue, member)).collect()),
        "stalled-check" => json!("T"),
        _ if part.ends_with(":lock") => json!("TOKEN"),
        _ if part.ends_with(":unsuccessful") => members(value),
        _ if part.ends_with(":processed") => fields(value, |_, text| parsed(text)),
        _ if part.starts_with("metrics:") => fields(value, |name, text| match name {
            "prevTS" => time(text),
            _ => json!(text),
        }),
        _ if content["type"] == "hash" && !part.ends_with(":failed") => job(value),
        _ => value.clone(),
    };
    if content["pttl"].is_null() {
        shown
    } else {
        json!({"expires": true, "value": shown})
    }
}

fn job(value: &Value) -> Value {
    let options = parsed(value["opts"].as_str().unwrap_or_default());
    let has_given_time = options.get("timestamp").is_some();
    fields(value, |name, text| match name {
        "timestamp" if has_given_time => json!(text),
        "timestamp" | "processedOn" | "finishedOn" => time(text),
        "opts" | "data" | "returnvalue" | "progress" | "parent" | "pd" => parsed(text),
        "failedReason" => json!(reason(text)),
        // Its lines name source files; how many attempts left one is what counts.
        "stacktrace" => match parsed(text) {
            Value::Array(traces) => json!(format!("{} attempts", traces.len())),
            other => other,
        },
        _ => json!(text),
    })
}

/// Field names and values in their order, on one line.
fn event(entry: &Value) -> Value {
    let id = entry["id"].as_str().unwrap_or_default();
    let written: u64 = id.split('-').next().unwrap_or_default().parse().unwrap_or(0);
    let texts: Vec<&str> = items(&entry["fields"]).filter_map(Value::as_str).collect();
    let mut line = Vec::new();
    for pair in texts.chunks(2) {
        let [name, text] = pair else {
            panic!("an odd field in event {id}: {texts:?}")
        };
        let shown = match *name {
            "delay" => ahead(text.parse().unwrap_or(0), written),
            "returnvalue" | "data" => parsed(text).to_string(),
            "failedReason" => reason(text),
            _ => (*text).to_owned(),
        };
        line.push(format!("{name} {shown}"));
    }
    json!(line.join(", "))
}

fn delayed(keys: &Map<String, Value>, queue: &str, member: &Value) -> Value {
    let (id, score) = (
        member[0].as_str().unwrap_or_default(),
        member[1].as_f64().unwrap_or(0.0),
    );
    // Scores are whole and below 2^53.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and below 2^53"
    )]
    let score = score as u64;
    let (due, slot) = (score / SLOTS, score % SLOTS);
    if due > GIVEN_AFTER {
        return json!(format!("{id} due {due} slot {slot}"));
    }
    let hash = &keys[&format!("bull:{queue}:{id}")]["value"];
    let began = hash["processedOn"]
        .as_str()
        .or(hash["timestamp"].as_str())
        .unwrap_or_default();
    json!(format!("{id} due {}", ahead(due, began.parse().unwrap_or(0))))
}

fn marker(keys: &Map<String, Value>, queue: &str, member: &Value) -> Value {
    if member[0] != "1" {
        return member.clone();
    }
    let earliest = &keys.get(&format!("bull:{queue}:delayed")).unwrap_or(&Value::Null)["value"][0][1];
    let is_earliest =
        earliest.as_f64().map(|score| (score / 4096.0).floor()) == member[1].as_f64().map(f64::floor);
    json!([
        "1",
        if is_earliest {
            "when the earliest delayed job is due"
        } else {
            "some other time"
        }
    ])
}

fn ahead(due: u64, from: u64) -> String {
    if due > GIVEN_AFTER {
        return due.to_string();
    }
    let seconds = due.saturating_sub(from).saturating_add(5_000) / 10_000 * 10;
    format!("about {seconds} s later")
}

/// Each program has words of its own for what the layout leaves to it: why a job that wants to complete cannot.
fn reason(text: &str) -> String {
    let pending = text.ends_with("has pending dependencies. moveToFinished");
    if pending || text == "the job has children that have not finished" {
        "(its children have not finished)".to_owned()
    } else if text.contains("it has at least one failed child") || text == "a child of the job failed" {
        "(a child failed)".to_owned()
    } else {
        text.to_owned()
    }
}

/// A time of this run; anything else is shown as it is.
fn time(text: &str) -> Value {
    let is_ours = text
        .parse::<u64>()
        .is_ok_and(|ms| (1_700_000_000_000..GIVEN_AFTER).contains(&ms));
    json!(if is_ours { "T" } else { text })
}

/// Ids of a set by time; ids of one millisecond have no order of their own.
fn members(value: &Value) -> Value {
    let mut ids: Vec<&str> = items(value).filter_map(|member| member[0].as_str()).collect();
    ids.sort_unstable();
    json!(ids)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!({"no JSON": text}))
}

fn fields(value: &Value, shown: impl Fn(&str, &str) -> Value) -> Value {
    let Value::Object(fields) = value else {
        return value.clone();
    };
    let shown = fields
        .iter()
        .map(|(name, text)| (name.clone(), shown(name, text.as_str().unwrap_or_default())));
    Value::Object(shown.collect())
}

fn without(value: &Value, names: &[&str]) -> Value {
    let mut value = value.clone();
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| !names.contains(&name.as_str()));
    }
    value
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
