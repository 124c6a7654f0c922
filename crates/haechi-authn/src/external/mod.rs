//! Asking an authorization service about a request (forward auth), without the HTTP of it.
//!
//! Whoever asks the same asks once for the process; how many questions are under way, and how many answers are remembered, is bounded. A service that answers nobody is
//! not asked for a moment.

mod answer;
mod calls;
mod config;
mod inquiry;
mod question;

pub(crate) use answer::Told;
pub use calls::{ServiceAnswer, ServiceCalls, ServiceQuestion};
pub use config::{
    AnswerNames, ExternalConfig, OwnAnswers, PassedField, RequestFact, ValueEncoding, WithoutCredential,
};
pub use inquiry::ExternalParts;
pub(crate) use inquiry::{Inquiry, Known};
pub(crate) use question::Question;
