//! SUBSCRIBE, PUBLISH and what there is to ask about them.
//!
//! Messages reach a client as pushes, outside the replies to its commands.

use super::{Command, Subcommand, flag};
use crate::arguments::{Args, is, shown};
use crate::context::Ctx;
use crate::glob;
use crate::reply::{Answer, Fault, Reply};

const SUBSCRIBING: u16 = flag::PUBSUB | flag::NO_SCRIPT;

pub(super) const COMMANDS: &[Command] = &[
    Command::other("subscribe", -2, subscribe).with(SUBSCRIBING),
    Command::other("unsubscribe", -1, unsubscribe).with(SUBSCRIBING),
    Command::other("psubscribe", -2, psubscribe).with(SUBSCRIBING),
    Command::other("punsubscribe", -1, punsubscribe).with(SUBSCRIBING),
    Command::other("publish", 3, publish).fast().with(flag::PUBSUB),
    Command::other("pubsub", -2, pubsub)
        .subcommands(PUBSUB_SUBCOMMANDS)
        .with(flag::PUBSUB),
];

const PUBSUB_SUBCOMMANDS: &[Subcommand] = &[("channels", -2), ("numpat", 2), ("numsub", -2), ("help", 2)];

fn subscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    begin(ctx, args, false)
}

fn psubscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    begin(ctx, args, true)
}

fn unsubscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(end(ctx, args, false))
}

fn punsubscribe(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(end(ctx, args, true))
}

fn begin(ctx: &mut Ctx<'_>, args: Args<'_>, is_pattern: bool) -> Answer {
    if !ctx.client.takes_pushes {
        return Err(Fault::of(
            "ERR SUBSCRIBE isn't allowed for clients that take no pushes",
        ));
    }
    let kind = if is_pattern { "psubscribe" } else { "subscribe" };
    let mut replies = Vec::new();
    for name in args.tail(1) {
        ctx.core.pubsub.subscribe(ctx.client, name, is_pattern);
        replies.push(confirmation(ctx, kind, Reply::bulk(name)));
    }
    Ok(Reply::Several(replies))
}

/// Ends the named subscriptions, or all of the kind.
fn end(ctx: &mut Ctx<'_>, args: Args<'_>, is_pattern: bool) -> Reply {
    let kind = if is_pattern { "punsubscribe" } else { "unsubscribe" };
    let mut names: Vec<Box<[u8]>> = args.tail(1).iter().map(|name| (*name).into()).collect();
    if names.is_empty() {
        let own = if is_pattern {
            &ctx.client.patterns
        } else {
            &ctx.client.channels
        };
        names = own.iter().cloned().collect();
    }
    if names.is_empty() {
        return confirmation(ctx, kind, Reply::Nil);
    }
    let mut replies = Vec::new();
    for name in names {
        ctx.core.pubsub.unsubscribe(ctx.client, &name, is_pattern);
        replies.push(confirmation(ctx, kind, Reply::bulk(&name)));
    }
    Reply::Several(replies)
}

fn confirmation(ctx: &Ctx<'_>, kind: &str, name: Reply) -> Reply {
    let count = ctx.client.channels.len() + ctx.client.patterns.len();
    Reply::Push(vec![Reply::bulk(kind), name, Reply::count(count)])
}

fn publish(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::count(crate::pubsub::publish(
        ctx.core,
        args.at(1),
        args.at(2),
    )))
}

const HELP: &[&str] = &[
    "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "HELP",
    "    Prints this help.",
];

fn pubsub(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (pubsub, rest) = (&ctx.core.pubsub, args.tail(2));
    match args.at(1) {
        verb if is(verb, "numpat") => Ok(Reply::count(pubsub.patterns.len())),
        verb if is(verb, "numsub") => {
            let rows = rest.iter().flat_map(|name| {
                let count = pubsub.channels.get(*name).map_or(0, Vec::len);
                [Reply::bulk(name), Reply::count(count)]
            });
            Ok(Reply::Array(rows.collect()))
        }
        verb if is(verb, "channels") => match rest {
            [] => Ok(Reply::bulks(pubsub.channels.keys())),
            [pattern] => {
                let names = pubsub.channels.keys();
                Ok(Reply::bulks(names.filter(|name| glob::matches(pattern, name))))
            }
            _ => Err(Fault::err(format!(
                "unknown subcommand or wrong number of arguments for '{}'. Try PUBSUB HELP.",
                shown(verb)
            ))),
        },
        _ => Ok(super::help(HELP)),
    }
}
