//! Client-side caching: clients are told when what they have read changes.
//!
//! In the default mode the engine remembers, for each key a tracking client has read, who read it, and tells each
//! reader once. In the broadcasting mode it remembers nothing and tells of every changed key with a prefix. What is
//! to be told is gathered during a unit of work and sent when it ends.
//! Next: `commands/clients.rs` (CLIENT TRACKING).

use std::collections::BTreeMap;

use crate::arguments::{Args, is, shown};
use crate::client::{Client, Clients, Message, Protocol, Seat};
use crate::context::Ctx;
use crate::core::Core;
use crate::keyspace::Dict;
use crate::number;
use crate::reply::{Answer, Fault, Reply};

/// The channel on which RESP2 clients are told.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Keys remembered at most; beyond, readers of any key are told that it has changed.
const MOST_KEYS: usize = 1_000_000;

/// How a client tracks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mode {
    /// The client that is told instead.
    redirect: Option<Seat>,
    is_broadcast: bool,
    prefixes: Vec<Box<[u8]>>,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
    /// What CLIENT CACHING said of the next command.
    caching: Option<bool>,
    has_broken_redirect: bool,
}

/// What is tracked.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    clients: usize,
    /// Who has read a key, by their ids.
    readers: Dict<Vec<Seat>>,
    /// Broadcasting clients by prefix, told in the order of prefixes; the empty one is every key.
    broadcasts: BTreeMap<Box<[u8]>, Vec<Seat>>,
    /// Keys changed in this unit, by whom, and who had read them before.
    changed: Vec<Change>,
    was_flushed: bool,
}

/// A key that has changed.
#[derive(Clone, Debug)]
struct Change {
    key: Box<[u8]>,
    by: Option<Seat>,
    is_by_script: bool,
    readers: Vec<Seat>,
}

impl Tracking {
    pub(crate) fn is_on(&self) -> bool {
        self.clients > 0
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients
    }

    /// How many keys readers are remembered of.
    pub(crate) fn keys(&self) -> usize {
        self.readers.len()
    }

    /// A key has changed, by the command of this client (none: it expired).
    pub(crate) fn changed(&mut self, key: &[u8], by: Option<Seat>, is_by_script: bool) {
        if !self.is_on() && self.readers.len() == 0 {
            return;
        }
        // Whoever reads the key later in this unit reads what it has become.
        let (_, readers) = self.readers.remove(key).unwrap_or_default();
        if readers.is_empty() && self.broadcasts.is_empty() {
            return;
        }
        let is_known = self.changed.last().is_some_and(|last| *last.key == *key);
        if !is_known || !readers.is_empty() {
            let key = key.into();
            self.changed.push(Change {
                key,
                by,
                is_by_script,
                readers,
            });
        }
    }

    /// Whole databases were emptied.
    pub(crate) fn flushed(&mut self) {
        self.readers.clear();
        self.was_flushed = self.is_on();
    }

    /// A client has read keys; the others sit in their seats.
    pub(crate) fn read(
        &mut self,
        client: &Client,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
        others: &Clients,
        rng: &mut fastrand::Rng,
    ) {
        let Some(mode) = client.tracking.as_deref().filter(|mode| !mode.is_broadcast) else {
            return;
        };
        if (mode.opt_in && mode.caching != Some(true)) || (mode.opt_out && mode.caching == Some(false)) {
            return;
        }
        for key in keys {
            let (readers, _) = self.readers.get_or_insert_with(key.as_ref(), Vec::new);
            let place = readers.partition_point(|reader| reader.id < client.seat.id);
            if readers.get(place) == Some(&client.seat) {
                continue;
            }
            if readers.len() == readers.capacity() {
                // Before it grows: many may have left meanwhile.
                readers.retain(|reader| others.get(*reader).is_some_and(|other| other.tracking.is_some()));
            }
            let place = readers.partition_point(|reader| reader.id < client.seat.id);
            readers.insert(place, client.seat);
        }
        while self.readers.len() > MOST_KEYS
            && let Some((key, _)) = self.readers.random(rng)
        {
            let key: Box<[u8]> = key.into();
            self.changed(&key, None, false);
        }
    }

    /// A client has left or tracks no more.
    pub(crate) fn forget(&mut self, client: &Client) {
        let Some(mode) = &client.tracking else {
            return;
        };
        self.clients -= 1;
        if mode.is_broadcast {
            self.broadcasts.retain(|_, seats| {
                seats.retain(|seat| *seat != client.seat);
                !seats.is_empty()
            });
        }
        // Its seat in the readers of keys is passed over when they change, unless it tracks again by then.
    }

    fn begin(&mut self, seat: Seat, mode: &Mode) {
        self.clients += 1;
        if !mode.is_broadcast {
            return;
        }
        for prefix in &mode.prefixes {
            self.broadcasts.entry(prefix.clone()).or_default().push(seat);
        }
    }
}

/// Sends what trackers are to be told.
pub(crate) fn flush(core: &mut Core) {
    if std::mem::take(&mut core.tracking.was_flushed) {
        core.tracking.readers.clear();
        core.tracking.changed.clear();
        let trackers: Vec<Seat> = core
            .clients
            .others()
            .filter(|client| client.tracking.is_some())
            .map(|client| client.seat)
            .collect();
        for seat in trackers {
            tell(core, seat, Reply::Nil);
        }
    }
    if core.tracking.changed.is_empty() {
        return;
    }
    let changed = std::mem::take(&mut core.tracking.changed);
    for change in &changed {
        for seat in change.readers.iter().copied() {
            let mode = core
                .clients
                .get(seat)
                .and_then(|client| client.tracking.as_deref());
            let Some(mode) = mode.filter(|mode| !mode.is_broadcast) else {
                continue;
            };
            if !(mode.no_loop && change.by == Some(seat)) {
                tell(core, seat, Reply::bulks([&change.key]));
            }
        }
    }
    broadcast(core, &changed);
}

fn broadcast(core: &mut Core, changed: &[Change]) {
    let mut messages = Vec::new();
    for (prefix, seats) in &core.tracking.broadcasts {
        for seat in seats {
            let mode = core
                .clients
                .get(*seat)
                .and_then(|client| client.tracking.as_deref());
            let no_loop = mode.is_some_and(|mode| mode.no_loop);
            let mut keys: Vec<&[u8]> = Vec::new();
            for change in changed {
                // As in Redis, NOLOOP does not cover here what a client's script has changed.
                let is_own = no_loop && change.by == Some(*seat) && !change.is_by_script;
                let key = &change.key;
                if key.starts_with(prefix) && !is_own {
                    keys.push(key);
                }
            }
            // In the order of Redis's tree.
            keys.sort_unstable();
            keys.dedup();
            if !keys.is_empty() {
                messages.push((*seat, Reply::bulks(keys)));
            }
        }
    }
    for (seat, keys) in messages {
        tell(core, seat, keys);
    }
}

/// Tells a tracker, or the client it has named in its place, that keys have changed (Nil: all of them).
fn tell(core: &mut Core, seat: Seat, keys: Reply) {
    let Some(client) = core.clients.get(seat) else {
        return;
    };
    let redirect = client.tracking.as_deref().and_then(|mode| mode.redirect);
    let target = match redirect {
        None => Some(client),
        Some(seat) => core.clients.get(seat),
    };
    let Some(target) = target else {
        redirect_is_broken(core, seat);
        return;
    };
    let message = if target.protocol == Protocol::Resp3 {
        Reply::Push(vec![Reply::bulk("invalidate"), keys])
    } else if redirect.is_some() && target.channels.contains(CHANNEL) {
        Reply::Push(vec![Reply::bulk("message"), Reply::bulk(CHANNEL), keys])
    } else {
        // A RESP2 client that does not listen cannot be told.
        return;
    };
    let target = target.seat;
    core.deliver(target, Message::Push(message));
}

fn redirect_is_broken(core: &mut Core, seat: Seat) {
    let Some(client) = core.clients.get_mut(seat) else {
        return;
    };
    let is_resp3 = client.protocol == Protocol::Resp3;
    let Some(mode) = &mut client.tracking else {
        return;
    };
    mode.has_broken_redirect = true;
    if is_resp3 && let Some(target) = mode.redirect {
        let id = Reply::Int(i64::try_from(target.id).unwrap_or(i64::MAX));
        let message = Reply::Push(vec![Reply::bulk("tracking-redir-broken"), id]);
        core.deliver(seat, Message::Push(message));
    }
}

/// CLIENT CACHING counts for one command only.
pub(crate) fn end_caching(client: &mut Client) {
    if let Some(mode) = &mut client.tracking {
        mode.caching = None;
    }
}

/// CLIENT TRACKING.
pub(crate) fn client_tracking(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if args.len() < 3 {
        return Err(Fault::arity("client|tracking"));
    }
    let mode = read_mode(ctx, args)?;
    if is(args.at(2), "off") {
        ctx.core.tracking.forget(ctx.client);
        ctx.client.tracking = None;
        return Ok(Reply::OK);
    }
    if !is(args.at(2), "on") {
        return Err(Fault::SYNTAX);
    }
    check_mode(ctx.client.tracking.as_deref(), &mode)?;
    let told = mode.redirect.and_then(|seat| ctx.core.clients.get(seat));
    let told: &Client = told.unwrap_or(ctx.client);
    if told.is_in_process && !told.takes_pushes {
        // Nobody would hear, and what was read be believed for ever.
        return Err(Fault::of(
            "ERR CLIENT TRACKING isn't allowed for clients that take no pushes",
        ));
    }
    let mut mode = mode;
    if mode.is_broadcast {
        let old = ctx.client.tracking.as_deref();
        let mut prefixes = old.map(|old| old.prefixes.clone()).unwrap_or_default();
        check_overlap(&prefixes, &mode.prefixes)?;
        prefixes.append(&mut mode.prefixes);
        let everything = Box::default();
        if !options_name_prefixes(args) && !prefixes.contains(&everything) {
            prefixes.push(everything);
        }
        prefixes.sort_unstable();
        mode.prefixes = prefixes;
    }
    // What it has read until now it is still told of.
    if ctx.client.tracking.is_none() || mode.is_broadcast {
        ctx.core.tracking.forget(ctx.client);
        ctx.core.tracking.begin(ctx.client.seat, &mode);
    }
    ctx.client.tracking = Some(Box::new(mode));
    Ok(Reply::OK)
}

fn read_mode(ctx: &Ctx<'_>, args: Args<'_>) -> Result<Mode, Fault> {
    let mut mode = Mode::default();
    let mut options = args.options(3);
    while !options.is_empty() {
        if let Some(id) = options.take_with_value("REDIRECT") {
            if mode.redirect.is_some() {
                return Err(Fault::of(
                    "ERR A client can only redirect to a single other client",
                ));
            }
            let id = number::parse_int(id).ok_or(Fault::NOT_AN_INTEGER)?;
            mode.redirect = Some(known_client(ctx, id)?);
        } else if options.take("BCAST") {
            mode.is_broadcast = true;
        } else if options.take("OPTIN") {
            mode.opt_in = true;
        } else if options.take("OPTOUT") {
            mode.opt_out = true;
        } else if options.take("NOLOOP") {
            mode.no_loop = true;
        } else if let Some(prefix) = options.take_with_value("PREFIX") {
            mode.prefixes.push(prefix.into());
        } else {
            return Err(Fault::SYNTAX);
        }
    }
    Ok(mode)
}

fn options_name_prefixes(args: Args<'_>) -> bool {
    args.tail(3).iter().any(|word| is(word, "PREFIX"))
}

fn known_client(ctx: &Ctx<'_>, id: i64) -> Result<Seat, Fault> {
    let wanted = u64::try_from(id).unwrap_or(0);
    let others = ctx.core.clients.others().map(|other| other.seat);
    let found = others.chain([ctx.client.seat]).find(|seat| seat.id == wanted);
    found.ok_or(Fault::of("ERR The client ID you want redirect to does not exist"))
}

fn check_mode(old: Option<&Mode>, mode: &Mode) -> Result<(), Fault> {
    if !mode.is_broadcast && !mode.prefixes.is_empty() {
        return Err(Fault::of("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    if old.is_some_and(|old| old.is_broadcast != mode.is_broadcast) {
        return Err(Fault::of(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
        ));
    }
    if mode.is_broadcast && (mode.opt_in || mode.opt_out) {
        return Err(Fault::of("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if mode.opt_in && mode.opt_out {
        return Err(Fault::of("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    let is_switched = |old: &Mode| (mode.opt_in && old.opt_out) || (mode.opt_out && old.opt_in);
    if old.is_some_and(is_switched) {
        return Err(Fault::of(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
        ));
    }
    Ok(())
}

/// Refuses prefixes of which one begins another: a key would be told twice.
fn check_overlap(old: &[Box<[u8]>], new: &[Box<[u8]>]) -> Result<(), Fault> {
    let overlaps = |first: &[u8], second: &[u8]| first.starts_with(second) || second.starts_with(first);
    for (index, prefix) in new.iter().enumerate() {
        let existing = old.iter().find(|other| overlaps(prefix, other));
        let provided = new.iter().skip(index + 1).find(|other| overlaps(prefix, other));
        let (other, which) = match (existing, provided) {
            (Some(other), _) => (other, "an existing prefix"),
            (None, Some(other)) => (other, "another provided prefix"),
            (None, None) => continue,
        };
        let (prefix, other) = (shown(prefix), shown(other));
        return Err(Fault::err(format!(
            "Prefix '{prefix}' overlaps with {which} '{other}'. Prefixes for a single client must not overlap."
        )));
    }
    Ok(())
}

/// CLIENT CACHING.
pub(crate) fn client_caching(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if args.len() != 3 {
        return Err(Fault::arity("client|caching"));
    }
    let Some(mode) = ctx.client.tracking.as_deref_mut() else {
        return Err(Fault::of(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    let word = args.at(2);
    if is(word, "yes") {
        if !mode.opt_in {
            return Err(Fault::of(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        mode.caching = Some(true);
    } else if is(word, "no") {
        if !mode.opt_out {
            return Err(Fault::of(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        mode.caching = Some(false);
    } else {
        return Err(Fault::SYNTAX);
    }
    Ok(Reply::OK)
}

/// CLIENT GETREDIR: -1 without tracking, 0 without a redirection.
pub(crate) fn redirection(client: &Client) -> Reply {
    Reply::Int(redirection_id(client))
}

pub(crate) fn redirection_id(client: &Client) -> i64 {
    client.tracking.as_deref().map_or(-1, |mode| {
        mode.redirect
            .map_or(0, |target| i64::try_from(target.id).unwrap_or(i64::MAX))
    })
}

/// CLIENT TRACKINGINFO.
pub(crate) fn info(ctx: &Ctx<'_>) -> Reply {
    let mut flags = Vec::new();
    let mode = ctx.client.tracking.as_deref();
    flags.push(if mode.is_some() { "on" } else { "off" });
    if let Some(mode) = mode {
        let named = [
            ("bcast", mode.is_broadcast),
            ("optin", mode.opt_in),
            ("caching-yes", mode.opt_in && mode.caching == Some(true)),
            ("optout", mode.opt_out),
            ("caching-no", mode.opt_out && mode.caching == Some(false)),
            ("noloop", mode.no_loop),
            ("broken_redirect", mode.has_broken_redirect),
        ];
        flags.extend(
            named
                .into_iter()
                .filter(|(_, is_set)| *is_set)
                .map(|(name, _)| name),
        );
    }
    let prefixes = mode.map(|mode| mode.prefixes.as_slice()).unwrap_or_default();
    let facts = [
        ("flags", Reply::Set(flags.into_iter().map(Reply::bulk).collect())),
        ("redirect", redirection(ctx.client)),
        ("prefixes", Reply::bulks(prefixes)),
    ];
    Reply::Map(facts.map(|(name, fact)| (Reply::bulk(name), fact)).into())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
mod tests;
