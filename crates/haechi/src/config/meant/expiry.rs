//! When the certificates of the configuration expire, for metrics.

use haechi_core::certificate::Names;
use haechi_core::{Timestamp, certificate};
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A file with certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFile {
    /// What they are for.
    pub(crate) used_for: CertificateUse,
    pub(crate) file: PathBuf,
    /// The last instant at which all of them hold.
    pub(crate) not_after: Timestamp,
    /// The listener that shows it, or believes it of clients.
    pub(crate) listener: Option<SocketAddr>,
    /// Each of them, in the order of the file.
    pub(crate) found: Vec<CertificateFacts>,
}

/// What is shown of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    pub(crate) names: Names,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CertificateUse {
    /// Shown to clients.
    Listener,
    /// Vouches for clients.
    ClientCa,
    /// Tells which of clients' certificates were revoked.
    ClientCrl,
    /// Vouches for backends.
    ServiceCa,
    /// Shown to backends.
    ServiceClient,
    /// Vouches for decision points.
    DecisionPointCa,
    /// Vouches for syslog servers.
    SinkCa,
}

impl CertificateUse {
    /// The metric's label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::ClientCa => "client_ca",
            Self::ClientCrl => "client_crl",
            Self::ServiceCa => "service_ca",
            Self::ServiceClient => "service_client",
            Self::DecisionPointCa => "decision_point_ca",
            Self::SinkCa => "sink_ca",
        }
    }
}

/// Of a file that holds these; `None` where none of them says when it expires.
pub(super) fn of(
    used_for: CertificateUse,
    file: &Path,
    certificates: &[CertificateDer<'_>],
) -> Option<CertificateFile> {
    let facts = |der: &CertificateDer<'_>| {
        let read = certificate::read(der)?;
        let names = certificate::names(der)?;
        Some(CertificateFacts { names, not_before: read.not_before, not_after: read.not_after })
    };
    earliest(used_for, file, certificates.iter().filter_map(facts).collect())
}

/// The same of lists of revoked certificates, in DER: they hold until the next ones are due.
pub(super) fn of_lists(file: &Path, lists: &[Vec<u8>]) -> Option<CertificateFile> {
    let facts = |der: &Vec<u8>| {
        let (not_before, not_after, issuer) = certificate::revocation_list(der)?;
        let names = Names { issuer, ..Names::default() };
        Some(CertificateFacts { names, not_before, not_after })
    };
    earliest(CertificateUse::ClientCrl, file, lists.iter().filter_map(facts).collect())
}

fn earliest(used_for: CertificateUse, file: &Path, found: Vec<CertificateFacts>) -> Option<CertificateFile> {
    let ends = found.iter().map(|read| read.not_after).min();
    ends.map(|not_after| CertificateFile {
        used_for,
        file: file.to_owned(),
        not_after,
        listener: None,
        found,
    })
}
