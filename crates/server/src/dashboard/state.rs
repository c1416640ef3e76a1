//! What a state is called, what it means, and what an empty list of it says.

use oxherd::JobState;

/// As a heading or badge says it.
pub(super) const fn word(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "Waiting",
        JobState::Prioritized => "Prioritized",
        JobState::Delayed => "Delayed",
        JobState::Active => "Active",
        JobState::Completed => "Completed",
        JobState::Failed => "Failed",
        JobState::WaitingChildren => "Waiting for children",
        _ => "Unknown",
    }
}

/// In a sentence.
pub(super) const fn meaning(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "In line: the next free worker takes the first of them.",
        JobState::Prioritized => {
            "In line by priority: taken when no job without a priority waits, lowest number first."
        }
        JobState::Delayed => "Held back until their time, or until their next attempt is due.",
        JobState::Active => "Being processed by a worker right now.",
        JobState::Completed => "Done. Only those are here that were to be kept.",
        JobState::Failed => "Failed for good: no attempt is left. A retry puts a job back in line.",
        JobState::WaitingChildren => "Parents that go on when their children are done.",
        _ => "In no list of the queue: another program interfered.",
    }
}

/// What would have to happen for a job to appear in the list.
pub(super) const fn when_it_appears(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "A job appears here when it is added, until a worker takes it.",
        JobState::Prioritized => "A job appears here when it is added with a priority.",
        JobState::Delayed => {
            "A job appears here when it is added with a delay, or waits for its next attempt."
        }
        JobState::Active => "A job appears here while a worker processes it; a fast one is gone in a blink.",
        JobState::Completed => "A job appears here when it completes, unless it is removed on completion.",
        JobState::Failed => {
            "A job appears here when its last attempt fails, unless it is removed on failure."
        }
        JobState::WaitingChildren => "A job appears here while it waits for its children.",
        _ => "Nothing is listed under this state.",
    }
}

/// What the time of a row in the list is about.
pub(super) const fn time_heading(state: JobState) -> &'static str {
    match state {
        JobState::Delayed => "Due",
        JobState::Active => "Started",
        JobState::Completed | JobState::Failed => "Finished",
        _ => "Added",
    }
}
