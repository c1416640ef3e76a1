//! An engine that other processes use, over a Unix socket and over TCP on this machine.
//!
//! `cargo run -p oxherd-engine --example serve -- /tmp/engine.sock`, then `redis-cli -s /tmp/engine.sock`

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use oxherd_engine::{Address, Engine, Error, Server};

/// Listens on the socket and on a port the system chooses; returns the server and the URLs.
pub(crate) fn listen(engine: &Engine, socket: PathBuf) -> Result<(Server, Vec<String>), Error> {
    let server = engine
        .endpoint()
        .listen_on(Address::Unix(socket))
        .listen_on(SocketAddr::from(([127, 0, 0, 1], 0)))
        .spawn_thread()?;
    let urls = server.addresses().iter().map(|address| match address {
        Address::Tcp(address) => format!("redis://{address}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    });
    let urls = urls.collect();
    Ok((server, urls))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let socket = std::env::args_os().nth(1).map_or_else(
        || std::env::temp_dir().join(format!("engine-{}.sock", std::process::id())),
        PathBuf::from,
    );
    let engine = Engine::in_memory();
    let (server, urls) = listen(&engine, socket)?;
    // Whoever reads us may have gone; that is no error of ours.
    let _ = writeln!(std::io::stdout(), "listening on {}", urls.join(" and "));
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    Ok(())
}
