//! How a namespace asks the store: with a command or a script, heard of changes first.
//!
//! What this process may keep is asked for only while it hears of changes. What does no harm when it is done twice is sent once
//! more if the connection breaks under it.
//! Next: `shared.rs` (deadline and breaker).

use redis::Cmd;

use super::gathering::{Gathering, Strings};
use super::shared::{Question, Repeated, Trouble};
use super::space::Site;
use crate::error::Result;
use crate::store::Script;

impl Site {
    /// Reads strings of the store, the incarnation first; a single read perhaps together with others. `name` adds what is
    /// asked for, and returns how much that is. Trouble is counted.
    pub(crate) async fn read_strings(
        &self,
        is_single: bool,
        name: impl Fn(&mut Cmd) -> usize,
    ) -> Result<Strings, Trouble> {
        let answer = self.strings(is_single, name).await;
        if let Err(trouble) = &answer {
            self.troubled(trouble);
        }
        answer
    }

    async fn strings(&self, is_single: bool, name: impl Fn(&mut Cmd) -> usize) -> Result<Strings, Trouble> {
        let asking = self.shared.asking()?;
        let answer = match is_single {
            true => self.space.gathering.ask(self, name).await,
            false => Box::pin(Gathering::ask_alone(self, name)).await,
        };
        asking.judge("read the cache", Repeated::Harmless, answer)
    }

    /// Runs one of the cache's scripts, nearly all of which may be sent again.
    pub(crate) async fn run<T: redis::FromRedisValue>(
        &self,
        script: &'static Script,
        question: &Cmd,
    ) -> Result<T, Trouble> {
        self.run_as(Repeated::Harmless, script, question).await
    }

    /// Runs a script that does its work again when it is sent again: a reply that was lost is said to be.
    pub(crate) async fn run_once<T: redis::FromRedisValue>(
        &self,
        script: &'static Script,
        question: &Cmd,
    ) -> Result<T, Trouble> {
        self.run_as(Repeated::Harmful, script, question).await
    }

    async fn run_as<T: redis::FromRedisValue>(
        &self,
        repeated: Repeated,
        script: &'static Script,
        question: &Cmd,
    ) -> Result<T, Trouble> {
        let operation = script.operation();
        self.heed().await?;
        let question = Question::Script(script, question);
        // On the heap, so that the futures of those who ask stay small and shallow.
        let answer = Box::pin(self.shared.ask(&operation, question, repeated)).await?;
        crate::store::decode(&operation, answer).map_err(Trouble::Failed)
    }

    /// Sees to it that changes of this namespace are heard of, before anything is read that this process may keep.
    pub(crate) async fn heed(&self) -> Result<(), Trouble> {
        let Self { shared, space } = self;
        // Again, for what was opened outside a runtime.
        shared.report();
        if !space.settings.keeps_local() {
            return Ok(());
        }
        if space.watched.initialized() {
            return Ok(());
        }
        let watch = async {
            let watched = space.keys.watched();
            let prefixes = watched.each_ref().map(Vec::as_slice);
            *space.watched.get_or_init(|| shared.watch(&prefixes)).await
        };
        // Once a namespace: on the heap, for it is deep.
        Box::pin(shared.within_deadline("watch for changes", watch)).await
    }

    /// Counts a call that the store did not answer.
    pub(crate) fn troubled(&self, trouble: &Trouble) {
        match trouble {
            Trouble::Skipped { .. } => self.space.recorder.skipped_by_breaker(),
            Trouble::Failed(_) => self.space.recorder.store_failed(),
        }
    }
}
