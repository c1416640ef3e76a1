//! What a client may do while a script keeps the engine too long.
//!
//! Redis answers a few commands even then, everything else with BUSY. Here those commands work on what is known
//! without the lock; what they change is carried over to the client as soon as the lock can be had. A transaction of
//! which a command was refused will not run, just as if the engine had refused it.
//! Next: `session.rs`, `outside.rs`.

use crate::arguments::{Args, is};
use crate::client::{Arrival, Client, Protocol, Queued, ReplyMode};
use crate::commands::connection::{self, Hello};
use crate::commands::{self, Command, flag};
use crate::core::Core;
use crate::execute::unknown;
use crate::outside::Outside;
use crate::reply::{Answer, Fault, Reply};
use crate::scripts::NOT_BUSY;

const BUSY: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

/// What has to be known of a client to answer it without the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing(u8);

impl Standing {
    pub(crate) const AUTHENTICATED: u8 = 1;
    pub(crate) const RESP3: u8 = 2;
    /// Between MULTI and EXEC.
    pub(crate) const QUEUING: u8 = 4;
    /// CLIENT REPLY has silenced it.
    pub(crate) const SILENT: u8 = 8;
    /// The connection is to end.
    pub(crate) const LEAVING: u8 = 16;

    pub(crate) fn of(client: &Client) -> Self {
        let mut standing = Self::default();
        standing.set(Self::AUTHENTICATED, client.is_authenticated);
        standing.set(Self::RESP3, client.protocol == Protocol::Resp3);
        standing.set(Self::QUEUING, client.transaction.is_some());
        standing.set(Self::SILENT, client.reply_mode != ReplyMode::On);
        standing.set(Self::LEAVING, client.should_close);
        standing
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    pub(crate) fn set(&mut self, bit: u8, is_so: bool) {
        self.0 = if is_so { self.0 | bit } else { self.0 & !bit };
    }

    pub(crate) fn protocol(self) -> Protocol {
        if self.has(Self::RESP3) {
            Protocol::Resp3
        } else {
            Protocol::Resp2
        }
    }
}

/// What a client has done without the lock and the engine does not know yet.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    /// It has not even been let in.
    pub(crate) arrival: Option<Arrival>,
    has_logged_in: bool,
    protocol: Option<Protocol>,
    name: Option<Vec<u8>>,
    has_discarded: bool,
    has_begun: bool,
    was_refused: bool,
    has_left: bool,
}

impl Aside {
    /// Of a client that has just come.
    pub(crate) fn of(arrival: Arrival) -> Self {
        Self {
            arrival: Some(arrival),
            ..Self::default()
        }
    }

    /// Answers a command without the lock.
    pub(crate) fn answer(
        &mut self,
        standing: &mut Standing,
        outside: &Outside,
        id: u64,
        args: Args<'_>,
    ) -> Reply {
        let answer = admit(*standing, args).and_then(|command| match command.name {
            "exec" => {
                self.discard(standing);
                Err(Fault::new(format!(
                    "EXECABORT Transaction discarded because of: {BUSY}"
                )))
            }
            "multi" => self.begin(standing),
            "discard" if standing.has(Standing::QUEUING) => {
                self.discard(standing);
                Ok(Reply::OK)
            }
            "discard" => Err(Fault::of("ERR DISCARD without MULTI")),
            "quit" => {
                self.has_left = true;
                standing.set(Standing::LEAVING, true);
                Ok(Reply::OK)
            }
            // Anything else would be queued.
            _ if standing.has(Standing::QUEUING) => Err(Fault::of(BUSY)),
            "auth" => {
                let (user, password) = connection::credentials(&outside.password(), args)?;
                connection::check(&outside.password(), user, password)?;
                self.log_in(standing);
                Ok(Reply::OK)
            }
            "hello" => self.hello(standing, outside, id, args),
            "script" if args.len() == 2 && is(args.at(1), "kill") => {
                if outside.running.kill() {
                    Ok(Reply::OK)
                } else {
                    Err(NOT_BUSY)
                }
            }
            _ => Err(Fault::of(BUSY)),
        });
        if answer.is_err() && standing.has(Standing::QUEUING) {
            self.was_refused = true;
        }
        answer.into()
    }

    fn begin(&mut self, standing: &mut Standing) -> Answer {
        if standing.has(Standing::QUEUING) {
            return Err(Fault::of("ERR MULTI calls can not be nested"));
        }
        self.has_begun = true;
        standing.set(Standing::QUEUING, true);
        Ok(Reply::OK)
    }

    fn discard(&mut self, standing: &mut Standing) {
        self.has_discarded = true;
        self.has_begun = false;
        self.was_refused = false;
        standing.set(Standing::QUEUING, false);
    }

    fn log_in(&mut self, standing: &mut Standing) {
        self.has_logged_in = true;
        standing.set(Standing::AUTHENTICATED, true);
    }

    fn hello(&mut self, standing: &mut Standing, outside: &Outside, id: u64, args: Args<'_>) -> Answer {
        let hello = Hello::parse(args)?;
        if let Some((user, password)) = hello.credentials {
            connection::check(&outside.password(), user, password)?;
            self.log_in(standing);
        }
        if let Some(fault) = hello.fault {
            return Err(fault);
        }
        if !standing.has(Standing::AUTHENTICATED) {
            return Err(connection::HELLO_UNAUTHENTICATED);
        }
        if let Some(name) = hello.name {
            self.name = Some(name.to_vec());
        }
        if let Some(protocol) = hello.protocol {
            self.protocol = Some(protocol);
            standing.set(Standing::RESP3, protocol == Protocol::Resp3);
        }
        Ok(connection::facts(id, standing.protocol()))
    }

    /// Carries over to a client what it has done.
    pub(crate) fn carry_over(self, core: &mut Core, client: &mut Client) {
        client.is_authenticated |= self.has_logged_in;
        client.should_close |= self.has_left;
        if let Some(protocol) = self.protocol {
            client.protocol = protocol;
        }
        if let Some(name) = self.name {
            client.name = name;
        }
        if self.has_discarded {
            client.transaction = None;
            core.unwatch(client);
        }
        if self.has_begun {
            client.transaction = Some(Queued::default());
        }
        if let Some(queued) = &mut client.transaction {
            queued.is_broken |= self.was_refused;
        }
    }
}

/// Finds the command and checks what Redis checks before it says that it is busy.
fn admit(standing: Standing, args: Args<'_>) -> Result<&'static Command, Fault> {
    let command = commands::find(args.at(0)).ok_or_else(|| unknown(args))?;
    command.check(args)?;
    if !standing.has(Standing::AUTHENTICATED) && !command.has(flag::NO_AUTH) {
        return Err(Fault::of("NOAUTH Authentication required."));
    }
    Ok(command)
}
