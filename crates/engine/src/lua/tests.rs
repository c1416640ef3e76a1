//! What the golden tests cannot show: hostile scripts, one run after another, and below this module their limits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod memory;
mod stack;
mod stops;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use proptest::prelude::{any, prop, prop_assert_eq, proptest};

use super::fixtures::FakeHost;
use super::{Host, Limits, Machine};
use crate::reply::{Fault, Reply};

const MEMORY: usize = 48 << 20;

struct Run {
    machine: Machine,
    host: FakeHost,
    kill: AtomicBool,
    busy_after: Duration,
    memory: usize,
}

impl Run {
    fn new() -> Self {
        Self {
            machine: Machine::new().unwrap(),
            host: FakeHost::default(),
            kill: AtomicBool::new(false),
            busy_after: Duration::from_secs(60),
            memory: MEMORY,
        }
    }

    fn script(&mut self, source: &str) -> Reply {
        let function = match self.machine.load(source.as_bytes()) {
            Ok(function) => function,
            Err(fault) => return Reply::Error(fault),
        };
        let limits = Limits {
            busy_after: self.busy_after,
            kill: &self.kill,
            memory: self.memory,
        };
        let reply = self
            .machine
            .run(&function, &[b"key"], &[b"a"], &mut self.host, &limits);
        self.machine.unload(function);
        reply
    }

    fn error(&mut self, source: &str) -> String {
        match self.script(source) {
            Reply::Error(fault) => fault.text().to_owned(),
            other => panic!("no error but {other:?}"),
        }
    }

    /// The machine is whole after what happened.
    fn assert_usable(&mut self) {
        assert_eq!(
            self.script("return {KEYS[1], ARGV[1]}"),
            Reply::bulks(["key", "a"])
        );
    }
}

#[test]
fn a_function_is_compiled_once_and_runs_many_times() {
    let mut machine = Machine::new().unwrap();
    let function = machine.load(b"return KEYS[1] .. ARGV[1]").unwrap();
    assert_eq!(
        function.sha(),
        sha1_smol::Sha1::from("return KEYS[1] .. ARGV[1]").hexdigest()
    );
    let kill = AtomicBool::new(false);
    let limits = Limits {
        busy_after: Duration::MAX,
        kill: &kill,
        memory: usize::MAX,
    };
    for key in ["a", "b"] {
        let reply = machine.run(
            &function,
            &[key.as_bytes()],
            &[b"x"],
            &mut FakeHost::default(),
            &limits,
        );
        assert_eq!(reply, Reply::bulk(format!("{key}x")));
    }
}

#[test]
fn functions_of_another_machine_are_unknown() {
    let mut run = Run::new();
    let function = run.machine.load(b"return 1").unwrap();
    run.machine = Machine::new().unwrap();
    let limits = Limits {
        busy_after: Duration::MAX,
        kill: &run.kill,
        memory: usize::MAX,
    };
    let reply = run.machine.run(&function, &[], &[], &mut run.host, &limits);
    assert_eq!(
        reply,
        Reply::Error(Fault::of("NOSCRIPT No matching script. Please use EVAL."))
    );
    run.machine.unload(function);
    run.assert_usable();
}

#[test]
fn nothing_of_a_run_is_left_for_the_next() {
    let mut run = Run::new();
    run.script("redis.setresp(3) KEYS[1] = 'changed' return 1");
    assert_eq!(run.script("return true"), Reply::Int(1));
    run.assert_usable();
    assert_eq!(run.script("return rawget(_G, 'x')"), Reply::Nil);
}

#[test]
fn a_log_line_reaches_the_host() {
    let mut run = Run::new();
    run.script("redis.log(redis.LOG_WARNING, 'disk', 5, 'full')");
    assert_eq!(run.host.logged, [(3, b"disk 5 full".to_vec())]);
}

#[test]
fn a_panicking_host_is_an_error_of_the_script() {
    struct Panicking;
    impl Host for Panicking {
        fn call(&mut self, _: &[&[u8]]) -> Reply {
            panic!("on purpose")
        }
        fn log(&mut self, _: i64, _: &[u8]) {}
        fn has_written(&self) -> bool {
            false
        }
        fn set_resp(&mut self, _: u8) {}
        fn may_run(&mut self, _: &[&[u8]]) -> Option<bool> {
            None
        }
    }
    let mut run = Run::new();
    let function = run.machine.load(b"return redis.call('PING')").unwrap();
    let limits = Limits {
        busy_after: Duration::MAX,
        kill: &run.kill,
        memory: MEMORY,
    };
    let reply = run.machine.run(&function, &[], &[], &mut Panicking, &limits);
    assert!(
        format!("{reply:?}").contains("an internal error of the engine"),
        "{reply:?}"
    );
    run.machine.unload(function);
    run.assert_usable();
}

#[test]
fn a_reader_that_has_ended_is_not_asked_again() {
    let mut run = Run::new();
    for end in ["nil", "''"] {
        let script = format!(
            "local asked = 0
            local text, complaint = load(function()
                asked = asked + 1
                if asked == 1 then return {end} end
                collectgarbage() collectgarbage()
                return 'return 1'
            end)
            return {{asked, tostring(complaint), text()}}"
        );
        assert_eq!(
            run.script(&script),
            Reply::Array(vec![Reply::Int(1), Reply::bulk("nil")]),
            "{end}"
        );
    }
    let pieces =
        "local pieces = {'retu', 'rn 4', '2'} return load(function() return table.remove(pieces, 1) end)()";
    assert_eq!(run.script(pieces), Reply::Int(42));
}

#[test]
fn hidden_tables_stay_as_they_are() {
    let mut run = Run::new();
    for source in [
        "table.insert(string, 1)",
        "rawset(redis, 'call', 1)",
        "setmetatable(_G, nil)",
        "getmetatable('').__index.rep = nil",
        "getmetatable(_G).__index = nil",
        "for k in pairs(_G) do _G[k] = nil end",
        "local t = setmetatable({}, {__newindex = string}) t.x = 1",
    ] {
        let text = run.error(source);
        assert!(
            text.contains("Attempt to modify a readonly table"),
            "{source}: {text}"
        );
    }
    run.script("table.sort(redis) table.remove(redis) return 1");
    assert_eq!(run.script("return ('x'):rep(2)"), Reply::bulk("xx"));
    run.assert_usable();
}

#[test]
fn more_keys_than_a_table_starts_with_arrive() {
    let mut run = Run::new();
    let function = run.machine.load(b"return #KEYS + #ARGV").unwrap();
    let names: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    let limits = Limits {
        busy_after: Duration::MAX,
        kill: &run.kill,
        memory: MEMORY,
    };
    assert_eq!(
        run.machine.run(&function, &names, &names, &mut run.host, &limits),
        Reply::Int(20_000)
    );
}

proptest! {
    #[test]
    fn no_input_breaks_a_decoder(input in prop::collection::vec(any::<u8>(), 0..64), offset in -3i32..70) {
        let mut run = Run::new();
        let function = run.machine.load(b"\
            local input, offset = ARGV[1], tonumber(ARGV[2])
            pcall(cjson.decode, input)
            pcall(cmsgpack.unpack, input)
            pcall(cmsgpack.unpack_one, input, offset)
            pcall(cmsgpack.unpack_limit, input, offset, 2)
            pcall(struct.unpack, 'bHi4>L<fdc0s', input, offset)
            pcall(struct.unpack, input, input)
            pcall(struct.pack, input, 1, 2, 3, 'x')
            pcall(struct.size, input)
            pcall(string.find, input, input)
            pcall(loadstring, input)
            return 'alive'").unwrap();
        let kill = AtomicBool::new(false);
        let limits = Limits { busy_after: Duration::from_secs(10), kill: &kill, memory: MEMORY };
        let offset = offset.to_string();
        let reply = run.machine.run(&function, &[], &[&input, offset.as_bytes()], &mut run.host, &limits);
        prop_assert_eq!(reply, Reply::bulk("alive"));
    }

    /// A class with one member is a pattern for the same text, so the original searches for it.
    #[test]
    fn a_plain_search_finds_what_a_pattern_finds(text in "[ab\\x00]{0,12}", sought in "[ab]{0,3}", start in -15i32..15) {
        let mut run = Run::new();
        let function = run.machine.load(b"\
            local text, sought, start = ARGV[1], ARGV[2], tonumber(ARGV[3])
            local pattern = sought:gsub('.', '[%0]')
            local expected = {text:find('()' .. pattern, start)}
            local same = true
            for _, found in ipairs({{text:find(sought, start)}, {text:find(sought, start, true)}}) do
                same = same and found[1] == expected[1] and found[2] == expected[2]
            end
            local found = {text:find(sought)}
            local expected = {text:find('()' .. pattern)}
            return {same and found[1] == expected[1] and found[2] == expected[2]}").unwrap();
        let kill = AtomicBool::new(false);
        let limits = Limits { busy_after: Duration::from_secs(10), kill: &kill, memory: MEMORY };
        let start = start.to_string();
        let args = [text.as_bytes(), sought.as_bytes(), start.as_bytes()];
        let reply = run.machine.run(&function, &[], &args, &mut run.host, &limits);
        prop_assert_eq!(reply, Reply::Array(vec![Reply::Int(1)]));
    }

    #[test]
    fn what_is_packed_is_unpacked_alike(text in prop::collection::vec(any::<u8>(), 0..80), number in any::<f64>(), count in 0usize..40) {
        let mut run = Run::new();
        let function = run.machine.load(b"\
            local number = struct.unpack('<d', ARGV[2])
            local value = {ARGV[1], {deep = {number}}, true}
            for i = 1, tonumber(ARGV[3]) do value[#value + 1] = i * 1000003 end
            local copy = cmsgpack.unpack(cmsgpack.pack(value))
            local same = copy[2].deep[1] == number or number ~= number
            return {copy[1] == ARGV[1] and same and #copy == #value and copy[#copy] == value[#value]}").unwrap();
        let kill = AtomicBool::new(false);
        let limits = Limits { busy_after: Duration::from_secs(10), kill: &kill, memory: MEMORY };
        let (bits, count) = (number.to_le_bytes(), count.to_string());
        let reply = run.machine.run(&function, &[], &[&text, &bits, count.as_bytes()], &mut run.host, &limits);
        prop_assert_eq!(reply, Reply::Array(vec![Reply::Int(1)]));
    }

    #[test]
    fn json_texts_survive_a_round_trip(text in prop::collection::vec(1u8..=255, 0..80)) {
        let mut run = Run::new();
        let function = run.machine.load(b"return {cjson.decode(cjson.encode({[ARGV[1]] = ARGV[1]}))[ARGV[1]] == ARGV[1]}").unwrap();
        let kill = AtomicBool::new(false);
        let limits = Limits { busy_after: Duration::from_secs(10), kill: &kill, memory: MEMORY };
        let reply = run.machine.run(&function, &[], &[&text], &mut run.host, &limits);
        prop_assert_eq!(reply, Reply::Array(vec![Reply::Int(1)]));
    }
}
