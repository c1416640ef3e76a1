//! Lua scripts, as Redis 7.0 runs them.
//!
//! One Lua 5.1 state serves the whole double. A script is compiled once and known by its SHA-1; while it runs, the keyspace is
//! lent to the state, so a script is as atomic as a command.
//! Next: `scripting/sandbox.rs` (what a script can see), `scripting/library.rs` (`redis.*`), `scripting/fault.rs` (errors),
//! `scripting/convert.rs` (replies), `scripting/cjson.rs`, `scripting/cmsgpack.rs`.

mod cjson;
mod cmsgpack;
mod convert;
mod fault;
mod library;
mod sandbox;

use std::collections::HashMap;

use mlua::chunk::ChunkMode;
use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::keyspace::Keyspace;
use super::reply::{Outcome, Refusal};

pub(super) struct Scripts {
    lua: Lua,
    /// What scripts see as their globals; KEYS and ARGV are put here.
    visible: Table,
    /// Calls a function and turns what it throws into `{err=…, line=…}`.
    protected_call: Function,
    compiled: HashMap<String, Function>,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let lua = Lua::new();
        let (visible, protected_call) = sandbox::build(&lua).expect("the sandbox is built of valid Lua");
        Self {
            lua,
            visible,
            protected_call,
            compiled: HashMap::new(),
        }
    }

    /// Compiles a script, unless it is known, and returns its SHA-1.
    pub(super) fn load(&mut self, source: &[u8]) -> Result<String, Refusal> {
        let sha = sha1_smol::Sha1::from(source).hexdigest();
        if !self.compiled.contains_key(&sha) {
            let chunk = self
                .lua
                .load(source)
                .set_name(fault::CHUNK_NAME)
                .set_mode(ChunkMode::Text);
            let function = chunk
                .into_function()
                .map_err(|error| fault::compile_error(&error))?;
            self.compiled.insert(sha.clone(), function);
        }
        Ok(sha)
    }

    pub(super) fn has(&self, sha: &str) -> bool {
        self.compiled.contains_key(&sha.to_lowercase())
    }

    pub(super) fn flush(&mut self) {
        self.compiled.clear();
    }

    /// Runs a known script.
    pub(super) fn evaluate(
        &mut self,
        keyspace: &mut Keyspace,
        sha: &str,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
    ) -> Outcome {
        let no_script = || Refusal("NOSCRIPT No matching script. Please use EVAL.".to_owned());
        let script = self.compiled.get(sha).ok_or_else(no_script)?;
        self.lua.set_app_data(std::mem::take(keyspace));
        let outcome = self.call(script, keys, arguments);
        *keyspace = self
            .lua
            .remove_app_data()
            .expect("the keyspace was lent to the script");
        match outcome.expect("a protected call does not fail") {
            (true, value) => convert::to_reply(&value),
            (false, value) => Err(fault::script_error(&value, sha)),
        }
    }

    fn call(
        &self,
        script: &Function,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
    ) -> mlua::Result<(bool, Value)> {
        for (name, values) in [("KEYS", keys), ("ARGV", arguments)] {
            let table = self.lua.create_table_with_capacity(values.len(), 0)?;
            for value in values {
                table.raw_push(self.lua.create_string(value)?)?;
            }
            self.visible.raw_set(name, table)?;
        }
        self.protected_call.call(script)
    }
}

/// Makes a function for scripts that looks at its arguments itself.
fn host_function<R: IntoLuaMulti + 'static>(
    lua: &Lua,
    body: fn(&Lua, &MultiValue) -> mlua::Result<R>,
) -> mlua::Result<Function> {
    lua.create_function(move |lua, arguments: MultiValue| body(lua, &arguments))
}
