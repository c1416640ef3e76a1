//! `oxherd store check | backup | restore | stats`: a store in a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::scene::{Ended, Scene};

const LOG: &str = "log-0000000000000000";

/// A scene whose store is a directory with a queue.
async fn filled() -> Scene {
    let scene = Scene::without_store();
    for number in 0..3 {
        let data = format!("{{\"n\":{number}}}");
        run(&scene, &["job", "add", "mail", "welcome", "--data", &data])
            .await
            .done();
    }
    scene
}

/// With the default store, which is a directory.
async fn run(scene: &Scene, arguments: &[&str]) -> Ended {
    let mut command = scene.command(arguments);
    command.env_remove("OXHERD_STORE");
    crate::scene::end(command).await
}

fn path(scene: &Scene, name: &str) -> PathBuf {
    scene.directory.path().join(name)
}

fn flip(file: &Path, byte: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[byte] ^= 4;
    fs::write(file, bytes).unwrap();
}

fn add_waiting(shown: &serde_json::Value) -> u64 {
    shown["waiting"].as_u64().unwrap()
}

async fn waiting(scene: &Scene, store: &str) -> u64 {
    let shown = run(
        scene,
        &["queue", "show", "mail", "--output", "json", "--store", store],
    )
    .await;
    add_waiting(&shown.json())
}

#[tokio::test]
async fn a_whole_directory_is_told_to_be_whole() {
    let scene = filled().await;
    let told = run(&scene, &["store", "check", "--output", "json"]).await.json();
    assert_eq!(
        (&told["is_whole"], &told["is_held"], &told["damage"]),
        (&json!(true), &json!(false), &json!(null))
    );
    assert_eq!(told["databases"][0]["hash"], 4);
    let files: Vec<&str> = told["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["lock", LOG, "oxherd.holder"]);
    let shown = run(&scene, &["store", "check", "oxherd-data"]).await.done();
    assert!(shown.contains("\nstate        whole\n"), "{shown}");
    assert!(shown.contains("\nkeys         8\n"), "{shown}");
}

#[tokio::test]
async fn a_damaged_directory_is_told_with_what_can_be_saved() {
    let scene = filled().await;
    let log = path(&scene, "oxherd-data").join(LOG);
    let middle = fs::read(&log).unwrap().len() / 2;
    flip(&log, middle);
    let told = run(&scene, &["store", "check"]).await;
    assert_eq!(told.code(), 1, "{told:?}");
    assert!(told.out.contains("\nstate        damaged\n"), "{told:?}");
    assert!(
        told.err.starts_with(&format!("error: {LOG} is damaged at byte ")),
        "{told:?}"
    );
    assert!(
        told.err.contains("oxherd store backup --salvage FILE"),
        "{told:?}"
    );

    let refused = run(&scene, &["store", "backup", "saved.oxb"]).await.failed(1);
    assert!(
        refused.contains("is damaged at byte") && refused.contains("--salvage"),
        "{refused}"
    );
    assert!(!path(&scene, "saved.oxb").exists() && !path(&scene, "saved.oxb.part").exists());
    let refused = run(&scene, &["status"]).await.failed(5);
    assert!(refused.contains("oxherd store check"), "{refused}");

    let saved = run(&scene, &["store", "backup", "--salvage", "saved.oxb"]).await;
    assert_eq!(saved.code(), 1, "{saved:?}");
    assert!(saved.err.contains("and no more\n  because: log-"), "{saved:?}");
    let restored = run(
        &scene,
        &["store", "restore", "saved.oxb", "--store", "embedded:new"],
    )
    .await;
    assert_eq!(restored.code(), 0, "{restored:?}");
    assert!(
        restored
            .err
            .starts_with("warning: this backup was taken of a damaged store"),
        "{restored:?}"
    );
    assert!((1..3).contains(&waiting(&scene, "embedded:new").await));
}

#[tokio::test]
async fn what_cannot_be_checked_is_refused() {
    let scene = Scene::without_store();
    let told = run(&scene, &["store", "check", "nowhere"]).await.failed(5);
    assert!(told.contains("cannot open the directory nowhere"), "{told}");
    fs::create_dir(path(&scene, "empty")).unwrap();
    let told = run(&scene, &["store", "check", "empty"]).await.failed(5);
    assert!(told.contains("there is no store in empty"), "{told}");
    for verb in [&["check"][..], &["backup", "file"], &["restore", "file"]] {
        for store in ["redis://127.0.0.1:1", "memory:"] {
            let told = run(&scene, &[&["store"], verb, &["--store", store]].concat())
                .await
                .failed(2);
            assert!(told.contains("is for a store in a directory"), "{told}");
        }
    }
    let told = run(
        &scene,
        &["store", "backup", "file", "--store", "redis://127.0.0.1:1"],
    )
    .await
    .failed(2);
    assert!(told.contains("oxherd store dump"), "{told}");
    assert!(!path(&scene, "oxherd-data").exists(), "nothing was made");
}

#[tokio::test]
async fn a_backup_is_taken_of_a_store_in_use_and_restored() {
    let scene = filled().await;
    let serving = scene.serve(&["--store", "embedded:oxherd-data"]).await;
    run(&scene, &["job", "add", "mail", "welcome"]).await.done();
    let told = run(&scene, &["store", "check", "--output", "json"]).await.json();
    assert_eq!(told["held_by"], serving.child.id().unwrap());
    let told = run(&scene, &["store", "backup", "day.oxb", "--output", "json"])
        .await
        .json();
    assert_eq!(
        (&told["file"], &told["missing"]),
        (&json!("day.oxb"), &json!(null))
    );
    let refused = run(&scene, &["store", "backup", "day.oxb"]).await.failed(4);
    assert!(
        refused.contains("day.oxb is there already") && refused.contains("--replace"),
        "{refused}"
    );
    run(&scene, &["store", "backup", "day.oxb", "--replace"])
        .await
        .done();
    let refused = run(&scene, &["store", "restore", "day.oxb"]).await.failed(4);
    assert!(refused.contains("oxherd-data holds a store already"), "{refused}");
    serving.signal("-TERM").await;
    serving.end().await;

    let told = run(
        &scene,
        &[
            "store",
            "restore",
            "day.oxb",
            "--store",
            "embedded:new",
            "--output",
            "json",
        ],
    );
    let told = told.await.json();
    assert_eq!((&told["keys"], &told["is_salvaged"]), (&json!(9), &json!(false)));
    assert_eq!(waiting(&scene, "embedded:new").await, 4);
    // What is left of a store whose data were removed is in nobody's way.
    for entry in fs::read_dir(path(&scene, "new")).unwrap() {
        let entry = entry.unwrap();
        if !["lock", "oxherd.holder"].contains(&entry.file_name().to_str().unwrap()) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    assert!(path(&scene, "new").join("oxherd.holder").exists());
    let again = ["store", "restore", "day.oxb", "--store", "embedded:new"];
    run(&scene, &again).await.done();
    assert_eq!(waiting(&scene, "embedded:new").await, 4);
    fs::create_dir(path(&scene, "used")).unwrap();
    fs::write(path(&scene, "used").join("letter.txt"), "dear all").unwrap();
    let refused = run(
        &scene,
        &["store", "restore", "day.oxb", "--store", "embedded:used"],
    )
    .await
    .failed(4);
    assert!(
        refused.contains("used is not empty: it holds letter.txt"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_backup_goes_through_a_pipe() {
    let scene = filled().await;
    let mut backup = scene.command(&["store", "backup", "-", "--quiet"]);
    let mut child = backup
        .env_remove("OXHERD_STORE")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out: Stdio = child.stdout.take().unwrap().try_into().unwrap();
    let mut restore = scene.command(&["store", "restore", "-", "--store", "embedded:new"]);
    let restored = crate::scene::end({
        restore.stdin(out);
        restore
    });
    restored.await.done();
    assert!(child.wait().await.unwrap().success());
    assert_eq!(waiting(&scene, "embedded:new").await, 3);
}

#[tokio::test]
async fn a_backup_that_is_none_is_refused_and_leaves_nothing() {
    let scene = filled().await;
    run(&scene, &["store", "backup", "day.oxb"]).await.done();
    let backup = path(&scene, "day.oxb");
    let whole = fs::read(&backup).unwrap();
    fs::write(&backup, &whole[..whole.len() - 1]).unwrap();
    let restore = ["store", "restore", "day.oxb", "--store", "embedded:new"];
    let told = run(&scene, &restore).await.failed(2);
    let end = whole.len() - 1;
    assert!(
        told.contains(&format!("the backup is damaged at byte {end}: it was cut off")),
        "{told}"
    );
    fs::write(&backup, &whole).unwrap();
    flip(&backup, whole.len() / 2);
    let told = run(&scene, &restore).await.failed(2);
    assert!(told.contains("a piece's checksum is wrong"), "{told}");
    // The same directory still takes a whole one.
    fs::write(&backup, &whole).unwrap();
    run(&scene, &restore).await.done();
    assert_eq!(waiting(&scene, "embedded:new").await, 3);
}

/// A store whose backup takes a while.
async fn large(scene: &Scene) {
    let mut lines = String::new();
    let value = "x".repeat(100_000);
    for number in 0..200 {
        lines += &format!("{{\"key\":\"key{number}\",\"type\":\"string\",\"value\":\"{value}\"}}\n");
    }
    lines += "{\"end\":200}\n";
    let load = ["store", "load", "--quiet", "--store", "embedded:oxherd-data"];
    scene.run_with_stdin(&load, &lines).await.done();
}

/// Kills a command after each of some times.
async fn kill(scene: &Scene, arguments: &[&str], mut look: impl FnMut()) {
    for pause in [1, 3, 6, 10, 15, 20, 30, 45, 60, 90, 130] {
        let mut command = scene.command(arguments);
        command
            .env_remove("OXHERD_STORE")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        // It may have ended before.
        drop(child.kill().await);
        child.wait().await.unwrap();
        look();
    }
}

#[tokio::test]
async fn a_backup_or_restore_that_is_killed_leaves_nothing_or_everything() {
    let scene = Scene::without_store();
    large(&scene).await;
    let backup = path(&scene, "day.oxb");
    let mut sizes = Vec::new();
    kill(&scene, &["store", "backup", "day.oxb", "--replace"], || {
        sizes.extend(backup.metadata().ok().map(|data| data.len()));
    })
    .await;
    run(&scene, &["store", "backup", "day.oxb", "--replace"])
        .await
        .done();
    let whole = backup.metadata().unwrap().len();
    assert!(sizes.iter().all(|size| *size == whole), "{sizes:?}, {whole}");
    assert!(!path(&scene, "day.oxb.part").exists());

    let new = path(&scene, "new");
    let mut ends = Vec::new();
    kill(
        &scene,
        &["store", "restore", "day.oxb", "--store", "embedded:new"],
        || {
            let is_there = new.join(LOG).exists();
            if is_there {
                assert_eq!(
                    fs::read(new.join(LOG)).unwrap(),
                    fs::read(path(&scene, "oxherd-data").join(LOG)).unwrap()
                );
                fs::remove_dir_all(&new).unwrap();
            }
            ends.push(is_there);
        },
    )
    .await;
    assert!(ends.contains(&false), "{ends:?}");
    if !new.join(LOG).exists() {
        run(
            &scene,
            &["store", "restore", "day.oxb", "--store", "embedded:new"],
        )
        .await
        .done();
    }
    let told = run(&scene, &["store", "check", "new", "--output", "json"])
        .await
        .json();
    assert_eq!((&told["is_whole"], &told["keys"]), (&json!(true), &json!(200)));
}

#[tokio::test]
async fn stats_tell_of_a_directory_what_is_in_it_and_how_much_is_log() {
    let scene = filled().await;
    let told = run(&scene, &["store", "stats", "--output", "json"]).await.json();
    assert_eq!(
        (&told["keys"], &told["looked_at"]["keys"]),
        (&json!(8), &json!(8))
    );
    assert_eq!(told["looked_at"]["by_prefix"][0]["name"], "bull:mail");
    assert_eq!(told["looked_at"]["is_all"], json!(true));
    let log = path(&scene, "oxherd-data").join(LOG).metadata().unwrap().len();
    assert!(told["journal"]["log_bytes"].as_u64().unwrap() <= log, "{told}");
    assert_eq!(
        (&told["journal"]["image_bytes"], &told["journal"]["enabled"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(told["directory"]["is_held"], json!(false));
    let some = run(&scene, &["store", "stats", "--keys", "2", "--output", "json"])
        .await
        .json();
    assert_eq!(
        (&some["looked_at"]["keys"], &some["looked_at"]["is_all"]),
        (&json!(2), &json!(false))
    );
    let shown = run(&scene, &["store", "stats"]).await.done();
    assert!(
        shown.contains("PREFIX     KEYS") && shown.contains("in 1 segment, read at the next start"),
        "{shown}"
    );
    let none = run(&scene, &["store", "stats", "--store", "embedded:nowhere"]).await;
    none.failed(5);
    assert!(!path(&scene, "nowhere").exists());
}

#[tokio::test]
async fn stats_tell_of_a_redis_what_it_says_of_itself() {
    let scene = Scene::start(oxherd_testkit::TestStore::on_redis().await);
    scene.run(&["job", "add", "mail", "welcome"]).await.done();
    let told = scene.run(&["store", "stats", "--output", "json"]).await.json();
    assert_eq!(
        (&told["directory"], &told["journal"]["enabled"]),
        (&json!(null), &json!(false))
    );
    assert_eq!(told["looked_at"]["by_prefix"][0]["name"], "bull:mail");
    assert!(told["memory"].as_u64().unwrap() > 0);
    let quick = scene
        .run(&["store", "stats", "--keys", "0", "--output", "json"])
        .await
        .json();
    assert_eq!(quick["looked_at"], json!(null));
    scene.run(&["store", "stats"]).await.done();
}

#[tokio::test]
async fn a_reader_who_goes_away_ends_a_backup_quietly() {
    let scene = Scene::without_store();
    large(&scene).await;
    let mut backup = scene.command(&["store", "backup", "-"]);
    backup
        .env_remove("OXHERD_STORE")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = backup.spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).await.unwrap();
    drop(out);
    let ended = child.wait_with_output().await.unwrap();
    assert_eq!(
        (ended.status.code(), ended.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
