//! TLS on both sides: which certificate a client is shown and which clients must show one; which backends are believed.

mod authorities;
mod certificates;
mod client_verifier;
mod crypto;
mod listener;
mod revocation_lists;
mod server_verifier;
mod service;

pub use authorities::{Authorities, AuthorityError};
pub use certificates::Certificates;
pub use client_verifier::ForwardedVerifier;
pub(crate) use client_verifier::HandshakeVerifier;
pub(crate) use listener::{Begun, Session};
pub use listener::{BelievedClients, ClientCertificates, ListenerTls};
pub use revocation_lists::{RevocationListError, RevocationLists};
pub use service::ServiceTls;
