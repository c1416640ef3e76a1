//! Reads of one namespace that come together are asked for together.
//!
//! A read that finds others under way lets everything run that is ready to, and asks with one `MGET` for all that joined it meanwhile:
//! what a question costs is shared, and where reads come in crowds it is most of what they cost. A read that is alone is sent at once. Each has
//! taken its mark and its moment before it joins, so each is as safe as if it had asked by itself; and each has its own permit of the
//! breaker, which therefore hears of a silent store as often. Who leads and goes away leaves the others to ask for themselves.
//! Next: `reading.rs`, `asking.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::shared::{Question, Repeated};
use super::space::Site;

/// Up to so many reads at a time are not worth waiting for others. In proofs every second one is.
const FEW: usize = if cfg!(test) { 1 } else { 3 };
/// How many reads are asked for at once at the most: more hold up others.
const MOST: usize = 64;
/// And how many bytes are expected in an answer.
const MOST_BYTES: usize = 64 * 1024;

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
    /// How many strings the one who leads asks for.
    own: usize,
    others: Vec<Other>,
}

#[derive(Debug)]
struct Other {
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

/// The place of a batch's leader. When it is dropped nobody joins any more, and who did asks for himself.
struct Lead<'a> {
    gathering: &'a Gathering,
    batch: Arc<Mutex<Batch>>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut open = self.gathering.open.lock();
        // A later one may be open by now.
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, &self.batch)) {
            *open = None;
        }
    }
}

enum Joined<'a> {
    Leads(Lead<'a>),
    Follows(oneshot::Receiver<RedisResult<Strings>>),
}

impl Gathering {
    /// Asks for the incarnation and what `name` adds, whose number it returns; perhaps together with others.
    pub(crate) async fn ask(&self, site: &Site, name: impl Fn(&mut Cmd) -> usize) -> RedisResult<Strings> {
        let others = self.under_way.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay(&self.under_way);
        let most = MOST_BYTES / self.usual.load(Ordering::Relaxed).max(MOST_BYTES / MOST);
        if others >= FEW && most > 1 {
            match self.join(site, most, &name) {
                Joined::Leads(lead) => return self.note(self.lead(site, lead).await),
                Joined::Follows(answer) => {
                    if let Ok(answer) = answer.await {
                        return answer;
                    }
                    // Who led went away.
                }
            }
        }
        self.note(Self::ask_alone(site, name).await)
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
        let (question, own) = question(site, name);
        send(site, &question, own, Vec::new()).await
    }

    fn join(&self, site: &Site, most: usize, name: impl Fn(&mut Cmd) -> usize) -> Joined<'_> {
        let mut open = self.open.lock();
        if let Some(batch) = &*open {
            let mut batch = batch.lock();
            if batch.others.len() + 1 < most {
                let asks_for = name(&mut batch.question);
                let (answer, answered) = oneshot::channel();
                batch.others.push(Other { asks_for, answer });
                return Joined::Follows(answered);
            }
        }
        let (question, own) = question(site, name);
        let others = Vec::new();
        let batch = Arc::new(Mutex::new(Batch {
            question,
            own,
            others,
        }));
        *open = Some(Arc::clone(&batch));
        let gathering = self;
        Joined::Leads(Lead { gathering, batch })
    }

    async fn lead(&self, site: &Site, lead: Lead<'_>) -> RedisResult<Strings> {
        tokio::task::yield_now().await;
        let batch = Arc::clone(&lead.batch);
        drop(lead);
        let (question, own, others) = {
            let mut batch = batch.lock();
            let question = std::mem::take(&mut batch.question);
            (question, batch.own, std::mem::take(&mut batch.others))
        };
        send(site, &question, own, others).await
    }
}

fn question(site: &Site, name: impl Fn(&mut Cmd) -> usize) -> (Cmd, usize) {
    let mut question = Cmd::with_capacity(4, 256);
    question.arg("MGET").arg(site.space.keys.incarnation());
    let own = name(&mut question);
    (question, own)
}

/// Asks, tells the others what is theirs, and returns what is one's own.
async fn send(site: &Site, question: &Cmd, own: usize, others: Vec<Other>) -> RedisResult<Strings> {
    let answer = site
        .shared
        .send(Question::Command(question), Repeated::Harmless)
        .await;
    let mut strings = match answer.and_then(strings) {
        Ok(strings) => strings,
        Err(error) => {
            for other in others {
                // Who went away needs no answer.
                let _ = other.answer.send(Err(error.clone()));
            }
            return Err(error);
        }
    };
    let incarnation: Option<Short> = strings.next().flatten().map(|bytes| Short::from_slice(&bytes));
    let mut take = |count: usize| Strings {
        incarnation: incarnation.clone(),
        asked: strings.by_ref().take(count).collect(),
    };
    let own = take(own);
    for other in others {
        let _ = other.answer.send(Ok(take(other.asks_for)));
    }
    Ok(own)
}

/// The strings of an answer to `MGET`.
pub(crate) fn strings(answer: Value) -> RedisResult<std::vec::IntoIter<Option<Vec<u8>>>> {
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
