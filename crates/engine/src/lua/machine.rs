//! The interpreter: compiles scripts once, runs them with keys and arguments.
//!
//! It guarantees that nothing of one run is left for the next, apart from the state of `math.random` and the
//! settings of `cjson`, which live on in Redis too. A run that fails leaves the interpreter usable.
//! Next: `call.rs` (what a script calls), `convert.rs` (what it returns), `failure.rs` (how it fails).

use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mlua_sys::{
    LUA_ERRMEM, LUA_GCCOLLECT, LUA_REGISTRYINDEX, lua_State, lua_checkstack, lua_close, lua_cpcall,
    lua_createtable, lua_gc, lua_gettop, lua_newstate, lua_pcall, lua_pushnil, lua_rawgeti_, lua_rawset,
    lua_rawseti_, lua_settop, lua_touserdata, luaL_ref,
};

use super::base::{compile, compiler_message};
use super::context::Context;
use super::convert::Reader;
use super::failure::{CHUNK_NAME, one_line, text_of_error};
use super::hook::watch;
use super::host::Host;
use super::memory::allocate;
use super::stack::push_bytes;
use super::{sandbox, script};
use crate::reply::{Fault, Reply};

/// One Lua state with the library of Redis scripts.
pub(crate) struct Machine {
    state: *mut lua_State,
    context: *mut Context,
    /// References to the table of globals and the message handler.
    globals: c_int,
    handler: c_int,
    /// Tells this state's functions from those of others.
    identity: u64,
}

// SAFETY: the state and its context are owned by the machine alone and have no ties to a thread. The engine uses the
// machine under its one lock.
unsafe impl Send for Machine {}

/// A compiled script.
#[derive(Debug)]
pub(crate) struct Function {
    reference: c_int,
    identity: u64,
    sha: Box<str>,
    flags: script::Flags,
}

/// What a run may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    /// A script that has run longer and has written nothing is stopped.
    pub(crate) busy_after: Duration,
    /// Set from elsewhere to stop the script, whatever it did.
    pub(crate) kill: &'a AtomicBool,
    /// Bytes that Lua may hold.
    pub(crate) memory: usize,
}

/// There is no memory for an interpreter.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the Lua interpreter: not enough memory")]
pub(crate) struct OutOfMemory;

static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);

impl Function {
    /// The script's name: 40 hexadecimal digits.
    #[cfg(test)]
    pub(crate) fn sha(&self) -> &str {
        &self.sha
    }

    /// What its shebang declares.
    pub(crate) fn flags(&self) -> script::Flags {
        self.flags
    }
}

impl Machine {
    /// Starts an interpreter.
    pub(crate) fn new() -> Result<Self, OutOfMemory> {
        let context = Box::into_raw(Box::new(Context::new()));
        let mut machine = Self {
            state: ptr::null_mut(),
            context,
            globals: 0,
            handler: 0,
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
        };
        // SAFETY: the context lives until the state is closed; `build` runs under a protected call.
        unsafe {
            (*context).memory.set_limit(usize::MAX);
            machine.state = lua_newstate(allocate, context.cast());
            if machine.state.is_null() {
                return Err(OutOfMemory);
            }
            (*context).main.set(machine.state);
            let fields = (&raw mut machine).cast();
            if lua_cpcall(machine.state, open, fields) != 0 {
                return Err(OutOfMemory);
            }
            watch(machine.state);
        }
        Ok(machine)
    }

    /// Compiles a script. The fault is what EVAL and SCRIPT LOAD answer.
    pub(crate) fn load(&mut self, source: &[u8]) -> Result<Function, Fault> {
        let (flags, body) = script::parse(source)?;
        let context = self.context();
        // SAFETY: compiling is protected by Lua itself, and nothing else here raises while memory is reserved.
        let compiled = unsafe {
            let _reserved = context.memory.reserve();
            let compiled = if compile(self.state, body, CHUNK_NAME) {
                Ok(luaL_ref(self.state, LUA_REGISTRYINDEX))
            } else {
                Err(compiler_message(self.state))
            };
            lua_settop(self.state, 0);
            compiled
        };
        let reference = compiled.map_err(|message| {
            Fault::err(one_line(&format!(
                "Error compiling script (new function): {message}"
            )))
        })?;
        Ok(Function {
            reference,
            identity: self.identity,
            sha: sha1_smol::Sha1::from(source).hexdigest().into(),
            flags,
        })
    }

    /// Forgets a script. Outside tests scripts are forgotten all at once, with their machine.
    #[cfg(test)]
    #[allow(clippy::needless_pass_by_value, reason = "the caller gives it up")]
    pub(crate) fn unload(&mut self, function: Function) {
        if function.identity == self.identity {
            let _reserved = self.context().memory.reserve();
            // SAFETY: the reference is one of this state's, and it is given up here.
            unsafe { mlua_sys::luaL_unref(self.state, LUA_REGISTRYINDEX, function.reference) };
        }
    }

    /// Bytes that Lua holds.
    pub(crate) fn used_memory(&self) -> usize {
        self.context().memory.used()
    }

    /// Runs a script; an error that leaves it is its reply.
    pub(crate) fn run(
        &mut self,
        function: &Function,
        keys: &[&[u8]],
        args: &[&[u8]],
        host: &mut dyn Host,
        limits: &Limits<'_>,
    ) -> Reply {
        if function.identity != self.identity {
            return Reply::Error(Fault::of("NOSCRIPT No matching script. Please use EVAL."));
        }
        let _lent = Lent::new(self, host, limits);
        // SAFETY: memory is reserved except inside the protected call, so nothing here raises.
        unsafe {
            let context = self.context();
            context.mark_stack();
            let _reserved = context.memory.reserve();
            lua_rawgeti_(self.state, LUA_REGISTRYINDEX, self.handler);
            self.set_globals(keys, args);
            lua_rawgeti_(self.state, LUA_REGISTRYINDEX, function.reference);
            let status = context.memory.unreserved(|| lua_pcall(self.state, 0, 1, 1));
            let reply = if status == 0 {
                let top = lua_gettop(self.state);
                Reader::new(self.state, context, top).read(top)
            } else {
                Reply::Error(Fault::new(text_of_error(self.state, context, &function.sha)))
            };
            self.clear_globals();
            lua_settop(self.state, 0);
            if status == LUA_ERRMEM {
                lua_gc(self.state, LUA_GCCOLLECT, 0);
            }
            reply
        }
    }

    fn context(&self) -> &'static Context {
        // SAFETY: the context is freed with the machine, and the reference is used within its methods only.
        unsafe { &*self.context }
    }

    unsafe fn set_globals(&self, keys: &[&[u8]], args: &[&[u8]]) {
        lua_rawgeti_(self.state, LUA_REGISTRYINDEX, self.globals);
        for (name, items) in [(b"KEYS", keys), (b"ARGV", args)] {
            push_bytes(self.state, name);
            lua_createtable(self.state, c_int::try_from(items.len()).unwrap_or_default(), 0);
            for (index, item) in (1..).zip(items) {
                push_bytes(self.state, item);
                lua_rawseti_(self.state, -2, index);
            }
            lua_rawset(self.state, -3);
        }
        lua_settop(self.state, -2);
    }

    unsafe fn clear_globals(&self) {
        lua_settop(self.state, 0);
        lua_rawgeti_(self.state, LUA_REGISTRYINDEX, self.globals);
        for name in [b"KEYS", b"ARGV"] {
            push_bytes(self.state, name);
            lua_pushnil(self.state);
            lua_rawset(self.state, -3);
        }
    }
}

/// Fills the state of the machine under the light userdata; runs under `lua_cpcall`.
unsafe extern "C-unwind" fn open(state: *mut lua_State) -> c_int {
    let machine = lua_touserdata(state, 1).cast::<Machine>();
    lua_checkstack(state, 32);
    lua_settop(state, 0);
    let (globals, handler) = sandbox::build(state);
    (*machine).globals = globals;
    (*machine).handler = handler;
    0
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: nobody else has the state or the context, and closing runs no script: there are no finalizers.
        unsafe {
            if !self.state.is_null() {
                lua_close(self.state);
            }
            drop(Box::from_raw(self.context));
        }
    }
}

/// The host and limits of one run; taken back when it ends.
struct Lent {
    state: *mut lua_State,
    context: &'static Context,
}

impl Lent {
    fn new(machine: &Machine, host: &mut dyn Host, limits: &Limits<'_>) -> Self {
        let context = machine.context();
        // SAFETY: only the lifetime changes, and `drop` takes the pointer back before the borrow ends.
        let host =
            unsafe { std::mem::transmute::<NonNull<dyn Host + '_>, NonNull<dyn Host>>(NonNull::from(host)) };
        context.host.set(Some(host));
        context.protocol.set(2);
        context.place.replace(None);
        context.memory.set_limit(limits.memory);
        let clock = &context.clock;
        clock.started.set(None);
        clock.stopped.set(None);
        clock.busy_after.set(limits.busy_after);
        clock.kill.set(limits.kill);
        let state = machine.state;
        // Lua does not collect before it gives up, so a run must not begin among garbage.
        if context.memory.used() > limits.memory / 2 {
            let _reserved = context.memory.reserve();
            // SAFETY: the state is live and not running.
            unsafe { lua_gc(state, LUA_GCCOLLECT, 0) };
        }
        Self { state, context }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.context.host.set(None);
        self.context.memory.set_limit(usize::MAX);
        self.context.clock.kill.set(ptr::null());
        if self.context.clock.stopped.take().is_some() {
            // SAFETY: the state is live and not running.
            unsafe { watch(self.state) };
        }
    }
}
