use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use oxherd_testkit::{FaultProxy, RedisServer, eventually};
use redis::aio::ConnectionLike as _;
use redis::{Cmd, RedisResult, Value};

use super::{ChannelMode, Listener, Tracked};
use crate::store::{Connection, Store};

const PATIENCE: Duration = Duration::from_secs(20);

/// Writes down what it hears.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn has(&self, line: &str) -> bool {
        self.0.lock().unwrap().iter().any(|heard| heard == line)
    }

    async fn comes_to(&self, line: &str) {
        eventually(&format!("{line:?} is heard"), PATIENCE, async || self.has(line)).await;
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Listener for Diary {
    fn changed(&self, key: &[u8]) {
        self.add(format!("changed {}", text(key)));
    }

    fn flushed(&self) {
        self.add("flushed");
    }

    fn woken(&self, payload: &[u8]) {
        self.add(format!("woken {}", text(payload)));
    }

    fn announced(&self, payload: &[u8]) {
        self.add(format!("announced {}", text(payload)));
    }

    fn lost(&self) {
        self.add("lost");
    }

    fn live(&self, mode: ChannelMode) {
        self.add(format!("live {mode:?}"));
    }
}

/// A store, a cache's connection to it, and somebody else on the same store.
struct Scene {
    diary: Arc<Diary>,
    tracked: Tracked,
    other: Connection,
    server: Option<RedisServer>,
    stores: (Store, Store),
    _directory: Option<tempfile::TempDir>,
}

impl Scene {
    async fn on_redis() -> Self {
        Self::on_server(RedisServer::start().await).await
    }

    async fn on_valkey() -> Self {
        Self::on_server(RedisServer::start_valkey().await).await
    }

    async fn on_server(server: RedisServer) -> Self {
        let url = server.url();
        let stores = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
        Self::of(stores, Some(server), None)
    }

    async fn in_memory() -> Self {
        let store = Store::open("memory:").await.unwrap();
        Self::of((store.clone(), store), None, None)
    }

    async fn on_disk() -> Self {
        let (first, second, directory) = Self::a_directory().await;
        Self::of((first, second), None, Some(directory))
    }

    /// As a process that is let into a directory by the one that holds it.
    async fn through_a_socket() -> Self {
        let (first, second, directory) = Self::a_directory().await;
        Self::of((second, first), None, Some(directory))
    }

    async fn a_directory() -> (Store, Store, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("embedded:{}", directory.path().display());
        let first = Store::open(&url).await.unwrap();
        (first, Store::open(&url).await.unwrap(), directory)
    }

    fn of(stores: (Store, Store), server: Option<RedisServer>, directory: Option<tempfile::TempDir>) -> Self {
        let diary = Arc::<Diary>::default();
        Self {
            tracked: stores.0.tracked(Arc::<Diary>::clone(&diary)),
            other: stores.1.shared(),
            diary,
            server,
            stores,
            _directory: directory,
        }
    }

    async fn ask(&self, command: &str) -> Value {
        ask(&self.tracked.connection(), command).await.unwrap()
    }

    async fn other(&self, command: &str) -> Value {
        ask(&self.other, command).await.unwrap()
    }

    /// What was heard before the answer to one more request.
    async fn heard(&self) -> Vec<String> {
        self.ask("GET unrelated").await;
        self.diary.take()
    }
}

async fn ask(connection: &Connection, command: &str) -> RedisResult<Value> {
    let mut cmd = Cmd::new();
    cmd.arg(command.split_whitespace().collect::<Vec<_>>());
    connection.clone().req_packed_command(&cmd).await?.extract_error()
}

/// Writes one behaviour as a test on each store.
macro_rules! on_every_store {
    (async fn $name:ident($scene:ident: Scene) $body:block) => {
        on_every_store! { [on_redis, on_valkey, in_memory, on_disk, through_a_socket] async fn $name($scene: Scene) $body }
    };
    ([$($store:ident),*] async fn $name:ident($scene:ident: Scene) $body:block) => {
        mod $name {
            use super::*;

            async fn behaviour($scene: Scene) $body

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $store() {
                    behaviour(Scene::$store().await).await;
                }
            )*
        }
    };
}

on_every_store! {
    async fn what_others_change_is_heard_before_a_later_answer(scene: Scene) {
        assert_eq!(scene.tracked.mode(), None);
        scene.tracked.watch(&[b"x:", b"y:n"]).await.unwrap();
        assert_eq!(scene.tracked.mode(), Some(ChannelMode::Tracking));
        assert_eq!(scene.diary.take(), ["live Tracking"]);
        for round in 0..200 {
            scene.other(&format!("SET x:{round} 1")).await;
            assert_eq!(scene.heard().await, [format!("changed x:{round}")]);
        }
        scene.ask("SET x:own 1").await;
        scene.other("SET z 1").await;
        assert_eq!(scene.heard().await, [""; 0]);
        scene.other("DEL x:own").await;
        scene.other("SET y:n 1").await;
        assert_eq!(scene.heard().await, ["changed x:own", "changed y:n"]);
        scene.other("FLUSHALL").await;
        assert_eq!(scene.heard().await, ["flushed"]);
    }
}

on_every_store! {
    async fn more_can_be_watched_at_any_time(scene: Scene) {
        scene.tracked.watch(&[b"a:long"]).await.unwrap();
        let also = scene.tracked.watch(&[b"b:"]);
        let again = scene.tracked.watch(&[b"b:", b"b:c", b"a:long"]);
        let (also, again) = tokio::join!(also, again);
        also.and(again).unwrap();
        assert_eq!(scene.diary.take(), ["live Tracking"]);
        scene.other("MSET a:l 1 a:long 1 b:c 1").await;
        let mut heard = scene.heard().await;
        heard.sort();
        assert_eq!(heard, ["changed a:long", "changed b:c"]);
        // What stands in the way of a shorter one goes.
        scene.tracked.watch(&[b"a:"]).await.unwrap();
        scene.diary.take();
        scene.other("MSET a:l 2 a:long 2 b:c 2").await;
        let mut heard = scene.heard().await;
        heard.sort();
        assert_eq!(heard, ["changed a:l", "changed a:long", "changed b:c"]);
    }
}

on_every_store! {
    async fn wakes_are_heard_without_watching_anything(scene: Scene) {
        scene.ask("PING").await;
        scene.other("PUBLISH bull:cache:wake key").await;
        scene.other("PUBLISH bull:cache:changed not-needed").await;
        assert_eq!(scene.heard().await, ["live Tracking", "woken key"]);
    }
}

on_every_store! {
    async fn what_comes_while_nobody_asks_is_heard(scene: Scene) {
        scene.tracked.watch(&[b"x:"]).await.unwrap();
        scene.other("SET x:a 1").await;
        scene.diary.comes_to("changed x:a").await;
        scene.other("PUBLISH bull:cache:wake key").await;
        scene.diary.comes_to("woken key").await;
    }
}

on_every_store! {
    async fn a_caller_that_does_not_wait_is_heeded_too(scene: Scene) {
        scene.tracked.watch(&[b"x:"]).await.unwrap();
        for round in 0..20 {
            let prefix = format!("y:{round}:");
            let key = [prefix.as_bytes()];
            {
                let mut watching = std::pin::pin!(scene.tracked.watch(&key));
                let _ = (&mut watching).now_or_never();
            }
            scene.ask("GET unrelated").await;
            scene.diary.take();
            scene.other(&format!("SET {prefix} 1")).await;
            assert_eq!(scene.heard().await, [format!("changed {prefix}")]);
        }
    }
}

/// Does this on a runtime that ends with it.
async fn on_a_runtime_that_ends(work: impl Future<Output = ()> + Send + 'static) {
    let life = tokio::task::spawn_blocking(move || brief_runtime().block_on(work));
    life.await.unwrap();
}

fn brief_runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

on_every_store! {
    async fn the_end_of_the_runtime_it_is_on_is_a_loss(scene: Scene) {
        let tracked = scene.tracked.clone();
        on_a_runtime_that_ends(async move { tracked.watch(&[b"x:"]).await.unwrap() }).await;
        assert_eq!(scene.diary.take(), ["live Tracking", "lost"]);
        assert_eq!(scene.tracked.mode(), None);
        scene.other("SET x:a 1").await;
        assert_eq!(scene.heard().await, ["live Tracking"]);
        scene.other("SET x:a 2").await;
        assert_eq!(scene.heard().await, ["changed x:a"]);
        scene.other("SET x:a 3").await;
        scene.diary.comes_to("changed x:a").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_runtime_of_the_second_connection_is_a_loss_too() {
    let scene = without("HELLO").await;
    let tracked = scene.tracked.clone();
    on_a_runtime_that_ends(async move { tracked.watch(&[b"x:"]).await.unwrap() }).await;
    assert_eq!(scene.diary.take(), ["live Announced", "lost"]);
    assert_eq!(scene.heard().await, ["live Announced"]);
    scene.other("PUBLISH bull:cache:changed x:a").await;
    scene.diary.comes_to("announced x:a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_that_end_with_their_runtime_begin_anew() {
    let scene = Scene::on_redis().await;
    // The other connection is on this runtime.
    scene.other("PING").await;
    let (tracked, other) = (scene.tracked.clone(), scene.other.clone());
    // Its tasks stand still from here on, but have not ended.
    let first = tokio::task::spawn_blocking(move || {
        let runtime = brief_runtime();
        runtime.block_on(async {
            tracked.watch(&[b"x:"]).await.unwrap();
            let id = ask(&tracked.connection(), "CLIENT ID").await.unwrap();
            let id: i64 = redis::from_redis_value(id).unwrap();
            ask(&other, &format!("CLIENT KILL ID {id}")).await.unwrap();
        });
        runtime
    });
    let first = first.await.unwrap();
    let quick = scene.tracked.connection().with_deadline(Duration::from_secs(1));
    while ask(&quick, "GET x:a").await.is_err() {}
    scene.diary.take();
    tokio::task::spawn_blocking(move || drop(first)).await.unwrap();
    assert_eq!(scene.diary.take(), ["lost"]);
    assert_eq!(scene.heard().await, ["live Tracking"]);
    // Nobody asks.
    let id: i64 = redis::from_redis_value(scene.ask("CLIENT ID").await).unwrap();
    scene.other(&format!("CLIENT KILL ID {id}")).await;
    scene.diary.comes_to("lost").await;
    scene.diary.comes_to("live Tracking").await;
}

/// The value of one key as somebody would keep it who believes what it hears.
#[derive(Default)]
struct Believer(Mutex<Belief>);

#[derive(Default)]
struct Belief {
    value: Option<u64>,
    /// Rises with everything that is heard.
    moment: u64,
}

impl Believer {
    fn doubt(&self) {
        let mut belief = self.0.lock().unwrap();
        belief.value = None;
        belief.moment += 1;
    }
}

impl Listener for Believer {
    fn changed(&self, _key: &[u8]) {
        self.doubt();
    }

    fn flushed(&self) {
        self.doubt();
    }

    fn woken(&self, _payload: &[u8]) {}

    fn announced(&self, _payload: &[u8]) {
        self.doubt();
    }

    fn lost(&self) {
        self.doubt();
    }

    fn live(&self, _mode: ChannelMode) {
        self.doubt();
    }
}

/// Reads and keeps while another one writes, and lets `disturb` do its worst; in the end nothing old is kept.
async fn nothing_old_is_kept(store: &Store, writer: &Store, disturb: impl AsyncFn(u64)) {
    let believer = Arc::<Believer>::default();
    let tracked = store.tracked(Arc::<Believer>::clone(&believer));
    // Those who come too late for one connection are served by the next.
    let _ = tracked.watch(&[b"x:"]).await;
    for round in 1..=300_u64 {
        let connection = tracked.connection().with_deadline(Duration::from_secs(2));
        let believing = Arc::clone(&believer);
        let reading = tokio::spawn(async move {
            for _ in 0..3 {
                let moment = believing.0.lock().unwrap().moment;
                let Ok(answer) = ask(&connection, "GET x:a").await else {
                    continue;
                };
                let mut belief = believing.0.lock().unwrap();
                if belief.moment == moment {
                    belief.value = redis::from_redis_value(answer).unwrap();
                }
            }
        });
        while ask(&writer.shared(), &format!("SET x:a {round}")).await.is_err() {}
        disturb(round).await;
        reading.await.unwrap();
        eventually("the old value is forgotten", PATIENCE, async || {
            let value = believer.0.lock().unwrap().value;
            value.is_none_or(|value| value == round)
        })
        .await;
    }
}

on_every_store! {
    async fn what_is_kept_of_an_answer_is_never_old(scene: Scene) {
        let (store, writer) = &scene.stores;
        nothing_old_is_kept(store, writer, async |_| {}).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_never_old_when_connections_are_cut() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = Store::open(&proxy.url()).await.unwrap();
    let writer = Store::open(&server.url()).await.unwrap();
    nothing_old_is_kept(&store, &writer, async |round| {
        if round % 7 == 0 {
            proxy.cut_all();
        }
        if round % 11 == 0 {
            proxy.lose_next_reply();
        }
    })
    .await;
    assert!(proxy.cuts() > 10);
}

async fn killed(scene: Scene) {
    scene.tracked.watch(&[b"x:"]).await.unwrap();
    for _ in 0..3 {
        let id: i64 = redis::from_redis_value(scene.ask("CLIENT ID").await).unwrap();
        scene.diary.take();
        scene.other(&format!("CLIENT KILL ID {id}")).await;
        scene.diary.comes_to("lost").await;
        // It comes back without being asked.
        scene.diary.comes_to("live Tracking").await;
        assert_eq!(scene.diary.take(), ["lost", "live Tracking"]);
        scene.ask("GET x:a").await;
        scene.other("SET x:a 1").await;
        scene.diary.comes_to("changed x:a").await;
    }
}

on_every_store! {
    [on_redis, on_valkey, through_a_socket]
    async fn a_connection_that_is_killed_comes_back_with_all_that_is_watched(scene: Scene) {
        killed(scene).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_is_heard_before_the_next_answer() {
    let scene = Scene::on_redis().await;
    scene.tracked.watch(&[b"x:"]).await.unwrap();
    for _ in 0..50 {
        let id: i64 = redis::from_redis_value(scene.ask("CLIENT ID").await).unwrap();
        scene.diary.take();
        scene.other(&format!("CLIENT KILL ID {id}")).await;
        while ask(&scene.tracked.connection(), "GET x:a").await.is_err() {}
        assert_eq!(scene.diary.take(), ["lost", "live Tracking"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_everything_is_noticed() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = Store::open(&proxy.url()).await.unwrap();
    let diary = Arc::<Diary>::default();
    let tracked = store.tracked(Arc::<Diary>::clone(&diary));
    tracked.watch(&[b"x:"]).await.unwrap();
    proxy.blackhole(true);
    let deadline = Duration::from_millis(300);
    let quick = tracked.connection().with_deadline(deadline);
    let began = Instant::now();
    let error = ask(&quick, "GET x:a").await.unwrap_err();
    assert!(error.is_timeout() && !error.is_connection_refusal(), "{error}");
    assert!(began.elapsed() < deadline * 10);
    // The request was too short to tell; the ping is not.
    diary.comes_to("lost").await;
    assert_eq!(tracked.mode(), None);
    let error = ask(&quick, "GET x:a").await.unwrap_err();
    assert!(error.is_connection_refusal(), "{error}");
    assert_eq!(diary.take(), ["live Tracking", "lost"]);
    let error = tracked.watch(&[b"y:"]).await.unwrap_err();
    assert!(error.to_string().contains("watch for changes"), "{error}");
    proxy.blackhole(false);
    diary.comes_to("live Tracking").await;
    ask(&tracked.connection(), "GET x:a").await.unwrap();
    let other = Store::open(&server.url()).await.unwrap();
    // Also what was to be watched meanwhile.
    ask(&other.shared(), "MSET x:a 1 y:a 1").await.unwrap();
    diary.comes_to("changed x:a").await;
    diary.comes_to("changed y:a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wanted_while_a_connection_is_made_is_in_force_on_it() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let (store, other) = (
        Store::open(&proxy.url()).await.unwrap(),
        Store::open(&server.url()).await.unwrap().shared(),
    );
    let diary = Arc::<Diary>::default();
    let tracked = store.tracked(Arc::<Diary>::clone(&diary));
    tracked.watch(&[b"x:"]).await.unwrap();
    let is_tracking = async || {
        let clients = ask(&other, "INFO clients").await.unwrap();
        redis::from_redis_value::<String>(clients)
            .unwrap()
            .contains("tracking_clients:1")
    };
    // The server has heard what it is to track long before anybody may use the connection.
    proxy.delay(Duration::from_millis(250));
    proxy.cut_all();
    diary.comes_to("lost").await;
    eventually("the old connection is gone", PATIENCE, async || {
        !is_tracking().await
    })
    .await;
    let connection = tracked.connection();
    let asked = tokio::spawn(async move { ask(&connection, "GET x:a").await.is_ok() });
    eventually("the next one is tracked", PATIENCE, is_tracking).await;
    // Somebody who cannot wait that long.
    assert!(tracked.watch(&[b"y:"]).now_or_never().is_none());
    asked.await.unwrap();
    proxy.delay(Duration::ZERO);
    diary.comes_to("live Tracking").await;
    ask(&tracked.connection(), "GET x:a").await.unwrap();
    ask(&other, "SET y:a 1").await.unwrap();
    diary.comes_to("changed y:a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_deadline_does_not_cost_the_connection() {
    let scene = Scene::on_redis().await;
    scene.tracked.watch(&[b"x:"]).await.unwrap();
    scene.diary.take();
    let quick = scene
        .tracked
        .connection()
        .with_deadline(Duration::from_millis(50));
    let server = scene.server.as_ref().unwrap();
    server.freeze();
    let error = ask(&quick, "GET x:a").await.unwrap_err();
    server.thaw();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(scene.heard().await, [""; 0]);
}

async fn restarted(server: RedisServer) {
    let store = Store::open(&server.url()).await.unwrap();
    let diary = Arc::<Diary>::default();
    let tracked = store.tracked(Arc::<Diary>::clone(&diary));
    tracked.watch(&[b"x:"]).await.unwrap();
    for _ in 0..3 {
        diary.take();
        server.kill();
        diary.comes_to("lost").await;
        let quick = tracked.connection().with_deadline(Duration::from_millis(100));
        assert!(ask(&quick, "GET x:a").await.is_err());
        server.restart().await;
        ask(&tracked.connection(), "GET x:a").await.unwrap();
        assert_eq!(diary.take(), ["lost", "live Tracking"]);
        // The other connection has not noticed yet.
        while ask(&store.shared(), "SET x:a 1").await.is_err() {}
        diary.comes_to("changed x:a").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_restarted_is_heard_again() {
    restarted(RedisServer::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_valkey_that_is_restarted_is_heard_again() {
    restarted(RedisServer::start_valkey().await).await;
}

/// A server that lacks a command, as a proxy may.
async fn without(command: &str) -> Scene {
    let server = RedisServer::builder().config("rename-command", format!("{command} \"\""));
    Scene::on_server(server.start().await).await
}

async fn announced(scene: Scene) {
    scene.tracked.watch(&[b"x:"]).await.unwrap();
    assert_eq!(scene.diary.take(), ["live Announced"]);
    assert_eq!(scene.tracked.mode(), Some(ChannelMode::Announced));
    scene.tracked.watch(&[b"y:"]).await.unwrap();
    scene.other("SET x:a 1").await;
    scene.other("PUBLISH bull:cache:changed x:a").await;
    scene.diary.comes_to("announced x:a").await;
    scene.other("PUBLISH bull:cache:wake key").await;
    scene.diary.comes_to("woken key").await;
    assert_eq!(scene.diary.take(), ["announced x:a", "woken key"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_tracking_is_refused_changes_are_announced() {
    announced(without("CLIENT").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_resp3_is_refused_changes_are_announced_beside() {
    announced(without("HELLO").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_is_found_late_costs_one_connection() {
    let scene = without("CLIENT").await;
    scene.ask("PING").await;
    scene.tracked.watch(&[b"x:"]).await.unwrap();
    assert_eq!(scene.diary.take(), ["live Tracking", "lost", "live Announced"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_either_of_two_connections_is_a_loss() {
    let scene = without("HELLO").await;
    scene.tracked.watch(&[b"x:"]).await.unwrap();
    for kind in ["pubsub", "pubsub", "normal"] {
        scene.diary.take();
        // The other connections come back too.
        let _ = ask(&scene.other, &format!("CLIENT KILL TYPE {kind} SKIPME yes")).await;
        scene.diary.comes_to("lost").await;
        scene.diary.comes_to("live Announced").await;
        scene.ask("GET x:a").await;
        scene.other("PUBLISH bull:cache:changed x:a").await;
        scene.diary.comes_to("announced x:a").await;
        assert_eq!(scene.diary.take(), ["lost", "live Announced", "announced x:a"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outlives_the_last_handle() {
    let server = RedisServer::start().await;
    for command in ["CLIENT", "HELLO"].map(|command| format!("{command} \"\"")) {
        let without = RedisServer::builder()
            .config("rename-command", command)
            .start()
            .await;
        for server in [&server, &without] {
            let proxy = FaultProxy::start(server.addr()).await;
            let store = Store::open(&proxy.url()).await.unwrap();
            let diary = Arc::<Diary>::default();
            let tracked = store.tracked(Arc::<Diary>::clone(&diary));
            tracked.watch(&[b"x:"]).await.unwrap();
            assert!(proxy.open_connections() > 0);
            drop((tracked, store));
            eventually("the connections are closed", PATIENCE, async || {
                proxy.open_connections() == 0 && Arc::strong_count(&diary) == 1
            })
            .await;
        }
    }
    let store = Store::open("memory:").await.unwrap();
    let diary = Arc::<Diary>::default();
    let tracked = store.tracked(Arc::<Diary>::clone(&diary));
    tracked.watch(&[b"x:"]).await.unwrap();
    drop(tracked);
    eventually("the task has ended", PATIENCE, async || {
        Arc::strong_count(&diary) == 1
    })
    .await;
}
