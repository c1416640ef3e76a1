//! How a well-formed command goes wrong: too few arguments, too many, odd ones, in another order.
//!
//! Most mutations end in an error text, which both sides must word alike; some end in a form nobody thought of. What
//! would cost gigabytes or hang the server is not sent.
//! Next: `pools.rs`.

use fastrand::Rng;

use crate::compare::is_sorted_openly;
use crate::pools::Pools;
use crate::step::Arguments;

/// One command in this many is mutated.
const RARITY: u32 = 14;

pub(crate) fn mutate(arguments: &mut Arguments, random: &mut Rng, pools: &Pools) {
    if random.u32(..20) == 0 {
        let index = random.usize(..arguments.len());
        change_case(&mut arguments[index], index);
    }
    if random.u32(..RARITY) != 0 {
        return;
    }
    let count = arguments.len();
    let index = 1 + random.usize(..count);
    match random.u32(..6) {
        0 if index < count => {
            arguments.remove(index);
        }
        1 if index < count => arguments.truncate(index),
        2 if index < count => arguments.insert(index, arguments[index].clone()),
        3 if index + 1 < count => arguments.swap(index, index + 1),
        4 => arguments.insert(index, pools.pick("junk", random)),
        _ if index < count => arguments[index] = pools.pick("junk", random),
        _ => arguments.push(pools.pick("junk", random)),
    }
}

/// Only commands and options ignore case; values keep theirs, or keys would not collide.
fn change_case(word: &mut [u8], index: usize) {
    if index == 0 || (word.len() > 1 && word.iter().all(u8::is_ascii_uppercase)) {
        word.make_ascii_lowercase();
    }
}

/// Whether a command would take the machine's memory or for ever, or depends on the exact moment.
pub(crate) fn is_hazardous(arguments: &[Vec<u8>]) -> bool {
    let name = arguments[0].to_ascii_uppercase();
    let numbers = || arguments.iter().skip(1).filter_map(|text| number(text));
    match name.as_slice() {
        // An unknown subcommand is repeated in the error, and ids differ.
        b"WAIT" => arguments.get(1).is_none_or(|replicas| replicas != b"0"),
        // A small number is somebody's id, on one side perhaps that of the test's own connection.
        b"CLIENT" => {
            arguments.get(1).is_some_and(|verb| verb.starts_with(b"@"))
                || numbers().any(|number| (0..100_000).contains(&number))
        }
        b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" => numbers().any(|number| number < -1_000),
        b"SETRANGE" | b"SETBIT" | b"BITFIELD" | b"BITFIELD_RO" => {
            numbers().any(|number| (100_000..5_000_000_000).contains(&number))
                || arguments
                    .iter()
                    .any(|text| text.first() == Some(&b'#') && text.len() > 5)
        }
        // What differs with the set of commands offered.
        b"COMMAND" => {
            arguments.len() < 2
                || (arguments.len() < 3
                    && [b"INFO".as_slice(), b"DOCS", b"LIST"]
                        .iter()
                        .any(|verb| arguments[1].eq_ignore_ascii_case(verb)))
        }
        // What would be stored has an open order.
        b"SORT" => {
            is_sorted_openly(arguments) && arguments.iter().any(|word| word.eq_ignore_ascii_case(b"STORE"))
        }
        // Ranges by name are defined among equal scores only.
        b"ZADD"
            if arguments
                .get(1)
                .is_some_and(|key| key.starts_with(b"l") && key.len() == 2) =>
        {
            arguments.len() % 2 == 1 || arguments.iter().skip(2).step_by(2).any(|score| score != b"0")
        }
        // An id of the moment's making.
        b"XADD" => arguments.iter().any(|text| text == b"*"),
        b"PEXPIRE" | b"PSETEX" => is_short(arguments.get(2), 60_000),
        b"EXPIRE" | b"SETEX" => is_short(arguments.get(2), 60),
        b"SET" | b"GETEX" => arguments.windows(2).any(|pair| {
            (pair[0].eq_ignore_ascii_case(b"PX") && is_short(Some(&pair[1]), 60_000))
                || (pair[0].eq_ignore_ascii_case(b"EX") && is_short(Some(&pair[1]), 60))
        }),
        _ => false,
    }
}

fn is_short(text: Option<&Vec<u8>>, limit: i64) -> bool {
    text.and_then(|text| number(text))
        .is_some_and(|number| (1..limit).contains(&number))
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
