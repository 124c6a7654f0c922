//! Asking an authorization server what a token is (RFC 7662), also by signed answers (RFC 9701), without the HTTP of it.
//!
//! Whoever asks for one token asks once for the process; how many tokens are asked about at once, and how many answers are remembered, is bounded.

mod answer;
mod config;
mod inquiry;
mod signed;

pub(crate) use answer::{ActiveToken, Told};
pub use config::{Answers, IntrospectionConfig, Server};
pub use inquiry::IntrospectionParts;
pub(crate) use inquiry::{Inquiry, Known};
