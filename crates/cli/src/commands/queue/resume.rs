//! `oxherd queue resume`: workers take its jobs again.

use clap::Args;

use super::{Switched, Which};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// Let workers take jobs of a queue again
#[derive(Args, Debug)]
pub(crate) struct Resume {
    #[command(flatten)]
    which: Which,
}

impl Resume {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let view = connect::view(global, output).await?;
        let queue = self.which.handle(&view).await?;
        queue.resume().await?;
        let switched = Switched {
            queue: queue.name().as_str(),
            paused: false,
        };
        output.changed(&switched, &format!("queue {:?} goes on", switched.queue))
    }
}
