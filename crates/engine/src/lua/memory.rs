//! Lua's allocator: counts bytes, and refuses beyond a limit.
//!
//! A refusal becomes Lua's error "not enough memory", a `longjmp`. So nothing is refused while memory is reserved,
//! that is while Rust frames with something to drop are on the stack; what they took counts against the script right
//! afterwards.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use super::context::Context;

/// Lua's largest alignment: doubles and pointers.
const ALIGNMENT: usize = 8;

/// Bytes in use by one Lua state.
#[derive(Default)]
pub(super) struct Memory {
    used: Cell<usize>,
    limit: Cell<usize>,
    reserved: Cell<bool>,
}

/// Nothing is refused while this lives.
pub(super) struct Reserved<'a> {
    memory: &'a Memory,
    before: bool,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.memory.reserved.set(self.before);
    }
}

impl Memory {
    pub(super) fn reserve(&self) -> Reserved<'_> {
        Reserved {
            memory: self,
            before: self.reserved.replace(true),
        }
    }

    /// Runs something protected, in which memory may be refused.
    pub(super) fn unreserved<T>(&self, run: impl FnOnce() -> T) -> T {
        let before = self.reserved.replace(false);
        let result = run();
        self.reserved.set(before);
        result
    }

    pub(super) fn used(&self) -> usize {
        self.used.get()
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.set(limit);
    }

    /// Whether `more` bytes on top would exceed the limit: functions that build much ask before they go on.
    pub(super) fn is_exhausted(&self, more: usize) -> bool {
        self.used.get().saturating_add(more) > self.limit.get()
    }

    fn admits(&self, more: usize) -> bool {
        self.reserved.get() || !self.is_exhausted(more)
    }
}

/// `lua_Alloc`; `context` is the [`Context`] the state was made with.
pub(super) unsafe extern "C" fn allocate(
    context: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    let memory = &(*context.cast::<Context>()).memory;
    let old = if block.is_null() { 0 } else { old };
    if new == 0 {
        if old > 0 {
            memory.used.set(memory.used.get() - old);
            dealloc(block.cast(), Layout::from_size_align_unchecked(old, ALIGNMENT));
        }
        return ptr::null_mut();
    }
    if new > old && !memory.admits(new - old) {
        return ptr::null_mut();
    }
    let Ok(layout) = Layout::from_size_align(new, ALIGNMENT) else {
        return ptr::null_mut();
    };
    let fresh = if old == 0 {
        alloc(layout)
    } else {
        realloc(
            block.cast(),
            Layout::from_size_align_unchecked(old, ALIGNMENT),
            new,
        )
    };
    if fresh.is_null() {
        if memory.reserved.get() {
            handle_alloc_error(layout);
        }
        return ptr::null_mut();
    }
    memory.used.set(memory.used.get() + new - old);
    fresh.cast()
}
