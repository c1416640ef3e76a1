//! A cache's connection to the engine in this process.
//!
//! The engine posts a push in the same unit of work as the change it speaks of, so when a command has been answered,
//! everything that came before it is in the post. It is handed over before the answer is: a caller that has a reply has
//! heard everything that happened before it. What comes while nobody asks is handed over by a task, and a connection is lost
//! with it: when the runtime that made it ends. The next one who asks makes another, on a runtime that runs.
//! Next: `oxherd_engine::Pushes`.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use oxherd_engine::{Connection, Engine, Pushes};
use redis::RedisResult;
use redis::aio::ConnectionLike as _;
use tokio::time::{MissedTickBehavior, interval};

use super::channel::Task;
use super::prefixes::{Lacking, Prefixes, tracking};
use super::{ChannelMode, Hears};
use crate::clock::Present;

/// How often it is said that everything was heard.
const SIGN_EVERY: Duration = Duration::from_secs(1);

/// One cache's way to hear of changes in the engine.
pub(crate) struct Ear {
    engine: Engine,
    post: Arc<Post>,
    place: Arc<Place>,
    /// Held also by the one that connects.
    prefixes: tokio::sync::Mutex<Prefixes>,
    /// Not everything that is wanted is in force.
    is_lacking: AtomicBool,
}

/// What has come, and who it is for.
struct Post {
    pushes: Mutex<Option<Pushes>>,
    hears: Hears,
}

/// Where the connection is that is in use.
#[derive(Default)]
struct Place(RwLock<Option<Line>>);

/// A connection, and the task that hands over what it hears.
struct Line {
    connection: Connection,
    is_over: Arc<AtomicBool>,
    _forwarding: Task,
}

/// Held by the task of a [`Line`]: its end, whatever ends it, is the line's.
struct Ending {
    is_over: Arc<AtomicBool>,
    place: Weak<Place>,
    post: Arc<Post>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        let Some(place) = self.place.upgrade() else {
            return;
        };
        let mut line = place.write();
        let gone = line.take_if(|line| Arc::ptr_eq(&line.is_over, &self.is_over));
        if gone.is_some() {
            // Under the lock: who asks for the next connection finds it told. Before the pushes go: a request that ends
            // meanwhile has heard what came before its answer, or that it was lost.
            self.post.hears.listener.lost();
            // Nobody would fetch them.
            drop(self.post.pushes().take());
        }
        drop(line);
    }
}

impl Place {
    fn connection(&self) -> Option<Connection> {
        let line = self.0.read().unwrap_or_else(PoisonError::into_inner);
        line.as_ref().map(|line| line.connection.clone())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Line>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear {
    pub(super) fn new(engine: Engine, hears: Hears) -> Self {
        Self {
            engine,
            post: Arc::new(Post {
                pushes: Mutex::default(),
                hears,
            }),
            place: Arc::default(),
            prefixes: tokio::sync::Mutex::default(),
            is_lacking: AtomicBool::new(false),
        }
    }

    pub(super) fn mode(&self) -> Option<ChannelMode> {
        self.place.connection().map(|_| ChannelMode::Tracking)
    }

    /// Runs a request, and hands over what came before its answer.
    pub(in crate::store) async fn request<T, F>(&self, send: impl FnOnce(Connection) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        if self.is_lacking.load(Ordering::Acquire) {
            self.bring_in_force().await?;
        }
        let connection = self.connection().await?;
        let answer = send(connection).await;
        self.post.say_all_is_heard();
        answer
    }

    pub(super) async fn watch(&self, prefixes: &[&[u8]]) -> RedisResult<()> {
        self.prefixes.lock().await.want(prefixes);
        self.is_lacking.store(true, Ordering::Release);
        self.bring_in_force().await
    }

    async fn bring_in_force(&self) -> RedisResult<()> {
        let mut prefixes = self.prefixes.lock().await;
        // Under the lock: none that was made since lacks what another one is told.
        let mut connection = match self.place.connection() {
            Some(connection) => connection,
            None => self.connect(&mut prefixes).await?,
        };
        match prefixes.lacking() {
            Lacking::Nothing => {}
            Lacking::These(new) => {
                let told = connection.req_packed_command(&tracking(&new)).await?;
                told.extract_error()?;
                prefixes.told(new);
            }
            Lacking::Anew => {
                // What others change between the two is made good for below.
                let mut anew = redis::pipe();
                anew.cmd("CLIENT").arg("TRACKING").arg("OFF").ignore();
                anew.add_command(tracking(&prefixes.wanted())).ignore();
                prefixes.begin(Vec::new());
                anew.exec_async(&mut connection).await?;
                let wanted = prefixes.wanted();
                prefixes.begin(wanted);
                self.post.hears.listener.flushed();
            }
        }
        // Still under the lock: who wants more says so afterwards.
        self.is_lacking.store(false, Ordering::Release);
        Ok(())
    }

    async fn connection(&self) -> RedisResult<Connection> {
        // Mostly there is one.
        if let Some(connection) = self.place.connection() {
            return Ok(connection);
        }
        let mut prefixes = self.prefixes.lock().await;
        match self.place.connection() {
            Some(connection) => Ok(connection),
            None => self.connect(&mut prefixes).await,
        }
    }

    /// A connection with everything in force.
    async fn connect(&self, prefixes: &mut Prefixes) -> RedisResult<Connection> {
        let (mut connection, pushes) = self.engine.connect_with_pushes();
        let mut hello = redis::pipe();
        hello.cmd("HELLO").arg(3).ignore();
        hello.cmd("SUBSCRIBE").arg(&self.post.hears.wakes).ignore();
        let wanted = prefixes.wanted();
        if !wanted.is_empty() {
            hello.add_command(tracking(&wanted)).ignore();
        }
        hello.exec_async(&mut connection).await?;
        self.put_in_use(connection.clone(), pushes)?;
        prefixes.begin(wanted);
        Ok(connection)
    }

    fn put_in_use(&self, connection: Connection, pushes: Pushes) -> RedisResult<()> {
        let is_over = Arc::<AtomicBool>::default();
        let ending = Ending {
            is_over: Arc::clone(&is_over),
            place: Arc::downgrade(&self.place),
            post: Arc::clone(&self.post),
        };
        *self.post.pushes() = Some(pushes);
        let forwarding = Task::spawn(async move {
            let mut signs = interval(SIGN_EVERY);
            signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = poll_fn(|context| ending.post.poll_forward(context)) => return,
                    _ = signs.tick() => ending.post.say_all_is_heard(),
                }
            }
        });
        let mut line = self.place.write();
        // Its task found nothing to take away.
        if is_over.load(Ordering::Acquire) {
            let reason = "the runtime ended before the connection was used";
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, reason).into());
        }
        *line = Some(Line {
            connection,
            is_over,
            _forwarding: forwarding,
        });
        let began = Present::of_machine();
        self.post.hears.listener.live(ChannelMode::Tracking);
        self.post.hears.listener.signs_follow(began);
        drop(line);
        Ok(())
    }
}

impl Post {
    /// Everything that may leave by now.
    fn hand_over(&self) {
        let mut pushes = self.pushes();
        let Some(pushes) = pushes.as_mut() else { return };
        while let Some(push) = pushes.try_next() {
            self.hears.hear(&push);
        }
    }

    /// [`Self::hand_over`], after which everything that was changed before has been told.
    fn say_all_is_heard(&self) {
        let began = Present::of_machine();
        self.hand_over();
        self.hears.listener.heard_all(began);
    }

    fn poll_forward(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut pushes = self.pushes();
        let Some(pushes) = pushes.as_mut() else {
            return Poll::Ready(());
        };
        loop {
            match pushes.poll_next(context) {
                Poll::Ready(Some(push)) => self.hears.hear(&push),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn pushes(&self) -> MutexGuard<'_, Option<Pushes>> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
