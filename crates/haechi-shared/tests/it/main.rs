//! The shared state over a real Redis.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up has failed, and a panic is how it says so"
)]

mod connections;
mod redis_changes;
mod redis_guesses;
mod redis_limits;
mod simulation;
mod support;
