//! What the functions that Lua calls share: the lent host, the limits, memory, the state of `math.random`.
//!
//! One context belongs to one Lua state and is reached through the allocator's argument, the cheapest road Lua 5.1
//! has. Everything in it is a cell, so that nested calls need no exclusive borrow.

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use mlua_sys::{lua_State, lua_getallocf};

use super::failure::Place;
use super::hook::Stop;
use super::host::Host;
use super::memory::Memory;
use super::random::Random;

/// Shared by a machine and the functions its scripts call.
pub(super) struct Context {
    pub(super) memory: Memory,
    /// The state's first thread.
    pub(super) main: Cell<*mut lua_State>,
    /// Lent for the length of one run.
    pub(super) host: Cell<Option<NonNull<dyn Host>>>,
    /// 2 or 3: how the script reads replies.
    pub(super) protocol: Cell<u8>,
    pub(super) random: Random,
    /// Where the last error that left a script was raised.
    pub(super) place: RefCell<Option<Place>>,
    /// A buffer kept for `cjson.encode` and `cmsgpack.pack`.
    pub(super) buffer: Cell<Vec<u8>>,
    pub(super) clock: Clock,
    /// Where on the thread's stack the run began.
    start: Cell<usize>,
}

/// How long a run may last, and whether it has been stopped.
pub(super) struct Clock {
    pub(super) started: Cell<Option<Instant>>,
    pub(super) busy_after: Cell<Duration>,
    pub(super) kill: Cell<*const AtomicBool>,
    pub(super) stopped: Cell<Option<Stop>>,
    /// Work since the last look at the time.
    pub(super) work: Cell<usize>,
}

impl Context {
    pub(super) fn new() -> Self {
        Self {
            memory: Memory::default(),
            main: Cell::new(ptr::null_mut()),
            host: Cell::new(None),
            protocol: Cell::new(2),
            random: Random::default(),
            place: RefCell::new(None),
            buffer: Cell::new(Vec::new()),
            clock: Clock {
                started: Cell::new(None),
                busy_after: Cell::new(Duration::MAX),
                kill: Cell::new(ptr::null()),
                stopped: Cell::new(None),
                work: Cell::new(0),
            },
            start: Cell::new(0),
        }
    }

    /// A run begins here.
    #[inline(always)]
    pub(super) fn mark_stack(&self) {
        let here = 0u8;
        self.start.set(ptr::from_ref(&here).addr());
    }

    /// Bytes of the thread's stack that the run has taken by now.
    #[inline(always)]
    pub(super) fn stack_taken(&self) -> usize {
        let here = 0u8;
        self.start.get().abs_diff(ptr::from_ref(&here).addr())
    }

    /// The context of a state; valid as long as the state is.
    #[inline]
    pub(super) unsafe fn of<'a>(state: *mut lua_State) -> &'a Self {
        let mut context = ptr::null_mut();
        lua_getallocf(state, &raw mut context);
        &*context.cast::<Self>()
    }

    /// The lent host. Nobody else holds it: commands cannot run scripts, so this is never entered twice.
    #[inline]
    pub(super) unsafe fn host<'a>(&self) -> Option<&'a mut dyn Host> {
        self.host.get().map(|mut host| host.as_mut())
    }

    /// A buffer to fill; give it back with [`Self::keep`].
    pub(super) fn take_buffer(&self) -> Vec<u8> {
        let mut buffer = self.buffer.take();
        buffer.clear();
        buffer
    }

    /// Keeps the buffer for the next time, unless it has grown beyond use.
    pub(super) fn keep(&self, buffer: Vec<u8>) {
        const WORTH_KEEPING: usize = 64 * 1024;
        if buffer.capacity() <= WORTH_KEEPING {
            self.buffer.set(buffer);
        }
    }
}
