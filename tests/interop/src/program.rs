//! A Node program of `node/tour` that runs to its end and prints one JSON document.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::peer::require_packages;

/// Some ten times what the slowest program needs on a quiet machine.
const DEADLINE: Duration = Duration::from_secs(150);

/// What `node/tour/<program>` observes on the server at this URL, with this npm package as its bullmq.
///
/// # Panics
/// Without Node, without the packages of `tests/interop/node`, or when the program fails or hangs; the message shows
/// what it wrote to stderr.
pub async fn observed(program: &str, package: &str, url: &str) -> Value {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
    require_packages(&directory).unwrap_or_else(|problem| panic!("{problem}"));
    let run = Command::new("node")
        .arg(format!("tour/{program}"))
        .arg(package)
        .current_dir(&directory)
        .env("REDIS_URL", url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(DEADLINE, run)
        .await
        .unwrap_or_else(|_| panic!("{program} {package} did not end within {DEADLINE:?}"))
        .unwrap_or_else(|error| panic!("cannot run `node` ({error}): install Node 20 or newer"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {package} failed ({}):\n{said}",
        output.status
    );
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{program} {package} printed no document ({error}):\n{said}"))
}
