//! What is on its way in a simulated network, and what each event does to it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use futures_util::FutureExt as _;
use oxherd_engine::{Engine, Pushes};
use redis::aio::ConnectionLike as _;
use redis::{Cmd, Pipeline, PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::sync::oneshot;

use super::{Channel, Event, Heard, Turns};
use crate::store::tracked::{ChannelMode, Hears, Lacking, Prefixes, tracking};

type Answer = RedisResult<Vec<Value>>;

/// In the place of a connection: the server itself.
const NOBODY: usize = usize::MAX;

pub(super) struct State {
    pub(super) engine: Engine,
    turns: Turns,
    pub(super) channel: Channel,
    lines: Vec<Line>,
    connections: BTreeMap<usize, Connection>,
    made: usize,
    /// What tasks of a process have not seen yet.
    late: Vec<(usize, Told)>,
    /// Hears of every key that changes.
    observer: Pushes,
    /// Keeps it there.
    _observing: oxherd_engine::Connection,
    /// Which connection changed a key last in this turn.
    changed_by: BTreeMap<Vec<u8>, usize>,
    /// Scripts that are other ones, by the SHA-1 they are called by.
    replaced: BTreeMap<Vec<u8>, Vec<u8>>,
}

struct Line {
    process: usize,
    hears: Option<Arc<Hears>>,
    prefixes: Prefixes,
    live: Option<usize>,
    connecting: Option<usize>,
    /// Requests without a connection.
    waiting: VecDeque<Request>,
    was_lost: bool,
}

struct Connection {
    line: usize,
    engine: Option<(oxherd_engine::Connection, Pushes)>,
    /// What it was told to watch when it was made.
    prefixes: Vec<Vec<u8>>,
    to_server: VecDeque<(usize, Work)>,
    to_client: VecDeque<Item>,
    /// Where pushes go that do not go with the replies.
    beside: Option<VecDeque<PushInfo>>,
    /// What the turn has brought so far.
    turn: Turn,
    /// Who waits for an answer, oldest first.
    callers: VecDeque<(usize, oneshot::Sender<Answer>)>,
    requests: usize,
    loses_requests: bool,
    loses_replies: bool,
    /// What carries news to the listener: replies and pushes, or those that go beside the replies alone, with which they have no order.
    sent: u64,
    arrived: u64,
}

#[derive(Default)]
struct Turn {
    replies: Vec<Item>,
    pushes: Vec<PushInfo>,
}

struct Request {
    work: Work,
    answer: oneshot::Sender<Answer>,
}

pub(super) enum Work {
    One(Cmd),
    Several(Pipeline, usize, usize),
}

enum Item {
    Connected,
    Reply(usize, Answer),
    Push(PushInfo),
    End,
}

/// What somebody is to be told, in this order.
pub(super) enum Told {
    Live(Arc<Hears>, ChannelMode),
    Lost(Arc<Hears>),
    Push(Arc<Hears>, PushInfo),
    Answer(oneshot::Sender<Answer>, Answer),
}

impl Told {
    pub(super) fn tell(self) {
        match self {
            Self::Live(hears, mode) => hears.listener.live(mode),
            Self::Lost(hears) => hears.listener.lost(),
            Self::Push(hears, push) => hears.hear(&push),
            // Who has gone away does not care.
            Self::Answer(caller, answer) => drop(caller.send(answer)),
        }
    }
}

impl State {
    pub(super) fn new(engine: Engine, turns: Turns, channel: Channel) -> Self {
        let (mut observing, observer) = engine.connect_with_pushes();
        run(&mut observing, &Work::One(redis::cmd("HELLO").arg(3).clone())).unwrap();
        let mut everything = redis::cmd("CLIENT");
        everything.arg("TRACKING").arg("ON").arg("BCAST");
        run(&mut observing, &Work::One(everything)).unwrap();
        Self {
            engine,
            turns,
            channel,
            lines: Vec::new(),
            connections: BTreeMap::new(),
            made: 0,
            late: Vec::new(),
            observer,
            _observing: observing,
            changed_by: BTreeMap::new(),
            replaced: BTreeMap::new(),
        }
    }

    pub(super) fn describe(&self, event: Event) -> String {
        let of = |connection: &usize| self.connections.get(connection);
        let process = |connection: &Connection| self.lines[connection.line].process;
        match &event {
            Event::Execute { connection } => of(connection).map(|it| {
                let work = it.to_server.front().map(|(_, work)| work.words());
                format!("process {} asks {}", process(it), work.unwrap_or_default())
            }),
            Event::Deliver { connection } | Event::DeliverLate { connection } => of(connection).map(|it| {
                let item = it.to_client.front().map(Item::words);
                format!("process {} hears {}", process(it), item.unwrap_or_default())
            }),
            Event::DeliverBeside { connection } => of(connection).map(|it| {
                let push = it.beside.as_ref().and_then(VecDeque::front);
                format!("process {} hears beside {push:?}", process(it))
            }),
            _ => None,
        }
        .unwrap_or_default()
    }

    pub(super) fn gather(&mut self) {
        self.post(NOBODY);
        if self.turns == Turns::Short {
            self.end_turn();
        }
    }

    pub(super) fn end_process(&mut self, process: usize, cut: bool) {
        self.late.retain(|(of, _)| *of != process);
        for line in self.lines.iter_mut().filter(|line| line.process == process) {
            line.hears = None;
            line.live = None;
            line.connecting = None;
            line.waiting.clear();
            line.was_lost = false;
        }
        let of_process = self.connections.iter_mut();
        let of_process = of_process.filter(|(_, connection)| self.lines[connection.line].process == process);
        let mut numbers = Vec::new();
        for (&number, connection) in of_process {
            connection.callers.clear();
            connection.loses_all_replies();
            if cut {
                connection.engine = None;
                connection.to_server.clear();
            }
            numbers.push(number);
        }
        for number in numbers {
            self.forget_deserted(number);
        }
    }

    pub(super) fn heard(&self, process: usize) -> Option<Heard> {
        let mut lines = self.lines.iter();
        let line = lines.find(|line| line.process == process && line.hears.is_some())?;
        let number = line.live?;
        let connection = self.connections.get(&number)?;
        Some(Heard {
            connection: number,
            // What is sent over one that was cut never comes, on whichever way; its end is then what the process hears.
            sent: if connection.loses_replies || connection.engine.is_none() {
                u64::MAX
            } else {
                connection.sent
            },
            arrived: connection.arrived,
        })
    }

    pub(super) fn replace_script(&mut self, called: &str, executed: &str) {
        self.replaced.insert(called.into(), executed.into());
    }

    /// The call of the script that stands for the one that is called.
    fn replaced(&self, work: Work) -> Work {
        match work {
            Work::One(cmd) => Work::One(self.replaced_call(cmd)),
            Work::Several(pipeline, offset, count) => {
                let mut other = Pipeline::new();
                for cmd in pipeline.cmd_iter() {
                    other.add_command(self.replaced_call(cmd.clone()));
                }
                Work::Several(other, offset, count)
            }
        }
    }

    fn replaced_call(&self, cmd: Cmd) -> Cmd {
        let words: Vec<&[u8]> = cmd
            .args_iter()
            .filter_map(|word| match word {
                redis::Arg::Simple(word) => Some(word),
                _ => None,
            })
            .collect();
        match words.as_slice() {
            [b"EVALSHA", sha, rest @ ..] if self.replaced.contains_key(*sha) => {
                let mut other = redis::cmd("EVALSHA");
                other.arg(&self.replaced[*sha]).arg(rest);
                other
            }
            _ => cmd,
        }
    }

    pub(super) fn add_line(&mut self, process: usize, hears: Option<Arc<Hears>>) -> usize {
        self.lines.push(Line {
            process,
            hears,
            prefixes: Prefixes::default(),
            live: None,
            connecting: None,
            waiting: VecDeque::new(),
            was_lost: false,
        });
        self.lines.len() - 1
    }

    pub(super) fn process_of(&self, line: usize) -> Option<usize> {
        self.lines.get(line).map(|line| line.process)
    }

    pub(super) fn line_of(&self, connection: usize) -> Option<usize> {
        self.connections
            .get(&connection)
            .map(|connection| connection.line)
    }

    pub(super) fn send(&mut self, line: usize, work: Work, answer: oneshot::Sender<Answer>) {
        let work = if self.replaced.is_empty() {
            work
        } else {
            self.replaced(work)
        };
        let request = Request { work, answer };
        let line = &mut self.lines[line];
        match line.live.and_then(|live| self.connections.get_mut(&live)) {
            Some(connection) => connection.send(request),
            None => line.waiting.push_back(request),
        }
    }

    pub(super) fn want(&mut self, line: usize, prefixes: &[&[u8]]) {
        self.lines[line].prefixes.want(prefixes);
    }

    /// The live connection, and what is not in force on it.
    pub(super) fn lacking(&self, line: usize) -> (Option<usize>, Lacking) {
        let line = &self.lines[line];
        match self.channel {
            Channel::Tracking => (line.live, line.prefixes.lacking()),
            Channel::Announced | Channel::Beside => (line.live, Lacking::Nothing),
        }
    }

    pub(super) fn told(&mut self, line: usize, connection: Option<usize>, new: Vec<Vec<u8>>) {
        let line = &mut self.lines[line];
        if line.live == connection {
            line.prefixes.told(new);
        }
    }

    pub(super) fn pending(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            let is_wanted = !line.waiting.is_empty() || line.was_lost;
            if is_wanted && line.live.is_none() && line.connecting.is_none() {
                events.push(Event::Connect { line: number });
            }
        }
        for (&number, connection) in &self.connections {
            let connection_is = |event: Event, holds: bool| holds.then_some(event);
            events.extend(connection_is(
                Event::Execute { connection: number },
                connection.can_execute(),
            ));
            events.extend(connection_is(
                Event::Deliver { connection: number },
                connection.can_deliver(),
            ));
            events.extend(connection_is(
                Event::DeliverBeside { connection: number },
                connection.can_deliver_beside(),
            ));
            let is_silent = connection.loses_requests || connection.loses_replies;
            events.extend(connection_is(Event::TimeOut { connection: number }, is_silent));
        }
        if self
            .connections
            .values()
            .any(|connection| !connection.turn.is_empty())
        {
            events.push(Event::EndTurn);
        }
        events.extend((0..self.late.len()).map(|late| Event::Resume { late }));
        events
    }

    pub(super) fn delays(&self) -> Vec<Event> {
        let is_reply = |item: Option<&Item>| matches!(item, Some(Item::Reply(..)));
        let deliverable = self.connections.iter().filter(|(_, it)| it.can_deliver());
        let replies = deliverable.filter(|(_, it)| is_reply(it.to_client.front()));
        replies
            .map(|(&connection, _)| Event::DeliverLate { connection })
            .collect()
    }

    pub(super) fn is_late(&self, process: usize) -> bool {
        self.late.iter().any(|(of, _)| *of == process)
    }

    /// The process whose task it is.
    pub(super) fn process_of_late(&self, late: usize) -> Option<usize> {
        self.late.get(late).map(|(process, _)| *process)
    }

    pub(super) fn faults(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            if !line.waiting.is_empty() {
                events.push(Event::NeverSent { line: number });
            }
        }
        for (&connection, state) in &self.connections {
            if state.loses_requests || state.loses_replies {
                continue;
            }
            if !state.callers.is_empty() {
                events.push(Event::TimeOut { connection });
            }
            if state.engine.is_some() {
                events.push(Event::LoseRequests { connection });
                events.push(Event::LoseReplies { connection });
                events.push(Event::Cut { connection });
                events.push(Event::Break { connection });
            }
        }
        events
    }

    pub(super) fn play(&mut self, event: Event) -> Vec<Told> {
        match event {
            Event::Connect { line } => self.connect(line),
            Event::Execute { connection } => self.execute(connection),
            Event::Deliver { connection } => return self.deliver(connection),
            Event::DeliverBeside { connection } => return self.deliver_beside(connection),
            Event::DeliverLate { connection } => {
                let line = self.line_of(connection);
                let process = line.and_then(|line| self.process_of(line));
                let told = self.deliver(connection);
                let told = told.into_iter().map(|told| (process.unwrap_or_default(), told));
                self.late.extend(told);
            }
            Event::Resume { late } if late < self.late.len() => return vec![self.late.remove(late).1],
            Event::Resume { .. } => {}
            Event::EndTurn => self.end_turn(),
            Event::TimeOut { connection } => return self.time_out(connection),
            Event::NeverSent { line } => return self.never_sent(line),
            Event::LoseRequests { connection } => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.loses_requests = true;
                    connection.to_server.clear();
                }
            }
            Event::LoseReplies { connection } => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.loses_all_replies();
                    connection.turn = Turn::default();
                }
            }
            Event::Cut { connection } => {
                // What it was answered leaves with what the others are sent: at the end of the turn.
                self.end_turn();
                if let Some(connection) = self.connections.get_mut(&connection)
                    && connection.engine.take().is_some()
                {
                    connection.to_server.clear();
                    connection.to_client.push_back(Item::End);
                }
            }
            Event::Break { connection } => {
                if let Some(connection) = self.connections.get_mut(&connection)
                    && connection.engine.take().is_some()
                {
                    connection.to_server.clear();
                    connection.turn = Turn::default();
                    connection.beside.iter_mut().for_each(VecDeque::clear);
                    // Also the news that it is connected: who connects then never was.
                    connection.to_client.clear();
                    connection.to_client.push_back(Item::End);
                }
            }
        }
        Vec::new()
    }

    fn connect(&mut self, number: usize) {
        let Some(line) = self.lines.get_mut(number) else {
            return;
        };
        if line.live.is_some() || line.connecting.is_some() {
            return;
        }
        let (mut engine, pushes) = self.engine.connect_with_pushes();
        let mut dressing = vec![redis::cmd("HELLO").arg(3).clone()];
        if let Some(hears) = &line.hears {
            let mut subscribe = redis::cmd("SUBSCRIBE");
            subscribe.arg(&hears.wakes);
            let is_tracking = self.channel == Channel::Tracking;
            if !is_tracking {
                subscribe.arg(&hears.changes);
            }
            dressing.push(subscribe);
            if is_tracking && !line.prefixes.wanted().is_empty() {
                dressing.push(tracking(&line.prefixes.wanted()));
            }
        }
        for command in dressing {
            run(&mut engine, &Work::One(command)).unwrap();
        }
        let is_beside = self.channel == Channel::Beside && line.hears.is_some();
        line.connecting = Some(self.made);
        let connection = Connection {
            line: number,
            engine: Some((engine, pushes)),
            prefixes: line.prefixes.wanted(),
            to_server: VecDeque::new(),
            to_client: VecDeque::from([Item::Connected]),
            beside: is_beside.then(VecDeque::new),
            turn: Turn::default(),
            callers: VecDeque::new(),
            requests: 0,
            loses_requests: false,
            loses_replies: false,
            sent: u64::from(!is_beside),
            arrived: 0,
        };
        self.connections.insert(self.made, connection);
        self.made += 1;
    }

    fn execute(&mut self, number: usize) {
        let Some(connection) = self.connections.get_mut(&number).filter(|it| it.can_execute()) else {
            return;
        };
        let Some((request, work)) = connection.to_server.pop_front() else {
            return;
        };
        let Some((engine, _)) = &mut connection.engine else {
            return;
        };
        let answer = run(engine, &work);
        self.post(number);
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        connection.turn.replies.push(Item::Reply(request, answer));
        if self.turns == Turns::Short {
            self.end_turn();
        }
        self.forget_deserted(number);
    }

    /// Gathers what the engine has pushed because of a request of this connection.
    fn post(&mut self, by: usize) {
        while let Some(push) = self.observer.try_next() {
            for key in keys_of(&push) {
                self.changed_by.insert(key.to_vec(), by);
            }
        }
        for connection in self.connections.values_mut() {
            let Some((_, pushes)) = &mut connection.engine else {
                continue;
            };
            while let Some(push) = pushes.try_next() {
                let is_confirmation = !matches!(push.kind, PushKind::Invalidate | PushKind::Message);
                if !is_confirmation && !connection.loses_replies {
                    connection.turn.pushes.push(push);
                }
            }
        }
    }

    fn end_turn(&mut self) {
        let changed_by = std::mem::take(&mut self.changed_by);
        for (number, connection) in &mut self.connections {
            let mut turn = std::mem::take(&mut connection.turn);
            // The server tells everybody but the one that changed a key last.
            let is_long = self.turns == Turns::Long;
            turn.pushes.retain(|push| {
                !is_long || {
                    let mut keys = keys_of(push).peekable();
                    keys.peek().is_none() || keys.any(|key| changed_by.get(key) != Some(number))
                }
            });
            if !connection.loses_replies {
                connection.receives(turn);
            }
        }
    }

    fn deliver(&mut self, number: usize) -> Vec<Told> {
        let Some(connection) = self.connections.get_mut(&number).filter(|it| it.can_deliver()) else {
            return Vec::new();
        };
        let Some(item) = connection.to_client.pop_front() else {
            return Vec::new();
        };
        if connection.beside.is_none() {
            connection.arrived += 1;
        }
        let mode = self.channel.mode();
        let line = &mut self.lines[connection.line];
        let told = match item {
            Item::Connected if line.connecting == Some(number) => {
                line.connecting = None;
                line.live = Some(number);
                line.was_lost = false;
                line.prefixes.begin(connection.prefixes.clone());
                line.waiting
                    .drain(..)
                    .for_each(|request| connection.send(request));
                line.hears
                    .iter()
                    .map(|hears| Told::Live(Arc::clone(hears), mode))
                    .collect()
            }
            Item::Connected => Vec::new(),
            Item::Reply(request, answer) => {
                let is_his = |(caller, _): &(usize, _)| *caller == request;
                let place = connection.callers.iter().position(is_his);
                let caller = place.and_then(|place| connection.callers.remove(place));
                caller
                    .into_iter()
                    .map(|(_, caller)| Told::Answer(caller, answer.clone()))
                    .collect()
            }
            Item::Push(push) => line
                .hears
                .iter()
                .cloned()
                .map(|hears| Told::Push(hears, push.clone()))
                .collect(),
            Item::End => {
                let callers = std::mem::take(&mut connection.callers);
                let mut told = self.give_up(number);
                told.extend(
                    callers
                        .into_iter()
                        .map(|(_, caller)| Told::Answer(caller, Err(closed()))),
                );
                self.connections.remove(&number);
                told
            }
        };
        self.forget_deserted(number);
        told
    }

    fn deliver_beside(&mut self, number: usize) -> Vec<Told> {
        let connection = self.connections.get_mut(&number);
        let Some(connection) = connection.filter(|it| it.can_deliver_beside()) else {
            return Vec::new();
        };
        let push = connection.beside.as_mut().and_then(VecDeque::pop_front);
        connection.arrived += 1;
        let hears = self.lines[connection.line].hears.clone();
        hears
            .zip(push)
            .map(|(hears, push)| Told::Push(hears, push))
            .into_iter()
            .collect()
    }

    fn time_out(&mut self, number: usize) -> Vec<Told> {
        let Some(connection) = self.connections.get_mut(&number) else {
            return Vec::new();
        };
        let caller = connection.callers.pop_front();
        let mut told = self.give_up(number);
        told.extend(caller.map(|(_, caller)| Told::Answer(caller, Err(timed_out()))));
        self.forget_deserted(number);
        told
    }

    fn never_sent(&mut self, line: usize) -> Vec<Told> {
        let request = self.lines.get_mut(line).and_then(|line| line.waiting.pop_front());
        let told = request.map(|request| Told::Answer(request.answer, Err(never_sent())));
        told.into_iter().collect()
    }

    /// The line goes over to its next connection; this one lives on for those who still wait on it.
    pub(super) fn give_up(&mut self, number: usize) -> Vec<Told> {
        let Some(connection) = self.connections.get(&number) else {
            return Vec::new();
        };
        let line = &mut self.lines[connection.line];
        if line.connecting == Some(number) {
            line.connecting = None;
            return Vec::new();
        }
        if line.live != Some(number) {
            return Vec::new();
        }
        line.live = None;
        line.was_lost = line.hears.is_some();
        line.hears.iter().cloned().map(Told::Lost).collect()
    }

    /// A client closes a connection that it has given up and nobody waits on; what it has sent may still arrive.
    fn forget_deserted(&mut self, number: usize) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let line = &self.lines[connection.line];
        let is_in_use = line.live == Some(number) || line.connecting == Some(number);
        if is_in_use || !connection.callers.is_empty() {
            return;
        }
        connection.loses_all_replies();
        if !connection.can_execute() {
            self.connections.remove(&number);
        }
    }
}

impl Connection {
    fn send(&mut self, request: Request) {
        self.requests += 1;
        self.callers.push_back((self.requests, request.answer));
        if !self.loses_requests && self.engine.is_some() {
            self.to_server.push_back((self.requests, request.work));
        }
    }

    /// Redis sends the pushes of a turn after its replies. The other order is that of turns with one request.
    fn receives(&mut self, turn: Turn) {
        self.sent += turn.pushes.len() as u64;
        if self.beside.is_none() {
            self.sent += turn.replies.len() as u64;
        }
        self.to_client.extend(turn.replies);
        match &mut self.beside {
            Some(beside) => beside.extend(turn.pushes),
            None => self.to_client.extend(turn.pushes.into_iter().map(Item::Push)),
        }
    }

    fn loses_all_replies(&mut self) {
        self.loses_replies = true;
        self.to_client.clear();
        self.beside.iter_mut().for_each(VecDeque::clear);
    }

    fn can_execute(&self) -> bool {
        self.engine.is_some() && !self.loses_requests && !self.to_server.is_empty()
    }

    fn can_deliver(&self) -> bool {
        !self.loses_replies && !self.to_client.is_empty()
    }

    fn can_deliver_beside(&self) -> bool {
        !self.loses_replies && self.beside.as_ref().is_some_and(|beside| !beside.is_empty())
    }
}

impl Work {
    fn words(&self) -> String {
        let words = |cmd: &Cmd| {
            let words = cmd.args_iter().map(|word| match word {
                redis::Arg::Simple(word) if word.len() <= 60 => word.escape_ascii().to_string(),
                _ => "...".to_owned(),
            });
            words.collect::<Vec<_>>().join(" ")
        };
        match self {
            Self::One(cmd) => words(cmd),
            Self::Several(pipeline, ..) => pipeline.cmd_iter().map(words).collect::<Vec<_>>().join("; "),
        }
    }
}

impl Item {
    fn words(&self) -> String {
        match self {
            Self::Connected => "that it is connected".to_owned(),
            Self::Reply(request, answer) => format!("reply {request}: {answer:?}"),
            Self::Push(push) => format!("push {push:?}"),
            Self::End => "the end".to_owned(),
        }
    }
}

impl Turn {
    fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.pushes.is_empty()
    }
}

fn keys_of(push: &PushInfo) -> impl Iterator<Item = &[u8]> {
    let is_of_keys = push.kind == PushKind::Invalidate;
    let keys = match push.data.first() {
        Some(Value::Array(keys)) if is_of_keys => keys.as_slice(),
        _ => &[],
    };
    keys.iter().filter_map(|key| match key {
        Value::BulkString(key) => Some(key.as_slice()),
        _ => None,
    })
}

/// The engine in memory answers at once whatever does not block.
fn run(connection: &mut oxherd_engine::Connection, work: &Work) -> Answer {
    let answer = match work {
        Work::One(cmd) => {
            let request = tokio::task::coop::unconstrained(connection.req_packed_command(cmd));
            request.now_or_never().map(|reply| reply.map(|reply| vec![reply]))
        }
        Work::Several(pipeline, offset, count) => {
            let request = connection.req_packed_commands(pipeline, *offset, *count);
            tokio::task::coop::unconstrained(request).now_or_never()
        }
    };
    answer.unwrap_or_else(|| panic!("a simulated network carries no commands that block"))
}

fn timed_out() -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, "no answer within the deadline").into()
}

fn never_sent() -> RedisError {
    io::Error::new(
        io::ErrorKind::ConnectionRefused,
        "not connected within the deadline",
    )
    .into()
}

pub(super) fn closed() -> RedisError {
    io::Error::new(io::ErrorKind::BrokenPipe, "the connection was cut").into()
}
