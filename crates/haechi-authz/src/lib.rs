//! May they: the enforcer, and the only way to a [`Permitted`].
//!
//! Nothing here knows HTTP status codes, authentication schemes or sockets. The proxy's `forward` takes a [`Permitted`] by value, so a request
//! that was not decided has nothing to forward.

pub mod decision;
pub mod enforcer;
pub mod rule;

pub use decision::{Decision, DenyReason, Outcome};
pub use enforcer::{Denied, Enforcer, Permitted};
pub use rule::{Clause, Rule};
