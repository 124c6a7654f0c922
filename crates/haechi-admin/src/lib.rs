//! The control plane: what operators and their tools ask of a running gate, on an address of its own.
//!
//! This room knows no store and no proxy: everything comes through the ports in [`context`]. The calls stand in one table, [`OPERATIONS`].

mod answer;
pub mod archive;
mod audited;
mod call;
mod change;
pub mod context;
pub mod decisions;
mod door;
mod error;
mod front;
pub mod inspection;
mod limits;
mod openapi;
mod operation;
mod operations;
mod pages;
mod pending;
pub mod policies;
mod refused;
mod server;
mod shape;
mod standing;
mod streamed;
#[cfg(test)]
mod tests;
pub mod topology;

pub use archive::Archive;
pub use audited::recorded;
pub use context::{
    Component, Configuration, Context, Directory, Health, InForce, Needs, NotAdmitted, Operators, Peer,
    Refused, Rules, Running, Shown, Stores, Wish,
};
pub use decisions::Decisions;
pub use door::{Arrival, Door, Duplex, OpenCalls};
pub use inspection::Inspection;
pub use operation::{Method, Operation};
pub use operations::OPERATIONS;
pub use pages::{Calls, Change, Pages, Seen};
pub use policies::{PolicyControl, PolicyDesk};
pub use server::{MAX_CONNECTIONS, serve};
pub use topology::Topology;

/// The OpenAPI 3.1 document of all calls.
pub fn openapi() -> serde_json::Value {
    openapi::document(OPERATIONS)
}
