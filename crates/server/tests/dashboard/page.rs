//! Looking into a page.

use http::Method;
use oxherd::{JobId, Queue};

use crate::client::{Answer, Client};
use crate::scene::{SOON, Scene};

/// What a browser sends when it asks for a page.
const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A page that must be there.
pub(crate) async fn open(client: &Client, path: &str) -> Answer {
    open_as(client, path, 200).await
}

/// A page with this status.
pub(crate) async fn open_as(client: &Client, path: &str, status: u16) -> Answer {
    let answer = client.send(Method::GET, path, &[HTML], "").await;
    assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
    assert_eq!(
        answer.header("content-type"),
        "text/html; charset=utf-8",
        "{path}"
    );
    answer
}

/// Sends a form as a browser does from one of our pages.
pub(crate) async fn submit(client: &Client, path: &str, fields: &str) -> Answer {
    let origin = format!("http://{}", client.address());
    submit_from(client, &origin, path, fields).await
}

/// Sends a form as a browser does from a page of this origin.
pub(crate) async fn submit_from(client: &Client, origin: &str, path: &str, fields: &str) -> Answer {
    client
        .send(Method::POST, path, &[HTML, FORM, ("origin", origin)], fields)
        .await
}

/// Asserts that a form was accepted, and opens the page it leads to.
pub(crate) async fn follow(client: &Client, answer: &Answer) -> Answer {
    assert_eq!(answer.status.as_u16(), 303, "{answer:?}");
    open(client, answer.header("location")).await
}

impl Answer {
    /// The page's words, without markup and with single spaces; escapes stay as they are.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        let mut is_markup = false;
        for letter in self.text.chars() {
            match letter {
                '<' => is_markup = true,
                '>' => {
                    is_markup = false;
                    words.push(' ');
                }
                letter if !is_markup => words.push(letter),
                _ => {}
            }
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> &Self {
        assert!(
            self.words().contains(words),
            "{words:?} is not in: {}",
            self.words()
        );
        self
    }

    #[track_caller]
    pub(crate) fn does_not_say(&self, words: &str) -> &Self {
        assert!(!self.words().contains(words), "{words:?} is in: {}", self.words());
        self
    }

    #[track_caller]
    pub(crate) fn has(&self, markup: &str) -> &Self {
        assert!(self.text.contains(markup), "{markup:?} is not in: {}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn lacks(&self, markup: &str) -> &Self {
        assert!(!self.text.contains(markup), "{markup:?} is in: {}", self.text);
        self
    }
}

/// Adds a job and lets a worker fail it for good, with this many attempts.
pub(crate) async fn failed_job(scene: &Scene, queue: &str, attempts: u32) -> (Queue, JobId) {
    let handle = scene.queue(queue).await;
    let data = serde_json::json!({"to": "ada@example.com", "apiToken": "sk_live_1"});
    let added = handle.add("invoice", data).attempts(attempts).await.unwrap();
    let worker = scene
        .worker(queue, |worker| {
            worker.name("mail-1").handle_any(|_, context| async move {
                context
                    .log(format!("attempt {} begins", context.attempt()))
                    .await?;
                Err(oxherd::Stop::retry(format!(
                    "attempt {}: mailbox full",
                    context.attempt()
                )))
            })
        })
        .await;
    oxherd_testkit::eventually("the job fails", SOON, async || {
        handle.counts().await.unwrap().failed == 1
    })
    .await;
    worker.stop(SOON).await;
    (handle, added.id)
}
