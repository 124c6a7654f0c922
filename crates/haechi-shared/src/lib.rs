//! The shared room: state that moves too fast for the store and that all nodes must agree on. Only this crate knows Redis.
//!
//! One Redis or Valkey (with whatever stands behind its address) keeps counts of rate limits and of wrong passwords, and a copy of the newest part of the store's log of changes. Everything here may be lost at any time: whoever asks has
//! an answer of its own for when nobody answers.

mod connect;
mod feed;
mod guesses;
mod limits;
mod link;
mod location;
mod revocations;
mod state;
mod tls;

pub use location::{BadLocation, Location};
pub use state::{SharedState, SharedStateStats};
pub use tls::TlsError;
