//! Ready-made processors: work that many backends need and that the server does without any code of theirs.
//!
//! Each processor is a module of its own that knows nothing of queues: it checks a job's payload, does one
//! attempt and says how it ended. Binding that to a worker happens elsewhere, so a processor can be used and
//! tested alone. Next: `webhook/` (signed HTTP deliveries).

pub mod webhook;
