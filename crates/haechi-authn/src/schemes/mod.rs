//! The ways to establish who is calling: one file each.
//!
//! Here is their part in requests. What the configuration says of them, and the list of them all, is the binary's. A scheme imports no sibling.

pub mod anonymous;
pub mod api_key;
pub mod basic;
pub mod external;
pub mod introspection;
pub mod jwt;
pub mod mtls;
pub mod oidc;
pub mod passthrough;
pub mod signature;

mod nobody;

pub use nobody::Nobody;
