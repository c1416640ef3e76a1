//! Processes, one store, and whatever may happen between them, in an order that a seed decides.
//!
//! Each process is a runtime of its own whose time stands still: it runs when the schedule lets it, and dies by being
//! dropped. Between two moves of the network it may run or not, as a task that has an answer may be late.

use std::cell::Cell;
use std::sync::{Arc, Once};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::FutureExt as _;
use oxherd_engine::{Engine, Options};
use redis::aio::ConnectionLike as _;
use tokio::runtime::{Builder, Runtime};

use super::calls::{Desk, Read, Work};
use super::chance::Chance;
use super::counting::Counting;
use super::plan::Plan;
use super::stage::{Answers, Row, Stage};
use crate::breaker::Breaker;
use crate::cache::report::Reporter;
use crate::cache::value::Envelope;
use crate::cache::{CacheBuilder, Namespace};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::store::simulated::{Event, Network};
use crate::store::{
    CACHE_CLEAR, CACHE_CONCLUDE, CACHE_COUNT, CACHE_FILL, CACHE_INCREMENT, CACHE_INTEND, CACHE_INVALIDATE,
    CACHE_LEASE, CACHE_RELEASE, CACHE_REMOVE, CACHE_RENEW, CACHE_REPORT, CACHE_SET, CACHE_TOUCH, Script,
    Store,
};

/// More moves than any schedule needs.
const MOVES: usize = 700;
/// How long everything may take to end when nothing fails any more, in steps of [`PATIENCE`].
const LAST_STEPS: usize = 400;
const PATIENCE: Duration = Duration::from_millis(150);

const SCRIPTS: [&Script; 14] = [
    &CACHE_CLEAR,
    &CACHE_CONCLUDE,
    &CACHE_COUNT,
    &CACHE_FILL,
    &CACHE_INCREMENT,
    &CACHE_INTEND,
    &CACHE_INVALIDATE,
    &CACHE_LEASE,
    &CACHE_RELEASE,
    &CACHE_REMOVE,
    &CACHE_RENEW,
    &CACHE_REPORT,
    &CACHE_SET,
    &CACHE_TOUCH,
];

/// What stays the same from one schedule to the next.
pub(super) struct Theatre {
    engine: Engine,
    hands: oxherd_engine::ManualClock,
    now: u64,
    direct: oxherd_engine::Connection,
    /// Scripts that are other ones: a mistake on purpose.
    replaced: Vec<(String, String)>,
}

/// What became of a schedule.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) wrong: Option<String>,
    pub(super) trace: Vec<String>,
    pub(super) moves: usize,
    pub(super) answers: Answers,
}

struct Process {
    number: usize,
    runtime: Runtime,
    desk: Desk,
    hands: ManualClock,
    /// Whether it may have something to do.
    is_due: bool,
}

struct World<'a> {
    theatre: &'a mut Theatre,
    seed: u64,
    stage: Arc<Stage>,
    network: Network,
    chance: Chance,
    processes: Vec<Process>,
    made: usize,
    moves: usize,
}

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
    PANICS.set(0);
}

impl Theatre {
    pub(super) fn new() -> Self {
        let now = 1_700_000_000_000;
        let (clock, hands) = oxherd_engine::Clock::manual(UNIX_EPOCH + Duration::from_millis(now));
        let engine = Options::default().clock(clock).seed(1).start();
        let direct = engine.connect();
        let mut theatre = Self {
            engine,
            hands,
            now,
            direct,
            replaced: Vec::new(),
        };
        // Known from the start, or the first schedules would be others than the same ones played again.
        for script in SCRIPTS {
            theatre.ask(redis::cmd("SCRIPT").arg("LOAD").arg(script.text().1));
        }
        theatre
    }

    /// From now on a script does something else: `change` is made to its text.
    pub(super) fn spoil(&mut self, script: &Script, change: impl FnOnce(&str) -> String) {
        let (sha, text) = script.text();
        let spoilt = change(text);
        assert_ne!(spoilt, text, "nothing was changed");
        let mut load = redis::cmd("SCRIPT");
        let other = self.ask(load.arg("LOAD").arg(spoilt));
        self.replaced
            .push((sha.to_owned(), redis::from_redis_value(other).unwrap()));
    }

    fn ask(&mut self, cmd: &redis::Cmd) -> redis::Value {
        let answer = tokio::task::coop::unconstrained(self.direct.req_packed_command(cmd)).now_or_never();
        answer
            .expect("the engine answers at once")
            .expect("the engine answers")
    }

    /// Plays the schedule of a seed.
    pub(super) fn play(&mut self, seed: u64, is_traced: bool) -> Outcome {
        count_panics();
        self.ask(redis::cmd("FLUSHALL").arg("SYNC"));
        let mut chance = Chance::new(seed);
        let plan = Plan::draw(&mut chance);
        let network = Network::with_channel(&self.engine, plan.turns, plan.channel);
        for (called, executed) in &self.replaced {
            network.replace_script(called, executed);
        }
        let stage = Stage::new(network.clone(), plan, is_traced);
        stage.note(|| format!("seed {seed}: {:?}", stage.plan));
        let mut world = World {
            theatre: self,
            seed,
            stage,
            network,
            chance,
            processes: Vec::new(),
            made: 0,
            moves: 0,
        };
        for _ in 0..world.stage.plan.processes {
            world.begin_process();
        }
        world.run();
        world.end();
        let moves = world.moves;
        let stage = Arc::clone(&world.stage);
        drop(world);
        let mut book = stage.book();
        if PANICS.get() > 0 {
            book.wrong("something panicked".to_owned());
        }
        Outcome {
            wrong: book.wrongs.first().cloned(),
            trace: book.trace.take().unwrap_or_default(),
            moves,
            answers: book.answers,
        }
    }
}

impl World<'_> {
    fn begin_process(&mut self) {
        let number = self.made;
        self.made += 1;
        let plan = &self.stage.plan;
        // A new one each time: where timers lie depends on how long a runtime has been there.
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O");
        let skew = plan.skew.as_millis() as u64 * (number % 3) as u64;
        let (clock, hands) = Clock::manual(Timestamp::from_millis(self.theatre.now + skew));
        let breaker = Breaker::builder("simulated")
            .clock(clock.clone())
            .minimum_calls(plan.breaker_after)
            .jitter(0.0)
            .build()
            .expect("a breaker");
        let store = Store::simulated(&self.network, number);
        let cache = CacheBuilder::new(store.clone(), clock.clone())
            .local_bytes(1 << 18)
            .seed(self.seed << 8 | number as u64)
            .breaker(breaker)
            .open_unchecked();
        let rows = cache
            .namespace::<u64, Row>("rows")
            .level(plan.level)
            .tiers(plan.tiers)
            .freshness(plan.freshness());
        let mut rows = rows.lease_term(plan.lease_term).lock_wait(plan.lock_wait);
        if plan.soft_timeout {
            rows = rows.soft_timeout(Duration::from_millis(100));
        }
        if plan.is_version_of {
            rows = rows.version_of(|row| row.version);
        }
        let rows: Namespace<u64, Row> = rows.open().expect("a namespace");
        let counts = (plan.counts > 0).then(|| {
            let counts = cache.namespace::<u64, i64>("counts").tiers(plan.tiers);
            let counts = counts.freshness(plan.counting_freshness());
            counts.open().expect("a namespace")
        });
        if !plan.reports {
            let _inside = runtime.enter();
            let nothing = || Reporter::new(store, clock.clone()).start(|| None);
            rows.site.shared.reporting.get_or_init(nothing);
        }
        let tenant = rows.tenant("a").expect("a tenant");
        let desk = Desk {
            stage: Arc::clone(&self.stage),
            process: number,
            clock,
            rows: vec![rows, tenant],
            counts,
        };
        self.stage.book().begin_process(number);
        self.stage.note(|| format!("process {number} begins"));
        self.processes.push(Process {
            number,
            runtime,
            desk,
            hands,
            is_due: false,
        });
    }

    /// Until everything was begun, and a while beyond.
    fn run(&mut self) {
        let mut calls = self.stage.plan.calls;
        for _ in 0..MOVES {
            self.stage.book().step += 1;
            self.moves += 1;
            if !self.stage.book().wrongs.is_empty() {
                return;
            }
            if self.misfortune() {
                continue;
            }
            let due = self.processes.iter().filter(|process| process.is_due).count();
            let gates = self.stage.gates();
            let mut pending = self.network.pending();
            if !self.chance.percent(self.stage.plan.catches_up) {
                pending.retain(|event| !matches!(event, Event::Resume { .. }));
            }
            let haste = self.stage.plan.haste;
            let plan = &self.stage.plan;
            let (run, gate, network) = (plan.run_weight, plan.gate_weight, plan.network_weight);
            let may_begin = due + gates + pending.len() == 0 || !self.chance.percent(plan.calm);
            let begin = if calls > 0 && may_begin {
                plan.begin_weight
            } else {
                0
            };
            let crowd = plan.crowd;
            let all = due * run + gates * gate + pending.len() * network + begin;
            if all == 0 && calls == 0 {
                return;
            }
            if self.chance.percent(haste) || all == 0 {
                let by = self.chance.pick(&[1, 20, 110, 350, 1_200]);
                self.pass(Duration::from_millis(by));
                continue;
            }
            let mut choice = self.chance.below(all);
            if choice < due * run {
                self.let_run(choice / run);
                continue;
            }
            choice -= due * run;
            if choice < gates * gate {
                self.open(choice / gate);
                continue;
            }
            choice -= gates * gate;
            if choice < pending.len() * network {
                self.network_moves(pending[choice / network]);
                continue;
            }
            calls -= 1;
            let work = Work::draw(&self.stage, &mut self.chance);
            let is_in_crowd = self.chance.percent(crowd);
            let process = if is_in_crowd {
                0
            } else {
                self.chance.below(self.processes.len())
            };
            self.begin_work(process, work);
        }
    }

    /// Whatever may go wrong; whether something did.
    fn misfortune(&mut self) -> bool {
        let plan = &self.stage.plan;
        let (faults, evictions, flushes, deaths) = (plan.faults, plan.evictions, plan.flushes, plan.deaths);
        let delays = plan.delays;
        if plan.way == super::plan::Way::Lagging && self.chance.percent(4) {
            let mut book = self.stage.book();
            book.replica = book.source;
            book.note(|| "the replica catches up");
        }
        if delays > 0 && self.chance.percent(delays) {
            let delays = self.network.delays();
            if !delays.is_empty() {
                let delay = self.chance.pick(&delays);
                self.network_moves(delay);
                return true;
            }
        }
        if faults > 0 && self.chance.percent(faults) {
            let faults = self.network.faults();
            if !faults.is_empty() {
                let fault = self.chance.pick(&faults);
                self.network_moves(fault);
                return true;
            }
        }
        if evictions > 0 && self.chance.percent(evictions) {
            self.evict();
            return true;
        }
        if flushes > 0 && self.chance.percent(flushes) {
            self.stage.note(|| "everything is flushed");
            self.stage.book().flushes += 1;
            self.stage.book().counters.forget();
            self.stage.fences_lost();
            self.theatre.ask(redis::cmd("FLUSHALL").arg("SYNC"));
            self.network.gather();
            return true;
        }
        if deaths > 0 && self.chance.percent(deaths) {
            let which = self.chance.below(self.processes.len());
            self.die(which);
            self.begin_process();
            return true;
        }
        false
    }

    /// Removes a key as a store that is full does. Announcements do not count among what may be lost, and what is reported says nothing of
    /// what may be read.
    fn evict(&mut self) {
        let keys: Vec<String> =
            redis::from_redis_value(self.theatre.ask(redis::cmd("KEYS").arg("*"))).unwrap();
        let kind = self.stage.plan.evicted;
        let spared = ["}:w:", "{all}:", "}:p:", "}:c"];
        let may_go = |key: &String| {
            !spared.iter().any(|kind| key.contains(kind)) && kind.is_none_or(|kind| key.contains(kind))
        };
        let mut keys: Vec<String> = keys.into_iter().filter(may_go).collect();
        if keys.is_empty() {
            return;
        }
        keys.sort_unstable();
        let key = keys.swap_remove(self.chance.below(keys.len()));
        self.stage.note(|| format!("{key} is evicted"));
        if key.contains("{counts@") {
            self.stage.book().counters.forget();
        }
        if key.contains("}:f:") {
            self.stage.fences_lost();
        }
        self.theatre.ask(redis::cmd("DEL").arg(key));
        self.network.gather();
    }

    fn die(&mut self, which: usize) {
        let process = self.processes.remove(which);
        let is_cut = self.chance.percent(50);
        self.stage
            .note(|| format!("process {} dies, cut: {is_cut}", process.number));
        drop(process.desk);
        drop(process.runtime);
        self.network.end_process(process.number, is_cut);
        self.stage.dead(process.number);
    }

    fn pass(&mut self, by: Duration) {
        self.stage.note(|| format!("{by:?} pass"));
        self.theatre.hands.advance(by);
        self.theatre.now += by.as_millis() as u64;
        self.theatre.engine.tick();
        self.network.gather();
        if self.stage.plan.counts_end {
            self.stage.book().counters.forget();
        }
        for process in &mut self.processes {
            process.hands.advance(by);
            process.runtime.block_on(tokio::time::advance(by));
            process.is_due = true;
        }
    }

    fn let_run(&mut self, which: usize) {
        let mut due = self.processes.iter_mut().filter(|process| process.is_due);
        let Some(process) = due.nth(which) else { return };
        process.is_due = false;
        self.stage.note(|| format!("process {} runs", process.number));
        process.runtime.block_on(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        });
        let has_post = self.network.is_late(process.number);
        self.stage.book().post(process.number, has_post);
    }

    fn open(&mut self, which: usize) {
        let process = self.stage.open(which);
        self.is_due(Some(process));
    }

    fn is_due(&mut self, number: Option<usize>) {
        for process in &mut self.processes {
            process.is_due |= Some(process.number) == number;
        }
    }

    fn begin_work(&mut self, which: usize, work: Work) {
        let process = &mut self.processes[which];
        process.runtime.spawn(process.desk.clone().work(work));
        process.is_due = true;
    }

    fn network_moves(&mut self, event: Event) {
        let of_connection = |connection| self.network.line_of(connection);
        let line = match event {
            Event::Deliver { connection }
            | Event::DeliverBeside { connection }
            | Event::DeliverLate { connection }
            | Event::TimeOut { connection } => of_connection(connection),
            Event::NeverSent { line } => Some(line),
            _ => None,
        };
        let process = match event {
            Event::Resume { late } => self.network.process_of_late(late),
            _ => line.and_then(|line| self.network.process_of(line)),
        };
        self.stage
            .note(|| format!("{event:?}: {}", self.network.describe(event)));
        if let Some(process) = process {
            self.stage.book().post(process, true);
        }
        self.network.play(event);
        if let Event::Execute { .. } = event {
            self.look();
        }
        self.is_due(process);
    }

    /// What the store has now: which loads were kept.
    fn look(&mut self) {
        let Some(process) = self.processes.first() else {
            return;
        };
        let stage = Arc::clone(&self.stage);
        let rows = process.desk.rows.clone();
        for rows in rows.iter().take(stage.plan.tenants) {
            for key in 0..stage.plan.keys {
                let space = &rows.site.space;
                let key = rows.key(&(key as u64)).unwrap();
                let entry = self
                    .theatre
                    .ask(redis::cmd("GET").arg(space.keys.entry(key.as_bytes())));
                let redis::Value::BulkString(entry) = entry else {
                    continue;
                };
                let Ok(envelope) = Envelope::parse(Bytes::from(entry)) else {
                    continue;
                };
                if let Ok(Some(row)) = envelope.decode::<Row>(&space.settings.packing, space.place(&key)) {
                    stage.kept(&row);
                }
            }
        }
    }

    /// Nothing fails any more: everything has to end. Then everything is read once more.
    fn end(&mut self) {
        self.drain();
        for which in 0..self.processes.len() {
            for tenant in 0..self.stage.plan.tenants {
                for key in 0..self.stage.plan.keys {
                    self.begin_work(which, Work::Read(Read::last((tenant, key))));
                }
            }
            for key in 0..self.stage.plan.keys {
                self.begin_work(which, Work::Count(key, Counting::Read));
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        let mut is_over = false;
        for _ in 0..LAST_STEPS {
            if !self.stage.book().wrongs.is_empty() {
                return;
            }
            loop {
                self.stage.book().step += 1;
                self.moves += 1;
                let due = self.processes.iter().filter(|process| process.is_due).count();
                let gates = self.stage.gates();
                let pending = self.network.pending();
                let all = due * 4 + gates + pending.len() * 2;
                if all == 0 {
                    break;
                }
                let mut choice = self.chance.below(all);
                if choice < due * 4 {
                    self.let_run(choice / 4);
                    continue;
                }
                choice -= due * 4;
                match choice.checked_sub(gates) {
                    None => self.open(choice),
                    Some(choice) => self.network_moves(pending[choice / 2]),
                }
            }
            let flights = |process: &Process| process.desk.rows[0].site.space.flights.len();
            is_over = self.stage.book().is_idle() && self.processes.iter().map(flights).sum::<usize>() == 0;
            if is_over {
                break;
            }
            self.pass(PATIENCE);
        }
        if !is_over {
            let open = self.stage.book().open_calls();
            self.stage.wrong(format!("not everything ended: {open:?}"));
        }
    }
}
