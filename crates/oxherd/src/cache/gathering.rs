//! Reads of one namespace that come together are asked for together.
//!
//! A read that finds others under way is asked for by a task that lets everything run that is ready to, and asks with one `MGET` for
//! all that joined it meanwhile: what a question costs is shared, and where reads come in crowds it is most of what they cost. A read that
//! is alone is sent at once. Each has taken its mark and its moment before it joins, so each is as safe as if it had asked by itself; and
//! each has its own permit of the breaker, which therefore hears of a silent store as often. A reader that goes away, or is not polled any more, keeps
//! nobody waiting.
//! Next: `reading.rs`, `asking.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use smallvec::SmallVec;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::shared::{Question, Repeated};
use super::space::Site;
use crate::yielding::let_others_run;

/// Up to so many reads at a time are not worth waiting for others. In proofs every second one is.
const FEW: usize = if cfg!(test) { 1 } else { 3 };
/// How many reads are asked for at once at the most: more hold up others.
const MOST: usize = 64;
/// Nor so many strings, for entries with many tags.
const MOST_STRINGS: usize = 256;
/// And how many bytes are expected in an answer.
const MOST_BYTES: usize = 64 * 1024;
/// How long an answer may take from one task to another.
const MARGIN: Duration = Duration::from_millis(500);

/// What the store has of the strings that one read asked for, in their order, and of the namespace's incarnation.
#[derive(Clone, Debug)]
pub(crate) struct Strings {
    pub(crate) incarnation: Option<Short>,
    pub(crate) asked: SmallVec<[Option<Vec<u8>>; 2]>,
}

/// An incarnation, as many bytes as there are.
pub(crate) type Short = SmallVec<[u8; 16]>;

/// The reads of a namespace that are under way, and those that wait to go together.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    under_way: AtomicUsize,
    open: Mutex<Option<Arc<Mutex<Batch>>>>,
    /// What a read brought lately, in bytes.
    usual: AtomicUsize,
}

#[derive(Debug)]
struct Batch {
    question: Cmd,
    /// How many it asks for.
    strings: usize,
    reads: Vec<Read>,
}

#[derive(Debug)]
struct Read {
    asks_for: usize,
    answer: oneshot::Sender<RedisResult<Strings>>,
}

/// Counts a read until it is dropped.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gathering {
    /// Asks for the incarnation and what `name` adds, whose number it returns; perhaps together with others.
    pub(crate) async fn ask(&self, site: &Site, name: impl Fn(&mut Cmd) -> usize) -> RedisResult<Strings> {
        let others = self.under_way.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay(&self.under_way);
        let most = MOST_BYTES / self.usual.load(Ordering::Relaxed).max(MOST_BYTES / MOST);
        if others >= FEW
            && most > 1
            && let Some(answered) = self.join(site, most, &name)
        {
            // Once, and once more: as long as a question takes at the most.
            match timeout(site.shared.deadline * 2 + MARGIN, answered).await {
                Ok(Ok(answer)) => return self.note(answer),
                // The runtime of the one who came first has ended.
                Ok(Err(_)) => (),
                // Or it stands still, with the batch still open.
                Err(_) => *self.open.lock() = None,
            }
        }
        // On the heap: it would be most of what a read is, and nearly none of a crowd needs it.
        self.note(Box::pin(Self::ask_alone(site, name)).await)
    }

    /// Remembers how large an answer was.
    fn note(&self, answer: RedisResult<Strings>) -> RedisResult<Strings> {
        let answer = answer?;
        let bytes = answer.asked.iter().flatten().map(Vec::len).sum();
        self.usual.store(bytes, Ordering::Relaxed);
        Ok(answer)
    }

    /// The same by itself: for what is a crowd already.
    pub(crate) async fn ask_alone(site: &Site, name: impl Fn(&mut Cmd) -> usize) -> RedisResult<Strings> {
        let mut question = question_of(site);
        name(&mut question);
        let (incarnation, strings) = ask(site, &question).await?;
        let asked = strings.collect();
        Ok(Strings { incarnation, asked })
    }

    /// A place in the batch that is open, or in a new one; `None` outside a runtime.
    fn join(
        &self,
        site: &Site,
        most: usize,
        name: impl Fn(&mut Cmd) -> usize,
    ) -> Option<oneshot::Receiver<RedisResult<Strings>>> {
        let (answer, answered) = oneshot::channel();
        let mut open = self.open.lock();
        if let Some(batch) = &*open {
            let mut batch = batch.lock();
            if batch.reads.len() < most && batch.strings < MOST_STRINGS {
                let asks_for = name(&mut batch.question);
                batch.strings += asks_for;
                batch.reads.push(Read { asks_for, answer });
                return Some(answered);
            }
        }
        let runtime = Handle::try_current().ok()?;
        let mut question = question_of(site);
        let asks_for = name(&mut question);
        let reads = vec![Read { asks_for, answer }];
        let batch = Arc::new(Mutex::new(Batch {
            question,
            strings: asks_for,
            reads,
        }));
        *open = Some(Arc::clone(&batch));
        drop(open);
        let site = site.clone();
        runtime.spawn(ask_for_all(Closing { site, batch }));
        Some(answered)
    }

    /// Nobody joins it any more.
    fn close(&self, batch: &Arc<Mutex<Batch>>) -> (Cmd, Vec<Read>) {
        let mut open = self.open.lock();
        // A later one is open when this one was full.
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, batch)) {
            *open = None;
        }
        let mut batch = batch.lock();
        (
            std::mem::take(&mut batch.question),
            std::mem::take(&mut batch.reads),
        )
    }
}

/// A batch whose task ends with its runtime is closed, and those who joined it ask for themselves.
struct Closing {
    site: Site,
    batch: Arc<Mutex<Batch>>,
}

impl Closing {
    fn close(&self) -> (Cmd, Vec<Read>) {
        self.site.space.gathering.close(&self.batch)
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.close();
    }
}

/// Asks for all that join, and tells each what is its own.
async fn ask_for_all(closing: Closing) {
    let_others_run().await;
    let (question, reads) = closing.close();
    let mut answer = ask(&closing.site, &question).await;
    for Read {
        asks_for,
        answer: waits,
    } in reads
    {
        let own = match &mut answer {
            Ok((incarnation, strings)) => Ok(Strings {
                incarnation: incarnation.clone(),
                asked: strings.by_ref().take(asks_for).collect(),
            }),
            Err(error) => Err(error.clone()),
        };
        // Who went away needs no answer.
        let _ = waits.send(own);
    }
}

fn question_of(site: &Site) -> Cmd {
    let mut question = Cmd::with_capacity(4, 256);
    question.arg("MGET").arg(site.space.keys.incarnation());
    question
}

/// The incarnation, and the other strings in the order of the question.
async fn ask(
    site: &Site,
    question: &Cmd,
) -> RedisResult<(Option<Short>, std::vec::IntoIter<Option<Vec<u8>>>)> {
    let question = Question::Command(question);
    let answer = site.shared.send(question, Repeated::Harmless).await?;
    let mut strings = strings(answer)?;
    let incarnation = strings.next().flatten();
    Ok((incarnation.map(|bytes| Short::from_slice(&bytes)), strings))
}

/// The strings of an answer to `MGET`.
fn strings(answer: Value) -> RedisResult<std::vec::IntoIter<Option<Vec<u8>>>> {
    let unknown = || {
        RedisError::from((
            ErrorKind::UnexpectedReturnType,
            "the answer to MGET is not of strings",
        ))
    };
    let Value::Array(values) = answer else {
        return Err(unknown());
    };
    let string = |value| match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        _ => Err(unknown()),
    };
    let strings: RedisResult<Vec<_>> = values.into_iter().map(string).collect();
    Ok(strings?.into_iter())
}
