//! What a sequence is made of: commands of numbered clients, and steps that only a driver can do.
//!
//! A sequence is plain data, so it can be cut to pieces, run again and printed. Deadlines and client ids are not
//! known beforehand; an argument that starts with `@` stands for one and is filled in at the moment of the run.
//! Next: `runner.rs` (how a sequence runs on both sides).

use std::fmt;

use crate::notation::{argument, arguments};

/// One command.
pub(crate) type Arguments = Vec<Vec<u8>>;

/// An absolute deadline (ms) that lies a little ahead of this step.
pub(crate) const SOON: &[u8] = b"@soon";
/// The same as a duration in ms.
pub(crate) const SOON_DURATION: &[u8] = b"@soon-duration";
/// Followed by a client's number: its id, which differs between the sides.
pub(crate) const CLIENT_ID: &[u8] = b"@id";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Resp2,
    Resp3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Send the arguments, compare the reply.
    Command,
    /// Iterate with a cursor until the end (`SCAN options…`, `HSCAN key options…`), compare what was seen.
    Iterate,
    /// Wait until every deadline that was handed out has passed.
    PassTime,
    /// Wait until the client's blocking command has timed out.
    Await,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) client: usize,
    pub(crate) kind: Kind,
    pub(crate) arguments: Arguments,
    /// Send it although the client still waits for an earlier reply.
    pub(crate) although_waiting: bool,
}

impl Step {
    pub(crate) fn new(client: usize, kind: Kind, arguments: Arguments) -> Self {
        Self {
            client,
            kind,
            arguments,
            although_waiting: false,
        }
    }

    /// Reads what `Display` wrote.
    pub(crate) fn read(line: &str) -> Self {
        let (client, text) = line
            .split_once("> ")
            .unwrap_or_else(|| panic!("{line:?} is no step (0> GET key)"));
        let client = client.trim().parse().expect("the number of a client");
        let mut arguments = arguments(text);
        let kind = match arguments.first().map(Vec::as_slice) {
            Some(b"!iterate") => Kind::Iterate,
            Some(b"!pass") => Kind::PassTime,
            Some(b"!await") => Kind::Await,
            _ => return Self::new(client, Kind::Command, arguments),
        };
        arguments.remove(0);
        Self::new(client, kind, arguments)
    }

    /// The command's name in upper case; for one with subcommands, both words.
    pub(crate) fn name(&self) -> String {
        name_of(&self.arguments)
    }
}

const WITH_SUBCOMMANDS: [&str; 11] = [
    "OBJECT", "XGROUP", "XINFO", "CLIENT", "CONFIG", "SCRIPT", "PUBSUB", "COMMAND", "MEMORY", "FUNCTION",
    "DEBUG",
];

pub(crate) fn has_subcommands(name: &[u8]) -> bool {
    WITH_SUBCOMMANDS
        .iter()
        .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

pub(crate) fn name_of(arguments: &[Vec<u8>]) -> String {
    let word = |index: usize| {
        arguments
            .get(index)
            .map(|word| String::from_utf8_lossy(word).to_ascii_uppercase())
            .unwrap_or_default()
    };
    let name = word(0);
    if !WITH_SUBCOMMANDS.contains(&name.as_str()) || arguments.len() < 2 {
        return name;
    }
    format!("{name} {}", word(1))
}

/// What runs: clients of given protocols, and their steps.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) protocols: Vec<Protocol>,
    /// Look at all clients after each step, because a step may wake or tell others.
    pub(crate) is_stepwise: bool,
    pub(crate) steps: Vec<Step>,
}

/// The RESP form of a command.
pub(crate) fn encode(arguments: &[Vec<u8>], into: &mut Vec<u8>) {
    use std::io::Write as _;
    write!(into, "*{}\r\n", arguments.len()).expect("writing to memory cannot fail");
    for argument in arguments {
        write!(into, "${}\r\n", argument.len()).expect("writing to memory cannot fail");
        into.extend_from_slice(argument);
        into.extend_from_slice(b"\r\n");
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}>", self.client)?;
        match self.kind {
            Kind::Command => {}
            Kind::Iterate => formatter.write_str(" !iterate")?,
            Kind::PassTime => formatter.write_str(" !pass")?,
            Kind::Await => formatter.write_str(" !await")?,
        }
        for text in &self.arguments {
            write!(formatter, " {}", argument(text))?;
        }
        Ok(())
    }
}
