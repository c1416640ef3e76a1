//! CLIENT: what is known of clients, and what one may ask of them.
//!
//! Tracking is in `tracking.rs`.

use std::collections::HashSet;

use super::{Command, Subcommand, flag};
use crate::arguments::{Args, is, shown};
use crate::client::{Client, Message, ReplyMode, Seat};
use crate::context::Ctx;
use crate::number;
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[Command::other("client", -2, client)
    .with(flag::NO_SCRIPT)
    .subcommands(SUBCOMMANDS)];

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections by ADDR, LADDR, TYPE, USER, SKIPME or ID.",
    "LIST [options ...]",
    "    Return information about client connections, by TYPE or ID.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Accepted; clients are not evicted here.",
    "HELP",
    "    Prints this help.",
];

const SUBCOMMANDS: &[Subcommand] = &[
    ("id", 2),
    ("getname", 2),
    ("setname", 3),
    ("setinfo", 4),
    ("info", 2),
    ("list", -2),
    ("kill", -3),
    ("unblock", -3),
    ("reply", 3),
    ("no-evict", 3),
    ("tracking", -3),
    ("caching", 3),
    ("getredir", 2),
    ("trackinginfo", 2),
    ("help", 2),
];

fn client(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "id") => Ok(Reply::Int(id_of(ctx.client.seat))),
        verb if is(verb, "getname") => {
            let name = &ctx.client.name;
            Ok(if name.is_empty() {
                Reply::Nil
            } else {
                Reply::bulk(name)
            })
        }
        verb if is(verb, "setname") => {
            check_name(args.at(2))?;
            ctx.client.name = args.at(2).to_vec();
            Ok(Reply::OK)
        }
        verb if is(verb, "setinfo") => set_info(ctx, args),
        verb if is(verb, "info") => {
            let line = describe(ctx, ctx.client);
            Ok(Reply::Verbatim(format!("{line}\n")))
        }
        verb if is(verb, "list") => list(ctx, args),
        verb if is(verb, "kill") => kill(ctx, args),
        verb if is(verb, "unblock") => unblock(ctx, args),
        verb if is(verb, "reply") => reply(ctx, args.at(2)),
        verb if is(verb, "no-evict") => {
            ctx.client.no_evict = on_or_off(args.at(2))?;
            Ok(Reply::OK)
        }
        verb if is(verb, "tracking") => crate::tracking::client_tracking(ctx, args),
        verb if is(verb, "caching") => crate::tracking::client_caching(ctx, args),
        verb if is(verb, "getredir") => Ok(crate::tracking::redirection(ctx.client)),
        verb if is(verb, "trackinginfo") => Ok(crate::tracking::info(ctx)),
        _ => Ok(super::help(HELP)),
    }
}

pub(super) fn id_of(seat: Seat) -> i64 {
    i64::try_from(seat.id).unwrap_or(i64::MAX)
}

/// A name that fits on a line of CLIENT LIST.
pub(super) fn check_name(name: &[u8]) -> Result<(), Fault> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(Fault::of(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

fn on_or_off(word: &[u8]) -> Result<bool, Fault> {
    if is(word, "on") {
        Ok(true)
    } else if is(word, "off") {
        Ok(false)
    } else {
        Err(Fault::SYNTAX)
    }
}

/// CLIENT SETINFO, which newer clients send when they connect (Redis 7.2).
fn set_info(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (attribute, value) = (args.at(2), args.at(3));
    if !value.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        let attribute = shown(attribute).to_lowercase();
        return Err(Fault::err(format!(
            "{attribute} cannot contain spaces, newlines or special characters."
        )));
    }
    if is(attribute, "lib-name") {
        ctx.client.library_name = value.to_vec();
    } else if is(attribute, "lib-ver") {
        ctx.client.library_version = value.to_vec();
    } else {
        let attribute = shown(attribute);
        return Err(Fault::err(format!("Unrecognized option '{attribute}'")));
    }
    Ok(Reply::OK)
}

fn reply(ctx: &mut Ctx<'_>, mode: &[u8]) -> Answer {
    if is(mode, "on") {
        ctx.client.reply_mode = ReplyMode::On;
    } else if is(mode, "off") {
        ctx.client.reply_mode = ReplyMode::Off;
    } else if is(mode, "skip") {
        if ctx.client.reply_mode != ReplyMode::Off {
            ctx.client.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(Fault::SYNTAX);
    }
    Ok(Reply::OK)
}

/// One line of CLIENT LIST.
fn describe(ctx: &Ctx<'_>, client: &Client) -> String {
    let now = ctx.now();
    let name = String::from_utf8_lossy(&client.name);
    let is_blocked = ctx.core.blocked.has(client.seat);
    let mut flags = String::new();
    for (letter, is_set) in [
        ('O', client.is_monitor),
        ('P', client.is_subscribed()),
        ('b', is_blocked),
        ('x', client.transaction.is_some()),
        ('d', client.is_dirty),
        ('t', client.tracking.is_some()),
        ('e', client.no_evict),
    ] {
        if is_set {
            flags.push(letter);
        }
    }
    if flags.is_empty() {
        flags.push('N');
    }
    let queued = client.transaction.as_ref().map_or(-1, |queued| {
        i64::try_from(queued.commands.len()).unwrap_or(i64::MAX)
    });
    let seconds = |since: u64| now.saturating_sub(since) / 1000;
    let command = client.last_command;
    let mut line = format!(
        "id={} addr={} laddr={} fd=-1 name={name} age={} idle={} flags={flags} db={} sub={} psub={} ssub=0 multi={queued} qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd={command} user=default redir={} resp={}",
        client.seat.id,
        client.peer,
        client.local,
        seconds(client.connected_at),
        seconds(client.active_at),
        client.db,
        client.channels.len(),
        client.patterns.len(),
        crate::tracking::redirection_id(client),
        if client.protocol == crate::client::Protocol::Resp3 {
            3
        } else {
            2
        },
    );
    if !client.library_name.is_empty() || !client.library_version.is_empty() {
        line.push_str(&format!(
            " lib-name={} lib-ver={}",
            String::from_utf8_lossy(&client.library_name),
            String::from_utf8_lossy(&client.library_version)
        ));
    }
    line
}

/// What kind of client it is, as the option TYPE has it.
fn type_of(client: &Client) -> &'static str {
    if client.is_subscribed() {
        "pubsub"
    } else {
        "normal"
    }
}

fn type_named(word: &[u8]) -> Result<&'static str, Fault> {
    let known = ["normal", "master", "replica", "pubsub"];
    if is(word, "slave") {
        return Ok("replica");
    }
    known
        .into_iter()
        .find(|name| is(word, name))
        .ok_or_else(|| Fault::err(format!("Unknown client type '{}'", shown(word))))
}

fn list(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let mut wanted: Box<dyn Fn(&Client) -> bool> = Box::new(|_| true);
    match args.tail(2) {
        [] => {}
        [option, name] if is(option, "type") => {
            let name = type_named(name)?;
            wanted = Box::new(move |client| type_of(client) == name);
        }
        [option, ids @ ..] if is(option, "id") && !ids.is_empty() => {
            let ids = ids
                .iter()
                .map(|id| number::parse_int(id).ok_or(Fault::of("ERR Invalid client ID")));
            let ids: HashSet<i64> = ids.collect::<Result<_, _>>()?;
            wanted = Box::new(move |client| ids.contains(&id_of(client.seat)));
        }
        _ => return Err(Fault::SYNTAX),
    }
    let own: &Client = ctx.client;
    let mut clients: Vec<&Client> = ctx
        .core
        .clients
        .others()
        .chain([own])
        .filter(|client| wanted(client))
        .collect();
    clients.sort_by_key(|client| client.seat.id);
    let lines = clients.into_iter().map(|client| describe(ctx, client) + "\n");
    Ok(Reply::Verbatim(lines.collect()))
}

/// Which clients CLIENT KILL means.
#[derive(Debug, Default)]
struct Victims<'a> {
    id: Option<i64>,
    peer: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    kind: Option<&'static str>,
    user: Option<&'a [u8]>,
    spares_self: bool,
}

impl Victims<'_> {
    fn include(&self, client: &Client) -> bool {
        !client.is_in_process
            && self.id.is_none_or(|id| id == id_of(client.seat))
            && self.peer.is_none_or(|peer| peer == client.peer.as_bytes())
            && self.local.is_none_or(|local| local == client.local.as_bytes())
            && self.kind.is_none_or(|kind| kind == type_of(client))
            && self.user.is_none_or(|user| user == b"default")
    }
}

fn kill(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let mut victims = Victims {
        spares_self: true,
        ..Victims::default()
    };
    let is_old_style = args.len() == 3;
    if is_old_style {
        victims.peer = Some(args.at(2));
        victims.spares_self = false;
    } else {
        for pair in args.tail(2).chunks(2) {
            let [option, value] = pair else {
                return Err(Fault::SYNTAX);
            };
            match option {
                option if is(option, "id") => {
                    let id = number::parse_int(value).filter(|id| *id > 0);
                    victims.id = Some(id.ok_or(Fault::of("ERR client-id should be greater than 0"))?);
                }
                option if is(option, "addr") => victims.peer = Some(value),
                option if is(option, "laddr") => victims.local = Some(value),
                option if is(option, "type") => victims.kind = Some(type_named(value)?),
                option if is(option, "user") => {
                    if *value != b"default" {
                        let user = shown(value);
                        return Err(Fault::err(format!("No such user '{user}'")));
                    }
                    victims.user = Some(value);
                }
                option if is(option, "skipme") => {
                    victims.spares_self = if is(value, "yes") {
                        true
                    } else if is(value, "no") {
                        false
                    } else {
                        return Err(Fault::SYNTAX);
                    };
                }
                _ => return Err(Fault::SYNTAX),
            }
        }
    }
    let others = ctx.core.clients.others().filter(|client| victims.include(client));
    let seats: Vec<Seat> = others.map(|client| client.seat).collect();
    let mut killed = seats.len();
    for seat in seats {
        ctx.core.deliver(seat, Message::Close);
        // At once, so that it takes nothing that comes before its connection has noticed.
        if let Some(client) = ctx.core.clients.get_mut(seat) {
            client.should_close = true;
        }
    }
    if !victims.spares_self && victims.include(ctx.client) {
        ctx.client.should_close = true;
        killed += 1;
    }
    if is_old_style {
        return if killed > 0 {
            Ok(Reply::OK)
        } else {
            Err(Fault::of("ERR No such client"))
        };
    }
    Ok(Reply::count(killed))
}

fn unblock(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if args.len() != 3 && args.len() != 4 {
        return Err(Fault::err(format!(
            "unknown subcommand or wrong number of arguments for '{}'. Try CLIENT HELP.",
            shown(args.at(1))
        )));
    }
    let with_error = match args.at(3) {
        _ if args.len() == 3 => false,
        word if is(word, "timeout") => false,
        word if is(word, "error") => true,
        _ => {
            return Err(Fault::of("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    let id = args.int(2)?;
    let seat = ctx
        .core
        .clients
        .others()
        .map(|client| client.seat)
        .find(|seat| id_of(*seat) == id);
    let waits = seat.map(|seat| ctx.core.blocked.of(seat)).unwrap_or_default();
    let mut is_unblocked = false;
    for waiter in waits {
        if let Some(waiter) = ctx.core.blocked.remove(waiter) {
            let reply = if with_error {
                Reply::Error(Fault::of("UNBLOCKED client unblocked via CLIENT UNBLOCK"))
            } else {
                waiter.wait.on_timeout.clone()
            };
            is_unblocked |= waiter.is_wanted();
            ctx.core.answer_later(waiter, reply);
        }
    }
    Ok(Reply::flag(is_unblocked))
}
