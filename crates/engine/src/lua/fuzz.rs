//! A bounded fuzzer of what scripts can reach: replays the corpus, then mutates it.
//!
//! What has to hold for any input: no crash, no hang, nothing left for the next run, and no memory kept. Inputs that
//! once broke something stand in `corpus/`. `OXHERD_FUZZ_SECONDS` and `OXHERD_FUZZ_SEED` make it longer and repeat
//! it; with `OXHERD_FUZZ_LAST` each input is written to that folder before it runs, for crashes that leave no trace.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::fixtures::FakeHost;
use super::{Limits, Machine};
use crate::reply::Reply;

const MEMORY: usize = 24 << 20;
const BUSY_AFTER: Duration = Duration::from_millis(50);
/// A run that takes longer hangs, even on a loaded machine.
const LONGEST: Duration = Duration::from_secs(10);
/// What a machine may keep more than at the beginning: stacks and tables that have grown.
const KEPT: usize = 2 << 20;

/// What is fuzzed, and the script that feeds it its input (ARGV[1] is the input, ARGV[2] and [3] are integers).
struct Subject {
    name: &'static str,
    /// `None`: the input is the script.
    script: Option<&'static str>,
    tokens: &'static [&'static [u8]],
}

const VALUES: Subject = Subject {
    name: "values",
    script: None,
    tokens: &[
        b"return ",
        b"{",
        b"}",
        b"{err=",
        b"{ok=",
        b"{double=",
        b"{map=",
        b"{set=",
        b"{big_number=",
        b"{verbatim_string=",
        b"ARGV[1]",
        b"KEYS[1]",
        b"t[#t+1]=t",
        b"local t={} ",
        b"setmetatable(",
        b"nil,",
        b"1e308*10",
        b"-0/0",
        b"for i=1,9999 do t={t} end ",
        b"for i=1,99999 do t[i]=i end ",
        b"t[-1]=1 ",
        b"redis.call('ECHO',ARGV[1])",
        b"redis.pcall('GET',KEYS[1])",
        b"redis.setresp(3) ",
        b"redis.error_reply(",
        b"redis.status_reply(",
        b"coroutine.wrap(function() ",
        b" end)()",
        b"pcall(",
        b"error(",
        b"function() ",
        b"end ",
        b"string.rep('x',1e6)",
        b"unpack(t)",
        b"tostring(t)",
        b"redis.call(unpack(t))",
        b"redis.sha1hex(t)",
        b"loadstring(ARGV[1])",
        b"__index",
        b"__gc",
        b"__eq=function() error({}) end",
        b"next(t)",
        b"2^53",
        b"table.concat(t)",
        b"table.sort(t,function() return true end) ",
        b"redis.log(3,t)",
        b"\"\\0\\255\"",
    ],
};

const CMSGPACK: Subject = Subject {
    name: "cmsgpack",
    script: Some(
        "local input, first, second = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
        local kept = {pcall(cmsgpack.unpack, input)}
        if kept[1] then pcall(cmsgpack.unpack, cmsgpack.pack(unpack(kept, 2, 100))) end
        pcall(cmsgpack.unpack_one, input, first)
        pcall(cmsgpack.unpack_limit, input, first, second)
        return 1",
    ),
    tokens: &[
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\x7f\xff\xff\xff",
        b"\xdc\xff\xff",
        b"\xde\xff\xff",
        b"\x91",
        b"\x81",
        b"\x9f",
        b"\x8f",
        b"\xc0",
        b"\xc1",
        b"\xca",
        b"\xcb",
        b"\xcf",
        b"\xd3",
        b"\xd9\xff",
        b"\xff",
        b"\xc7\x00\x00",
        b"\xd4",
        b"\x91\x91\x91\x91\x91\x91\x91\x91",
        b"\xcb\x7f\xf8\0\0\0\0\0\0",
        b"\x81\xcb\x7f\xf8\0\0\0\0\0\0\x01",
        b"\x81\xc0\x01",
    ],
};

const CJSON: Subject = Subject {
    name: "cjson",
    script: Some(
        "local ok, value = pcall(cjson.decode, ARGV[1])
        if ok then
            local ok, text = pcall(cjson.encode, value)
            if ok then assert(pcall(cjson.decode, text) or #text > 1000) end
        end
        pcall(function() cjson.encode({[tonumber(ARGV[2])] = ARGV[1], [ARGV[1]] = tonumber(ARGV[3])}) end)
        return 1",
    ),
    tokens: &[
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b":",
        b",",
        b"\\u",
        b"\\ud800",
        b"\\udc00",
        b"\\u0000",
        b"null",
        b"true",
        b"1e999",
        b"-0",
        b"0x1p3",
        b"1e-400",
        b"nan",
        b"Infinity",
        b"[[[[[[[[[[[[[[[[",
        b"{\"a\":{\"a\":{\"a\":",
        b"99999999999999999999999",
        b"\\",
        b"\0",
        b"\xff",
        b"\"\":",
        b".5",
        b"1.",
        b"+1",
        b" \t\r\n",
    ],
};

const PACKING: Subject = Subject {
    name: "packing",
    script: Some(
        "local input, first, second = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
        local cut = input:find('|', 1, true) or #input
        local left, right = input:sub(1, cut - 1), input:sub(cut + 1)
        pcall(struct.unpack, left, right)
        pcall(struct.unpack, left, right, first)
        pcall(struct.size, left)
        pcall(struct.pack, left, first, second, right, first, right, second, 1.5, -1)
        pcall(string.format, left, first, right, second, 1/3, right)
        pcall(string.format, left, right, first, right, 1/0, -0/0)
        pcall(string.rep, left, first)
        pcall(tonumber, left, first)
        pcall(string.byte, right, first, second)
        pcall(string.sub, right, first, second)
        pcall(bit.tohex, first, second)
        -- A pattern may take exponential time, here as in Redis: no step of it can be interrupted.
        local _, repeats = left:gsub('[*+?-]', '')
        if (#right + 1) ^ (repeats + 1) > 1e6 or #right * #left > 1e6 then return 1 end
        pcall(string.find, right, left, second)
        pcall(string.match, right, left)
        pcall(string.gsub, right, left, '%0%1', first)
        pcall(string.gsub, right, left, left)
        pcall(function() for a in string.gmatch(right, left) do string.len(a) end end)
        return 1",
    ),
    tokens: &[
        b"|",
        b"%",
        b"%s",
        b"%d",
        b"%99.99f",
        b"%q",
        b"%c",
        b"%-+ #0",
        b"%b()",
        b"%f[a]",
        b"(",
        b")",
        b"()",
        b"[",
        b"]",
        b"[^]",
        b"[a-",
        b"*",
        b"+",
        b"-",
        b"?",
        b".*",
        b".-",
        b"a*a*a*a*",
        b"$",
        b"^",
        b"%1",
        b"i16",
        b"i33",
        b"!16",
        b">",
        b"<",
        b"c0",
        b"c4294967296",
        b"s",
        b"B",
        b"x",
        b"d",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"\0",
        b"%a",
        b"%x+",
        b"(((((((((((((((((((((((((((((((((",
        b"%99999d",
        b"i4294967297",
    ],
};

const INTEGERS: [&str; 16] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "31",
    "255",
    "65536",
    "2147483647",
    "-2147483648",
    "4294967296",
    "1e15",
    "-1e15",
    "1e308",
    "nan",
];

struct Fuzz {
    machine: Machine,
    host: FakeHost,
    at_first: usize,
}

impl Fuzz {
    fn new() -> Self {
        let mut fuzz = Self {
            machine: Machine::new().unwrap(),
            host: FakeHost::default(),
            at_first: 0,
        };
        fuzz.check();
        fuzz.at_first = fuzz.machine.used_memory();
        fuzz
    }

    fn run(&mut self, source: &[u8], words: &[&[u8]]) -> Option<Reply> {
        let function = self.machine.load(source).ok()?;
        let kill = AtomicBool::new(false);
        let limits = Limits {
            busy_after: BUSY_AFTER,
            kill: &kill,
            memory: MEMORY,
        };
        // Effects of one run must not be mistaken for what the machine keeps.
        self.host = FakeHost::default();
        let start = Instant::now();
        let reply = self.machine.run(&function, words, words, &mut self.host, &limits);
        let elapsed = start.elapsed();
        self.machine.unload(function);
        assert!(elapsed < LONGEST, "ran {elapsed:?}");
        Some(reply)
    }

    /// Nothing of what has run is left.
    fn check(&mut self) {
        let probe = "local names, values = 0, {} for name in pairs(_G) do names = names + 1 end
            collectgarbage() collectgarbage()
            return {KEYS[1], ARGV[2], #KEYS, true, tostring(rawget(_G, 'x')), type(string.rep), names > 20, ('x'):rep(3)}";
        let reply = self.run(probe.as_bytes(), &[b"key", b"word"]).unwrap();
        let text = |text: &str| Reply::bulk(text);
        let expected = vec![
            text("key"),
            text("word"),
            Reply::Int(2),
            Reply::Int(1),
            text("nil"),
            text("function"),
            Reply::Int(1),
            text("xxx"),
        ];
        assert_eq!(reply, Reply::Array(expected));
        let used = self.machine.used_memory();
        assert!(
            self.at_first == 0 || used < self.at_first + KEPT,
            "{used} bytes are kept"
        );
    }

    fn feed(&mut self, subject: &Subject, input: &[u8], random: &mut fastrand::Rng) {
        if let Ok(folder) = std::env::var("OXHERD_FUZZ_LAST") {
            std::fs::write(Path::new(&folder).join(subject.name), input).unwrap();
        }
        let [first, second] = [(); 2].map(|()| INTEGERS[random.usize(..INTEGERS.len())].as_bytes());
        let Some(script) = subject.script else {
            let noise = noise(random, 200);
            self.run(input, &[&noise, first, second]);
            return;
        };
        match self.run(script.as_bytes(), &[input, first, second]).unwrap() {
            Reply::Int(1) => {}
            Reply::Error(fault) => {
                let is_limit = ["not enough memory", "stopped after running"]
                    .iter()
                    .any(|limit| fault.text().contains(limit));
                assert!(is_limit, "{fault}");
            }
            other => panic!("{other:?}"),
        }
    }
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/lua/corpus")
        .join(name);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

fn noise(random: &mut fastrand::Rng, most: usize) -> Vec<u8> {
    let length = random.usize(..most);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

fn mutate(input: &mut Vec<u8>, subject: &Subject, corpus: &[(PathBuf, Vec<u8>)], random: &mut fastrand::Rng) {
    let place = random.usize(0..=input.len());
    let length = random.usize(0..=(input.len() - place).min(20));
    match random.u8(0..9) {
        0 if place < input.len() => input[place] = random.u8(..),
        1 if place < input.len() => input[place] ^= 1 << random.u8(..8),
        2 => drop(input.drain(place..place + length)),
        3 => input.truncate(place),
        4 => {
            // Much of something small is what limits are for.
            let piece = input[place..place + length].to_vec();
            let times = 1 << random.u32(..10);
            input.splice(place..place, piece.repeat(times));
        }
        5 => {
            let (_, other) = &corpus[random.usize(..corpus.len())];
            let from = random.usize(0..=other.len());
            input.truncate(place);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            let token = subject.tokens[random.usize(..subject.tokens.len())];
            input.splice(place..place, token.iter().copied());
        }
    }
}

fn fuzz(subject: &Subject) {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = setting("OXHERD_FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("OXHERD_FUZZ_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let time = setting("OXHERD_FUZZ_SECONDS").map_or(Duration::from_millis(300), Duration::from_secs);
    let corpus = corpus(subject.name);
    let mut fuzz = Fuzz::new();
    for (path, input) in &corpus {
        println!("{}", path.display());
        fuzz.feed(subject, input, &mut random);
        fuzz.check();
    }
    let start = Instant::now();
    let (mut runs, mut longest, mut slowest) = (0_u64, Duration::ZERO, Vec::new());
    while start.elapsed() < time {
        let mut input = if random.u8(..8) == 0 {
            noise(&mut random, 80)
        } else {
            corpus[random.usize(..corpus.len())].1.clone()
        };
        for _ in 0..random.usize(1..10) {
            mutate(&mut input, subject, &corpus, &mut random);
        }
        input.truncate(100_000);
        // Shown by the test's harness if it fails.
        let begun = Instant::now();
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            fuzz.feed(subject, &input, &mut random);
            if runs % 64 == 0 {
                fuzz.check();
            }
        }));
        if let Err(panic) = shown {
            println!("after {runs} runs: \"{}\"", input.escape_ascii());
            std::panic::resume_unwind(panic);
        }
        if begun.elapsed() > longest {
            (longest, slowest) = (begun.elapsed(), input);
        }
        runs += 1;
    }
    fuzz.check();
    let slowest = slowest.escape_ascii();
    println!("{runs} inputs, the longest took {longest:?}: \"{slowest}\"");
}

#[test]
fn no_script_and_no_value_breaks_anything() {
    fuzz(&VALUES);
}

#[test]
fn no_bytes_break_cmsgpack() {
    fuzz(&CMSGPACK);
}

#[test]
fn no_text_breaks_cjson() {
    fuzz(&CJSON);
}

#[test]
fn no_format_and_no_pattern_breaks_anything() {
    fuzz(&PACKING);
}
