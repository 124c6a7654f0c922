//! What the tests of Haechi share: a backend and an identity provider that do what they are told, a clock that stands still, a store that
//! fails when told to, and a way to wait for a condition instead of sleeping.
//!
//! Nothing here uses the gate's own HTTP or token code: a fault there must not be able to hide itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up has failed, and a panic is how it says so"
)]

mod backend;
mod clock;
pub mod http1;
mod identity_provider;
pub mod jose;
pub mod load;
pub mod port;
mod postgres;
mod redis;
mod store;
mod unreachable;
mod wait;

pub use backend::{Answer, Backend, Latch, Recorded};
pub use clock::FixedClock;
pub use haechi_store::Store;
pub use identity_provider::IdentityProvider;
pub use postgres::{PostgresServer, TransactionPooler, execute_in_postgres, postgres_database};
pub use redis::RedisServer;
pub use store::{Fault, FaultyStore};
pub use unreachable::Unreachable;
pub use wait::{PATIENCE, eventually};
