//! Verifies backends' certificates: believed are those that an authority vouches for whose own time is now.

use super::authorities::{Authorities, Timed};
use super::crypto::provider;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    timed: Timed<dyn ServerCertVerifier>,
    /// For signatures, which have no time.
    timeless: Arc<dyn ServerCertVerifier>,
}

impl ServerVerifier {
    /// Believes those that `authorities` vouch for.
    pub(super) fn new(authorities: Arc<Authorities>) -> Result<Self, Error> {
        let timed = Timed::new(authorities, |roots| {
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
            builder.build().ok().map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
        });
        let none = || Error::General("there is no authority for backends".into());
        Ok(Self { timeless: timed.timeless().ok_or_else(none)?, timed })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verifier = self.timed.at(now).ok_or(Error::InvalidCertificate(CertificateError::Expired))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
