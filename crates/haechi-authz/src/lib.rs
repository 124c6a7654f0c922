//! May they: every rule as Cedar, the enforcer, and the only way to a [`Permitted`].
//!
//! Nothing here knows HTTP status codes, authentication schemes or sockets. The proxy's `forward` takes a [`Permitted`] by value, so a request
//! that was not decided has nothing to forward.

pub mod compile;
pub mod decision;
pub mod expr;
pub mod facts;
pub mod place;
pub mod point;
pub mod reads;
pub mod rule;
pub mod schema;
pub mod vocabulary;

pub use compile::{Compiled, PolicyFault, PolicyFile, Within, compile};
pub use decision::{Decision, DenyReason, External, Verdict};
pub use facts::Facts;
pub use place::{Place, Source};
pub use point::{DecisionPoint, Keeps, Unavailable};
pub use reads::Read;
pub use rule::{Clause, Condition, Rule};
pub use vocabulary::{RouteFacts, Vocabulary};
