//! The tier in this process.
