//! Buffers that a thread keeps, so that serialising and compressing grow nothing and the envelope is allocated once, in its
//! exact size.
//!
//! A buffer is taken out while it is used: a `Serialize` that itself fills a cache gets an empty one.
//! Next: `envelope.rs`.

use std::cell::Cell;
use std::io;
use std::thread::LocalKey;

/// What a thread keeps at most, in each buffer.
const KEPT: usize = 256 * 1024;

pub(super) type Slot = LocalKey<Cell<Vec<u8>>>;

thread_local! {
    pub(super) static PLAIN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    pub(super) static PACKED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Works with an empty buffer.
pub(super) fn with<R>(slot: &'static Slot, work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // A thread that ends has no buffers any more.
    let mut buffer = slot.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let result = work(&mut buffer);
    if buffer.capacity() <= KEPT {
        let _ = slot.try_with(|slot| slot.set(buffer));
    }
    result
}

/// Keeps what is written up to a limit and counts the rest, so that a value that is too large takes no memory and the
/// error can say how large it is.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    kept: &'a mut Vec<u8>,
    limit: usize,
    size: usize,
}

impl<'a> Sink<'a> {
    pub(super) fn new(kept: &'a mut Vec<u8>, limit: usize) -> Self {
        Self { kept, limit, size: 0 }
    }

    /// Bytes written, kept or not.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.size = self.size.saturating_add(bytes.len());
        if self.size <= self.limit {
            self.kept.extend_from_slice(bytes);
        }
    }
}

impl io::Write for Sink<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.push(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl postcard::ser_flavors::Flavor for &mut Sink<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.push(bytes);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.push(&[byte]);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
