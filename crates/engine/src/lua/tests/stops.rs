//! Scripts that run too long, and those that try to hide it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{MEMORY, Run};
use crate::lua::{Host, Limits};
use crate::reply::Reply;

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
