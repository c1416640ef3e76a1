//! What scripts may hold, on whichever side of the border it lies.

use std::time::Duration;

use super::{MEMORY, Run};
use crate::lua::Limits;
use crate::reply::Reply;

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
fn running_out_of_memory_can_be_caught() {
    let mut run = Run::new();
    let reply = run.script("local ok, e = pcall(string.rep, 'x', 1e9) return {tostring(ok), e}");
    assert_eq!(reply, Reply::bulks(["false", "not enough memory"]));
    let reply =
        run.script("local ok, e = pcall(function() local s = 'x' while true do s = s .. s end end) return e");
    assert_eq!(reply, Reply::bulk("not enough memory"));
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
