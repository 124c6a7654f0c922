//! A listener's certificates, selected by SNI.

use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;
use webpki::EndEntityCert;

/// At least one certificate with its key. The first is shown where a client names no host, or one that no certificate has.
#[derive(Debug)]
pub struct Certificates {
    first: Arc<CertifiedKey>,
    others: Vec<Arc<CertifiedKey>>,
    /// Lower-case DNS names.
    exact: HashMap<Box<str>, usize>,
    /// What follows `*.`.
    wildcard: HashMap<Box<str>, usize>,
}

impl Certificates {
    /// Where several have a name, the one that comes first in the list is shown for it.
    pub fn new(first: Arc<CertifiedKey>, others: Vec<Arc<CertifiedKey>>) -> Self {
        let mut made = Self { first, others, exact: HashMap::new(), wildcard: HashMap::new() };
        for index in 0..=made.others.len() {
            let names = made.key(index).end_entity_cert().map(dns_names).unwrap_or_default();
            for name in names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut made.wildcard, parent),
                    None => (&mut made.exact, &*name),
                };
                map.entry(name.into()).or_insert(index);
            }
        }
        made
    }

    /// Whether one of them has this name, which is in lower case.
    pub fn have(&self, name: &str) -> bool {
        let by_wildcard =
            || name.split_once('.').is_some_and(|(_, parent)| self.wildcard.contains_key(parent));
        self.exact.contains_key(name) || by_wildcard()
    }

    /// The index of the certificate that is shown for a host in lower case: one that has the name, then one with a wildcard in place of its
    /// first label (RFC 6125 6.4.3), then the first.
    pub fn for_name(&self, name: &str) -> usize {
        let by_wildcard = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(by_wildcard).copied().unwrap_or(0)
    }

    fn key(&self, index: usize) -> &Arc<CertifiedKey> {
        index.checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key(hello.server_name().map_or(0, |name| self.for_name(name))).clone())
    }
}

/// The DNS names of a certificate, in lower case.
fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    EndEntityCert::try_from(certificate)
        .map(|parsed| parsed.valid_dns_names().map(str::to_ascii_lowercase).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Certificates;
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::sign::CertifiedKey;
    use std::sync::Arc;

    fn key(names: &[&str]) -> Arc<CertifiedKey> {
        let Made { cert, signing_key } =
            generate_simple_self_signed(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let private = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = crate::tls::crypto::provider();
        Arc::new(CertifiedKey::from_der(vec![cert.der().clone()], private, &provider).unwrap())
    }

    #[test]
    fn names_go_before_wildcards_and_wildcards_before_the_first() {
        let certificates = Certificates::new(
            key(&["first.example"]),
            vec![key(&["*.b.example", "B.example"]), key(&["x.b.example", "first.example", "10.0.0.1"])],
        );
        let cases = [
            ("first.example", 0),
            ("b.example", 1),
            ("y.b.example", 1),
            ("x.b.example", 2),
            ("x.y.b.example", 0),
            ("unknown.example", 0),
            ("10.0.0.1", 0),
            ("[::1]", 0),
            ("*.b.example", 1),
            ("example", 0),
        ];
        for (name, index) in cases {
            assert_eq!(certificates.for_name(name), index, "{name}");
        }
    }
}
