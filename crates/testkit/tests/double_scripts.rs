//! The double's Lua against a real server's: same results, same errors, same bytes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

mod support;

use support::Both;

/// Runs `EVAL script 2 key text a 17` on both.
async fn same(scripts: &[&str]) {
    let mut both = Both::start().await;
    for setup in [
        "SET text hello",
        "LPUSH list a b",
        "ZADD scores 0.1 a 1764000000000123 b",
        "HSET hash f v",
    ] {
        both.compare(setup).await;
    }
    for script in scripts {
        let words = ["EVAL", script, "2", "key", "text", "a", "17"];
        both.compare_words(script, "", &words.map(|word| word.as_bytes().to_vec()))
            .await;
    }
    both.finish(scripts.len());
}

#[tokio::test]
async fn values_cross_the_border_alike() {
    same(&[
        "return {KEYS[1], KEYS[2], ARGV[1], ARGV[2], #KEYS, #ARGV, KEYS[3]}",
        "return 1",
        "return 3.99",
        "return -3.99",
        "return 1e20",
        "return 0/0",
        "return 'text'",
        "return '\\0\\255'",
        "return true",
        "return false",
        "return nil",
        "return",
        "return {}",
        "return {1, 2.7, 'x', true, false, {3, {4}}, nil, 5}",
        "return {1, nil, 2}",
        "return {a = 1}",
        "return {1, a = 2}",
        "return {ok = 'FINE'}",
        "return {err = 'MY problem'}",
        "return {err = 'single'}",
        "return {{ok = 'FINE'}, {err = 'MY problem'}}",
        "return {double = 3.5}",
        "return redis.status_reply('FINE')",
        "return redis.error_reply('MY problem')",
        "return redis.error_reply('single')",
        "return redis.error_reply('-MY problem')",
        "return redis.error_reply(1)",
        "return redis.status_reply({})",
        "return function() end",
        "return cjson.null",
        "return tostring(1e15) .. ' ' .. tostring(2^53) .. ' ' .. tostring(0.1)",
        "return string.format('%.0f', 1764000000000123)",
        "return tonumber(ARGV[2]) + 1",
        "return {type(redis.call('GET', 'none')), type(redis.call('GET', 'text')), type(redis.call('LLEN', 'list'))}",
        "return redis.call('SET', 'x', 1)",
        "return redis.call('SET', 'x', 1).ok",
        "return redis.call('SET', 'x', 1, 'NX') == false",
        "redis.call('SET', 'x', 0.1) return redis.call('GET', 'x')",
        "redis.call('SET', 'x', 1764000000000123) return redis.call('GET', 'x')",
        "redis.call('SET', 'x', 1e17) return redis.call('GET', 'x')",
        "redis.call('SET', 'x', -7) return redis.call('GET', 'x')",
        "return redis.call('ZRANGE', 'scores', 0, -1, 'WITHSCORES')",
        "return redis.call('HGETALL', 'hash')",
        "return redis.call('HMGET', 'hash', 'f', 'none')",
        "return redis.call('LRANGE', 'list', 0, -1)",
        "return redis.call('PING')",
        "return redis.sha1hex('') .. redis.sha1hex('abc') .. redis.sha1hex(1)",
        "redis.log(redis.LOG_WARNING, 'text') return redis.LOG_DEBUG + redis.LOG_VERBOSE + redis.LOG_NOTICE",
        "return {unpack({1, 2, 3}, 2)}",
        "local t = {3, 1, 2} table.sort(t) return t",
        "return select('#', unpack(ARGV))",
        "local n = 0 for _ in string.gmatch('a,b,c', '[^,]+') do n = n + 1 end return n",
        "return math.floor(7.9) .. math.max(1, 2) .. ('x'):rep(3)",
        "local t = {} for i = 1, 20000 do t[i] = 'item ' .. i end return t",
        "local t = {} for i = 1, 7000 do t[i] = i end return redis.call('RPUSH', 'long', unpack(t))",
        "return redis.call('LRANGE', 'long', 0, -1)",
        "return loadstring('return 42')()",
        "local co = coroutine.wrap(function() coroutine.yield(1) end) return co()",
        "local t = setmetatable({}, {__index = function(_, k) return k end}) return t.x",
        "return _VERSION",
        "local s = 0 for i = 1, 100000 do s = s + i end return s",
    ])
    .await;
}

#[tokio::test]
async fn errors_are_worded_alike() {
    same(&[
        "return redis.call('LPUSH', 'text', 1)",
        "return redis.pcall('LPUSH', 'text', 1)",
        "local x = 1\nredis.call('LPUSH', 'text', 1)\nreturn 2",
        "local function f()\n  redis.call('LPUSH', 'text', 1)\nend\nf()",
        "return redis.call('GET')",
        "return redis.pcall('GET')",
        "return redis.call('NOSUCH', 1)",
        "return redis.pcall('NOSUCH', 1)",
        "return redis.call()",
        "return redis.pcall()",
        "return redis.call('SET', 'x', {})",
        "return redis.call('SET', 'x', nil)",
        "return redis.call('SET', 'x', true)",
        "return redis.pcall('SET', 'x', {}).err",
        "return redis.call('EVAL', 'return 1', 0)",
        "return redis.call('EVAL')",
        "return redis.call('SCRIPT', 'FLUSH')",
        "return redis.call('CLIENT', 'ID')",
        "return redis.call('HELLO')",
        "return redis.call('BZPOPMIN', 'none', 0)",
        "return redis.call('CONFIG', 'GET', 'save')",
        "return redis.call('XREAD', 'BLOCK', 1, 'STREAMS', 'none', '$')",
        "return redis.call('XREAD', 'STREAMS', 'none', '0')",
        "return redis.call('SET', 'x', 1, 'BOGUS')",
        "return redis.pcall('SET', 'x', 1, 'BOGUS')",
        "return nosuch",
        "nosuch = 1",
        "redis.x = 1",
        "string.x = 1",
        "redis = nil",
        "KEYS = nil return 1",
        "KEYS[1] = 'changed' return KEYS[1]",
        "return print",
        "return os",
        "return io",
        "return debug",
        "return package",
        "return dofile",
        "return require('x')",
        "error('boom')",
        "error('boom', 0)",
        "error('boom', 2)",
        "error()",
        "error({err = 'MY boom'})",
        "error({err = 'boom'})",
        "error(redis.error_reply('MY boom'))",
        "local function f() error('deep') end\n\nf()",
        "return nil .. 'x'",
        "local t = nil return t.x",
        "return 1 + {}",
        "assert(false, 'asserted')",
        "assert(nil)",
        "local ok, e = pcall(redis.call, 'LPUSH', 'text', 1) return {tostring(ok), type(e), tostring(e)}",
        "local ok, e = pcall(error, 'boom') return {tostring(ok), e}",
        "local ok, e = pcall(error, {err = 'MY boom'}) return {tostring(ok), type(e), tostring(e)}",
        "local ok, e = pcall(error, {code = 7}) return {tostring(ok), type(e), e.code}",
        "local ok, e = pcall(function() error('inner') end) return {tostring(ok), e}",
        "local ok, a, b = pcall(function() return 1, 2 end) return {tostring(ok), a, b}",
        "local ok, e = pcall(cjson.decode, '{') return {tostring(ok), e}",
        "local ok, e = pcall(function() return nosuch end) return {tostring(ok), e}",
        "local ok, e = xpcall(function() redis.call('LPUSH', 'text', 1) end, function(e) return e.err end) return e",
        "local ok, e = xpcall(function() error('boom') end, function(e) return 'saw ' .. e end) return e",
        "redis.sha1hex()",
        "redis.log('x')",
        "redis.log('x', 'y')",
        "redis.log(9, 'y')",
        "return (",
        "return 1 +",
        "x = = 1",
        "for",
        "return 'unclosed",
    ])
    .await;
}

#[tokio::test]
async fn cjson_agrees_byte_for_byte() {
    same(&[
        "return cjson.encode({})",
        "return cjson.encode({1, 2, 3})",
        "return cjson.encode({1, nil, 3})",
        "return cjson.encode({a = 1})",
        "return cjson.encode({{}, {a = {}}, 'x'})",
        "return cjson.encode('a/b\"c\\\\d\\n\\t\\r\\b\\f\\1\\127')",
        "return cjson.encode('\\200\\255é')",
        "return cjson.encode(1764000000000)",
        "return cjson.encode(17640000000001234)",
        "return cjson.encode(0.1)",
        "return cjson.encode(1/3)",
        "return cjson.encode(-1e-7)",
        "return cjson.encode(100000000000000)",
        "return cjson.encode(99999999999999)",
        "return cjson.encode(-0)",
        "return cjson.encode(true) .. cjson.encode(false) .. cjson.encode(nil) .. cjson.encode(cjson.null)",
        "return cjson.encode({[1] = 'a', [3] = 'c'})",
        "return cjson.encode({[10] = 'x'})",
        "return cjson.encode({[11] = 'x'})",
        "return cjson.encode({[0] = 'x'})",
        "return cjson.encode({[1.5] = 'x'})",
        "return cjson.encode({[-1] = 'x'})",
        "return cjson.encode({[true] = 'x'})",
        "return cjson.encode({n = 1, [1] = 2})",
        "return cjson.encode(0/0)",
        "return cjson.encode(1/0)",
        "return cjson.encode(function() end)",
        "return cjson.encode({f = function() end})",
        "return cjson.encode()",
        "return cjson.encode(1, 2)",
        "local t = {} for i = 1, 100 do t = {t} end return cjson.encode(t)",
        "local t = {} for i = 1, 20000 do t[i] = 'item ' .. i end return cjson.encode(t)",
        "local t = {} for i = 1, 20000 do t['item ' .. i] = 'value ' .. i end return cjson.encode(t)",
        "local t = {} for _, k in ipairs({'id', 'name', 'data', 'opts', 'attempts', 'delay'}) do t[k] = k end return cjson.encode(t)",
        "return cjson.encode(cjson.decode('{\"b\":1,\"a\":[1,2,{\"c\":null}],\"d\":\"x\"}'))",
        "return cjson.decode('[1, 2.5, \"x\", true, false, null, {}]')",
        "return cjson.decode('{\"a\":{\"b\":[7]}}').a.b[1]",
        "return cjson.decode('\"\\\\u00e9\\\\n\\\\/\\\\ud83d\\\\ude00\"')",
        "return cjson.decode('\"\\\\u0000x\"')",
        "return cjson.decode(' [ 1 , 2 ] ')",
        "return cjson.decode('12')",
        "return cjson.decode(12)",
        "return tostring(cjson.decode('12345678901234567890'))",
        "return tostring(cjson.decode('-1.5e3'))",
        "return cjson.decode('null') == cjson.null",
        "return type(cjson.decode('null'))",
        "return cjson.decode('')",
        "return cjson.decode('{')",
        "return cjson.decode('[')",
        "return cjson.decode('[1,')",
        "return cjson.decode('[1 2]')",
        "return cjson.decode('{\"a\"}')",
        "return cjson.decode('{\"a\":}')",
        "return cjson.decode('{\"a\":1,}')",
        "return cjson.decode('{a:1}')",
        "return cjson.decode('{\"a\":1 \"b\"}')",
        "return cjson.decode('[1]x')",
        "return cjson.decode('[1] 2')",
        "return cjson.decode('nul')",
        "return cjson.decode('tru')",
        "return cjson.decode('\"open')",
        "return cjson.decode('\"\\\\x\"')",
        "return cjson.decode('\"\\\\u12\"')",
        "return cjson.decode('\"\\\\ud800\"')",
        "return cjson.decode('-')",
        "return cjson.decode({})",
        "return cjson.decode()",
        "return #cjson.decode(string.rep('[', 100) .. string.rep(']', 100))",
    ])
    .await;
}

#[tokio::test]
async fn cmsgpack_agrees_byte_for_byte() {
    same(&[
        "return cmsgpack.pack(1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 2^53)",
        "return cmsgpack.pack(-1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, -2^53)",
        "return cmsgpack.pack(0.5, 0.1, 1e300, 1/0, -1/0)",
        "return cmsgpack.pack(2^63, -2^63, 2^64)",
        "return cmsgpack.pack('', 'abc', ('x'):rep(31), ('x'):rep(32), ('x'):rep(255), ('x'):rep(256))",
        "return #cmsgpack.pack(('x'):rep(65535), ('x'):rep(65536))",
        "return cmsgpack.pack(true, false, nil)",
        "return cmsgpack.pack({}, {1, 2, 3}, {a = 1}, {1, nil, 3})",
        "return cmsgpack.pack({[1] = 'a', [2] = 'b', x = 'c'})",
        "local t = {} for i = 1, 16 do t[i] = i end return cmsgpack.pack(t)",
        "local t = {} for i = 1, 70000 do t[i] = 'x' end return cmsgpack.pack(t)",
        "local t = {} for i = 1, 20000 do t['k' .. i] = 'v' end return cmsgpack.pack(t)",
        "local t = {} for i = 1, 20 do t['k' .. i] = i end return cmsgpack.pack(t)",
        "local t = {'deep'} for i = 1, 20 do t = {t} end return cmsgpack.pack(t)",
        "return cmsgpack.pack(cjson.null, function() end)",
        "return cmsgpack.pack()",
        "return {cmsgpack.unpack(cmsgpack.pack(1, 'x', {1, {a = 'b'}}, true))}",
        "return cmsgpack.unpack(cmsgpack.pack({a = {b = {7}}})).a.b[1]",
        "return tostring(cmsgpack.unpack('\\203\\63\\185\\153\\153\\153\\153\\153\\154'))",
        "return tostring(cmsgpack.unpack('\\202\\63\\0\\0\\0'))",
        "return tostring(cmsgpack.unpack('\\207\\255\\255\\255\\255\\255\\255\\255\\255'))",
        "return {cmsgpack.unpack('\\208\\255\\209\\255\\0\\210\\255\\0\\0\\0\\211\\255\\255\\255\\255\\255\\255\\255\\0')}",
        "return {cmsgpack.unpack('\\220\\0\\2\\1\\2\\217\\3abc\\218\\0\\1x')}",
        "return cmsgpack.unpack('\\222\\0\\1\\161a\\5').a",
        "return cmsgpack.unpack('')",
        "return cmsgpack.unpack('\\205\\1')",
        "return cmsgpack.unpack('\\165ab')",
        "return cmsgpack.unpack('\\193')",
        "return cmsgpack.unpack({})",
        "return cmsgpack.unpack()",
    ])
    .await;
}

#[tokio::test]
async fn scripts_are_known_by_their_hash() {
    let mut both = Both::start().await;
    let sha = redis::Script::new("return KEYS[1]").get_hash().to_owned();
    let missing = "f".repeat(40);
    for line in [
        &format!("EVALSHA {sha} 1 a"),
        &format!("SCRIPT EXISTS {sha} {missing}"),
        r#"SCRIPT LOAD "return KEYS[1]""#,
        &format!("SCRIPT EXISTS {sha} {missing}"),
        &format!("EVALSHA {sha} 1 a"),
        &format!("EVALSHA {} 1 a", sha.to_uppercase()),
        &format!("EVALSHA {sha} 2 a"),
        &format!("EVALSHA {sha} -1 a"),
        &format!("EVALSHA {sha} x a"),
        &format!("EVALSHA {sha}"),
        "EVALSHA short 0",
        r#"EVAL "return 1" 1"#,
        r#"EVAL "return (" 0"#,
        r#"EVAL "return 1" x"#,
        r#"SCRIPT LOAD "return (""#,
        "SCRIPT LOAD",
        "SCRIPT FOO",
        "SCRIPT FLUSH SOMETIME",
        "SCRIPT FLUSH",
        &format!("SCRIPT EXISTS {sha}"),
        &format!("EVALSHA {sha} 1 a"),
        r#"EVAL "return ARGV[1]" 0 x"#,
        "EVALSHA 098e0f0d1448c0a81dafe820f66d460eb09263da 0 y",
    ] {
        both.compare(line).await;
    }
    both.finish(23);
}

/// A script of the size and manners of a queue's own: several types of key, JSON, MessagePack, branches and loops.
const TRANSITION: &str = r#"
local prefix, now = KEYS[1], tonumber(ARGV[1])
local options = cmsgpack.unpack(ARGV[2])
local function key(name) return prefix .. ':' .. name end
local moved = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('delayed'), 0, (now + 1) * 4096 - 1, 'LIMIT', 0, options.limit)) do
  redis.call('ZREM', key('delayed'), id)
  local priority = tonumber(redis.call('HGET', key(id), 'priority')) or 0
  if priority == 0 then
    redis.call('LPUSH', key('wait'), id)
  else
    local count = redis.call('INCR', key('pc'))
    redis.call('ZADD', key('prioritized'), priority * 0x100000000 + count % 0x100000000, id)
  end
  redis.call('HSET', key(id), 'delay', 0)
  redis.call('XADD', key('events'), 'MAXLEN', '~', 100, now .. '-' .. (#moved + 1), 'event', 'waiting', 'jobId', id)
  moved[#moved + 1] = id
end
if #moved > 0 then redis.call('ZADD', key('marker'), 0, '0') end
local id = redis.call('RPOPLPUSH', key('wait'), key('active'))
if id then
  redis.call('SET', key(id .. ':lock'), ARGV[3], 'PX', 30000)
  redis.call('HMSET', key(id), 'processedOn', now, 'data', cjson.encode({n = now, list = {}, path = 'a/b'}))
  return {redis.call('HGETALL', key(id)), id, #moved, redis.call('TYPE', key('wait'))['ok']}
end
return {0, 0, #moved, redis.call('ZRANGE', key('prioritized'), 0, -1, 'WITHSCORES')}
"#;

#[tokio::test]
async fn a_whole_transition_leaves_the_same_data() {
    let mut both = Both::start().await;
    let options = b"\x81\xa5limit\x03".to_vec();
    for number in 1..=7 {
        both.compare(&format!(
            "ZADD q:delayed {} j{number}",
            (1000 + number) * 4096 + number
        ))
        .await;
        both.compare(&format!(
            "HSET q:j{number} priority {}",
            if number % 3 == 0 { number } else { 0 }
        ))
        .await;
    }
    for now in [1003, 1004, 1007, 1007, 1010] {
        let words = ["EVAL", TRANSITION, "1", "q", &now.to_string()].map(|word| word.as_bytes().to_vec());
        let words = [&words[..], &[options.clone(), b"token".to_vec()]].concat();
        both.compare_words(&format!("transition at {now}"), "sorted", &words)
            .await;
    }
    for line in [
        "LRANGE q:wait 0 -1",
        "LRANGE q:active 0 -1",
        "ZRANGE q:prioritized 0 -1 WITHSCORES",
        "ZRANGE q:delayed 0 -1 WITHSCORES",
        "ZRANGE q:marker 0 -1 WITHSCORES",
        "XRANGE q:events - +",
        "~pairs HGETALL q:j1",
        "~pairs HGETALL q:j3",
        "GET q:j1:lock",
        "~close PTTL q:j1:lock",
        "~sorted KEYS *",
    ] {
        both.compare(line).await;
    }
    both.finish(30);
}
