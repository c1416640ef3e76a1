//! Dumps as Redis commands: what `redis-cli --pipe` takes.
//!
//! Each key begins with `DEL` and ends with `PEXPIREAT` or `PERSIST`, so its commands are known to be whole. `ECHO`s
//! stand at both ends of the file. Reading takes exactly these commands, in the forms in which they are written.
//! Next: `resp/grammar.rs` (which commands), `resp/words.rs` (the bytes).

mod grammar;
mod words;

use redis::Cmd;
use tokio::io::AsyncBufRead;

use self::grammar::Step;
use self::words::{Words, WordsAt};
use super::Steps;
use super::load::{EndMark, invalid};
use super::row::{Head, Kind, Sink as _};
use super::target::Target;
use crate::error::Result;

const HEAD: &str = "oxherd-dump 1";
const END: &str = "oxherd-dump end ";

pub(super) fn write_head(buffer: &mut Vec<u8>) {
    let mut echo = redis::cmd("ECHO");
    echo.arg(HEAD);
    echo.write_packed_command(buffer);
}

pub(super) fn write_end(buffer: &mut Vec<u8>, keys: u64) {
    let mut echo = redis::cmd("ECHO");
    echo.arg(format!("{END}{keys}"));
    echo.write_packed_command(buffer);
}

/// The key whose commands are being read.
struct Row {
    key: Vec<u8>,
    place: String,
    kind: Option<Kind>,
}

/// Writes every row of the file; returns the end mark, if there is one.
pub(super) async fn load(
    input: &mut (impl AsyncBufRead + Unpin + Send),
    target: &mut Target,
    steps: &mut Steps<'_>,
) -> Result<Option<EndMark>> {
    let mut words = Words::new(input);
    let mut row: Option<Row> = None;
    let mut rows = 0;
    let mut end = None;
    loop {
        let read = next(&mut words, row.as_ref(), end.is_some()).await;
        let (command, step) = match read {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(end),
            Err(error) => {
                target.abandon().await?;
                return Err(error);
            }
        };
        match step {
            Step::Head => {}
            Step::End(promised) => end = Some(EndMark { promised, rows }),
            Step::Begin(key) => {
                row = Some(Row {
                    key,
                    place: command.place(),
                    kind: None,
                });
            }
            Step::Grow { kind, key_at } => {
                let Some(row) = row.as_mut() else { continue };
                if row.kind.replace(kind).is_none() {
                    target.open(Head {
                        key: row.key.clone(),
                        kind,
                        expires_at: None,
                        place: row.place.clone(),
                    });
                }
                let bytes = command.words.iter().skip(key_at + 1).map(Vec::len).sum::<usize>();
                let renamed = with_key(&command, key_at, target.name());
                target.push(vec![renamed], bytes as u64).await?;
            }
            Step::Finish(expires_at) => {
                row = None;
                rows += 1;
                target.expires(expires_at);
                target.end().await?;
                steps.passed(1, target.tally());
            }
        }
    }
}

/// The next command, if it may stand here.
async fn next(
    words: &mut Words<'_, impl AsyncBufRead + Unpin + Send>,
    row: Option<&Row>,
    is_over: bool,
) -> Result<Option<(WordsAt, Step)>> {
    let Some(command) = words.next().await? else {
        if let Some(row) = row {
            return Err(invalid(
                row.place.clone(),
                "the commands of this key are not complete: the dump was cut off",
            ));
        }
        return Ok(None);
    };
    let refuse = |reason: String| invalid(command.place(), reason);
    let step = grammar::step(&command.words).map_err(refuse)?;
    let key = step.key(&command.words);
    match (&step, row) {
        _ if is_over => Err(refuse("the end mark stood before this command".to_owned())),
        (Step::Head | Step::End(_) | Step::Begin(_), Some(row)) => Err(refuse(format!(
            "the commands of the key at {} are not complete",
            row.place
        ))),
        (Step::Grow { .. } | Step::Finish(_), None) => {
            Err(refuse("a key's commands begin with DEL".to_owned()))
        }
        (_, Some(row)) if key != Some(row.key.as_slice()) => Err(refuse(format!(
            "another key than the one that began at {}",
            row.place
        ))),
        (Step::Grow { kind, .. }, Some(row)) if row.kind.is_some_and(|known| known != *kind) => {
            Err(refuse("a command for another type than those before".to_owned()))
        }
        (Step::Finish(_), Some(row)) if row.kind.is_none() => {
            Err(refuse("nothing gives this key a value".to_owned()))
        }
        _ => Ok(Some((command, step))),
    }
}

fn with_key(command: &WordsAt, key_at: usize, name: &[u8]) -> Cmd {
    let mut cmd = Cmd::new();
    for (at, word) in command.words.iter().enumerate() {
        cmd.arg(if at == key_at { name } else { word.as_slice() });
    }
    cmd
}
