//! INFO's section on persistence, and `Engine::journal`.

use super::super::Fsync;
use super::super::storage::crash::{Call, Fault};
use super::Stage;
use crate::testing::Session;

#[test]
fn an_engine_in_memory_says_that_it_keeps_nothing() {
    let session = Session::new();
    assert_eq!(session.engine().journal(), None);
    let text = format!("{:?}", session.ask("INFO persistence"));
    assert!(text.contains("aof_enabled:0"), "{text}");
    assert!(text.contains("aof_last_write_status:ok"), "{text}");
    assert!(!text.contains("oxherd_"), "{text}");
}

#[test]
fn an_engine_in_a_directory_says_how_much_it_keeps() {
    let mut stage = Stage::new(Fsync::EverySecond);
    let empty: u64 = stage.info("aof_current_size").parse().unwrap();
    stage.client.ask("SET key value");
    assert!(stage.flush());
    let fields = [
        ("loading", "0"),
        ("aof_enabled", "1"),
        ("aof_rewrite_in_progress", "0"),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_last_write_status", "ok"),
        ("aof_base_size", "0"),
        ("oxherd_fsync", "everysec"),
        ("oxherd_journal_error", ""),
        ("oxherd_journal_commits", "1"),
    ];
    for (name, value) in fields {
        assert_eq!(stage.info(name), value, "{name}");
    }
    let status = stage.engine().journal().unwrap();
    assert!(status.bytes_written > status.bytes_changed && status.bytes_changed > 10);
    // The record of the group, and the mark behind it.
    assert_eq!(status.log_bytes, empty + status.bytes_written + 32);
    assert!(status.sync_p50 <= status.sync_p99);

    stage.take_image().unwrap();
    let status = stage.engine().journal().unwrap();
    assert!(status.image_bytes > 48 && status.log_bytes == empty, "{status:?}");
    assert!(!status.is_taking_image && !status.has_image_failed);
}

#[test]
fn an_image_that_could_not_be_written_shows_until_one_can() {
    let mut stage = Stage::new(Fsync::Always);
    stage.client.ask("SET key value");
    // The second file that is made is the image.
    stage.machine.fail(Some(Call::Create), 1, Fault::NoSpace);
    stage.take_image().unwrap_err();
    assert_eq!(stage.info("aof_last_bgrewrite_status"), "err");
    assert_eq!(stage.info("aof_last_write_status"), "ok");
    stage.take_image().unwrap();
    assert_eq!(stage.info("aof_last_bgrewrite_status"), "ok");
}

#[test]
fn a_failure_is_shown_with_its_reason() {
    let mut stage = Stage::new(Fsync::Always);
    stage.client.ask("SET key value");
    stage.machine.fail(Some(Call::Write), 0, Fault::NoSpace);
    assert!(!stage.flush());
    assert_eq!(stage.info("aof_last_write_status"), "err");
    let reason = stage.info("oxherd_journal_error");
    assert!(
        reason.starts_with("cannot write to log-0000000000000000: "),
        "{reason}"
    );
    assert_eq!(stage.engine().journal().unwrap().error, Some(reason));
}
