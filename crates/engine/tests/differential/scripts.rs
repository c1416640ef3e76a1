//! Random small scripts.
//!
//! What a script may meet: values of every Lua type on their way to a reply, replies of every kind on their way to
//! Lua, errors raised and caught, JSON and MessagePack in both directions, and what the sandbox forbids. Tables are
//! never walked with `pairs`, whose order is nobody's promise.
//! Next: `families/programs.rs`.

use fastrand::Rng;

use crate::pools::Pools;

/// Statements that may come before the `return`; `$` is an expression, `%` a command.
const STATEMENTS: &[&str] = &[
    "local x = $",
    "local x = %",
    "local x = redis.pcall(&)",
    "redis.call(&)",
    "local t = {$, $, $}",
    "redis.setresp(3)",
    "redis.setresp(2)",
    "redis.setresp($)",
    "x = 1",
    "local ok, e = pcall(function() return % end)",
    "local ok, e = pcall(redis.call, 'GET')",
    "if # then return $ end",
    "for i = 1, 3 do redis.call('RPUSH', KEYS[1], i / 2) end",
    "for i = 1, 3 do redis.call('INCRBY', KEYS[2], i) end",
    "redis.log(redis.LOG_DEBUG, $)",
    "redis.replicate_commands()",
    "redis.set_repl(redis.REPL_ALL)",
    "local t = {} t[1] = $ t[3] = $",
    "error($)",
    "error({err = $})",
    "assert(#, 'not so')",
    "local a, b = $, $",
    "math.randomseed(1)",
    "local s = tostring($) .. '|'",
    "KEYS[1] = 'b'",
    "redis.call('SET', KEYS[1], $)",
    "redis.call('ZADD', KEYS[1], $, 'm')",
    "redis.call('HSET', KEYS[1], 'f', $)",
];

/// What is returned.
const RESULTS: &[&str] = &[
    "$", "$", "%", "%", "%", "x", "t", "{$, $}", "{$, $, $, $}", "{1, nil, 3}", "{ok = 'fine'}", "{err = 'MY failure'}",
    "{err = 'failure'}", "{double = $}", "{map = {a = $}}", "{set = {a = true}}", "{big_number = '123'}",
    "{verbatim_string = {string = 'text', format = 'txt'}}", "redis.error_reply($)", "redis.status_reply($)",
    "redis.error_reply('ERR my own')", "redis.error_reply('-ERR dashed')", "redis.sha1hex($)", "redis.sha1hex()",
    "{tostring(ok), type(e)}", "{tostring(ok), type(e) == 'table' and e.err or e}", "e", "s", "{a, b}",
    "type(%)", "{type(%), type(x)}", "cjson.encode($)", "cjson.encode({$, $})", "cjson.encode({a = $})",
    "cjson.encode(cjson.decode(@))", "cjson.decode(@)", "tostring(cjson.decode(@))", "cjson.encode(x)", "cjson.encode({[1] = 1, [3] = $})",
    "cmsgpack.pack($)", "cmsgpack.pack($, $)", "cmsgpack.unpack(cmsgpack.pack($))", "cmsgpack.pack({$, $})", "cmsgpack.pack({a = $})",
    "{cmsgpack.unpack(cmsgpack.pack($, $, $))}", "cmsgpack.unpack(~)", "{cmsgpack.unpack(~)}", "{cmsgpack.unpack_one(~)}",
    "{cmsgpack.unpack_limit(~, 1)}", "cmsgpack.unpack($)", "{cmsgpack.unpack_one($, 1)}",
    "string.format('%d %s', $, 'x')", "string.format('%.14g', $)", "tostring($)", "tonumber($)", "#KEYS", "#ARGV", "{KEYS, ARGV}",
    "string.rep('ab', 3)", "select('#', $, $)", "table.concat({1, 2.5, 'x'}, ',')", "unpack({1, 2, 3})", "math.floor($)",
    "{bit.band(255, 15), bit.tohex(255), bit.lshift(1, 4)}", "bit.tobit($)", "bit.bnot($)", "struct.pack('>I2', 258)", "struct.unpack('>I2', 'ab')",
    "os", "os.clock", "io", "print", "loadstring('return 1')()", "getmetatable('').__index == string", "undefined", "setmetatable({}, {}) and 1", "rawget(_G, 'x')",
    "_G.redis == redis", "redis.REDIS_VERSION_NUM", "redis.nosuch", "nosuch()", "redis.call()", "redis.pcall()", "redis.call($)",
    "redis.pcall('NOSUCH', 1)", "redis.call('NOSUCH')", "redis.pcall('GET')", "redis.call('GET', KEYS[1], 'more')", "redis.pcall('GET', {})", "redis.call('SET', KEYS[1], true)",
    "redis.call('SET', KEYS[1], nil)", "redis.pcall('INCR', KEYS[1]).err", "redis.pcall('SELECT', 1)", "redis.call('MULTI')", "redis.pcall('SUBSCRIBE', 'a')", "redis.pcall('EVAL', 'return 1', 0)",
    "redis.acl_check_cmd('GET', 'a')", "{redis.call('PING'), redis.pcall('PING', 'x')}", "redis.call('ECHO', $)", "redis.call('TYPE', KEYS[1])", "redis.call('TYPE', KEYS[1]).ok",
    "redis.call('GET', KEYS[1]) == false", "redis.call('LRANGE', KEYS[1], 0, -1)[1]", "redis.call('EXISTS', KEYS[1], KEYS[2]) + 0.7",
];

const EXPRESSIONS: &[&str] = &[
    "1", "0", "-1", "3.7", "-3.7", "1e15", "1e17", "2^53", "2^63", "-2^63", "1e100", "0.1", "1/3", "1/0", "-1/0", "0/0", "-0", "123456789012345678",
    "true", "false", "nil", "''", "'a'", "'10'", "'3.0'", "'a\\0b'", "'\\255\\128'", "'é \"quoted\" / \\\\ \\n\\t\\1\\127'", "{}", "{1}", "{1, 2}", "{a = 1}",
    "{{}, {{}}}", "{1, {2, {3}}}", "{nil, 1}", "{1, nil}", "KEYS[1]", "KEYS[2]", "KEYS[3]", "ARGV[1]", "ARGV[2]", "ARGV[9]", "cjson.null", "#ARGV",
    "tonumber(ARGV[1])", "100", "127", "128", "-32", "-33", "255", "256", "65536", "4294967296", "-128", "-129", "1.5e300", "math.huge", "math.pi", "print", "'nil'", "{false}",
    "{[1]=1,[2]=2,[4]=4}", "{[1.5]=1}", "{['1']=2}", "1e14", "123456789012.5", "5e-324",
];

const JSON: &[&str] = &[
    "'1'", "'-1.5e3'", "'\"a\"'", "'null'", "'true'", "'[]'", "'{}'", "'[1,2,[3]]'", "'{\"a\":1}'", "'{\"a\":{\"b\":[]}}'", "'[1,null,3]'", "'[null]'", "'\"\\\\u00e9\\\\ud83d\\\\ude00\"'",
    "'\"\\\\n\\\\/\"'", "'1e400'", "'nan'", "'0x10'", "'[1,]'", "'{\"a\"}'", "''", "' 1 '", "'1 2'", "'tru'", "'\"\\\\x\"'", "'[1'", "'\"open'", "'01'", "'1.'", "'{1:2}'", "'123456789012345678'", "'0.1'",
    "'{\"1\":\"x\"}'", "'{\"a\":1,\"a\":2}'", "'[1e3,-0,0.5]'", "KEYS[1]", "ARGV[1]", "nil", "1", "'inf'", "'\\t[true , false]\\n'", "'\"\\1\"'",
];

const MESSAGES: &[&str] = &[
    "'\\1'", "'\\255'", "'\\192'", "'\\195'", "'\\147\\1\\2\\3'", "'\\129\\161a\\1'", "'\\161x\\2'", "'\\203\\63\\240\\0\\0\\0\\0\\0\\0'", "'\\202\\63\\128\\0\\0'", "'\\207\\255\\255\\255\\255\\255\\255\\255\\255'",
    "'\\211\\255\\255\\255\\255\\255\\255\\255\\254'", "'\\204\\200'", "'\\208\\200'", "'\\217\\2ab'", "'\\196\\2ab'", "'\\147\\1'", "''", "'\\193'", "'\\220\\0\\1\\5'", "'\\222\\0\\1\\5\\6'", "'\\144'", "'\\128'", "'\\1\\2\\3'", "'\\218\\0\\1'", "'\\199\\1\\1a'",
];

const COMMANDS: &[&str] = &[
    "'GET', KEYS[1]", "'SET', KEYS[1], $", "'SET', KEYS[2], $", "'INCR', KEYS[1]", "'INCRBYFLOAT', KEYS[1], $", "'APPEND', KEYS[1], $", "'RPUSH', KEYS[1], $, $", "'LRANGE', KEYS[1], 0, -1",
    "'LPOP', KEYS[1]", "'LPOP', KEYS[1], 2", "'HSET', KEYS[1], 'f', $", "'HGET', KEYS[1], 'f'", "'HGET', KEYS[1], 'nosuch'", "'HMGET', KEYS[1], 'f', 'g'", "'ZADD', KEYS[1], $, 'm'", "'ZADD', KEYS[1], 'INCR', 1.5, 'm'",
    "'ZSCORE', KEYS[1], 'm'", "'ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'", "'ZPOPMIN', KEYS[1]", "'SADD', KEYS[1], $", "'SISMEMBER', KEYS[1], 'a'", "'SCARD', KEYS[1]", "'DEL', KEYS[1]", "'EXISTS', KEYS[1]",
    "'TYPE', KEYS[1]", "'PING'", "'ECHO', $", "'MGET', KEYS[1], KEYS[2]", "'OBJECT', 'ENCODING', KEYS[1]", "'PTTL', KEYS[2]", "'SELECT', 1", "'RENAME', KEYS[1], KEYS[2]", "'LPOP', 'nosuch', 1", "'BLPOP', KEYS[1], 0",
    "'XADD', KEYS[1], '5-*', 'f', $", "'XRANGE', KEYS[1], '-', '+'", "'EXPIRE', KEYS[1], $", "'SETRANGE', KEYS[1], 1, $", "'LINDEX', KEYS[1], $", "'XLEN', KEYS[1]", "'ZINCRBY', KEYS[1], $, $", "'get', KEYS[1]",
];

pub(crate) fn random(random: &mut Rng, pools: &Pools) -> Vec<u8> {
    if random.u32(..40) == 0 {
        return pools.pick("junk", random);
    }
    let mut script = String::new();
    if random.u32(..25) == 0 {
        script.push_str(["#!lua\n", "#!lua flags=no-writes\n", "#!lua name=x\n", "#!python\n", "#!lua flags=nosuch\n"][random.usize(..5)]);
    }
    for _ in 0..random.usize(..3) {
        script.push_str(&filled(STATEMENTS, random));
        script.push(' ');
    }
    if random.u32(..12) != 0 {
        script.push_str("return ");
        script.push_str(&filled(RESULTS, random));
    }
    if random.u32(..40) == 0 {
        script.truncate(script.floor_char_boundary(random.usize(..=script.len())));
    }
    script.into_bytes()
}

/// A template with its places filled.
fn filled(templates: &[&str], random: &mut Rng) -> String {
    let template = templates[random.usize(..templates.len())];
    let mut text = String::new();
    for character in template.chars() {
        match character {
            '$' => text.push_str(&filled(EXPRESSIONS, random)),
            '&' => text.push_str(&filled(COMMANDS, random)),
            '@' => text.push_str(&filled(JSON, random)),
            '~' => text.push_str(&filled(MESSAGES, random)),
            other => text.push(other),
        }
    }
    // `%` and a lone `#` are signs of Lua as well; they mean a call and a condition where they stand alone.
    text = text.replace("return % ", "return redis.call('GET', KEYS[1]) ");
    if text.contains('%') && !text.contains("format") {
        let call = format!("redis.call({})", filled(COMMANDS, random));
        text = text.replace('%', &call);
    }
    for (place, after) in [("if # ", "if"), ("assert(#,", "assert(")] {
        if text.contains(place) {
            let condition = filled(EXPRESSIONS, random);
            let end = place.trim_start_matches(after).replace('#', &condition);
            text = text.replace(place, &format!("{after}{end}"));
        }
    }
    text
}
