//! May they: every rule as Cedar, the enforcer, and the only way to a [`Permitted`].
//!
//! Nothing here knows HTTP status codes, authentication schemes or sockets. The proxy's `forward` takes a [`Permitted`] by value, so a request
//! that was not decided has nothing to forward.

pub mod analysis;
pub mod compile;
pub mod decision;
pub mod enforcer;
pub mod engine;
mod entities;
pub mod expr;
pub mod fact_value;
pub mod facts;
pub mod findings;
pub mod header_changes;
pub mod memo;
pub mod place;
pub mod point;
pub mod reads;
pub mod remedy;
pub mod rule;
pub mod schema;
mod slice;
#[cfg(test)]
mod testing;
pub mod vocabulary;

pub use compile::{Compiled, CompiledText, PolicyFault, PolicyFile, compile};
pub use decision::{Decision, DenyReason, External, Verdict};
pub use enforcer::{Enforcer, EnforcerParts, NoSuchPoint, POLICIES_UNKNOWN, Permitted, Refused};
pub use engine::Engine;
pub use entities::{principal_id, principal_kind};
pub use fact_value::{FactSource, FactValue, RequestFacts};
pub use facts::Facts;
pub use findings::{Finding, RuleResult};
pub use header_changes::{HeaderChangeError, HeaderChanges};
pub use memo::Memo;
pub use place::{Place, Source};
pub use point::{AnswerLifetimes, DecisionPoint, Denial, DenialKind, PointAnswer, Unavailable};
pub use reads::Read;
pub use remedy::Step;
pub use rule::{Clause, Condition, Rule};
pub use slice::SliceFault;
pub use vocabulary::{RouteFacts, RouteIndex, Vocabulary};
