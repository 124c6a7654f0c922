//! The store room: where users, clients, API keys, sessions, revocations and signing keys are kept.
//!
//! Each kind of store implements every port of [`haechi_core::ports`], one file per port: `sqlite` in a file that several processes may share,
//! `postgres` in a database that many nodes share, `memory` for as long as the process lives. [`Store`] hands them out behind the ports, so that no
//! other room knows which one it has.

mod bad_location;
mod edits;
mod error;
mod json;
mod key_rows;
mod location;
mod memory;
mod migrations;
mod postgres;
mod postgres_location;
mod records;
mod sqlite;
mod store;
mod times;

pub use bad_location::BadLocation;
pub use error::OpenError;
pub use location::Location;
pub use migrations::SchemaStatus;
pub use postgres_location::PostgresLocation;
pub use store::Store;
