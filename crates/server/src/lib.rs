//! Oxherd's server: HTTP API, dashboard, metrics, health and built-in processors over one store.
//!
//! `view` is the one module that reads the system; API, dashboard and command line show what it says and can never
//! disagree. The server itself keeps nothing: everything is in the store.
//! Next: `serve/` (start and stop), `view/` (what can be seen), `config/` (what can be set), `api/` (routes),
//! `auth.rs` (who may come in), `processors/` (work it does itself).

mod api;
pub mod app;
pub mod auth;
pub mod config;
mod dashboard;
pub mod intake;
mod members;
pub mod metrics;
pub mod problem;
pub mod processors;
pub mod serve;
pub mod view;
