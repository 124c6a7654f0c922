//! What the data plane promises, seen from outside, where the built binary cannot be made to fail so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up has failed, and a panic is how it says so"
)]

mod gate;
mod panics;
mod points;
