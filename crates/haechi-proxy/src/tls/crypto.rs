//! The one provider of cryptography.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::Arc;

/// The provider that every TLS configuration is made with.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
