//! Who is connected: client ids and names.
//!
//! A client appears when its connection is opened and disappears when the last clone of it is dropped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::arguments::{Arguments, integer, is};
use super::commands::is_arity;
use super::keyspace::Keyspace;
use super::reply::{Outcome, Refusal, Reply};

/// Arity of each subcommand of CLIENT, its two words counted.
const SUBCOMMANDS: [(&str, i8); 5] = [
    ("ID", 2),
    ("GETNAME", 2),
    ("SETNAME", 3),
    ("SETINFO", 4),
    ("LIST", -2),
];

#[derive(Debug, Default)]
pub(super) struct Clients {
    last_id: u64,
    names: BTreeMap<u64, String>,
}

impl Clients {
    pub(super) fn open(&mut self) -> u64 {
        self.last_id += 1;
        self.names.insert(self.last_id, String::new());
        self.last_id
    }

    pub(super) fn close(&mut self, id: u64) {
        self.names.remove(&id);
    }

    /// CLIENT and its subcommands, asked by the client `id`.
    pub(super) fn command(&mut self, id: u64, arguments: &[Vec<u8>]) -> Outcome {
        let subcommand = &arguments[1];
        let Some((name, arity)) = SUBCOMMANDS.into_iter().find(|(name, _)| is(subcommand, name)) else {
            let subcommand = String::from_utf8_lossy(subcommand);
            return Err(Refusal::err(format!(
                "unknown subcommand '{subcommand}'. Try CLIENT HELP."
            )));
        };
        if !is_arity(arity, arguments.len()) {
            return Err(Refusal::wrong_arity(&format!("client|{name}")));
        }
        match name {
            "ID" => Ok(Reply::Integer(
                i64::try_from(id).expect("no test opens that many connections"),
            )),
            "GETNAME" => {
                let name = self.names.get(&id).filter(|name| !name.is_empty());
                Ok(name.map_or(Reply::Nil, |name| Reply::bulk(name.as_bytes())))
            }
            "SETNAME" => self.set_name(id, &arguments[2]),
            // Known since Redis 7.2; clients send it unasked and ignore the answer.
            "SETINFO" => Ok(Reply::ok()),
            _ => self.list(arguments),
        }
    }

    fn set_name(&mut self, id: u64, name: &[u8]) -> Outcome {
        if !name.iter().all(u8::is_ascii_graphic) {
            return Err(Refusal::err(
                "Client names cannot contain spaces, newlines or special characters.",
            ));
        }
        self.names.insert(id, String::from_utf8_lossy(name).into_owned());
        Ok(Reply::ok())
    }

    fn list(&self, arguments: &[Vec<u8>]) -> Outcome {
        let mut options = Arguments::of(&arguments[1..]);
        let wants_normal = !options.take("TYPE") || is(options.next()?, "normal");
        if !options.is_empty() {
            return Err(Refusal::syntax());
        }
        let mut lines = String::new();
        for (id, name) in self.names.iter().filter(|_| wants_normal) {
            let line = format!(
                "id={id} addr=127.0.0.1:{id} laddr=127.0.0.1:0 fd=0 name={name} age=0 idle=0 flags=N db=0 sub=0 \
                 psub=0 ssub=0 multi=-1 qbuf=0 events=r cmd=client|list user=default redir=-1 resp=2"
            );
            writeln!(lines, "{line}").expect("writing to a string cannot fail");
        }
        Ok(Reply::bulk(lines))
    }

    /// HELLO: this double speaks the shapes of RESP2 only.
    pub(super) fn hello(&mut self, id: u64, arguments: &[Vec<u8>]) -> Outcome {
        let mut rest = Arguments::of(arguments);
        if !rest.is_empty() {
            let version = integer(rest.next()?)
                .map_err(|_| Refusal::err("Protocol version is not an integer or out of range"))?;
            if version != 2 {
                return Err(Refusal("NOPROTO unsupported protocol version".to_owned()));
            }
        }
        while !rest.is_empty() {
            if !rest.take("SETNAME") {
                let option = String::from_utf8_lossy(rest.next()?).into_owned();
                return Err(Refusal::err(format!("Syntax error in HELLO option '{option}'")));
            }
            self.set_name(id, rest.next()?)?;
        }
        let id = i64::try_from(id).expect("no test opens that many connections");
        Ok(Reply::Array(vec![
            Reply::bulk("server"),
            Reply::bulk("redis"),
            Reply::bulk("version"),
            Reply::bulk("7.0.15"),
            Reply::bulk("proto"),
            Reply::Integer(2),
            Reply::bulk("id"),
            Reply::Integer(id),
            Reply::bulk("mode"),
            Reply::bulk("standalone"),
            Reply::bulk("role"),
            Reply::bulk("master"),
            Reply::bulk("modules"),
            Reply::Array(Vec::new()),
        ]))
    }
}

/// INFO; only the sections and fields that programs look at.
pub(super) fn info(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let keys = keyspace.live().count();
    let expiring = keyspace
        .live()
        .filter(|(_, entry)| entry.expires_at.is_some())
        .count();
    let database = if keys == 0 {
        String::new()
    } else {
        format!("db0:keys={keys},expires={expiring},avg_ttl=0\r\n")
    };
    let sections = [
        (
            "Server",
            "redis_version:7.0.15\r\nredis_mode:standalone\r\nos:double\r\n".to_owned(),
        ),
        (
            "Memory",
            "used_memory:0\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n".to_owned(),
        ),
        ("Replication", "role:master\r\nconnected_slaves:0\r\n".to_owned()),
        ("Keyspace", database),
    ];
    let is_wanted = |section: &str| {
        let names = ["all", "default", "everything", section];
        arguments.len() == 1
            || arguments[1..]
                .iter()
                .any(|asked| names.iter().any(|name| is(asked, name)))
    };
    let wanted = sections.iter().filter(|(name, _)| is_wanted(name));
    let texts: Vec<String> = wanted
        .map(|(name, fields)| format!("# {name}\r\n{fields}"))
        .collect();
    Ok(Reply::bulk(texts.join("\r\n")))
}
