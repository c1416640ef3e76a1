//! A process that is killed in the midst of its work, again and again, on one directory: what it had been told stays.
//!
//! The child is this very test binary. `OXHERD_KILLS` says how often it is killed (20): in turn at any moment, while it
//! reads the directory, while it writes an image, and while the directory is backed up; such a backup holds what had been told
//! before it began. The test counts what it has hit, and does not pass on a count of none.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "tests")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oxherd_engine::{Backup, Engine, ErrorKind, Fsync, Options, restore_file};
use redis::RedisResult;

const DIRECTORY: &str = "OXHERD_KILL_DIRECTORY";
const TASKS: u64 = 8;
/// What there is beside, so that a start and an image take a while.
const VALUES: usize = 1_000;
const VALUE: usize = 8_000;
/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// When a child is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Moment {
    Any,
    /// While it reads the directory.
    Boot,
    /// While it writes an image.
    Image,
    /// While somebody else backs its directory up.
    Backup,
}

/// The last count that each task of a child was told.
type Told = HashMap<u64, u64>;

/// What a child says it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Reading,
    Working,
    ImageBegins,
    ImageStands,
}

/// What became of a child.
struct Death {
    told: Told,
    /// In what it was, if that is known.
    hit: Option<Moment>,
    /// What it had been told when a backup began.
    backed_up: Option<Told>,
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // The parent may have closed its end just before the kill.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Not a test of its own: what the child does.
#[test]
fn the_child_works_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let engine = open(Path::new(&directory));
    say("working");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let workers = (0..TASKS).map(|task| tokio::spawn(work(engine.clone(), task)));
        let workers: Vec<_> = workers.collect();
        let compacting = engine.clone();
        std::thread::spawn(move || {
            loop {
                say("image begins");
                compacting.compact().unwrap();
                say("image stands");
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        for worker in workers {
            worker.await.unwrap().unwrap();
        }
    });
}

/// The parent's engine may still be leaving: its own thread may have been the last to know it.
fn open(directory: &Path) -> Engine {
    let until = Instant::now() + PATIENCE;
    loop {
        let options = Options::default().on_boot(|_| say("reading"));
        match options.open(directory) {
            Err(error) if error.kind() == ErrorKind::DirectoryInUse && Instant::now() < until => {
                std::thread::yield_now();
            }
            opened => return opened.unwrap(),
        }
    }
}

/// Counts in two places at once, and says each count when it has been acknowledged.
async fn work(engine: Engine, task: u64) -> RedisResult<()> {
    let mut connection = engine.connect();
    let (count, entries) = (format!("count:{task}"), format!("entries:{task}"));
    loop {
        let (counted, _length): (u64, u64) = redis::pipe()
            .atomic()
            .incr(&count, 1)
            .rpush(&entries, "an entry of the list")
            .query_async(&mut connection)
            .await?;
        say(&format!("acknowledged {task} {counted}"));
    }
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_works_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Hears a child to its end; what it was in then, if that is known.
fn hear(out: impl std::io::Read, told: &Mutex<Told>, tell: &Sender<Said>) -> Option<Moment> {
    let mut last = None;
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        let said = match words.as_slice() {
            ["acknowledged", task, count] => {
                let (task, count) = (task.parse().unwrap(), count.parse().unwrap());
                told.lock().unwrap().insert(task, count);
                continue;
            }
            ["reading"] => Said::Reading,
            ["working"] => Said::Working,
            ["image", "begins"] => Said::ImageBegins,
            ["image", "stands"] => Said::ImageStands,
            _ => continue,
        };
        last = Some(said);
        // Whoever waited for it may have heard enough.
        let _ = tell.send(said);
    }
    match last {
        Some(Said::Reading) => Some(Moment::Boot),
        Some(Said::ImageBegins) => Some(Moment::Image),
        _ => None,
    }
}

fn wait_for(wanted: Said, heard: &Receiver<Said>) {
    while heard.recv_timeout(PATIENCE).unwrap() != wanted {}
}

/// Kills a child at some moment. A backup is written to this file.
fn live_and_die(directory: &Path, moment: Moment, backup: &Path) -> Death {
    let mut child = start(directory);
    let out = child.stdout.take().unwrap();
    let (tell, heard) = channel();
    let told = Arc::<Mutex<Told>>::default();
    let hearing = {
        let told = Arc::clone(&told);
        std::thread::spawn(move || hear(out, &told, &tell))
    };
    let mut backing_up = None;
    match moment {
        Moment::Any => std::thread::sleep(Duration::from_millis(fastrand::u64(1..150))),
        Moment::Boot => {
            // What is there may be few records: then it works by now.
            let mut left = fastrand::u32(1..10);
            while left > 0 && heard.recv_timeout(PATIENCE).unwrap() == Said::Reading {
                left -= 1;
            }
        }
        Moment::Image => {
            for _ in 0..fastrand::u32(1..4) {
                wait_for(Said::ImageBegins, &heard);
            }
            std::thread::sleep(Duration::from_micros(fastrand::u64(..8_000)));
        }
        Moment::Backup => {
            wait_for(Said::Working, &heard);
            std::thread::sleep(Duration::from_millis(fastrand::u64(1..60)));
            let before = told.lock().unwrap().clone();
            let writing = Backup::of(directory).replace(true);
            let backup = backup.to_owned();
            let thread = std::thread::spawn(move || writing.write_to_file(backup));
            backing_up = Some((before, thread));
            std::thread::sleep(Duration::from_micros(fastrand::u64(..20_000)));
        }
    }
    child.kill().unwrap();
    let is_backing_up = backing_up
        .as_ref()
        .is_some_and(|(_, thread)| !thread.is_finished());
    child.wait().unwrap();
    let hit = hearing.join().unwrap();
    let backed_up = backing_up.map(|(before, thread)| {
        thread.join().unwrap().unwrap();
        before
    });
    let told = told.lock().unwrap().clone();
    Death {
        told,
        hit: if is_backing_up { Some(Moment::Backup) } else { hit },
        backed_up,
    }
}

/// Something to read at each start.
async fn fill(directory: &Path) {
    let engine = Options::default().fsync(Fsync::Never).open(directory).unwrap();
    let mut connection = engine.connect();
    for number in 0..VALUES {
        let set = redis::cmd("SET")
            .arg(format!("value:{number}"))
            .arg(vec![b'v'; VALUE])
            .to_owned();
        set.query_async::<()>(&mut connection).await.unwrap();
    }
    engine.flush().unwrap();
}

async fn check(directory: &Path, told: &Told) {
    let engine = Options::default().open(directory).unwrap();
    let mut connection = engine.connect();
    for task in 0..TASKS {
        let (count, length): (Option<u64>, u64) = redis::pipe()
            .cmd("GET")
            .arg(format!("count:{task}"))
            .cmd("LLEN")
            .arg(format!("entries:{task}"))
            .query_async(&mut connection)
            .await
            .unwrap();
        let count = count.unwrap_or(0);
        let told = told.get(&task).copied().unwrap_or(0);
        assert!(count >= told, "task {task} was told {told}, {count} is there");
        assert_eq!(count, length, "task {task}: half a transaction");
    }
    let values = (0..VALUES).map(|number| format!("value:{number}"));
    let mut exists = redis::cmd("EXISTS");
    values.for_each(|value| {
        exists.arg(value);
    });
    let there: usize = exists.query_async(&mut connection).await.unwrap();
    assert_eq!(there, VALUES);
}

#[tokio::test]
async fn what_a_killed_process_was_told_is_there() {
    let kills = std::env::var("OXHERD_KILLS").map_or(20, |text| text.parse().unwrap());
    let (directory, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (backup, restored) = (beside.path().join("backup"), beside.path().join("restored"));
    fill(directory.path()).await;
    let mut told = Told::new();
    let mut is_busy = false;
    let mut hits = HashMap::<Moment, u32>::new();
    for moment in [Moment::Image, Moment::Boot, Moment::Backup, Moment::Any]
        .into_iter()
        .cycle()
        .take(kills)
    {
        let death = live_and_die(directory.path(), moment, &backup);
        is_busy |= death.told.len() == TASKS as usize;
        if let Some(hit) = death.hit {
            *hits.entry(hit).or_default() += 1;
        }
        if let Some(before) = death.backed_up {
            let before: Told = told.clone().into_iter().chain(before).collect();
            restore_file(&backup, &restored, |_| {}).unwrap();
            check(&restored, &before).await;
            std::fs::remove_dir_all(&restored).unwrap();
        }
        told.extend(death.told);
        check(directory.path(), &told).await;
    }
    let hit = |moment| hits.get(&moment).copied().unwrap_or(0);
    let (boot, image, backup) = (hit(Moment::Boot), hit(Moment::Image), hit(Moment::Backup));
    println!(
        "{kills} kills: {boot} while it read the directory, {image} while it wrote an image, {backup} while it was backed up"
    );
    assert!(
        is_busy && boot > 0 && image > 0 && backup > 0,
        "{boot} {image} {backup} {is_busy}"
    );
}
