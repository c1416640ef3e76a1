//! BITOP: strings combined bit by bit; a shorter one counts as filled up with zeros.

use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::Value;
use crate::reply::{Answer, Fault, Reply};

pub(super) fn bitop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (target, sources) = (args.at(2), args.tail(3));
    let operation = ["and", "or", "xor", "not"]
        .into_iter()
        .find(|word| args.is(1, word))
        .ok_or(Fault::SYNTAX)?;
    if operation == "not" && sources.len() != 1 {
        return Err(Fault::of(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let mut result: Option<Vec<u8>> = None;
    for source in sources {
        let value = ctx
            .read::<Vec<u8>>(source)?
            .map(Vec::as_slice)
            .unwrap_or_default();
        match &mut result {
            None => result = Some(value.to_vec()),
            Some(result) => combine(operation, result, value),
        }
    }
    let mut result = result.unwrap_or_default();
    if operation == "not" {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let length = result.len();
    if length == 0 {
        ctx.remove(target);
    } else {
        ctx.put(target, Value::String(result));
    }
    Ok(Reply::count(length))
}

fn combine(operation: &str, result: &mut Vec<u8>, value: &[u8]) {
    if result.len() < value.len() {
        result.resize(value.len(), 0);
    }
    let (common, rest) = result.split_at_mut(value.len());
    let pairs = common.iter_mut().zip(value);
    match operation {
        "and" => {
            pairs.for_each(|(byte, other)| *byte &= other);
            rest.fill(0);
        }
        "or" => pairs.for_each(|(byte, other)| *byte |= other),
        _ => pairs.for_each(|(byte, other)| *byte ^= other),
    }
}
