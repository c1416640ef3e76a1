//! Keys too large for one reply, read in pieces of about a mebibyte.
//!
//! Lists and sorted sets are read by position. Hashes and sets are scanned, which shows everything that stays and may
//! show an element twice; adding it twice does no harm.

use redis::{Cmd, Value};

use super::{Head, Kind, Piece, SMALL, Seen, Sink, Source, piece_of};
use crate::error::Result;

/// No piece has more elements.
const MOST: u64 = 10_000;

/// How many elements the next piece has.
pub(super) struct Pace(u64);

impl Pace {
    /// For a key of so many elements in so many bytes.
    pub(super) fn new(elements: u64, bytes: u64) -> Self {
        let mut pace = Self(1);
        pace.learn(elements, bytes);
        pace
    }

    pub(super) const fn count(&self) -> u64 {
        self.0
    }

    /// Goes by what the last piece was like.
    pub(super) fn learn(&mut self, elements: u64, bytes: u64) {
        let count = elements.saturating_mul(SMALL) / bytes.max(1);
        self.0 = count.clamp(1, MOST);
    }
}

impl Source {
    /// Reads the key into the sink; `None` when it is gone.
    pub(super) async fn in_pieces(
        &mut self,
        head: Head,
        memory: u64,
        sink: &mut impl Sink,
    ) -> Result<Option<Seen>> {
        let mut count = redis::cmd(counting(head.kind));
        count.arg(&head.key);
        let size: u64 = self.ask(count).await?;
        let mut seen = Seen {
            kind: head.kind,
            size,
            expires_at: head.expires_at,
            stamp: 0,
        };
        let (kind, key) = (head.kind, head.key.clone());
        let pace = Pace::new(size, memory);
        sink.begin(head).await?;
        if size == 0 {
            return Ok(None);
        }
        match kind {
            Kind::List | Kind::SortedSet => seen.size = self.by_position(kind, &key, pace, sink).await?,
            _ => self.by_scan(kind, &key, pace, sink).await?,
        }
        Ok(Some(seen))
    }

    async fn by_position(
        &mut self,
        kind: Kind,
        key: &[u8],
        mut pace: Pace,
        sink: &mut impl Sink,
    ) -> Result<u64> {
        let mut start = 0;
        loop {
            let mut range = redis::cmd(if kind == Kind::List { "LRANGE" } else { "ZRANGE" });
            range.arg(key).arg(start).arg(start + pace.count() - 1);
            if kind == Kind::SortedSet {
                range.arg("WITHSCORES");
            }
            let piece = self.piece(kind, range).await?;
            let (count, bytes) = piece.size();
            if count == 0 {
                return Ok(start);
            }
            start += count;
            pace.learn(count, bytes);
            sink.add(piece).await?;
        }
    }

    async fn by_scan(&mut self, kind: Kind, key: &[u8], mut pace: Pace, sink: &mut impl Sink) -> Result<()> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd(if kind == Kind::Hash { "HSCAN" } else { "SSCAN" });
            scan.arg(key).arg(cursor).arg("COUNT").arg(pace.count());
            let (next, page): (u64, Value) = self.ask(scan).await?;
            let piece = piece_of(kind, page).map_err(|error| self.unexpected(error))?;
            let (count, bytes) = piece.size();
            if count > 0 {
                pace.learn(count, bytes);
                sink.add(piece).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    async fn piece(&mut self, kind: Kind, command: Cmd) -> Result<Piece> {
        let reply = self.ask(command).await?;
        piece_of(kind, reply).map_err(|error| self.unexpected(error))
    }
}

/// The command that counts a key's elements.
pub(in crate::store::transfer) const fn counting(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "STRLEN",
        Kind::Hash => "HLEN",
        Kind::List => "LLEN",
        Kind::Set => "SCARD",
        Kind::SortedSet => "ZCARD",
        Kind::Stream => "XLEN",
    }
}
