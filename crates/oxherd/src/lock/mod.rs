//! Locks with fencing numbers.
