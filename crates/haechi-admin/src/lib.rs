//! The control plane: what operators and their tools ask of a running gate, on an address of its own.
//!
//! This room knows no store and no proxy: readiness and metrics come through the ports in [`context`].

pub mod context;
pub mod decisions;
mod endpoints;
mod error;
mod server;

pub use context::{
    Component, Configuration, Context, Health, InForce, Needs, NotAdmitted, Operators, Refused,
};
pub use decisions::Decisions;
pub use server::{MAX_CONNECTIONS, serve};
