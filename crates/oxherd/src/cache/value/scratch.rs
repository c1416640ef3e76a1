//! Buffers that a thread keeps, so that serialising and compressing grow nothing and the envelope is allocated once, in its
//! exact size.
//!
//! Serialising into a kept buffer is faster than into a new one (MessagePack by half), and copying it behind the header costs
//! less than the growing that it saves. A buffer is taken out while it is used: a `Serialize` that itself fills a cache gets
//! a new one.
//! Next: `envelope.rs`.

use std::cell::Cell;
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
