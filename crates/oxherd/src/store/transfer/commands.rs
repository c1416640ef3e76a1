//! Pieces as commands: what a copy sends to its target and what a RESP dump holds.
//!
//! Ordinary commands only, each of bounded length. They build a key that is not there yet.

use redis::Cmd;

use super::row::{Group, Kind, Pair, Pending, Piece, State};

/// A command has at most so many elements, and ends after so many bytes of them.
const MOST_ELEMENTS: usize = 500;
const MOST_BYTES: usize = 1 << 20;
/// The group that makes an empty stream; it goes at once.
pub(super) const MAKING_GROUP: &str = "oxherd-transfer";

/// What a key of this type begins with.
pub(super) fn opening(key: &[u8], kind: Kind) -> Vec<Cmd> {
    if kind != Kind::Stream {
        return Vec::new();
    }
    // The one way to an empty stream without a last id.
    let mut make = redis::cmd("XGROUP");
    make.arg("CREATE")
        .arg(key)
        .arg(MAKING_GROUP)
        .arg("0-0")
        .arg("MKSTREAM");
    let mut remove = redis::cmd("XGROUP");
    remove.arg("DESTROY").arg(key).arg(MAKING_GROUP);
    vec![make, remove]
}

/// What adds a piece.
pub(super) fn adding(key: &[u8], piece: &Piece) -> Vec<Cmd> {
    match piece {
        Piece::Text(text) => {
            let mut set = redis::cmd("SET");
            set.arg(key).arg(text.as_slice());
            vec![set]
        }
        Piece::Fields(fields) => cut("HSET", key, fields, pair_size, |cmd, (field, value)| {
            cmd.arg(field.as_slice()).arg(value.as_slice());
        }),
        Piece::Items(items) => cut("RPUSH", key, items, Vec::len, |cmd, item| {
            cmd.arg(item.as_slice());
        }),
        Piece::Members(members) => cut("SADD", key, members, Vec::len, |cmd, member| {
            cmd.arg(member.as_slice());
        }),
        Piece::Scored(scored) => cut("ZADD", key, scored, pair_size, |cmd, (member, score)| {
            cmd.arg(score.as_slice()).arg(member.as_slice());
        }),
        Piece::Entries(entries) => {
            let add = entries.iter().map(|entry| {
                let mut add = redis::cmd("XADD");
                add.arg(key).arg(entry.id.to_string());
                match &entry.fields {
                    Some(fields) => fields.iter().for_each(|(field, value)| {
                        add.arg(field.as_slice()).arg(value.as_slice());
                    }),
                    // Only an entry that is there can be given to a consumer; it goes once that is done.
                    None => {
                        add.arg("").arg("");
                    }
                }
                add
            });
            add.collect()
        }
        Piece::Group(group) => of_group(key, group),
        Piece::State(state) => of_state(key, state),
    }
}

/// Commands that each take as many elements as one may have.
fn cut<T>(
    name: &str,
    key: &[u8],
    elements: &[T],
    size: impl Fn(&T) -> usize,
    add: impl Fn(&mut Cmd, &T),
) -> Vec<Cmd> {
    let mut commands = Vec::new();
    let mut elements = elements.iter().peekable();
    while elements.peek().is_some() {
        let mut cmd = redis::cmd(name);
        cmd.arg(key);
        let (mut count, mut bytes) = (0, 0);
        while count < MOST_ELEMENTS && bytes < MOST_BYTES {
            let Some(element) = elements.next() else { break };
            count += 1;
            bytes += size(element);
            add(&mut cmd, element);
        }
        commands.push(cmd);
    }
    commands
}

fn pair_size((one, other): &Pair) -> usize {
    one.len() + other.len()
}

fn of_group(key: &[u8], group: &Group) -> Vec<Cmd> {
    let mut create = redis::cmd("XGROUP");
    create
        .arg("CREATE")
        .arg(key)
        .arg(group.name.as_slice())
        .arg(group.last_delivered.to_string());
    if let Some(count) = group.entries_read {
        create.arg("ENTRIESREAD").arg(count);
    }
    let consumers = group.consumers.iter().map(|consumer| {
        let mut create = redis::cmd("XGROUP");
        create
            .arg("CREATECONSUMER")
            .arg(key)
            .arg(group.name.as_slice())
            .arg(consumer.as_slice());
        create
    });
    let claims = group
        .pending
        .iter()
        .map(|pending| claim(key, &group.name, pending));
    std::iter::once(create).chain(consumers).chain(claims).collect()
}

fn claim(key: &[u8], group: &[u8], pending: &Pending) -> Cmd {
    let mut claim = redis::cmd("XCLAIM");
    claim
        .arg(key)
        .arg(group)
        .arg(pending.consumer.as_slice())
        .arg(0)
        .arg(pending.id.to_string())
        .arg("TIME")
        .arg(pending.delivered_at)
        .arg("RETRYCOUNT")
        .arg(pending.deliveries)
        .arg("FORCE")
        .arg("JUSTID");
    claim
}

fn of_state(key: &[u8], state: &State) -> Vec<Cmd> {
    // XSETID cannot take back that entries were deleted, so those that were trimmed are trimmed again.
    let mut commands = if state.was_trimmed() {
        trim(key, state)
    } else {
        cut(
            "XDEL",
            key,
            &state.deleted,
            |_| 32,
            |cmd, id| {
                cmd.arg(id.to_string());
            },
        )
    };
    let mut set = redis::cmd("XSETID");
    set.arg(key)
        .arg(state.last.to_string())
        .arg("ENTRIESADDED")
        .arg(state.added)
        .arg("MAXDELETEDID")
        .arg(state.max_deleted.to_string());
    commands.push(set);
    commands
}

fn trim(key: &[u8], state: &State) -> Vec<Cmd> {
    if state.deleted.is_empty() {
        return Vec::new();
    }
    let mut trim = redis::cmd("XTRIM");
    trim.arg(key).arg("MAXLEN").arg(state.length);
    vec![trim]
}

/// What ends a key: the last of its commands says when it expires, or that it does not.
pub(super) fn closing(key: &[u8], expires_at: Option<i64>) -> Cmd {
    match expires_at {
        Some(at) => {
            let mut expire = redis::cmd("PEXPIREAT");
            expire.arg(key).arg(at);
            expire
        }
        None => {
            let mut persist = redis::cmd("PERSIST");
            persist.arg(key);
            persist
        }
    }
}
