//! How long commands take on an engine that keeps its data in a directory.
//!
//! *sync*: what the disk itself needs, an append of 400 bytes and a sync of its data, as a yardstick for *commit*: a SET
//! with `Fsync::Always`, by one task and by a hundred at once. *image*: GET and SET one after the other while nothing else
//! happens, and again while an image of everything is written, with each policy; what commands wait for the
//! disk belongs to the times of `always`.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oxherd_engine::{Connection, Engine, Fsync, Options};
use tokio::task::JoinSet;

use super::{Outcome, key, set};

const SYNCS: usize = 2_000;
const COMMITS: usize = 5_000;
const COMMITS_OF_MANY: usize = 1_000;
const MANY: u64 = 100;
/// Fields of the hashes that fill the engine, so that a key is as large as a small job.
const FIELDS: [(&str, &str); 5] = [
    ("name", "welcome"),
    ("data", r#"{"i":123456,"to":"a@b.c","subject":"hello"}"#),
    ("opts", r#"{"attempts":0}"#),
    ("timestamp", "1790000000000"),
    ("priority", "0"),
];

/// Prints what the disk and the engine need in this directory.
pub(crate) async fn run(directory: &Path, keys: u64) -> Outcome {
    std::fs::create_dir(directory)?;
    tell(
        "sync",
        "disk",
        "append 400 bytes",
        sync(&directory.join("yardstick"))?,
    );
    commit(&directory.join("commit")).await?;
    for (name, fsync) in [
        ("never", Fsync::Never),
        ("everysec", Fsync::EverySecond),
        ("always", Fsync::Always),
    ] {
        image(&directory.join(name), name, fsync, keys).await?;
    }
    Ok(())
}

fn sync(path: &Path) -> Outcome<Vec<Duration>> {
    let mut file = File::create_new(path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[7; 400])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    Ok(times)
}

async fn commit(directory: &Path) -> Outcome {
    let engine = Options::default().fsync(Fsync::Always).open(directory)?;
    let mut times = Vec::with_capacity(COMMITS);
    let mut connection = engine.connect();
    for number in 0..COMMITS as u64 {
        times.push(timed_set(&mut connection, number).await?);
    }
    tell("commit", "always", "SET, 1 task", times);
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for task in 0..MANY {
        let mut connection = engine.connect();
        tasks.spawn(async move {
            let mut times = Vec::with_capacity(COMMITS_OF_MANY);
            for number in 0..COMMITS_OF_MANY as u64 {
                times.push(timed_set(&mut connection, number * MANY + task).await?);
            }
            Outcome::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(ended??);
    }
    let per_second = times.len() as f64 / began.elapsed().as_secs_f64();
    println!(
        r#"{{"bench":"commits","fsync":"always","what":"SET, {MANY} tasks","per_second":{per_second:.0}}}"#
    );
    tell("commit", "always", "SET, 100 tasks", times);
    Ok(())
}

async fn timed_set(connection: &mut Connection, number: u64) -> Outcome<Duration> {
    let began = Instant::now();
    set(connection, number).await?;
    Ok(began.elapsed())
}

async fn image(directory: &Path, policy: &str, fsync: Fsync, keys: u64) -> Outcome {
    // Filled without waiting for the disk, and opened anew as asked for.
    let engine = Options::default().fsync(Fsync::Never).open(directory)?;
    fill(&mut engine.connect(), keys).await?;
    // The first may only wait for an image that began while it was filled.
    engine.compact()?;
    engine.compact()?;
    drop(engine);
    let engine = Options::default().fsync(fsync).open(directory)?;
    let is_over = Arc::new(AtomicBool::new(false));
    let pause = Arc::clone(&is_over);
    let rest = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(3));
        pause.store(true, Ordering::Release);
    });
    let (gets, sets) = ask_until(&engine, keys, &is_over).await?;
    rest.join().map_err(|_| "the clock's thread panicked")?;
    tell("quiet", policy, "GET", gets);
    tell("quiet", policy, "SET", sets);
    let is_over = Arc::new(AtomicBool::new(false));
    let (ended, imaged) = (Arc::clone(&is_over), engine.clone());
    let began = Instant::now();
    let taking = std::thread::spawn(move || {
        let taken = imaged.compact();
        ended.store(true, Ordering::Release);
        taken
    });
    let (gets, sets) = ask_until(&engine, keys, &is_over).await?;
    taking.join().map_err(|_| "the image's thread panicked")??;
    println!(
        r#"{{"bench":"image","fsync":"{policy}","what":"of {keys} hashes","seconds":{:.2}}}"#,
        began.elapsed().as_secs_f64()
    );
    tell("image", policy, "GET", gets);
    tell("image", policy, "SET", sets);
    Ok(())
}

async fn fill(connection: &mut Connection, keys: u64) -> Outcome {
    for first in (0..keys).step_by(1_000) {
        let mut pipeline = redis::pipe();
        for number in first..keys.min(first + 1_000) {
            pipeline.hset_multiple(&job(number)[..], &FIELDS).ignore();
        }
        pipeline.exec_async(connection).await?;
    }
    Ok(())
}

/// Where the keys of `fill` lie; `set` writes beside them.
fn job(number: u64) -> [u8; 16] {
    let mut name = key(number);
    name[..4].copy_from_slice(b"job:");
    name
}

/// The times of reads and writes in turn, in no order of keys.
async fn ask_until(
    engine: &Engine,
    keys: u64,
    is_over: &AtomicBool,
) -> Outcome<(Vec<Duration>, Vec<Duration>)> {
    let mut connection = engine.connect();
    let mut random = fastrand::Rng::new();
    let (mut gets, mut sets) = (Vec::new(), Vec::new());
    while !is_over.load(Ordering::Acquire) {
        let began = Instant::now();
        let name: String = redis::cmd("HGET")
            .arg(&job(random.u64(..keys))[..])
            .arg("name")
            .query_async(&mut connection)
            .await?;
        gets.push(began.elapsed());
        assert_eq!(name, "welcome");
        sets.push(timed_set(&mut connection, random.u64(..keys)).await?);
    }
    Ok((gets, sets))
}

fn tell(bench: &str, fsync: &str, what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let quantile = |share: f64| {
        let at = (times.len() as f64 * share) as usize;
        let time = times.get(at.min(times.len().saturating_sub(1)));
        time.map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    println!(
        r#"{{"bench":"{bench}","fsync":"{fsync}","what":"{what}","count":{},"p50_us":{:.1},"p99_us":{:.1},"p999_us":{:.1},"max_us":{:.1}}}"#,
        times.len(),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0),
    );
}
