//! The stacks: Lua's, and that of the thread.

use super::Run;
use crate::reply::Reply;

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
