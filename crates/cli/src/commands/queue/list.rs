//! `oxherd queue list`.

use super::table_of;
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

pub(crate) async fn run(global: &Global, output: &Output) -> Result<(), Failure> {
    let view = connect::view(global, output).await?;
    let queues = view.queues().await?;
    if queues.is_empty() {
        output.note(&format!("no queues under prefix {:?} yet", view.store().prefix()));
    }
    output.list(&queues, || table_of(&queues))
}
