//! What the authenticators promise, seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up has failed, and a panic is how it says so"
)]

mod jwt_cache;
mod jwt_refusals;
mod key_source;
mod possession;
mod support;
mod vectors;
