//! XACK and XPENDING: entries delivered and not yet acknowledged.
//!
//! Next: `claim.rs` (taking them over), `keyspace/stream/group.rs`.

use super::{first_of_range, id_reply, ids, last_of_range, natural, no_key_or_group, signed};
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::stream::{Consumer, Group, Pending, Stream, StreamId};
use crate::reply::{Answer, Fault, Reply};

pub(super) fn xack(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    // Without key or group not even the ids are looked at.
    let Some((mut group, _)) = ctx
        .write::<Stream>(key)?
        .and_then(|stream| stream.group_mut(args.at(2)))
    else {
        return Ok(Reply::Int(0));
    };
    let ids = ids(args.tail(3))?;
    let acknowledged = ids.into_iter().filter(|id| group.acknowledge(*id)).count();
    drop(group);
    if acknowledged > 0 {
        ctx.noted(key);
    }
    Ok(Reply::count(acknowledged))
}

/// Which pending entries XPENDING is to list.
#[derive(Debug)]
struct Request<'a> {
    least_idle: i64,
    first: StreamId,
    last: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    fn read(args: Args<'a>) -> Result<Self, Fault> {
        let mut options = args.options(3);
        let mut least_idle = 0;
        if options.take("IDLE") {
            least_idle = options.next_int()?;
            if options.len() < 3 {
                return Err(Fault::SYNTAX);
            }
        }
        let (first, last) = (options.next()?, options.next()?);
        let count = natural(options.next_int()?);
        Ok(Self {
            least_idle,
            first: first_of_range(first)?,
            last: last_of_range(last)?,
            count,
            consumer: options.peek(),
        })
    }
}

pub(super) fn xpending(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, name, now) = (args.at(1), args.at(2), signed(ctx.now()));
    let request = match args.len() {
        3 => None,
        6..=9 => Some(Request::read(args)?),
        _ => return Err(Fault::SYNTAX),
    };
    let stream = ctx.read::<Stream>(key)?;
    let group = stream.and_then(|stream| stream.groups().get(name));
    let group = group.ok_or_else(|| no_key_or_group(key, name))?;
    Ok(match request {
        None => summary(group),
        Some(request) => listed(group, &request, now),
    })
}

/// How many there are, from where to where, and how many each consumer holds.
fn summary(group: &Group) -> Reply {
    let (first, last) = (group.smallest_pending(), group.greatest_pending());
    let holders = group
        .consumers()
        .iter()
        .filter(|consumer| !consumer.pending().is_empty());
    let holders = holders.map(|consumer| {
        let count = consumer.pending().len().to_string();
        Reply::Array(vec![Reply::bulk(consumer.name()), Reply::bulk(count)])
    });
    let holders = if first.is_some() {
        Reply::Array(holders.collect())
    } else {
        Reply::NilArray
    };
    let bound = |id: Option<StreamId>| id.map_or(Reply::Nil, id_reply);
    Reply::Array(vec![
        Reply::count(group.pending_len()),
        bound(first),
        bound(last),
        holders,
    ])
}

fn listed(group: &Group, request: &Request<'_>, now: i64) -> Reply {
    let idle = |pending: &Pending| now.saturating_sub(pending.delivered_at);
    let is_wanted = |pending: &Pending| request.least_idle == 0 || idle(pending) >= request.least_idle;
    let show = |id: StreamId, pending: &Pending, consumer: &Consumer| {
        Reply::Array(vec![
            id_reply(id),
            Reply::bulk(consumer.name()),
            Reply::Int(idle(pending).max(0)),
            Reply::Int(pending.deliveries.cast_signed()),
        ])
    };
    let Some(consumer) = request.consumer else {
        let all = group
            .pending_range(request.first, request.last)
            .filter(|(_, pending)| is_wanted(pending));
        let shown =
            all.filter_map(|(id, pending)| Some(show(id, pending, group.consumers().get(pending.consumer)?)));
        return Reply::Array(shown.take(request.count).collect());
    };
    let found = group
        .consumer(consumer)
        .and_then(|consumer| group.consumers().get(consumer));
    let (Some(consumer), true) = (found, request.first <= request.last) else {
        return Reply::Array(Vec::new());
    };
    let held = consumer.pending().range(request.first..=request.last);
    let shown = held
        .filter_map(|id| Some((*id, group.pending(*id)?)))
        .filter(|(_, pending)| is_wanted(pending))
        .map(|(id, pending)| show(id, pending, consumer));
    Reply::Array(shown.take(request.count).collect())
}
