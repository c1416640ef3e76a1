use std::sync::{Arc, Mutex};

use oxherd_engine::Engine;
use redis::aio::ConnectionLike;
use redis::{RedisResult, Value};

use super::{Channel, Event, Network, Turns};
use crate::store::tracked::{ChannelMode, Listener, Tracked};
use crate::store::{Connection, Store};

/// Writes down what it hears, and what tasks add to it.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
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

struct Stage {
    network: Network,
    diary: Arc<Diary>,
    /// Of process 1, which hears.
    tracked: Tracked,
    /// Of process 2, which does not.
    other: Connection,
}

/// A process that watches `x:` and one that changes things, both connected.
async fn stage(turns: Turns) -> Stage {
    stage_with(turns, Channel::Tracking).await
}

async fn stage_with(turns: Turns, channel: Channel) -> Stage {
    let network = Network::with_channel(&Engine::in_memory(), turns, channel);
    let diary = Arc::<Diary>::default();
    let tracked = Store::simulated(&network, 1).tracked(Arc::<Diary>::clone(&diary));
    let other = Store::simulated(&network, 2).shared();
    let stage = Stage {
        network,
        diary,
        tracked,
        other,
    };
    let watching = stage.tracked.clone();
    let watching = tokio::spawn(async move { watching.watch(&[b"x:"]).await });
    stage.play_on().await;
    watching.await.unwrap().unwrap();
    let greeting = ask(&stage.other, &["PING"]);
    stage.play_on().await;
    greeting.await.unwrap().unwrap();
    assert_eq!(stage.diary.lines(), [format!("live {:?}", channel.mode())]);
    stage
}

impl Stage {
    /// Everything, in the order it is listed.
    async fn play_on(&self) {
        self.network.settle().await;
        while self.network.step(0).is_some() {
            self.network.settle().await;
        }
    }

    /// Plays these and nothing else.
    async fn play(&self, events: &[Event]) {
        for event in events {
            let possible = [self.network.pending(), self.network.faults()].concat();
            assert!(possible.contains(event), "{event:?} cannot happen: {possible:?}");
            self.network.play(*event);
            self.network.settle().await;
        }
    }

    /// As [`ask`], with the answer in the diary.
    fn note(&self, connection: &Connection, words: &'static [&'static str]) {
        let (asked, diary) = (ask(connection, words), Arc::clone(&self.diary));
        tokio::spawn(async move {
            match asked.await.unwrap() {
                Ok(value) => diary.add(format!("{words:?}: {value:?}")),
                Err(error) => diary.add(format!("{words:?}: {}", error.kind_in_short())),
            }
        });
    }
}

trait InShort {
    fn kind_in_short(&self) -> &'static str;
}

impl InShort for redis::RedisError {
    fn kind_in_short(&self) -> &'static str {
        assert!(self.is_io_error());
        if self.is_timeout() {
            return "timed out";
        }
        if self.is_connection_refusal() {
            "never sent"
        } else {
            "cut off"
        }
    }
}

fn ask(connection: &Connection, words: &[&'static str]) -> tokio::task::JoinHandle<RedisResult<Value>> {
    let mut connection = connection.clone();
    let mut cmd = redis::Cmd::new();
    cmd.arg(words);
    tokio::spawn(async move { connection.req_packed_command(&cmd).await })
}

// Connections are numbered as they are made: the hearing one first.
const HEARING: usize = 0;
const OTHER: usize = 1;

fn execute(connection: usize) -> Event {
    Event::Execute { connection }
}

fn deliver(connection: usize) -> Event {
    Event::Deliver { connection }
}

#[tokio::test]
async fn nothing_moves_unless_it_is_played() {
    let stage = stage(Turns::Short).await;
    stage.note(&stage.other, &["SET", "x:a", "1"]);
    stage.network.settle().await;
    assert_eq!(stage.network.pending(), [execute(OTHER)]);
    assert_eq!(stage.diary.lines(), [""; 0]);
    stage.play(&[execute(OTHER)]).await;
    assert_eq!(stage.network.pending(), [deliver(HEARING), deliver(OTHER)]);
    stage.play(&[deliver(OTHER), deliver(HEARING)]).await;
    assert_eq!(stage.diary.lines(), [r#"["SET", "x:a", "1"]: ok"#, "changed x:a"]);
    assert_eq!(stage.network.step(7), None);
}

#[tokio::test]
async fn who_is_cut_off_is_answered_no_earlier_than_others_are_sent_what_that_changed() {
    let stage = stage(Turns::Long).await;
    let coming = || stage.network.heard(1).map(|heard| heard.sent - heard.arrived);
    stage.note(&stage.other, &["SET", "x:a", "1"]);
    stage.network.settle().await;
    stage.play(&[execute(OTHER)]).await;
    assert_eq!(coming(), Some(0), "the turn goes on");
    stage
        .play(&[Event::Cut { connection: OTHER }, deliver(OTHER)])
        .await;
    assert_eq!(stage.diary.lines(), [r#"["SET", "x:a", "1"]: ok"#]);
    assert_eq!(coming(), Some(1));
    stage.play(&[deliver(HEARING)]).await;
    assert_eq!(stage.diary.lines(), ["changed x:a"]);
}

#[tokio::test]
async fn a_push_that_came_first_is_heard_first() {
    let stage = stage(Turns::Short).await;
    let hearing = stage.tracked.connection();
    stage.note(&hearing, &["GET", "x:a"]);
    stage.note(&stage.other, &["SET", "x:a", "1"]);
    stage.note(&hearing, &["GET", "x:a"]);
    stage.network.settle().await;
    stage
        .play(&[execute(HEARING), execute(OTHER), execute(HEARING)])
        .await;
    assert_eq!(stage.diary.lines(), [""; 0]);
    stage
        .play(&[deliver(HEARING), deliver(HEARING), deliver(HEARING)])
        .await;
    let seen = [
        r#"["GET", "x:a"]: nil"#,
        "changed x:a",
        r#"["GET", "x:a"]: bulk-string('"1"')"#,
    ];
    assert_eq!(stage.diary.lines(), seen);
}

/// A request of the hearing process, and something announced after it was answered.
async fn an_answer_and_an_announcement(channel: Channel) -> Stage {
    let stage = stage_with(Turns::Short, channel).await;
    stage.note(&stage.tracked.connection(), &["GET", "x:a"]);
    stage.note(&stage.other, &["SET", "x:a", "1"]);
    stage.note(&stage.other, &["PUBLISH", "bull:cache:changed", "x:a"]);
    stage.network.settle().await;
    stage
        .play(&[execute(HEARING), execute(OTHER), execute(OTHER)])
        .await;
    stage
}

#[tokio::test]
async fn where_tracking_is_refused_what_is_announced_is_heard_in_its_order() {
    let stage = an_answer_and_an_announcement(Channel::Announced).await;
    stage.play(&[deliver(HEARING), deliver(HEARING)]).await;
    assert_eq!(stage.diary.lines(), [r#"["GET", "x:a"]: nil"#, "announced x:a"]);
}

#[tokio::test]
async fn what_is_heard_beside_may_come_before_older_answers() {
    let stage = an_answer_and_an_announcement(Channel::Beside).await;
    let connection = HEARING;
    let coming = || stage.network.heard(1).map(|heard| heard.sent - heard.arrived);
    assert_eq!(coming(), Some(1), "the answer brings no news");
    stage.play(&[Event::DeliverBeside { connection }]).await;
    assert_eq!(coming(), Some(0));
    stage.play(&[deliver(HEARING)]).await;
    assert_eq!(stage.diary.lines(), ["announced x:a", r#"["GET", "x:a"]: nil"#]);
    // What is cut off is heard of no more, also what was sent before.
    stage.note(&stage.other, &["PUBLISH", "bull:cache:changed", "x:b"]);
    stage.network.settle().await;
    stage
        .play(&[execute(OTHER), Event::Cut { connection }, deliver(HEARING)])
        .await;
    stage.play_on().await;
    let heard = stage.diary.lines();
    assert!(heard.contains(&"lost".to_owned()), "{heard:?}");
    assert!(!heard.contains(&"announced x:b".to_owned()), "{heard:?}");
    assert_eq!(heard.last().unwrap(), "live Announced");
}

#[tokio::test]
async fn in_long_turns_who_changed_a_key_last_hears_of_nobody() {
    let stage = stage(Turns::Long).await;
    let hearing = stage.tracked.connection();
    stage.note(&stage.other, &["SET", "x:a", "1"]);
    stage.note(&hearing, &["SET", "x:a", "2"]);
    stage.note(&stage.other, &["SET", "x:b", "1"]);
    stage.network.settle().await;
    stage
        .play(&[execute(OTHER), execute(HEARING), execute(OTHER), Event::EndTurn])
        .await;
    stage.play_on().await;
    let heard = stage.diary.lines();
    assert!(!heard.contains(&"changed x:a".to_owned()), "{heard:?}");
    // After the reply, although it happened in the same turn.
    assert_eq!(heard.first().unwrap(), r#"["SET", "x:a", "2"]: ok"#);
    assert!(heard.contains(&"changed x:b".to_owned()), "{heard:?}");
    stage.note(&hearing, &["SET", "x:a", "2"]);
    stage.note(&stage.other, &["SET", "x:a", "1"]);
    stage.network.settle().await;
    stage
        .play(&[execute(HEARING), execute(OTHER), Event::EndTurn])
        .await;
    stage.play_on().await;
    assert!(stage.diary.lines().contains(&"changed x:a".to_owned()));
}

#[tokio::test]
async fn a_reply_that_is_lost_ends_the_connection_when_the_deadline_passes() {
    let stage = stage(Turns::Short).await;
    let hearing = stage.tracked.connection();
    stage.note(&hearing, &["INCR", "n"]);
    stage.network.settle().await;
    stage
        .play(&[execute(HEARING), Event::LoseReplies { connection: HEARING }])
        .await;
    assert_eq!(stage.network.pending(), [Event::TimeOut { connection: HEARING }]);
    stage.play(&[Event::TimeOut { connection: HEARING }]).await;
    assert_eq!(stage.diary.lines(), ["lost", r#"["INCR", "n"]: timed out"#]);
    // It was executed; and the next connection watches before it answers.
    stage.note(&hearing, &["GET", "n"]);
    stage.network.settle().await;
    let line = 1;
    stage.play(&[Event::Connect { line }]).await;
    stage.note(&stage.other, &["SET", "x:a", "1"]);
    stage.network.settle().await;
    stage.play(&[execute(OTHER)]).await;
    let again = 2;
    stage
        .play(&[deliver(again), deliver(again), execute(again), deliver(again)])
        .await;
    let seen = [
        "live Tracking",
        "changed x:a",
        r#"["GET", "n"]: bulk-string('"1"')"#,
    ];
    assert_eq!(stage.diary.lines(), seen);
}

#[tokio::test]
async fn a_request_that_is_lost_is_not_executed() {
    let stage = stage(Turns::Short).await;
    stage.note(&stage.other, &["INCR", "n"]);
    stage.network.settle().await;
    let connection = OTHER;
    stage
        .play(&[Event::LoseRequests { connection }, Event::TimeOut { connection }])
        .await;
    stage.note(&stage.other, &["GET", "n"]);
    stage.play_on().await;
    let seen = [r#"["INCR", "n"]: timed out"#, r#"["GET", "n"]: nil"#];
    assert_eq!(stage.diary.lines(), seen);
}

#[tokio::test]
async fn a_cut_is_noticed_behind_what_was_sent_before_it() {
    let stage = stage(Turns::Short).await;
    let hearing = stage.tracked.connection();
    stage.note(&hearing, &["INCR", "n"]);
    stage.note(&hearing, &["INCR", "n"]);
    stage.network.settle().await;
    stage
        .play(&[execute(HEARING), Event::Cut { connection: HEARING }])
        .await;
    // The server tells nobody there any more.
    stage.note(&stage.other, &["SET", "x:a", "1"]);
    stage.network.settle().await;
    stage.play(&[execute(OTHER), deliver(OTHER)]).await;
    stage.play(&[deliver(HEARING), deliver(HEARING)]).await;
    let seen = [
        r#"["SET", "x:a", "1"]: ok"#,
        r#"["INCR", "n"]: int(1)"#,
        "lost",
        r#"["INCR", "n"]: cut off"#,
    ];
    assert_eq!(stage.diary.lines(), seen);
    stage.play_on().await;
    assert_eq!(stage.diary.lines(), ["live Tracking"]);
}

#[tokio::test]
async fn a_slow_request_may_be_executed_after_its_deadline() {
    let stage = stage(Turns::Short).await;
    stage.note(&stage.other, &["INCR", "n"]);
    stage.network.settle().await;
    stage.play(&[Event::TimeOut { connection: OTHER }]).await;
    stage.note(&stage.other, &["GET", "n"]);
    stage.play_on().await;
    let seen = stage.diary.lines();
    assert_eq!(
        seen,
        [
            r#"["INCR", "n"]: timed out"#,
            r#"["GET", "n"]: bulk-string('"1"')"#
        ]
    );
}

#[tokio::test]
async fn a_request_without_a_connection_may_never_be_sent() {
    let network = Network::new(&Engine::in_memory(), Turns::Short);
    let connection = Store::simulated(&network, 1).shared();
    let asked = ask(&connection, &["GET", "a"]);
    network.settle().await;
    let line = 0;
    assert_eq!(network.faults(), [Event::NeverSent { line }]);
    assert_eq!(network.fault(3), Some(Event::NeverSent { line }));
    assert_eq!(asked.await.unwrap().unwrap_err().kind_in_short(), "never sent");
    assert_eq!((network.process_of(line), network.line_of(0)), (Some(1), None));
}

#[tokio::test]
async fn the_same_choices_make_the_same_history() {
    let histories = [11, 11, 12].map(|seed| async move {
        let stage = stage(Turns::Long).await;
        let hearing = stage.tracked.connection();
        for _ in 0..4 {
            stage.note(&hearing, &["GET", "x:a"]);
            stage.note(&stage.other, &["INCR", "x:a"]);
        }
        let mut random: usize = seed;
        stage.network.settle().await;
        for _ in 0..60 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let choice = random >> 33;
            match choice % 8 {
                0 => stage.network.fault(choice / 8),
                _ => stage.network.step(choice / 8),
            };
            stage.network.settle().await;
        }
        stage.play_on().await;
        stage.diary.lines()
    });
    let [one, same, other] = histories;
    let (one, same, other) = (one.await, same.await, other.await);
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert!(one.len() >= 8, "{one:?}");
}
