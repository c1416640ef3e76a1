//! What the golden tests cannot show: limits, stops, hostile scripts, one run after another.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
fn a_script_that_runs_too_long_is_stopped() {
    let mut run = Run::new();
    run.busy_after = Duration::from_millis(20);
    let text = run.error("while true do end");
    assert!(
        text.starts_with(
            "ERR Script stopped after running longer than 20 milliseconds without writing script: "
        ),
        "{text}"
    );
    assert!(text.ends_with(", on @user_script:1."), "{text}");
    run.assert_usable();
}

#[test]
fn nothing_a_script_does_survives_the_stop() {
    let mut run = Run::new();
    run.busy_after = Duration::from_millis(20);
    for source in [
        "while true do pcall(function() while true do end end) end",
        "local function f() pcall(f) return f() end f()",
        "while true do xpcall(function() while true do end end, function(e) return e end) end",
        "while true do xpcall(function() while true do end end, function(e) while true do end end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "local co = coroutine.wrap(function() while true do pcall(function() while true do end end) end end) while true do pcall(co) end",
        "coroutine.wrap(function() coroutine.wrap(function() while true do pcall(function() while true do end end) end end)() end)()",
        "while true do load(function() while true do end end) end",
        "local t = setmetatable({}, {__index = function() while true do end end}) while true do pcall(function() return t.x end) end",
        "while true do string.gsub('xxxx', 'x', function() while true do end end) end",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "while true do redis.pcall('PING') end",
        // Each of these coroutines ends after few instructions.
        "local function f(n) if n > 0 then for i = 1, 100 do coroutine.wrap(f)(n - 1) end end end f(9)",
    ] {
        let text = run.error(source);
        assert!(text.starts_with("ERR Script stopped"), "{source}: {text}");
        run.assert_usable();
    }
}

#[test]
fn a_script_of_few_but_long_steps_is_stopped_in_time() {
    let mut run = Run::new();
    run.busy_after = Duration::from_millis(20);
    for source in [
        "while true do local s = ('x'):rep(1e7) end",
        "while true do local s = ('x'):rep(1e7) .. 'y' end",
        "local s = ('x'):rep(1e7) while true do s:upper() end",
        "local s = ('x'):rep(1e7) while true do s:gsub('y', 'z') end",
        "local s = ('x'):rep(6e6) while true do s:find(('x'):rep(3e6) .. 'y', 1, true) end",
        "local s = ('x'):rep(6e6) while true do s:find(('x'):rep(3e6) .. 'y') end",
        "while true do pcall(table.insert, {}, -2^31, 1) end",
        "local t = {} for i = 1, 2e5 do t[i] = i end while true do table.insert(t, -900, 1) table.remove(t) end",
    ] {
        let start = Instant::now();
        let text = run.error(source);
        assert!(text.starts_with("ERR Script stopped"), "{source}: {text}");
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{source}: {:?}",
            start.elapsed()
        );
        run.assert_usable();
    }
}

#[test]
fn a_script_of_slow_commands_is_stopped_in_time() {
    #[derive(Default)]
    struct Slow {
        calls: u32,
    }
    impl Host for Slow {
        fn call(&mut self, _: &[&[u8]]) -> Reply {
            self.calls += 1;
            // What a large reply takes.
            std::thread::sleep(Duration::from_millis(5));
            Reply::Nil
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
    let limits = Limits {
        busy_after: Duration::from_millis(20),
        kill: &run.kill,
        memory: MEMORY,
    };
    for command in ["call", "pcall"] {
        let source = format!("while true do redis.{command}('KEYS', '*') end");
        let function = run.machine.load(source.as_bytes()).unwrap();
        let mut host = Slow::default();
        let reply = run.machine.run(&function, &[], &[], &mut host, &limits);
        assert!(reply.is_error() && host.calls < 50, "{} {reply:?}", host.calls);
    }
}

#[test]
fn a_script_that_has_written_is_stopped_by_the_kill_flag_only() {
    let mut run = Run::new();
    run.busy_after = Duration::ZERO;
    run.host.has_written = true;
    assert_eq!(
        run.script("local n = 0 for i = 1, 2000000 do n = n + 1 end return n"),
        Reply::Int(2_000_000)
    );
    run.kill.store(true, Ordering::Relaxed);
    let text = run.error("while true do pcall(function() while true do end end) end");
    assert!(
        text.starts_with("ERR Script killed by user with SCRIPT KILL... script: "),
        "{text}"
    );
    run.kill.store(false, Ordering::Relaxed);
    run.assert_usable();
}

#[test]
fn memory_is_bounded_and_the_machine_survives() {
    let mut run = Run::new();
    for source in [
        "return string.rep('x', 2^31 - 1)",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = {} end",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local t = {} for i = 1, 40 do t = {t, t} end return cjson.encode(t)",
        "local t = {} for i = 1, 15 do t = {t, t, t, t, t, t, t, t} end return cmsgpack.pack(t)",
        "local t = {} for i = 1, 40 do t = {t, t} end return t",
        "return cjson.decode('[' .. ('[],'):rep(2e6) .. '0]')",
        "return (('x'):rep(2e7)):upper():reverse():lower()",
        "return table.concat({('x'):rep(2e7), ('y'):rep(2e7), ('z'):rep(2e7)})",
        "local t = {} for i = 1, 300 do t[i] = ('x'):rep(1e6 + i) end return t",
        "local s, t = ('x'):rep(1e6), {} for i = 1, 3000 do t[i] = s end return cjson.encode(t)",
        "local s, t = ('x'):rep(1e6), {} for i = 1, 3000 do t[i] = s end return cmsgpack.pack(t)",
        "local s, t = ('x'):rep(1e6), {} for i = 1, 3000 do t[i] = s end return struct.pack(('s'):rep(3000), unpack(t))",
        "local s, t = ('x'):rep(1e6), {} for i = 1, 3000 do t[i] = s end redis.log(3, unpack(t))",
        "local s, t = {ok = ('x'):rep(1e6)}, {} for i = 1, 3000 do t[i] = s end return t",
        "local s, t = {err = ('x'):rep(1e6)}, {} for i = 1, 3000 do t[i] = s end return t",
        "local s, t = {verbatim_string = {format = 'txt', string = ('x'):rep(1e6)}}, {} for i = 1, 3000 do t[i] = s end return t",
        "local c = cjson.new() c.encode_sparse_array(false, 0) return c.encode({[2^31 - 1] = 1})",
        "return cmsgpack.unpack(('\\221\\255\\255\\255\\255'):rep(999) .. ('x'):rep(1e6))",
        "return cmsgpack.unpack(('\\223\\255\\255\\255\\255a'):rep(999) .. ('x'):rep(1e6))",
        "return cjson.decode('[' .. ('1,'):rep(4e6) .. '1]')",
    ] {
        let reply = run.script(source);
        let text = format!("{reply:?}");
        assert!(text.contains("not enough memory"), "{source}: {text:.300}");
        run.assert_usable();
    }
    assert!(run.machine.used_memory() < MEMORY);
}

#[test]
fn a_claim_of_more_entries_than_a_table_can_have_is_refused() {
    let mut run = Run::new();
    run.memory = usize::MAX;
    let function = run
        .machine
        .load(b"return {pcall(cmsgpack.unpack, ARGV[1])}")
        .unwrap();
    let mut input = b"\xdf\xff\xff\xff\xff".to_vec();
    input.resize((1 << 27) + 100, 0xc1);
    let limits = Limits {
        busy_after: Duration::MAX,
        kill: &run.kill,
        memory: usize::MAX,
    };
    let reply = run.machine.run(&function, &[], &[&input], &mut run.host, &limits);
    assert_eq!(
        reply,
        Reply::Array(vec![Reply::Nil, Reply::bulk("not enough memory")])
    );
}

#[test]
fn the_collector_cannot_be_switched_off() {
    let mut run = Run::new();
    for switch in [
        "'stop'",
        "'stop\\0'",
        "'setpause', 1e9",
        "'setpause\\0', 1e9",
        "'setstepmul\\0x', 1",
    ] {
        run.script(&format!("collectgarbage({switch})"));
        let reply = run.script("for i = 1, 3e5 do local t = {i, {}} end return 'collected'");
        assert_eq!(reply, Reply::bulk("collected"), "{switch}");
    }
    assert_eq!(
        run.script("return collectgarbage('setpause\\0', 1)"),
        Reply::Int(200)
    );
}

#[test]
fn a_complaint_has_room_on_a_full_stack() {
    let mut run = Run::new();
    // The interpreter of tests checks each push.
    let script = "for count = 1, 60 do
        local ok, text = pcall(struct.unpack, ('b'):rep(count), ('x'):rep(count - 1))
        assert(not ok and text:find('data string too short', 1, true), text)
        ok, text = pcall(cmsgpack.unpack, ('\\1'):rep(count) .. '\\193')
        assert(not ok and text:find('Bad data format', 1, true), text)
    end
    local ok, text = pcall(struct.unpack, ('b'):rep(9000), ('x'):rep(9000))
    return text";
    assert_eq!(
        run.script(script),
        Reply::bulk("stack overflow (too many results)")
    );
}

#[test]
fn running_out_of_memory_can_be_caught() {
    let mut run = Run::new();
    let reply = run.script("local ok, e = pcall(string.rep, 'x', 1e9) return {tostring(ok), e}");
    assert_eq!(reply, Reply::bulks(["false", "not enough memory"]));
    let reply =
        run.script("local ok, e = pcall(function() local s = 'x' while true do s = s .. s end end) return e");
    assert_eq!(reply, Reply::bulk("not enough memory"));
}

#[test]
fn deep_recursion_ends_in_an_error() {
    let mut run = Run::new();
    let nested = |open: &str, count: usize| format!("return {}1", open.repeat(count));
    for source in [
        "local function f() return 1 + f() end return f()".to_owned(),
        "local function f() string.gsub('x', 'x', f) end f()".to_owned(),
        "local function f() return coroutine.wrap(f)() end f()".to_owned(),
        "local t = setmetatable({}, {__index = function(t, k) return t[k .. 'x'] end}) return t.x".to_owned(),
        "return ('x'):find(('a?'):rep(100000))".to_owned(),
        "return ('x'):rep(100000):find(('x*'):rep(100000))".to_owned(),
        "return ('x'):gsub(('x-'):rep(100000), '')".to_owned(),
        "return cjson.decode(('['):rep(100000))".to_owned(),
        "return cjson.decode(('{\"a\":'):rep(100000))".to_owned(),
        "local c = cjson.new() c.decode_max_depth(2^31 - 1) return c.decode(('['):rep(1000000))".to_owned(),
        "local c = cjson.new() c.encode_max_depth(2^31 - 1) local t = {} t[1] = t return c.encode(t)"
            .to_owned(),
        "return cmsgpack.unpack(('\\145'):rep(100000))".to_owned(),
        "return cmsgpack.unpack(('\\129\\1'):rep(100000))".to_owned(),
        nested("(", 100_000),
        nested("{", 100_000),
        nested("- ", 100_000),
        nested("not ", 100_000),
        nested("function() return ", 100_000),
    ] {
        run.error(&source);
        run.assert_usable();
    }
}

#[test]
fn what_nests_as_deeply_as_allowed_fits_the_stack() {
    let mut run = Run::new();
    for source in [
        "return #cjson.encode(cjson.decode(('['):rep(1000) .. (']'):rep(1000)))",
        "return #cjson.encode(cjson.decode(('{\"a\":'):rep(1000) .. '1' .. ('}'):rep(1000)))",
        "return type(cmsgpack.unpack(('\\145'):rep(1000) .. '\\1'))",
        "return ('x'):rep(5000):find(('x*'):rep(5000))",
        "return ('x'):rep(5000):find(('x?'):rep(5000))",
        "return ('x'):rep(5000):find(('x-'):rep(5000) .. '$')",
    ] {
        let reply = run.script(source);
        assert!(!reply.is_error(), "{source}: {reply:?}");
    }
    for source in [
        "local t = {} t.map = t return t",
        "local t = {} t.set = {[t] = 1} return t",
        "redis.setresp(3) local t = {} t.map = {[t] = t} return t",
    ] {
        run.script(source);
        run.assert_usable();
    }
    let reply = run.script("local t = {} t[1] = t return t");
    let mut depth = 0;
    let mut inner = &reply;
    while let Reply::Array(items) = inner {
        inner = items.first().unwrap();
        depth += 1;
    }
    assert_eq!((depth, inner.is_error()), (1000, true));
}

#[test]
fn what_nests_within_callbacks_fits_the_stack_too() {
    let mut run = Run::new();
    for deepest in [
        "string.find(('x'):rep(5000), ('x*'):rep(5000))",
        "cjson.decode(('['):rep(1000) .. (']'):rep(1000))",
        "cjson.encode(cjson.decode(('{\"a\":'):rep(1000) .. '1' .. ('}'):rep(1000)))",
        "cmsgpack.unpack(('\\145'):rep(1000) .. '\\1')",
        "load(function() return ('return ' .. ('{'):rep(190)) end)",
    ] {
        for nested in [
            "string.gsub('x', 'x', f)",
            "string.gsub('x', 'x', setmetatable({}, {__index = f}))",
            "string.gsub('x', 'x', coroutine.wrap(f))",
        ] {
            let text = run.error(&format!(
                "local function f() pcall(function() {deepest} end) {nested} end f()"
            ));
            assert!(text.contains("stack overflow"), "{deepest} {nested}: {text}");
        }
    }
    let allowed = "local function f(n) return n == 0 and 'end' or (('x'):gsub('x', function() return f(n - 1) end)) end return f(25)";
    assert_eq!(run.script(allowed), Reply::bulk("end"));
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
fn unpack_never_leaves_the_stack() {
    let mut run = Run::new();
    for (first, last) in [
        ("0", "2^31 - 1"),
        ("-1", "2^31 - 1"),
        ("-2^31", "2^31 - 1"),
        ("-2^31", "-1"),
        ("1", "8001"),
        ("1", "2^31 - 1"),
    ] {
        let text = run.error(&format!("return {{unpack({{}}, {first}, {last})}}"));
        assert!(
            text.contains("too many results to unpack"),
            "{first} {last}: {text}"
        );
    }
    for (source, count) in [
        ("select('#', unpack({}, 1, 7000))", 7000),
        ("select('#', unpack({}, 2^31 - 1, 2^31 - 1))", 1),
        ("select('#', unpack({}, -2^31, -2^31))", 1),
        ("select('#', unpack({}, 5, -5))", 0),
        ("select('#', unpack({1, 2}, nil, nil))", 2),
        ("select('#', unpack({1, 2}, '2'))", 1),
    ] {
        assert_eq!(
            run.script(&format!("return {source}")),
            Reply::Int(count),
            "{source}"
        );
    }
    run.assert_usable();
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

#[test]
fn a_reply_that_would_take_more_memory_than_a_script_may_hold_is_refused() {
    let mut run = Run::new();
    for source in [
        "local t = {} for i = 1, 99999 do t[i] = i end t[1] = t return t",
        "local t = {} for i = 2, 999 do t[i] = ('x'):rep(9999) end t[1] = t return t",
        "local t = {} for i = 1, 9999 do t[i] = i end t.map = t return t",
    ] {
        assert_eq!(run.error(source), "ERR not enough memory", "{source}");
        run.assert_usable();
    }
}
