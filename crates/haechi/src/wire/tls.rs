//! From configured certificates to TLS as the data plane speaks it.

use crate::config::meant;
use haechi_proxy::{Authorities, Protocol, ServiceTls};
use std::sync::{Arc, OnceLock};

/// Why TLS cannot be spoken although the configuration holds.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFault {
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error(
        "the service `{0}` has endpoints with `https`, and the system has no certificate authorities: name some with `tls: {{ ca: FILE }}`"
    )]
    NoAuthorities(Arc<str>),
}

/// How the backends of the service `name` are spoken to.
pub(crate) fn service(
    name: &Arc<str>,
    configured: &meant::ServiceTls,
    protocol: Protocol,
) -> Result<Arc<ServiceTls>, TlsFault> {
    let authorities = match &configured.authorities {
        Some(authorities) => authorities.clone(),
        None => system_authorities().ok_or_else(|| TlsFault::NoAuthorities(name.clone()))?,
    };
    let (name, identity) = (configured.server_name.clone(), configured.identity.clone());
    Ok(Arc::new(ServiceTls::new(authorities, name, identity, protocol)?))
}

/// The system's, read when they are first needed.
pub(super) fn system_authorities() -> Option<Arc<Authorities>> {
    static KNOWN: OnceLock<Arc<Authorities>> = OnceLock::new();
    let roots = KNOWN.get_or_init(|| {
        // Some systems keep certificates that no verifier can read; the others count.
        Arc::new(Authorities::usable(rustls_native_certs::load_native_certs().certs))
    });
    (!roots.is_empty()).then(|| roots.clone())
}
