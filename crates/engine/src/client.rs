//! One client: what it has selected, subscribed to, watched and queued.
//!
//! Clients sit in numbered seats. While a client's command runs, its seat is empty and the command holds the client;
//! what is meant for other clients goes through `Core::deliver`.
//! Next: `execute.rs`, `pubsub.rs`, `tracking.rs`.

use std::collections::HashSet;

use crate::inbox::Inbox;
use crate::reply::Reply;

/// How replies are shaped on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The older protocol, which every connection begins with.
    Resp2,
    /// The newer one, chosen by `HELLO 3`.
    Resp3,
}

/// Where a client sits, and the number it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seat {
    index: usize,
    /// The client's id, as CLIENT ID says it.
    pub(crate) id: u64,
}

/// Something sent to a client outside the replies to its commands.
#[derive(Debug)]
pub(crate) enum Message {
    Push(Reply),
    /// Another client (or this one) asked for the end of the connection.
    Close,
}

/// What answers the client's commands, when CLIENT REPLY was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    On,
    Off,
    /// The next command is not answered.
    SkipNext,
    /// This command is not answered.
    Skip,
}

/// Commands between MULTI and EXEC.
#[derive(Debug, Default)]
pub(crate) struct Queued {
    pub(crate) commands: Vec<Vec<Vec<u8>>>,
    /// A command could not be queued: EXEC refuses.
    pub(crate) is_broken: bool,
    /// What they take, about.
    pub(crate) bytes: usize,
}

/// The state of one client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) seat: Seat,
    pub(crate) db: usize,
    pub(crate) protocol: Protocol,
    pub(crate) is_authenticated: bool,
    pub(crate) name: Vec<u8>,
    pub(crate) library_name: Vec<u8>,
    pub(crate) library_version: Vec<u8>,
    pub(crate) peer: String,
    pub(crate) local: String,
    pub(crate) connected_at: u64,
    pub(crate) active_at: u64,
    pub(crate) last_command: &'static str,
    pub(crate) commands: u64,
    pub(crate) reply_mode: ReplyMode,
    pub(crate) transaction: Option<Queued>,
    pub(crate) watched: Vec<(usize, Box<[u8]>)>,
    /// A watched key has changed.
    pub(crate) is_dirty: bool,
    pub(crate) channels: HashSet<Box<[u8]>>,
    pub(crate) patterns: HashSet<Box<[u8]>>,
    pub(crate) tracking: Option<Box<crate::tracking::Mode>>,
    /// The keys of the script that runs, for tracking.
    pub(crate) script_keys: Vec<Box<[u8]>>,
    pub(crate) is_monitor: bool,
    pub(crate) no_evict: bool,
    pub(crate) should_close: bool,
    /// Whether it has an inbox; a client that takes no pushes (an in-process connection nobody listens on) has none.
    pub(crate) takes_pushes: bool,
}

impl Queued {
    /// Queues a command.
    pub(crate) fn add(&mut self, words: &[&[u8]]) {
        const EACH: usize = size_of::<Vec<u8>>() + 8;
        self.bytes += words.iter().map(|word| word.len() + EACH).sum::<usize>() + EACH;
        self.commands
            .push(words.iter().map(|word| word.to_vec()).collect());
    }
}

impl Client {
    pub(crate) fn is_subscribed(&self) -> bool {
        !self.channels.is_empty() || !self.patterns.is_empty()
    }
}

/// All clients.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    seats: Vec<Option<Box<Client>>>,
    /// Where the pushes of each seat's client go, also while its command runs.
    inboxes: Vec<Option<(Seat, Inbox)>>,
    free: Vec<usize>,
    count: usize,
}

/// What is known of a client when it connects.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    pub(crate) peer: String,
    pub(crate) local: String,
    pub(crate) is_authenticated: bool,
    pub(crate) inbox: Option<Inbox>,
}

impl Clients {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn connect(&mut self, id: u64, arrival: Arrival, now: u64) -> Seat {
        let index = self.free.pop().unwrap_or(self.seats.len());
        let seat = Seat { index, id };
        let client = Box::new(Client {
            seat,
            db: 0,
            protocol: Protocol::Resp2,
            is_authenticated: arrival.is_authenticated,
            name: Vec::new(),
            library_name: Vec::new(),
            library_version: Vec::new(),
            peer: arrival.peer,
            local: arrival.local,
            connected_at: now,
            active_at: now,
            last_command: "NULL",
            commands: 0,
            reply_mode: ReplyMode::On,
            transaction: None,
            watched: Vec::new(),
            is_dirty: false,
            channels: HashSet::new(),
            patterns: HashSet::new(),
            tracking: None,
            script_keys: Vec::new(),
            is_monitor: false,
            no_evict: false,
            should_close: false,
            takes_pushes: arrival.inbox.is_some(),
        });
        match self.seats.get_mut(index) {
            Some(free) => *free = Some(client),
            None => self.seats.push(Some(client)),
        }
        self.inboxes.resize_with(self.seats.len(), || None);
        self.set_inbox(seat, arrival.inbox);
        self.count += 1;
        seat
    }

    /// Lifts a client out of its seat for the time of its command.
    pub(crate) fn take(&mut self, seat: Seat) -> Option<Box<Client>> {
        let place = self.seats.get_mut(seat.index)?;
        if place.as_ref().is_none_or(|client| client.seat != seat) {
            return None;
        }
        place.take()
    }

    /// Puts a client back after its command.
    pub(crate) fn put_back(&mut self, client: Box<Client>) {
        if let Some(place) = self.seats.get_mut(client.seat.index) {
            *place = Some(client);
        }
    }

    /// Removes a client that has left.
    pub(crate) fn disconnect(&mut self, seat: Seat) -> Option<Box<Client>> {
        let client = self.take(seat)?;
        self.free.push(seat.index);
        self.set_inbox(seat, None);
        self.count -= 1;
        Some(client)
    }

    /// Where the pushes of a client go.
    pub(crate) fn inbox(&mut self, seat: Seat) -> Option<&mut Inbox> {
        let (owner, inbox) = self.inboxes.get_mut(seat.index)?.as_mut()?;
        (*owner == seat).then_some(inbox)
    }

    pub(crate) fn set_inbox(&mut self, seat: Seat, inbox: Option<Inbox>) {
        if let Some(place) = self.inboxes.get_mut(seat.index) {
            *place = inbox.map(|inbox| (seat, inbox));
        }
    }

    pub(crate) fn get(&self, seat: Seat) -> Option<&Client> {
        let client = self.seats.get(seat.index)?.as_deref()?;
        (client.seat == seat).then_some(client)
    }

    pub(crate) fn get_mut(&mut self, seat: Seat) -> Option<&mut Client> {
        let client = self.seats.get_mut(seat.index)?.as_deref_mut()?;
        (client.seat == seat).then_some(client)
    }

    /// All clients but the one whose command runs.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Client> {
        self.seats.iter().flatten().map(|client| &**client)
    }
}
