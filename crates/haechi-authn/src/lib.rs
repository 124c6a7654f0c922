//! Who is calling: authenticators, the chain that asks them, and the embedded identity provider.
//!
//! Nothing here knows HTTP status codes, authorization or a concrete store. The shared part of an authenticator ([`Authenticator`]) lives in the
//! configuration snapshot; each worker has its own [`Scheme`] made from it, with its own caches, so that nothing on the request path takes a lock.

pub mod api_key;
pub mod attempt;
pub mod authorization;
pub mod chain;
pub mod challenge;
mod circuit;
pub mod control;
mod credential_cache;
pub mod declared;
pub mod effects;
pub mod external;
pub mod guessing;
pub mod hashing;
pub mod identity;
pub mod imported_key;
pub mod introspection;
pub mod jose;
pub mod key_uses;
pub mod keys;
pub mod oidc;
mod oidc_parameters;
pub mod possession;
pub mod quotas;
mod random;
pub mod revocation;
pub mod scheme;
pub mod schemes;
pub mod service_token;
mod shared_count;
mod shared_key;
mod single_flight;
mod step_up;
pub mod supervisor;
#[cfg(test)]
mod test_support;
pub mod token_client;
pub mod token_exchange;
mod token_place;

pub use attempt::{Attempt, CredentialMatch, Fault, Rejection, ServiceBody, ServiceRefusal, Unavailable};
pub use chain::{Chain, EmptyChain};
pub use challenge::{Challenge, ChallengeError};
pub use effects::{CookieError, Effects, LoginRedirect, LoginRedirectError, SetCookie};
pub use random::RandomnessError;
pub use revocation::{RevocationView, RevocationWatch};
pub use scheme::{
    Authenticator, BodyRule, CredentialPlace, IntrospectionCounts, LocalFuture, Look, Readiness, Scheme,
    ServiceCounts,
};
pub use shared_count::{CommonCount, count_together};
pub use shared_key::shared_key;
pub use step_up::{BadAcr, LoginExample, StepUp};
