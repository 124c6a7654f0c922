//! The control plane: what operators and their tools ask of a running gate, on an address of its own.
//!
//! This room knows no store and no proxy: readiness and metrics come through the ports in [`context`].

pub mod context;
mod endpoints;
mod error;
mod server;

pub use context::{Component, Configuration, Context, Health, InForce, NotAdmitted, Operators, Refused};
pub use server::serve;
