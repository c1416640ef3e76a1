//! What is sent to one client beside its replies, until its connection takes it.
//!
//! A script may publish more in one go than memory holds, and nobody reads before it ends. So what waits is counted
//! from the moment it is meant for the client; beyond its bound the client is sent its end, and nothing after that.
//! Next: `core.rs` (`deliver`), `resp/connection.rs` and `connection.rs` (who reads).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::client::Message;
use crate::journal::Sequence;
use crate::reply::Reply;

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) message: Message,
    /// It leaves when the journal has kept this, which it may have seen.
    pub(crate) horizon: Sequence,
}

/// The engine's end: messages go in.
#[derive(Debug)]
pub(crate) struct Inbox {
    sender: UnboundedSender<Letter>,
    waiting: Arc<AtomicUsize>,
    /// Bytes that may wait; `None` is no bound.
    most: Option<usize>,
    is_over: bool,
}

/// The connection's end: messages come out.
#[derive(Debug)]
pub(crate) struct Mail {
    receiver: UnboundedReceiver<Letter>,
    waiting: Arc<AtomicUsize>,
}

/// Whether a message may be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    /// Just now it has become too much: the client is to be sent its end.
    NoMore,
    /// The client has been sent its end.
    Over,
}

/// An inbox in which so many bytes may wait.
pub(crate) fn inbox(most: Option<usize>) -> (Inbox, Mail) {
    let (sender, receiver) = unbounded_channel();
    let waiting = Arc::<AtomicUsize>::default();
    let inbox = Inbox {
        sender,
        waiting: Arc::clone(&waiting),
        most,
        is_over: false,
    };
    (inbox, Mail { receiver, waiting })
}

impl Inbox {
    /// Makes room for a message of so many bytes that will be sent when the unit ends.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Room {
        if self.is_over {
            return Room::Over;
        }
        let waiting = self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.most.is_some_and(|most| waiting > most) {
            self.is_over = true;
            return Room::NoMore;
        }
        Room::Enough
    }

    /// Sends a message; false when nobody is there to take it.
    pub(crate) fn send(&self, message: Message, horizon: Sequence) -> bool {
        self.sender.send(Letter { message, horizon }).is_ok()
    }
}

impl Mail {
    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    pub(crate) fn try_recv(&mut self) -> Result<Letter, TryRecvError> {
        self.receiver.try_recv().inspect(|letter| self.taken(letter))
    }

    pub(crate) fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Letter>> {
        let polled = self.receiver.poll_recv(context);
        if let Poll::Ready(Some(letter)) = &polled {
            self.taken(letter);
        }
        polled
    }

    fn taken(&self, letter: &Letter) {
        self.waiting.fetch_sub(letter.message.size(), Ordering::Relaxed);
    }
}

impl Message {
    /// About as many bytes as it has on a wire.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Push(reply) => size(reply),
            Self::Close => 0,
        }
    }
}

fn size(reply: &Reply) -> usize {
    const HEADER: usize = 8;
    HEADER
        + match reply {
            Reply::Bulk(bytes) => bytes.len(),
            Reply::Simple(text) => text.len(),
            Reply::Array(items) | Reply::Push(items) => items.iter().map(size).sum(),
            _ => 0,
        }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{Room, inbox};
    use crate::client::{Arrival, Message};
    use crate::journal::Sequence;
    use crate::reply::Reply;
    use crate::testing::Session;

    #[test]
    fn what_waits_is_bounded_until_it_is_taken() {
        let (mut inbox, mut mail) = inbox(Some(100));
        for _ in 0..3 {
            let message = Message::Push(Reply::bulk([b'a'; 60]));
            assert_eq!(inbox.reserve(message.size()), Room::Enough);
            assert!(inbox.send(message, Sequence::NONE));
            assert!(matches!(mail.try_recv().unwrap().message, Message::Push(_)));
        }
        assert_eq!(inbox.reserve(60), Room::Enough);
        assert_eq!(inbox.reserve(60), Room::NoMore);
        assert_eq!(inbox.reserve(1), Room::Over);
    }

    #[test]
    fn a_script_that_publishes_without_end_fills_no_memory() {
        let publisher = Session::new();
        let (inbox, mut mail) = inbox(Some(10_000));
        let arrival = Arrival {
            is_authenticated: true,
            inbox: Some(inbox),
            ..Arrival::default()
        };
        let subscriber = publisher.engine().session(arrival);
        subscriber.run(&[b"SUBSCRIBE", b"a"]);
        let script = "for i = 1, 1000 do redis.call('publish', 'a', ARGV[1]) end return 1";
        let message = [b'm'; 1000];
        let done = publisher.ask_args(&[b"EVAL", script.as_bytes(), b"0", &message]);
        assert_eq!(done, Reply::Int(1));
        let mut kept = 0;
        while let Message::Push(_) = mail.try_recv().unwrap().message {
            kept += 1;
        }
        assert!((1..10).contains(&kept), "{kept}");
        assert!(mail.is_empty());
        assert!(subscriber.batch().unwrap().should_close());
    }
}
