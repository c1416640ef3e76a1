//! `oxherd queue pause`: no worker takes its jobs until it is resumed.

use clap::Args;

use super::{Switched, Which};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// Stop all workers from taking jobs of a queue
///
/// Jobs that run already run on; jobs can be added.
#[derive(Args, Debug)]
pub(crate) struct Pause {
    #[command(flatten)]
    which: Which,
}

impl Pause {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let view = connect::view(global, output).await?;
        let queue = self.which.handle(&view).await?;
        queue.pause().await?;
        let switched = Switched {
            queue: queue.name().as_str(),
            paused: true,
        };
        output.changed(&switched, &format!("queue {:?} is paused", switched.queue))
    }
}
