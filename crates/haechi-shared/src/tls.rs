//! How TLS is spoken to the shared state.

use crate::Location;
use crate::location::{Place, TlsFiles};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS cannot be spoken to the shared state.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or holds something else.
    #[error("`{}` cannot be used for TLS to the shared state: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nobody to believe.
    #[error(
        "the system has no certificate authorities; name those of the shared state with `sslrootcert=FILE`"
    )]
    NoAuthorities,
    /// Certificate and key do not fit, or are of a kind that is not known.
    #[error("cannot set up TLS to the shared state: {0}")]
    Tls(#[from] rustls::Error),
}

impl Location {
    /// How TLS is spoken, where it is.
    ///
    /// # Errors
    /// [`TlsError`], where a file that it names cannot be used.
    pub(crate) fn tls(&self) -> Result<Option<Arc<ClientConfig>>, TlsError> {
        match &self.place {
            Place::Tcp { tls: Some(files), .. } => config(files).map(Arc::new).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether the files that it names can be used.
    ///
    /// # Errors
    /// [`TlsError`], saying which cannot, and why.
    pub fn check(&self) -> Result<(), TlsError> {
        self.tls().map(drop)
    }
}

fn config(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(authorities(files.root.as_deref())?);
    let Some((certificate, key)) = files.certificate.as_deref().zip(files.key.as_deref()) else {
        return Ok(builder.with_no_client_auth());
    };
    let wrong = |error: rustls_pki_types::pem::Error| unusable(key, &error);
    Ok(builder
        .with_client_auth_cert(chain(certificate)?, PrivateKeyDer::from_pem_file(key).map_err(wrong)?)?)
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in chain(file)? {
                roots.add(certificate).map_err(|error| unusable(file, &error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(roots) }
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| unusable(file, &error))?;
    if found.is_empty() { Err(unusable(file, &"there is no certificate in it")) } else { Ok(found) }
}

fn unusable(file: &Path, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { file: file.to_owned(), reason: reason.to_string() }
}
