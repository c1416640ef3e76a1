//! The table of commands.
mod bits;
mod clients;
mod connection;
mod hashes;
mod hyperloglog;
mod keys;
mod lists;
mod pubsub;
mod scan;
mod scripting;
mod server;
mod sets;
mod sort;
mod sorted_sets;
mod streams;
mod strings;
mod transactions;
