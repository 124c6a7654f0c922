//! What the gate would do with a request, and why, on the code that serves requests.

mod caller;
mod context;
mod inquiry;
mod judge;
mod limits;
mod reason;
mod route;
mod token_in;
mod told;

pub(crate) use caller::{CallerArgument, Supposed, vouching};
pub(crate) use context::ExplainContext;
pub(crate) use inquiry::Inquiry;
pub(crate) use judge::judge;
pub(crate) use token_in::TokenIn;
pub(crate) use told::{AuthenticatorAttempt, Explanation, LimitShown, RuleExplanation};
