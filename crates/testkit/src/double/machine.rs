//! One command, script or transaction at a time.
//!
//! The machine holds all state of the double and lives under its one mutex. It looks up commands, checks their arity
//! before anything runs, and hands those that need a client or Lua to their owners.

use super::Clock;
use super::arguments::{integer, is};
use super::blocking::Queue;
use super::clients::Clients;
use super::commands::{self, is_arity};
use super::keyspace::Keyspace;
use super::reply::{Outcome, Refusal, Reply};
use super::scripting::Scripts;

/// Commands that need more than the keyspace, with their arity. Scripts may not call them.
const OWN_COMMANDS: [(&str, i8); 5] = [
    ("EVAL", -3),
    ("EVALSHA", -3),
    ("SCRIPT", -2),
    ("CLIENT", -2),
    ("HELLO", -1),
];

/// Finds one of the commands that only the machine can run.
pub(super) fn find_own(name: &[u8]) -> Option<(&'static str, i8)> {
    OWN_COMMANDS.into_iter().find(|(own, _)| is(name, own))
}

pub(super) struct Machine {
    pub(super) keyspace: Keyspace,
    pub(super) clients: Clients,
    /// Readers blocked in BZPOPMIN, first come first served.
    pub(super) queue: Queue,
    scripts: Scripts,
}

impl Machine {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            keyspace: Keyspace::new(clock),
            clients: Clients::default(),
            queue: Queue::default(),
            scripts: Scripts::new(),
        }
    }

    /// Runs one command of a client.
    pub(super) fn run(&mut self, client: u64, arguments: &[Vec<u8>]) -> Reply {
        self.keyspace.begin();
        Reply::from_outcome(check(arguments).and_then(|()| self.dispatch(client, arguments)))
    }

    /// Runs the commands of a transaction, or none of them when one could not even be queued.
    pub(super) fn run_transaction(
        &mut self,
        client: u64,
        transaction: &[Vec<Vec<u8>>],
    ) -> Result<Vec<Reply>, Refusal> {
        if transaction.iter().any(|arguments| check(arguments).is_err()) {
            let text = "EXECABORT Transaction discarded because of previous errors.";
            return Err(Refusal(text.to_owned()));
        }
        self.keyspace.begin();
        let run = |arguments: &Vec<Vec<u8>>| Reply::from_outcome(self.dispatch(client, arguments));
        Ok(transaction.iter().map(run).collect())
    }

    fn dispatch(&mut self, client: u64, arguments: &[Vec<u8>]) -> Outcome {
        if let Some(command) = commands::find(&arguments[0]) {
            return command.run(&mut self.keyspace, arguments);
        }
        match find_own(&arguments[0]).map(|(name, _)| name) {
            Some("EVAL") => {
                let sha = self.scripts.load(&arguments[1])?;
                self.evaluate(&sha, &arguments[2..])
            }
            Some("EVALSHA") => {
                let sha = String::from_utf8_lossy(&arguments[1]).to_lowercase();
                self.evaluate(&sha, &arguments[2..])
            }
            Some("SCRIPT") => self.script(arguments),
            Some("CLIENT") => self.clients.command(client, arguments),
            _ => self.clients.hello(client, arguments),
        }
    }

    /// `arguments`: number of keys, keys, further arguments.
    fn evaluate(&mut self, sha: &str, arguments: &[Vec<u8>]) -> Outcome {
        let count = integer(&arguments[0])?;
        let count = usize::try_from(count).map_err(|_| Refusal::err("Number of keys can't be negative"))?;
        if count > arguments.len() - 1 {
            return Err(Refusal::err(
                "Number of keys can't be greater than number of args",
            ));
        }
        let (keys, values) = arguments[1..].split_at(count);
        self.scripts.evaluate(&mut self.keyspace, sha, keys, values)
    }

    fn script(&mut self, arguments: &[Vec<u8>]) -> Outcome {
        let subcommand = &arguments[1];
        match () {
            () if is(subcommand, "LOAD") && arguments.len() == 3 => {
                Ok(Reply::bulk(self.scripts.load(&arguments[2])?))
            }
            () if is(subcommand, "EXISTS") && arguments.len() >= 3 => {
                let exists = |sha: &Vec<u8>| Reply::flag(self.scripts.has(&String::from_utf8_lossy(sha)));
                Ok(Reply::Array(arguments[2..].iter().map(exists).collect()))
            }
            () if is(subcommand, "FLUSH") && arguments.len() <= 3 => {
                if arguments
                    .get(2)
                    .is_some_and(|mode| !is(mode, "SYNC") && !is(mode, "ASYNC"))
                {
                    return Err(Refusal::err("SCRIPT FLUSH only support SYNC|ASYNC option"));
                }
                self.scripts.flush();
                Ok(Reply::ok())
            }
            () => {
                let subcommand = String::from_utf8_lossy(subcommand);
                if ["LOAD", "EXISTS", "FLUSH"]
                    .iter()
                    .any(|known| is(&arguments[1], known))
                {
                    return Err(Refusal::wrong_arity(&format!("script|{subcommand}")));
                }
                Err(Refusal::err(format!(
                    "unknown subcommand '{subcommand}'. Try SCRIPT HELP."
                )))
            }
        }
    }
}

/// Refuses an unknown command and a wrong number of arguments.
fn check(arguments: &[Vec<u8>]) -> Result<(), Refusal> {
    let Some(name) = arguments.first() else {
        return Err(Refusal::err("empty command"));
    };
    if let Some(command) = commands::find(name) {
        return command.check_arity(arguments);
    }
    match find_own(name) {
        Some((_, arity)) if is_arity(arity, arguments.len()) => Ok(()),
        Some((own, _)) => Err(Refusal::wrong_arity(own)),
        None => Err(unknown(arguments)),
    }
}

fn unknown(arguments: &[Vec<u8>]) -> Refusal {
    let shown: String = arguments[1..]
        .iter()
        .map(|argument| format!("'{}' ", String::from_utf8_lossy(argument)))
        .collect();
    let name = String::from_utf8_lossy(&arguments[0]);
    Refusal::err(format!(
        "unknown command '{name}', with args beginning with: {shown}"
    ))
}
