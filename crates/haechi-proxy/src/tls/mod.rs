//! TLS on both sides: which certificate a client is shown and which clients must show one; which backends are believed.

mod authorities;
mod certificates;
mod client_verifier;
mod listener;
mod server_verifier;
mod service;

pub use authorities::{Authorities, AuthorityError};
pub use certificates::Certificates;
pub(crate) use listener::Session;
pub use listener::{ClientCertificates, ListenerTls};
pub use service::ServiceTls;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::Arc;

/// The one provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
