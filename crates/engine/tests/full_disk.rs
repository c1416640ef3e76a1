//! A disk that is full, and one that cannot be written: what was acknowledged is there, and what is refused says why.
//!
//! The child is this very test binary in a name space of its own, where a small disk in memory is mounted. Where that is
//! not allowed, its files may not grow beyond some size instead.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    reason = "tests"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use oxherd_engine::{Engine, ErrorKind, Fsync, Options};
use redis::aio::ConnectionLike as _;
use redis::{Cmd, Value};

const PLACE: &str = "OXHERD_FULL_DISK_PLACE";
const SCENE: &str = "OXHERD_FULL_DISK_SCENE";
const VALUE: usize = 10_000;
/// Mounts a disk of 2 MiB and goes on there.
const ON_A_SMALL_DISK: &str =
    r#"mount -t tmpfs -o size=2m tmpfs "$OXHERD_FULL_DISK_PLACE" && exec "$0" "$@""#;
/// Files may have 256 to 512 KiB, whatever unit this shell counts in; a write beyond that fails rather than kills.
const WITH_SMALL_FILES: &str = r#"trap '' XFSZ && ulimit -f 512 && exec "$0" "$@""#;

/// Not a test of its own: what the child does.
#[test]
fn the_child_plays_its_scene() {
    let (Some(place), Ok(scene)) = (std::env::var_os(PLACE), std::env::var(SCENE)) else {
        return;
    };
    let place = PathBuf::from(place);
    match scene.as_str() {
        "full disk" => {
            let ballast = place.join("ballast");
            std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
            for (fsync, name) in [
                (Fsync::Always, "always"),
                (Fsync::EverySecond, "everysec"),
                (Fsync::Never, "never"),
            ] {
                let store = place.join(name);
                let acknowledged = fill(&store, fsync, "No space left on device (os error 28)");
                std::fs::remove_file(&ballast).unwrap();
                check(&store, acknowledged);
                std::fs::remove_dir_all(&store).unwrap();
                std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
            }
        }
        "small files" => {
            let acknowledged = fill(&place, Fsync::Always, "File too large (os error 27)");
            println!("\nacknowledged {acknowledged}");
        }
        "read-only disk" => {
            drop(Options::default().open(place.join("store")).unwrap());
            let mut remount = Command::new("mount");
            // Of this mount alone, which the owner of a name space may do too.
            remount.args(["-o", "remount,bind,ro"]).arg(&place);
            assert!(remount.status().unwrap().success());
            refuse_unwritable(&place.join("store"), "Read-only file system (os error 30)");
            refuse_unwritable(&place.join("another"), "Read-only file system (os error 30)");
        }
        other => panic!("{other}"),
    }
    println!("\nplayed to its end");
}

fn ask(engine: &Engine, words: &[&[u8]]) -> Result<Value, String> {
    let mut command = Cmd::new();
    words.iter().for_each(|word| {
        command.arg(*word);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(engine.connect().req_packed_command(&command)) {
        Ok(Value::ServerError(refused)) => {
            Err(format!("{} {}", refused.code(), refused.details().unwrap_or("")))
        }
        other => Ok(other.unwrap()),
    }
}

/// Writes until a write is refused; answers how many were acknowledged as `fsync` promises it.
fn fill(store: &Path, fsync: Fsync, reason: &str) -> usize {
    let engine = Options::default().fsync(fsync).open(store).unwrap();
    let value = vec![b'v'; VALUE];
    let (mut written, mut acknowledged) = (0, 0);
    let refused = loop {
        assert!(written < 100_000, "the disk is never full");
        if let Err(refused) = ask(&engine, &[b"SET", format!("key:{written}").as_bytes(), &value]) {
            break refused;
        }
        written += 1;
        if fsync == Fsync::Always || written % 10 == 0 && engine.flush().is_ok() {
            acknowledged = written;
        }
    };
    assert!(acknowledged > 10, "{acknowledged}");
    assert!(refused.starts_with("MISCONF The journal failed"), "{refused}");
    // The one that was under way is only told that it is lost; from then on the reason is named.
    let refused = ask(&engine, &[b"SET", b"refused", b"1"]).unwrap_err();
    assert!(
        refused.starts_with("MISCONF The journal failed (cannot write to log-") && refused.contains(reason),
        "{refused}"
    );
    let error = engine.journal().unwrap().error.unwrap();
    assert!(error.contains(reason), "{error}");
    while engine.journal().unwrap().is_loading {
        std::thread::yield_now();
    }
    hold(&engine, acknowledged);
    acknowledged
}

/// Whether every acknowledged value is there.
fn hold(engine: &Engine, acknowledged: usize) {
    for key in 0..acknowledged {
        let read = ask(engine, &[b"STRLEN", format!("key:{key}").as_bytes()]);
        let length = i64::try_from(VALUE).unwrap();
        assert_eq!(read, Ok(Value::Int(length)), "{key} of {acknowledged}");
    }
    assert_eq!(ask(engine, &[b"EXISTS", b"refused"]), Ok(Value::Int(0)));
}

/// Starts again where there is room.
fn check(store: &Path, acknowledged: usize) {
    let engine = Options::default().open(store).unwrap();
    hold(&engine, acknowledged);
    assert_eq!(engine.journal().unwrap().error, None);
    assert_eq!(ask(&engine, &[b"SET", b"new", b"1"]), Ok(Value::Okay));
}

fn refuse_unwritable(store: &Path, reason: &str) {
    let refused = Options::default().open(store).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Storage);
    let text = refused.to_string();
    let names_it = text.contains(store.to_str().unwrap());
    let source = std::error::Error::source(&refused).map(ToString::to_string);
    assert!(
        names_it && format!("{text} {source:?}").contains(reason),
        "{text}"
    );
}

/// This test binary, begun by a shell that does something before.
fn play(shell: &mut Command, before: &str, place: &Path, scene: &str) -> Output {
    shell
        .args(["sh", "-c", before])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_plays_its_scene", "--nocapture"])
        .env(PLACE, place)
        .env(SCENE, scene)
        .output()
        .unwrap()
}

#[track_caller]
fn text_of(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && out.contains("played to its end"),
        "{out}\n{errors}"
    );
    out
}

/// Plays a scene on a small disk; false where nobody may mount one.
fn on_a_small_disk(scene: &str) -> bool {
    let place = tempfile::tempdir().unwrap();
    for flags in ["-rm", "-m"] {
        let mut probe = Command::new("unshare");
        probe
            .args([flags, "mount", "-t", "tmpfs", "tmpfs"])
            .arg(place.path());
        if !probe.output().is_ok_and(|tried| tried.status.success()) {
            continue;
        }
        let output = play(
            Command::new("unshare").arg(flags),
            ON_A_SMALL_DISK,
            place.path(),
            scene,
        );
        text_of(&output);
        return true;
    }
    eprintln!("nobody may mount a disk here, so another limit stands in for it");
    false
}

#[test]
fn a_full_disk_costs_nothing_that_was_acknowledged() {
    if on_a_small_disk("full disk") {
        return;
    }
    files_that_may_not_grow();
}

#[test]
fn a_file_that_may_not_grow_is_as_good_as_a_full_disk() {
    files_that_may_not_grow();
}

fn files_that_may_not_grow() {
    let place = tempfile::tempdir().unwrap();
    let store = place.path().join("store");
    let text = text_of(&play(
        &mut Command::new("env"),
        WITH_SMALL_FILES,
        &store,
        "small files",
    ));
    let acknowledged = text.lines().find_map(|line| line.strip_prefix("acknowledged "));
    check(&store, acknowledged.unwrap().parse().unwrap());
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_with_its_reason() {
    if on_a_small_disk("read-only disk") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let permit = |mode| std::fs::set_permissions(place.path(), PermissionsExt::from_mode(mode)).unwrap();
    permit(0o500);
    if std::fs::write(place.path().join("probe"), b"").is_ok() {
        eprintln!("this user may write everywhere, so there is nothing to refuse");
        return;
    }
    refuse_unwritable(&place.path().join("store"), "Permission denied (os error 13)");
    permit(0o700);
}
