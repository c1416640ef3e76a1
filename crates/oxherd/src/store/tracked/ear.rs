//! A cache's connection to the engine in this process.
//!
//! The engine posts a push in the same unit of work as the change it speaks of, so when a command has been answered,
//! everything that came before it is in the post. It is handed over before the answer is: a caller that has a reply has
//! heard everything that happened before it. What comes while nobody asks is handed over by a task. Such a connection is never
//! lost.
//! Next: `oxherd_engine::Pushes`.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use oxherd_engine::{Connection, Engine, Pushes};
use redis::RedisResult;
use redis::aio::ConnectionLike as _;
use tokio::sync::OnceCell;

use super::channel::Task;
use super::prefixes::{Lacking, Prefixes, tracking};
use super::{ChannelMode, Hears};

/// One cache's way to hear of changes in the engine.
pub(crate) struct Ear {
    engine: Engine,
    post: Arc<Post>,
    connection: OnceCell<(Connection, Task)>,
    prefixes: tokio::sync::Mutex<Prefixes>,
    /// Not everything that is wanted is in force.
    is_lacking: AtomicBool,
}

/// What has come, and who it is for.
struct Post {
    pushes: Mutex<Option<Pushes>>,
    hears: Hears,
}

impl Ear {
    pub(super) fn new(engine: Engine, hears: Hears) -> Self {
        Self {
            engine,
            post: Arc::new(Post {
                pushes: Mutex::default(),
                hears,
            }),
            connection: OnceCell::new(),
            prefixes: tokio::sync::Mutex::default(),
            is_lacking: AtomicBool::new(false),
        }
    }

    pub(super) fn mode(&self) -> Option<ChannelMode> {
        self.connection.initialized().then_some(ChannelMode::Tracking)
    }

    /// Runs a request, and hands over what came before its answer.
    pub(in crate::store) async fn request<T, F>(&self, send: impl FnOnce(Connection) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let connection = self.connection().await?;
        if self.is_lacking.load(Ordering::Acquire) {
            self.bring_in_force(connection.clone()).await?;
        }
        let answer = send(connection).await;
        self.post.hand_over();
        answer
    }

    pub(super) async fn watch(&self, prefixes: &[&[u8]]) -> RedisResult<()> {
        self.prefixes.lock().await.want(prefixes);
        self.is_lacking.store(true, Ordering::Release);
        self.bring_in_force(self.connection().await?).await
    }

    async fn bring_in_force(&self, mut connection: Connection) -> RedisResult<()> {
        let mut prefixes = self.prefixes.lock().await;
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
        let (connection, _) = self.connection.get_or_try_init(|| self.connect()).await?;
        Ok(connection.clone())
    }

    async fn connect(&self) -> RedisResult<(Connection, Task)> {
        let (mut connection, pushes) = self.engine.connect_with_pushes();
        let mut hello = redis::pipe();
        hello.cmd("HELLO").arg(3).ignore();
        hello.cmd("SUBSCRIBE").arg(&self.post.hears.wakes).ignore();
        hello.exec_async(&mut connection).await?;
        *self.post.pushes() = Some(pushes);
        let post = Arc::clone(&self.post);
        let forwarding = Task::spawn(poll_fn(move |context| post.poll_forward(context)));
        self.post.hears.listener.live(ChannelMode::Tracking);
        Ok((connection, forwarding))
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
