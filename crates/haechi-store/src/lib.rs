//! The store room: where users, clients, API keys, sessions, revocations and signing keys are kept.
//!
//! Each kind of store implements every port of [`haechi_core::ports`], one file per port: `sqlite` in a file that several processes may share,
//! `memory` for as long as the process lives. [`Store`] hands them out behind the ports, so that no other room knows which one it has.

mod error;
mod location;
mod memory;
mod sqlite;
mod store;
mod times;

pub use error::OpenError;
pub use location::{BadLocation, Location};
pub use store::Store;
