//! Where things are: the addresses that pages link to.

use std::fmt::Write as _;

use oxherd::JobState;

/// A queue's page.
pub(super) fn queue(name: &str) -> String {
    format!("/queues/{}", segment(name))
}

/// A page of a queue's jobs in one state.
pub(super) fn jobs(queue_name: &str, state: JobState, page: u64) -> String {
    let first = format!("{}?state={state}", queue(queue_name));
    if page > 1 {
        format!("{first}&page={page}")
    } else {
        first
    }
}

/// A job's page.
pub(super) fn job(queue_name: &str, id: &str) -> String {
    format!("{}/jobs/{}", queue(queue_name), segment(id))
}

/// What happens to a job, as server-sent events.
pub(super) fn job_events(queue_name: &str, id: &str) -> String {
    format!("/api/v1{}/events", job(queue_name, id))
}

/// An address within this server, as a form may ask to be sent to; anything else becomes `/`.
pub(super) fn own(wanted: &str) -> &str {
    // Browsers take `//host` and `/\host` for another server, and drop tabs and line breaks before they look.
    let is_own = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && !wanted.contains('\\')
        && !wanted.contains(char::is_control);
    if is_own { wanted } else { "/" }
}

/// One segment of a path, with everything escaped that means something in an address.
fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.' | b':' | b'@') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use oxherd::JobState;

    use super::*;

    #[test]
    fn names_of_any_form_fit_into_an_address() {
        assert_eq!(job("mail", "a:b:7"), "/queues/mail/jobs/a:b:7");
        assert_eq!(
            job("a/b ü", "x?#%\"<"),
            "/queues/a%2Fb%20%C3%BC/jobs/x%3F%23%25%22%3C"
        );
        assert_eq!(
            jobs("mail", JobState::WaitingChildren, 1),
            "/queues/mail?state=waiting-children"
        );
        assert_eq!(
            jobs("mail", JobState::Failed, 3),
            "/queues/mail?state=failed&page=3"
        );
    }

    #[test]
    fn only_this_server_is_a_place_to_go_back_to() {
        assert_eq!(own("/queues/a?state=failed"), "/queues/a?state=failed");
        for foreign in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "x",
        ] {
            assert_eq!(own(foreign), "/", "{foreign:?}");
        }
    }
}
