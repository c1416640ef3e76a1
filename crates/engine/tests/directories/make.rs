//! How the directories of format 1 were made.

use std::fs;
use std::path::Path;

use oxherd_engine::Engine;

use super::{copy, options};

const LOG: &str = "log-0000000000000000";
const LOG_1: &str = "log-0000000000000001";
const IMAGE_1: &str = "image-0000000000000001";

/// All types, several databases, expiries far in the future, streams with groups.
const FIRST: &[&str] = &[
    "SET greeting hello",
    "SET expiring soon PXAT 32503680000000",
    "SETRANGE binary 5 \u{1}x\u{7f}",
    "RPUSH list a b c d e f",
    "HSET hash name value other 1.5 empty",
    "HSET big",
    "SADD set one two three",
    "SADD numbers 3 1 2",
    "ZADD scores 1.5 a -inf b inf c 0.1 d",
    "XADD events 5-1 name value",
    "XADD events 6-0 other field second 2",
    "XADD events 7-0 third 3",
    "XGROUP CREATE events readers 0",
    "XREADGROUP GROUP readers ann COUNT 2 STREAMS events >",
    "XACK events readers 5-1",
    "XGROUP CREATECONSUMER events readers bob",
    "XDEL events 7-0",
    "SET gone for-a-while",
    "DEL gone",
    "SELECT 5",
    "SET in-five yes",
    "ZADD later 9 x",
    "PEXPIREAT later 32503680000001",
    "RPUSH long",
    "SELECT 0",
    "SET moved 1",
    "RENAME moved renamed",
];

/// What comes behind an image.
const SECOND: &[&str] = &[
    "LPUSH list z",
    "LREM list 1 c",
    "HDEL hash other",
    "SREM set two",
    "ZINCRBY scores 0.25 a",
    "XADD events 8-0 fourth 4",
    "XREADGROUP GROUP readers bob COUNT 1 STREAMS events >",
    "XTRIM events MINID 6-0",
    "SELECT 9",
    "SET in-nine 9",
    "SWAPDB 5 9",
    "SELECT 0",
    "PERSIST expiring",
    "APPEND greeting ,-world",
];

/// Makes those that are not there.
pub(crate) async fn missing(fixtures: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let base = scratch.path();

    let log = base.join("log");
    work(&log, FIRST, false).await;
    put(fixtures, "1-log", &log, |_| {});

    let image = base.join("image");
    copy(&log, &image);
    work(&image, &[], true).await;
    work(&image, SECOND, false).await;
    put(fixtures, "1-image-and-log", &image, |_| {});

    // Segments without the images that began with them, as a process leaves them that could not write these.
    let segments = base.join("segments");
    copy(&log, &segments);
    fs::copy(image.join(LOG_1), segments.join(LOG_1)).unwrap();
    put(fixtures, "1-two-segments", &segments, |_| {});

    put(fixtures, "1-torn-tail", &image, |store| {
        let bytes = fs::read(store.join(LOG_1)).unwrap();
        fs::write(store.join(LOG_1), &bytes[..bytes.len() - 45]).unwrap();
    });
    put(fixtures, "1-flipped-bit-in-log", &image, |store| {
        flip(&store.join(LOG_1), 150);
    });
    put(fixtures, "1-flipped-bit-in-older-segment", &segments, |store| {
        flip(&store.join(LOG), 400);
    });
    put(fixtures, "1-flipped-bit-in-image", &image, |store| {
        flip(&store.join(IMAGE_1), 200);
    });
    put(fixtures, "1-missing-segment", &segments, |store| {
        fs::remove_file(store.join(LOG)).unwrap();
    });
    put(fixtures, "1-missing-newest-segment", &image, |store| {
        fs::remove_file(store.join(LOG_1)).unwrap();
    });
    put(fixtures, "1-half-an-image", &image, |store| {
        let bytes = fs::read(store.join(IMAGE_1)).unwrap();
        fs::write(
            store.join("image-0000000000000002.part"),
            &bytes[..bytes.len() / 2],
        )
        .unwrap();
    });
    put(fixtures, "1-empty-file", &image, |store| {
        fs::write(store.join(LOG_1), b"").unwrap();
    });
    put(fixtures, "1-foreign-file", &image, |store| {
        fs::write(store.join("notes.txt"), b"not of the engine\n").unwrap();
    });
    put(fixtures, "1-foreign-segment", &image, |store| {
        // Of another directory, under a name that fits.
        fs::copy(log.join(LOG), store.join("log-0000000000000002")).unwrap();
    });
    put(fixtures, "2-newer-format", &image, |store| {
        let mut bytes = fs::read(store.join(LOG_1)).unwrap();
        bytes[8] = 2;
        bytes[12..16].fill(0);
        let check = super::dump::checksum(&bytes[..48]);
        bytes[12..16].copy_from_slice(&check.to_le_bytes());
        fs::write(store.join(LOG_1), bytes).unwrap();
    });
}

/// Copies a directory to where a fixture belongs and does something to it.
fn put(fixtures: &Path, name: &str, from: &Path, spoil: impl FnOnce(&Path)) {
    let store = fixtures.join(name).join("store");
    if store.exists() {
        return;
    }
    copy(from, &store);
    // The lock is no data.
    fs::remove_file(store.join("lock")).unwrap();
    spoil(&store);
}

fn flip(file: &Path, byte: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[byte] ^= 4;
    fs::write(file, bytes).unwrap();
}

async fn work(store: &Path, commands: &[&str], then_image: bool) {
    let engine = options().open(store).unwrap();
    let mut connection = engine.connect();
    for line in commands {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        // Two that are too long to be written out.
        match *line {
            "HSET big" => {
                words
                    .extend((0..300).flat_map(|number| [format!("field{number}"), format!("value{number}")]));
            }
            "RPUSH long" => words.extend((0..200).map(|number| format!("item{number}"))),
            "HSET hash name value other 1.5 empty" => words.push(String::new()),
            _ => {}
        }
        let mut command = redis::cmd(&words[0]);
        command.arg(&words[1..]);
        command.exec_async(&mut connection).await.unwrap();
        flush(&engine);
    }
    if then_image {
        engine.compact().unwrap();
    }
}

fn flush(engine: &Engine) {
    engine.flush().unwrap();
}
