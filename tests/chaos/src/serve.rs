//! `oxherd serve` without the command line around it, to be killed: settings from a file, where it listens on stdout.
//!
//! Argument: the file. Next: `oxherd_server::serve`.

use std::error::Error;
use std::io::Write as _;

use oxherd_server::config::{Config, Flags};
use oxherd_server::serve::run;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: chaos-serve FILE")?;
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    log.with_ansi(false).init();
    let flags = Flags {
        config: Some(file.into()),
        ..Flags::default()
    };
    let config = Config::load(&flags)?;
    run(config, |running| {
        // Whoever started it may have gone.
        let _ = writeln!(std::io::stdout(), "listens {}", running.address());
    })
    .await?;
    Ok(())
}
