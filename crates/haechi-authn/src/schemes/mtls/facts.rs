//! What a client's certificate says.

use crate::jose::base64url;
use crate::random::hex;
use aws_lc_rs::digest;
use haechi_core::connection::ClientCertificate;
use haechi_core::{Timestamp, certificate};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};
use x509_parser::x509::AttributeTypeAndValue;

/// One thing that a certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// A URI among the alternative names: a SPIFFE ID, for instance.
    SanUri,
    /// A DNS name among the alternative names.
    SanDns,
    /// A mail address among the alternative names.
    SanEmail,
    /// The subject's common name.
    SubjectCn,
    /// The whole distinguished name of the subject (RFC 4514).
    SubjectDn,
    /// The subject's organization.
    Organization,
    /// The subject's organizational unit.
    OrganizationalUnit,
    /// The distinguished name of whoever signed it (RFC 4514).
    IssuerDn,
    /// The distinguished name of the authority that the listener believed.
    Authority,
    /// The serial number, in hexadecimal digits.
    Serial,
    /// `x5t#S256` (RFC 8705 3.1): the SHA-256 of its DER, in base64url.
    Thumbprint,
}

/// What is read of a certificate.
pub(super) struct CertificateFacts {
    said: Vec<(Fact, String)>,
    pub(super) authority: Arc<str>,
    pub(super) thumbprint: String,
    /// The last instant at which it holds.
    pub(super) not_after: Timestamp,
    /// Whether its key may sign: what says nothing of its usage may.
    pub(super) signs: bool,
}

impl Fact {
    /// Why there is no caller, for the operator.
    pub(super) const fn none_or_several(self) -> &'static str {
        match self {
            Self::SanUri => "the client certificate does not have exactly one URI",
            Self::SanDns => "the client certificate does not have exactly one DNS name",
            Self::SanEmail => "the client certificate does not have exactly one mail address",
            Self::SubjectCn => "the client certificate's subject does not have exactly one common name",
            Self::SubjectDn => "the client certificate's subject has no name that could be told from others",
            Self::Organization => "the client certificate's subject is not of exactly one organization",
            Self::OrganizationalUnit => "the client certificate's subject is not of exactly one unit",
            Self::IssuerDn | Self::Authority | Self::Serial | Self::Thumbprint => {
                "the client certificate does not say so"
            }
        }
    }
}

impl CertificateFacts {
    /// Reads a certificate that was verified; `None` for what is not one from its first byte to its last.
    pub(super) fn read(shown: &ClientCertificate) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(shown.der()).ok()?;
        let dates = certificate::read(shown.der())?;
        if !rest.is_empty() {
            return None;
        }
        let thumbprint = base64url::encode(digest::digest(&digest::SHA256, shown.der()).as_ref());
        let mut said = vec![
            (Fact::Serial, hex(certificate.raw_serial())),
            (Fact::Thumbprint, thumbprint.clone()),
            (Fact::Authority, shown.authority().to_string()),
        ];
        said.extend(distinguished(certificate.subject()).map(|name| (Fact::SubjectDn, name)));
        said.extend(distinguished(certificate.issuer()).map(|name| (Fact::IssuerDn, name)));
        let subject = certificate.subject();
        said.extend(texts(subject.iter_common_name()).into_iter().map(|name| (Fact::SubjectCn, name)));
        said.extend(texts(subject.iter_organization()).into_iter().map(|name| (Fact::Organization, name)));
        said.extend(
            texts(subject.iter_organizational_unit())
                .into_iter()
                .map(|name| (Fact::OrganizationalUnit, name)),
        );
        said.extend(alternative_names(&certificate)?);
        let signs = certificate.key_usage().ok()?.is_none_or(|usage| usage.value.digital_signature());
        let authority = shown.authority().clone();
        Some(Self { said, authority, thumbprint, not_after: dates.not_after, signs })
    }

    /// All that is said of this kind.
    pub(super) fn all(&self, fact: Fact) -> Vec<String> {
        self.said.iter().filter(|(said, _)| *said == fact).map(|(_, text)| text.clone()).collect()
    }

    /// What is said of this kind, where exactly one thing is.
    pub(super) fn only(&self, fact: Fact) -> Option<String> {
        let mut all = self.all(fact).into_iter();
        all.next().filter(|_| all.next().is_none())
    }
}

/// Alternative names that can be read in one way; `None` where the extension cannot be read, or stands twice.
fn alternative_names(certificate: &X509Certificate<'_>) -> Option<Vec<(Fact, String)>> {
    let Some(names) = certificate.subject_alternative_name().ok()? else { return Some(Vec::new()) };
    let mut said = Vec::new();
    for name in &names.value.general_names {
        match name {
            GeneralName::URI(uri) => said.push((Fact::SanUri, visible(uri)?)),
            GeneralName::DNSName(name) => said.push((Fact::SanDns, visible(name)?.to_ascii_lowercase())),
            GeneralName::RFC822Name(address) => said.push((Fact::SanEmail, visible(address)?)),
            GeneralName::Invalid(..) => return None,
            _ => {}
        }
    }
    Some(said)
}

/// A name of visible ASCII, as these are (RFC 5280 4.2.1.6): another would be shown, compared and logged as something else.
fn visible(name: &str) -> Option<String> {
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| name.to_owned())
}

fn distinguished(name: &X509Name<'_>) -> Option<String> {
    let (content, _) = certificate::element(name.as_raw(), 0x30)?;
    certificate::distinguished_name(content)
}

/// Attributes of one kind; none where one of them is not plain text: it could be read as another, or not at all.
fn texts<'a>(values: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Vec<String> {
    let text = |value: &AttributeTypeAndValue<'_>| {
        let text = value.as_str().ok()?;
        (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
    };
    values.map(text).collect::<Option<_>>().unwrap_or_default()
}
