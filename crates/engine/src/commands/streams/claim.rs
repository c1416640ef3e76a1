//! XCLAIM and XAUTOCLAIM: taking over what another consumer holds for too long.
//!
//! Pending entries that are no longer in the stream are dropped on the way.
//! Next: `pending.rs`, `keyspace/stream/group.rs`.

use super::{entry_reply, first_of_range, id_reply, no_key_or_group, signed};
use crate::arguments::{Args, Options};
use crate::context::Ctx;
use crate::keyspace::stream::{Group, Log, Pending, Stream, StreamId};
use crate::number::parse_int;
use crate::reply::{Answer, Fault, Reply};

/// XAUTOCLAIM looks at no more than so many pending entries for each it may answer.
const ATTEMPTS: usize = 10;
const DEFAULT_COUNT: usize = 100;
/// Redis refuses counts whose arrays would not fit into memory: ids of 16 bytes.
const GREATEST_COUNT: i64 = i64::MAX / 16;

/// How entries change hands.
#[derive(Debug)]
struct Handover<'a> {
    consumer: &'a [u8],
    now: i64,
    least_idle: i64,
    delivered_at: i64,
    deliveries: Option<u64>,
    only_ids: bool,
}

impl Handover<'_> {
    fn is_idle_enough(&self, pending: &Pending) -> bool {
        self.least_idle == 0 || self.now.saturating_sub(pending.delivered_at) >= self.least_idle
    }

    /// Gives an entry to the consumer and shows it. `before` is none for an entry nobody holds.
    fn claim(&self, group: &mut Group, log: &Log, id: StreamId, before: Option<Pending>) -> Option<Reply> {
        let entry = log.get(id)?;
        let consumer = group.seen_consumer(self.consumer, self.now);
        let deliveries = before.map_or(1, |before| before.deliveries);
        let deliveries = match self.deliveries {
            Some(deliveries) => deliveries,
            None if self.only_ids => deliveries,
            None => deliveries.wrapping_add(1),
        };
        group.set_pending(
            id,
            Pending {
                consumer,
                delivered_at: self.delivered_at,
                deliveries,
            },
        );
        Some(if self.only_ids {
            id_reply(id)
        } else {
            entry_reply(&entry)
        })
    }
}

/// The options of XCLAIM.
#[derive(Debug, Default)]
struct Claim {
    delivered_at: Option<i64>,
    deliveries: Option<u64>,
    forces: bool,
    only_ids: bool,
    last_id: StreamId,
}

impl Claim {
    fn read(mut options: Options<'_>, now: i64) -> Result<Self, Fault> {
        let mut read = Self::default();
        while let Some(option) = options.peek() {
            if options.take("FORCE") {
                read.forces = true;
            } else if options.take("JUSTID") {
                read.only_ids = true;
            } else if let Some(number) = options.take_with_value("IDLE") {
                read.delivered_at = Some(now.wrapping_sub(claim_number(number, "IDLE")?));
            } else if let Some(number) = options.take_with_value("TIME") {
                read.delivered_at = Some(claim_number(number, "TIME")?);
            } else if let Some(number) = options.take_with_value("RETRYCOUNT") {
                // A negative count is as good as none.
                read.deliveries = u64::try_from(claim_number(number, "RETRYCOUNT")?).ok();
            } else if let Some(id) = options.take_with_value("LASTID") {
                read.last_id = super::id(id)?;
            } else {
                return Err(Fault::err(format!(
                    "Unrecognized XCLAIM option '{}'",
                    super::shown(option)
                )));
            }
        }
        Ok(read)
    }
}

fn claim_number(argument: &[u8], option: &str) -> Result<i64, Fault> {
    parse_int(argument).ok_or_else(|| Fault::err(format!("Invalid {option} option argument for XCLAIM")))
}

fn least_idle(argument: &[u8], command: &str) -> Result<i64, Fault> {
    let number = parse_int(argument)
        .ok_or_else(|| Fault::err(format!("Invalid min-idle-time argument for {command}")))?;
    Ok(number.max(0))
}

pub(super) fn xclaim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, name, now) = (args.at(1), args.at(2), signed(ctx.now()));
    let found = ctx
        .write::<Stream>(key)?
        .and_then(|stream| stream.group_mut(name));
    let (mut group, log) = found.ok_or_else(|| no_key_or_group(key, name))?;
    let least_idle = least_idle(args.at(4), "XCLAIM")?;
    // Ids go on until something is none; options follow.
    let ids: Vec<StreamId> = args
        .tail(5)
        .iter()
        .map_while(|argument| StreamId::parse(argument, 0))
        .collect();
    let claim = Claim::read(args.options(5 + ids.len()), now)?;
    let handover = Handover {
        consumer: args.at(3),
        now,
        least_idle,
        // What lies in the future or before all time is a mistake of the caller's clock.
        delivered_at: claim
            .delivered_at
            .filter(|at| (0..=now).contains(at))
            .unwrap_or(now),
        deliveries: claim.deliveries,
        only_ids: claim.only_ids,
    };

    let mut changed = claim.last_id > group.last_delivered();
    if changed {
        let entries_read = group.entries_read();
        group.set_position(claim.last_id, entries_read);
    }
    let mut claimed = Vec::new();
    for id in ids {
        let before = group.pending(id).copied();
        if !log.contains(id) {
            changed |= group.acknowledge(id);
            continue;
        }
        let is_due = match &before {
            Some(before) => handover.is_idle_enough(before),
            None => claim.forces,
        };
        if is_due {
            claimed.extend(handover.claim(&mut group, log, id, before));
            changed = true;
        }
    }
    drop(group);
    if changed {
        ctx.noted(key);
    }
    Ok(Reply::Array(claimed))
}

pub(super) fn xautoclaim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, name, now) = (args.at(1), args.at(2), signed(ctx.now()));
    let least_idle = least_idle(args.at(4), "XAUTOCLAIM")?;
    let first = first_of_range(args.at(5))?;
    let (mut count, mut only_ids) = (DEFAULT_COUNT, false);
    let mut options = args.options(6);
    while !options.is_empty() {
        if let Some(number) = options.take_with_value("COUNT") {
            let number = parse_int(number).filter(|number| (1..=GREATEST_COUNT).contains(number));
            let number = number.and_then(|number| usize::try_from(number).ok());
            count = number.ok_or(Fault::of("ERR COUNT must be > 0"))?;
        } else if options.take("JUSTID") {
            only_ids = true;
        } else {
            return Err(Fault::SYNTAX);
        }
    }
    let found = ctx
        .write::<Stream>(key)?
        .and_then(|stream| stream.group_mut(name));
    let (mut group, log) = found.ok_or_else(|| no_key_or_group(key, name))?;
    let handover = Handover {
        consumer: args.at(3),
        now,
        least_idle,
        delivered_at: now,
        deliveries: None,
        only_ids,
    };
    let (next, claimed, deleted) = sweep(&mut group, log, first, count, &handover);
    drop(group);
    if !claimed.is_empty() || !deleted.is_empty() {
        ctx.noted(key);
    }
    let deleted = deleted.into_iter().map(id_reply).collect();
    Ok(Reply::Array(vec![
        id_reply(next),
        Reply::Array(claimed),
        Reply::Array(deleted),
    ]))
}

/// Claims what is due from `first` on; answers where to go on, what was claimed, and what is gone.
fn sweep(
    group: &mut Group,
    log: &Log,
    first: StreamId,
    count: usize,
    handover: &Handover<'_>,
) -> (StreamId, Vec<Reply>, Vec<StreamId>) {
    let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
    let mut attempts = count.saturating_mul(ATTEMPTS);
    let mut next = Some(first);
    while let Some((id, pending)) = next.and_then(|next| group.pending_range(next, StreamId::MAX).next()) {
        if attempts == 0 || claimed.len() + deleted.len() == count {
            return (id, claimed, deleted);
        }
        attempts -= 1;
        next = id.next();
        let pending = *pending;
        if !log.contains(id) {
            group.acknowledge(id);
            deleted.push(id);
        } else if handover.is_idle_enough(&pending) {
            claimed.extend(handover.claim(group, log, id, Some(pending)));
        }
    }
    (StreamId::MIN, claimed, deleted)
}
