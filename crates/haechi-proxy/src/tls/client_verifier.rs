//! Verifies client certificates (mTLS): believed are those that an authority vouches for whose own time is now.

use super::authorities::{Authorities, Timed};
use super::crypto::provider;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    timed: Timed<dyn ClientCertVerifier>,
    /// For signatures and the names of authorities, which have no time.
    timeless: Arc<dyn ClientCertVerifier>,
    required: bool,
}

impl ClientVerifier {
    /// Believes those that `authorities` vouch for. `required` says whether a client must show a certificate.
    pub(super) fn new(authorities: Arc<Authorities>, required: bool) -> Result<Self, Error> {
        let timed = Timed::new(authorities, |roots| {
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            builder.build().ok()
        });
        let none = || Error::General("there is no authority for client certificates".into());
        Ok(Self { timeless: timed.timeless().ok_or_else(none)?, timed, required })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.timeless.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verifier = self.timed.at(now).ok_or(Error::InvalidCertificate(CertificateError::Expired))?;
        verifier.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.timeless.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.timeless.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.timeless.supported_verify_schemes()
    }
}
