//! `oxherd version`: of the program, and of the layout it writes.

use serde::Serialize;

use crate::exit::Failure;
use crate::output::Output;

/// The BullMQ layout that queues are written in, as it stands in each queue's settings.
const LAYOUT: &str = "bullmq:6.7.0";

#[derive(Serialize)]
struct Version {
    version: &'static str,
    layout: &'static str,
}

pub(crate) fn run(output: &Output) -> Result<(), Failure> {
    let version = Version {
        version: env!("CARGO_PKG_VERSION"),
        layout: LAYOUT,
    };
    output.one(&version, || {
        if output.is_quiet() {
            version.version.to_owned()
        } else {
            format!("oxherd {} ({})", version.version, version.layout)
        }
    })
}
