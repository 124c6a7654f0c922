//! TLS on both sides: which certificate a client is shown and which clients must show one; which backends are believed.

mod authorities;
mod certificates;
mod client_verifier;
mod crypto;
mod listener;
mod server_verifier;
mod service;

pub use authorities::{Authorities, AuthorityError};
pub use certificates::Certificates;
pub(crate) use listener::Session;
pub use listener::{ClientCertificates, ListenerTls};
pub use service::ServiceTls;
