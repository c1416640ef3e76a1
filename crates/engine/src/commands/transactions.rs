//! MULTI and EXEC, and the keys that are watched for them.
//!
//! The commands of a transaction run as one unit of work: nobody sees a state between them, and their effects are one
//! batch.

use super::{Command, flag};
use crate::arguments::Args;
use crate::context::{Ctx, Origin};
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::other("multi", 1, multi)
        .fast()
        .with(flag::NO_SCRIPT | flag::NOT_QUEUED),
    Command::other("exec", 1, exec).with(flag::NO_SCRIPT | flag::NOT_QUEUED | flag::NO_MONITOR),
    Command::other("discard", 1, discard)
        .fast()
        .with(flag::NO_SCRIPT | flag::NOT_QUEUED),
    Command::other("watch", -2, watch)
        .fast()
        .with(flag::NO_SCRIPT | flag::NOT_QUEUED)
        .keys(1, -1, 1),
    Command::other("unwatch", 1, unwatch).fast().with(flag::NO_SCRIPT),
];

fn multi(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    if ctx.client.transaction.is_some() {
        return Err(Fault::of("ERR MULTI calls can not be nested"));
    }
    ctx.client.transaction = Some(crate::client::Queued::default());
    Ok(Reply::OK)
}

fn exec(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    let Some(queued) = ctx.client.transaction.take() else {
        return Err(Fault::of("ERR EXEC without MULTI"));
    };
    let is_dirty = ctx.client.is_dirty;
    ctx.core.unwatch(ctx.client);
    if queued.is_broken {
        return Err(Fault::of(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    if is_dirty {
        return Ok(Reply::NilArray);
    }
    let mut replies = Vec::with_capacity(queued.commands.len());
    for words in &queued.commands {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let args = Args::new(&words);
        // Only commands of the table were queued.
        let Some(command) = super::find(args.at(0)) else {
            continue;
        };
        let (reply, _) = ctx.core.call(ctx.client, Origin::Transaction, command, args);
        replies.push(reply);
    }
    Ok(Reply::Array(replies))
}

fn discard(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    if ctx.client.transaction.take().is_none() {
        return Err(Fault::of("ERR DISCARD without MULTI"));
    }
    ctx.core.unwatch(ctx.client);
    Ok(Reply::OK)
}

fn watch(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if ctx.client.transaction.is_some() {
        return Err(Fault::of("ERR WATCH inside MULTI is not allowed"));
    }
    let (db, seat) = (ctx.db_index(), ctx.client.seat);
    for key in args.tail(1) {
        let is_known = ctx
            .client
            .watched
            .iter()
            .any(|(other, name)| *other == db && **name == **key);
        if is_known {
            continue;
        }
        let key: Box<[u8]> = (*key).into();
        ctx.client.watched.push((db, key.clone()));
        ctx.core
            .watchers
            .entry(db)
            .or_default()
            .entry(key)
            .or_default()
            .push(seat);
    }
    Ok(Reply::OK)
}

fn unwatch(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    ctx.core.unwatch(ctx.client);
    Ok(Reply::OK)
}

#[cfg(test)]
mod tests {
    use crate::reply::Reply;
    use crate::testing::Session;

    #[test]
    fn a_transaction_runs_unless_a_watched_key_has_changed() {
        let session = Session::new();
        let other = session.other();
        session.ask("WATCH a");
        session.ask("MULTI");
        assert_eq!(session.ask("INCR a"), Reply::status("QUEUED"));
        assert_eq!(session.ask("EXEC"), Reply::Array(vec![Reply::Int(1)]));
        session.ask("WATCH a");
        other.ask("INCR a");
        session.ask("MULTI");
        session.ask("INCR a");
        assert_eq!(session.ask("EXEC"), Reply::NilArray);
        assert_eq!(session.ask("GET a"), Reply::bulk("2"));
    }

    #[test]
    fn ones_own_change_of_a_watched_key_counts_too() {
        let session = Session::new();
        session.ask("WATCH a");
        session.ask("SET a 1");
        session.ask("MULTI");
        assert_eq!(session.ask("EXEC"), Reply::NilArray);
    }

    #[test]
    fn a_transaction_with_a_bad_command_is_refused_as_a_whole() {
        let session = Session::new();
        session.ask("MULTI");
        assert!(session.ask("GET").is_error());
        session.ask("SET a 1");
        assert!(session.ask("EXEC").is_error());
        assert_eq!(session.ask("GET a"), Reply::Nil);
    }
}
