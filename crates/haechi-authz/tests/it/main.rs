//! The crate from outside, against plain Cedar.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot be set up has failed, and a panic is how it says so"
)]

mod analysis;
mod reference;
