//! Verifies client certificates (mTLS): believed are those that an authority vouches for whose own time is now, and which nobody has revoked.

use super::authorities::{Authorities, Timed};
use super::revocation_lists::RevocationLists;
use haechi_authn::schemes::mtls::BelievedCertificates;
use haechi_core::connection::ClientCertificate;
use haechi_core::{Timestamp, certificate};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore};
use rustls::{ExtendedKeyPurpose, SignatureScheme};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage};

/// Whose client certificates a listener believes.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    authorities: Timed<RootCertStore>,
    revoked: Arc<RevocationLists>,
    /// What clients are told of whom is believed, to choose a certificate by.
    hints: Vec<DistinguishedName>,
    required: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The verifier of one handshake, which remembers what it has verified.
#[derive(Debug)]
pub(crate) struct HandshakeVerifier {
    pub(super) clients: Arc<ClientVerifier>,
    verified: OnceLock<ClientCertificate>,
}

impl ClientVerifier {
    /// Believes those that `authorities` vouch for and that are not `revoked`. `required` says whether a client must show a certificate.
    pub(super) fn new(
        authorities: Arc<Authorities>,
        revoked: Arc<RevocationLists>,
        required: bool,
    ) -> Result<Self, Error> {
        let authorities = Timed::new(authorities, |roots| (!roots.is_empty()).then(|| Arc::new(roots)));
        let none = || Error::General("there is no authority for client certificates".into());
        let hints = authorities.timeless().ok_or_else(none)?.subjects();
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        Ok(Self { authorities, revoked, hints, required, algorithms })
    }

    /// Whether a certificate that was believed once still is, for the same authority's sake.
    pub(super) fn still_believes(&self, shown: &ClientCertificate, now: Timestamp) -> bool {
        let leaf = CertificateDer::from(shown.der());
        let intermediates: Vec<_> = shown.intermediates().map(CertificateDer::from).collect();
        self.verify(&leaf, &intermediates, unix(now)).is_ok_and(|authority| authority == *shown.authority())
    }

    /// Finds the way from a client's certificate to an authority (RFC 5280 6), and gives the authority's name.
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Arc<str>, Error> {
        let roots = self.authorities.at(now).ok_or(CertificateError::Expired)?;
        let leaf = EndEntityCert::try_from(leaf).map_err(refused)?;
        self.revoked.with_options(|revoked| {
            let path = leaf.verify_for_usage(
                self.algorithms.all,
                &roots.roots,
                intermediates,
                now,
                KeyUsage::client_auth(),
                revoked,
                None,
            );
            let path = path.map_err(refused)?;
            let name = certificate::distinguished_name(&path.anchor().subject);
            name.map(Arc::from).ok_or(CertificateError::BadEncoding.into())
        })
    }
}

fn unix(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or_default()))
}

/// What a client is told by the alert, and the log by the message.
fn refused(error: webpki::Error) -> Error {
    let certificate = match error {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::CertRevoked => CertificateError::Revoked,
        webpki::Error::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus,
        webpki::Error::CrlExpired { .. } => CertificateError::ExpiredRevocationList,
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        webpki::Error::BadDer | webpki::Error::BadDerTime => CertificateError::BadEncoding,
        webpki::Error::RequiredEkuNotFoundContext(found) => CertificateError::InvalidPurposeContext {
            required: ExtendedKeyPurpose::ClientAuth,
            presented: found.present.into_iter().map(ExtendedKeyPurpose::Other).collect(),
        },
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    certificate.into()
}

/// Verifies certificates that clients have shown to a proxy in front.
#[derive(Debug)]
pub struct ForwardedVerifier(ClientVerifier);

impl ForwardedVerifier {
    /// Believes those that `authorities` vouch for.
    ///
    /// # Errors
    /// Without an authority.
    pub fn new(authorities: Arc<Authorities>) -> Result<Self, Error> {
        ClientVerifier::new(authorities, Arc::default(), true).map(Self)
    }
}

impl BelievedCertificates for ForwardedVerifier {
    fn authority(&self, der: &[u8], chain: &[Vec<u8>], now: Timestamp) -> Result<Arc<str>, String> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let verified = self.0.verify(&CertificateDer::from(der), &chain, unix(now));
        verified.map_err(|error| error.to_string())
    }
}

impl HandshakeVerifier {
    pub(super) fn new(clients: Arc<ClientVerifier>) -> Self {
        Self { clients, verified: OnceLock::new() }
    }

    /// What the client has shown and was verified.
    pub(super) fn verified(&self) -> Option<&ClientCertificate> {
        self.verified.get()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, now).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for HandshakeVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.clients.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let authority = self.clients.verify(end_entity, intermediates, now)?;
        let shown =
            ClientCertificate::verified(end_entity, intermediates.iter().map(|one| &**one), authority);
        // A handshake shows one certificate.
        self.verified.set(shown).map_err(|_| Error::General("a second client certificate".into()))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}
