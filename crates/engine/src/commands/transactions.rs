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

/// Bytes that the commands of a transaction may take until EXEC.
#[cfg(not(test))]
pub(crate) const MOST_QUEUED: usize = 1 << 30;
#[cfg(test)]
pub(crate) const MOST_QUEUED: usize = 1 << 20;

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
    for (db, key) in &ctx.client.watched {
        // What has expired has changed, be it removed yet or not.
        ctx.core.forget_if_due(*db, key);
    }
    let is_dirty = ctx.core.take_self_is_dirty() || ctx.client.is_dirty;
    ctx.core.unwatch(ctx.client);
    if queued.is_broken {
        return Err(Fault::of(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    if is_dirty {
        return Ok(Reply::NilArray);
    }
    // The journal may have failed since they were queued.
    for words in &queued.commands {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let args = Args::new(&words);
        let command = super::find(args.at(0));
        if let Some(fault) = command.and_then(|command| ctx.core.check_journal(command, args).err()) {
            let reason = fault.text();
            return Err(Fault::new(format!(
                "EXECABORT Transaction discarded because of: {reason}"
            )));
        }
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
        // A key that had expired before is not one that changes now.
        ctx.core.forget_if_due(db, key);
        let key: Box<[u8]> = (*key).into();
        if !ctx.client.watched.insert((db, key.clone())) {
            continue;
        }
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
    use crate::reply::{Fault, Reply};
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

    #[test]
    fn at_the_limit_of_memory_nothing_is_queued_and_nothing_that_needs_memory_runs() {
        let (session, other) = {
            let session = Session::new();
            let other = session.other();
            (session, other)
        };
        let is_oom = |reply: &Reply| matches!(reply, Reply::Error(fault) if fault.code() == "OOM");
        session.ask("MULTI");
        session.ask("SET a 1");
        session.ask("GET a");
        other.ask("SET b 1");
        other.ask("CONFIG SET maxmemory 1");
        assert_eq!(
            session.ask("EXEC"),
            Reply::Error(Fault::of(
                "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'."
            ))
        );
        assert_eq!(session.ask("GET a"), Reply::Nil);
        session.ask("MULTI");
        for line in ["GET a", "WATCH a", "MULTI", "PING"] {
            assert!(is_oom(&session.ask(line)), "{line}");
        }
        assert_eq!(session.ask("DISCARD"), Reply::OK);
        session.ask("MULTI");
        assert_eq!(session.ask("EXEC"), Reply::Array(Vec::new()));
    }

    #[test]
    fn a_transaction_cannot_take_all_memory() {
        let session = Session::new();
        session.ask("MULTI");
        let value = "x".repeat(super::MOST_QUEUED / 4);
        let replies: Vec<Reply> = (0..4).map(|_| session.ask(&format!("SET a {value}"))).collect();
        assert!(replies.iter().any(Reply::is_error), "everything was queued");
        assert!(session.ask("EXEC").is_error());
        assert_eq!(session.ask("EXISTS a"), Reply::Int(0));
    }

    #[test]
    fn many_keys_may_be_watched() {
        let (session, start) = (Session::new(), std::time::Instant::now());
        let keys: Vec<String> = (0..100_000).map(|number| format!("key:{number}")).collect();
        assert_eq!(session.ask(&format!("WATCH {}", keys.join(" "))), Reply::OK);
        assert_eq!(session.ask("UNWATCH"), Reply::OK);
        // Each key compared with each other would take minutes.
        let elapsed = start.elapsed();
        assert!(elapsed < std::time::Duration::from_secs(20), "{elapsed:?}");
    }
}
