//! A process that is killed in the midst of its work, again and again, on one directory: what it had been told stays.
//!
//! The child is this very test binary. `OXHERD_KILLS` says how often it is killed (15): in turn at any moment, while it
//! reads the directory, and while it writes an image. The test counts what it has hit, and does not pass on a count of none.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "tests")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use oxherd_engine::{Engine, ErrorKind, Fsync, Options};
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
}

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
    /// The last count each of its tasks was told.
    told: HashMap<u64, u64>,
    /// In what it was, if that is known.
    hit: Option<Moment>,
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

/// Hears a child to its end.
fn hear(out: impl std::io::Read, tell: &Sender<Said>) -> Death {
    let mut told = HashMap::new();
    let mut last = None;
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        let said = match words.as_slice() {
            ["acknowledged", task, count] => {
                told.insert(task.parse().unwrap(), count.parse().unwrap());
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
    let hit = match last {
        Some(Said::Reading) => Some(Moment::Boot),
        Some(Said::ImageBegins) => Some(Moment::Image),
        _ => None,
    };
    Death { told, hit }
}

fn wait_for(wanted: Said, heard: &Receiver<Said>) {
    while heard.recv_timeout(PATIENCE).unwrap() != wanted {}
}

/// Kills a child at some moment.
fn live_and_die(directory: &Path, moment: Moment) -> Death {
    let mut child = start(directory);
    let out = child.stdout.take().unwrap();
    let (tell, heard) = channel();
    let hearing = std::thread::spawn(move || hear(out, &tell));
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
    }
    child.kill().unwrap();
    child.wait().unwrap();
    hearing.join().unwrap()
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

async fn check(directory: &Path, told: &HashMap<u64, u64>) {
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
    let kills = std::env::var("OXHERD_KILLS").map_or(15, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path()).await;
    let mut told = HashMap::new();
    let mut is_busy = false;
    let mut hits = HashMap::<Moment, u32>::new();
    for moment in [Moment::Image, Moment::Boot, Moment::Any]
        .into_iter()
        .cycle()
        .take(kills)
    {
        let death = live_and_die(directory.path(), moment);
        is_busy |= death.told.len() == TASKS as usize;
        if let Some(hit) = death.hit {
            *hits.entry(hit).or_default() += 1;
        }
        told.extend(death.told);
        check(directory.path(), &told).await;
    }
    let hit = |moment| hits.get(&moment).copied().unwrap_or(0);
    let (boot, image) = (hit(Moment::Boot), hit(Moment::Image));
    println!("{kills} kills: {boot} while it read the directory, {image} while it wrote an image");
    assert!(is_busy && boot > 0 && image > 0, "{boot} {image} {is_busy}");
}
