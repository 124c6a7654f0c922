//! JSON Object Signing: our own JWS verifier and signer over aws-lc-rs (RFC 7515, 7517, 7518, 7519, 8037, 8725).
//!
//! Keys are parsed once, when a set is read; verifying a token parses no key. An algorithm is a property of a parsed key, never of a token: the
//! token's `alg` only chooses among what a key already is.

pub mod algorithm;
pub(crate) mod base64url;
mod binding;
pub mod claims;
pub mod compact;
mod der;
pub mod json;
pub mod jwk;
pub mod key;
pub(crate) mod pem;
pub mod sign;
pub(crate) mod thumbprint;

pub use algorithm::{Algorithm, AlgorithmSet, SigningAlgorithm, UnknownAlgorithm};
pub use binding::Binding;
pub use compact::{Compact, Header, TokenFault};
pub use key::{KeyFault, VerifyingKey};
pub use pem::{PrivateKeyError, signer_of_pem};
pub use sign::{Signer, SigningFault, public_jwks};
