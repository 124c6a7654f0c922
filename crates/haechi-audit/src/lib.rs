//! The audit trail: what was decided and done, in files that cannot be changed unseen.
//!
//! Every line carries the hash of the line before in its chain ([`chain`]). Each writer has a chain of its own, so that none waits for another ([`Appender`]).
//! The control side ([`Trail::tick`]) signs checkpoints that join the chains, rolls files and deletes those that are too old.

mod appender;
mod bundles;
pub mod chain;
mod control;
mod control_state;
mod event;
mod failing;
mod file;
mod follow;
mod jobs;
pub mod json;
mod name;
mod open;
mod options;
pub mod read;
mod retention;
mod roll;
mod signing;
pub mod subjects;
mod trail;
mod writer;

#[cfg(test)]
mod tests;

pub use appender::{AuditSlot, AuditWriter, Recorded};
pub use bundles::Bundle;
pub use event::Events;
pub use haechi_core::ports::AuditError;
pub use name::{files_of, key_of, subjects_of};
pub use open::OpenError;
pub use options::{Durability, Mode, Options};
pub use signing::{KeyError, SigningKey, is_signed, key_id, public_key_of_pem};
pub use trail::{Counts, Listener, Trail};
