//! The connection itself: who one is, which database and protocol one speaks.
//!
//! CLIENT is in `clients.rs`.

use super::{Command, flag};
use crate::arguments::{Args, is, shown};
use crate::client::{Protocol, ReplyMode};
use crate::context::Ctx;
use crate::number;
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::other("ping", -1, ping).fast(),
    Command::other("echo", 2, echo).fast(),
    Command::other("select", 2, select).fast(),
    Command::other("auth", -2, auth)
        .fast()
        .with(flag::NO_AUTH | flag::NO_SCRIPT),
    Command::other("hello", -1, hello)
        .fast()
        .with(flag::NO_AUTH | flag::NO_SCRIPT),
    Command::other("quit", -1, quit)
        .fast()
        .with(flag::NO_AUTH | flag::NO_SCRIPT | flag::NOT_QUEUED),
    Command::other("reset", 1, reset)
        .fast()
        .with(flag::NO_AUTH | flag::NO_SCRIPT | flag::NOT_QUEUED),
];

/// The version of Redis whose behaviour this is.
pub(crate) const REDIS_VERSION: &str = "7.0.15";

fn ping(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if args.len() > 2 {
        return Err(Fault::arity("ping"));
    }
    let text = args.at(1);
    if ctx.client.is_subscribed() && !ctx.is_resp3() {
        return Ok(Reply::Array(vec![Reply::bulk("pong"), Reply::bulk(text)]));
    }
    if args.len() == 1 {
        return Ok(Reply::status("PONG"));
    }
    Ok(Reply::bulk(text))
}

fn echo(_ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::bulk(args.at(1)))
}

fn select(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    ctx.client.db = super::keys::database_number(ctx, args.at(1))?;
    Ok(Reply::OK)
}

fn auth(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let wanted = &ctx.core.config.password;
    let (user, password) = credentials(wanted, args)?;
    check(wanted, user, password)?;
    ctx.client.is_authenticated = true;
    Ok(Reply::OK)
}

/// The user and the password that AUTH names.
pub(crate) fn credentials<'a>(wanted: &[u8], args: Args<'a>) -> Result<(&'a [u8], &'a [u8]), Fault> {
    match args.all() {
        [_, _] if wanted.is_empty() => Err(Fault::of(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
        )),
        [_, password] => Ok((b"default", password)),
        [_, user, password] => Ok((user, password)),
        _ => Err(Fault::SYNTAX),
    }
}

/// Refuses who does not know the password that is wanted.
pub(crate) fn check(wanted: &[u8], user: &[u8], password: &[u8]) -> Result<(), Fault> {
    // Without a password everybody is the default user, whatever they say.
    if user == b"default" && (wanted.is_empty() || is_same_secret(wanted, password)) {
        return Ok(());
    }
    Err(Fault::of(
        "WRONGPASS invalid username-password pair or user is disabled.",
    ))
}

/// Compares without telling by its duration how much of a guess was right.
fn is_same_secret(wanted: &[u8], given: &[u8]) -> bool {
    let differences = wanted
        .iter()
        .zip(given)
        .fold(0, |sum, (left, right)| sum | (left ^ right));
    (wanted.len() == given.len()) & (std::hint::black_box(differences) == 0)
}

/// What HELLO asks for.
#[derive(Debug, Default)]
pub(crate) struct Hello<'a> {
    pub(crate) protocol: Option<Protocol>,
    pub(crate) credentials: Option<(&'a [u8], &'a [u8])>,
    pub(crate) name: Option<&'a [u8]>,
    /// What is wrong behind credentials and name, which count before it.
    pub(crate) fault: Option<Fault>,
}

impl<'a> Hello<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Result<Self, Fault> {
        let mut hello = Self::default();
        let mut options = args.options(1);
        if let Some(version) = options.peek() {
            let version = number::parse_int(version).ok_or(Fault::of(
                "ERR Protocol version is not an integer or out of range",
            ))?;
            hello.protocol = Some(match version {
                2 => Protocol::Resp2,
                3 => Protocol::Resp3,
                _ => return Err(Fault::of("NOPROTO unsupported protocol version")),
            });
            options.next()?;
        }
        while let Some(word) = options.peek() {
            let rest = options.rest();
            match rest {
                [_, user, password, ..] if is(word, "AUTH") => {
                    hello.credentials = Some((*user, *password));
                    options = Args::new(rest).options(3);
                }
                [_, wanted, ..] if is(word, "SETNAME") => {
                    if let Err(fault) = super::clients::check_name(wanted) {
                        hello.fault = Some(fault);
                        return Ok(hello);
                    }
                    hello.name = Some(wanted);
                    options = Args::new(rest).options(2);
                }
                _ => {
                    let word = shown(word);
                    let fault = Fault::err(format!("Syntax error in HELLO option '{word}'"));
                    hello.fault = Some(fault);
                    return Ok(hello);
                }
            }
        }
        Ok(hello)
    }
}

/// The refusal of HELLO to a client that has not shown the password.
pub(crate) const HELLO_UNAUTHENTICATED: Fault = Fault::of(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
);

fn hello(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let hello = Hello::parse(args)?;
    if let Some((user, password)) = hello.credentials {
        check(&ctx.core.config.password, user, password)?;
        ctx.client.is_authenticated = true;
    }
    if let Some(name) = hello.name {
        ctx.client.name = name.to_vec();
    }
    if let Some(fault) = hello.fault {
        return Err(fault);
    }
    if !ctx.client.is_authenticated {
        return Err(HELLO_UNAUTHENTICATED);
    }
    if let Some(protocol) = hello.protocol {
        ctx.client.protocol = protocol;
    }
    Ok(facts(ctx.client.seat.id, ctx.client.protocol))
}

/// What HELLO answers.
pub(crate) fn facts(id: u64, protocol: Protocol) -> Reply {
    let facts = [
        ("server", Reply::bulk("redis")),
        ("version", Reply::bulk(REDIS_VERSION)),
        (
            "proto",
            Reply::Int(if protocol == Protocol::Resp3 { 3 } else { 2 }),
        ),
        ("id", Reply::Int(i64::try_from(id).unwrap_or(i64::MAX))),
        ("mode", Reply::bulk("standalone")),
        ("role", Reply::bulk("master")),
        ("modules", Reply::Array(Vec::new())),
    ];
    Reply::Map(facts.map(|(name, fact)| (Reply::bulk(name), fact)).into())
}

fn quit(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    ctx.client.should_close = !ctx.client.is_in_process;
    Ok(Reply::OK)
}

fn reset(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    ctx.client.transaction = None;
    ctx.core.unwatch(ctx.client);
    ctx.core.pubsub.forget(ctx.client);
    ctx.client.channels.clear();
    ctx.client.patterns.clear();
    ctx.core.tracking.forget(ctx.client);
    ctx.client.tracking = None;
    if std::mem::take(&mut ctx.client.is_monitor) {
        ctx.core.monitors -= 1;
    }
    ctx.client.db = 0;
    ctx.client.name = Vec::new();
    ctx.client.protocol = Protocol::Resp2;
    // A reply that is to be skipped is skipped still.
    if ctx.client.reply_mode != ReplyMode::Skip {
        ctx.client.reply_mode = ReplyMode::On;
    }
    ctx.client.no_evict = false;
    ctx.client.is_authenticated = ctx.client.is_in_process || ctx.core.config.password.is_empty();
    Ok(Reply::status("RESET"))
}
