//! Certificates and keys: read now, so that what is wrong with them is told before anybody connects.

use super::expiry::{self, CertificateUse};
use super::names::Resolver;
use crate::config::placeholder::plain;
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::FilePath;
use crate::config::written::{self, ClientCertificate};
use haechi_core::{Clock, Host, SystemClock};
use haechi_proxy::{
    Authorities, BelievedClients, Certificates, ClientCertificates, ListenerTls, RevocationLists,
};
use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage};

/// How backends are spoken to over TLS.
#[derive(Clone, Debug)]
pub(crate) struct ServiceTls {
    /// Who vouches for backends; the system's authorities where it is `None`.
    pub authorities: Option<Arc<Authorities>>,
    /// The name that their certificates must have, instead of the endpoint's.
    pub server_name: Option<ServerName<'static>>,
    /// What they are shown.
    pub identity: Option<Arc<CertifiedKey>>,
}

/// A listener's.
pub(super) fn listener(
    resolver: &mut Resolver<'_>,
    written: &At<written::ListenerTls>,
) -> Option<Arc<ListenerTls>> {
    let listed = written.certificates.as_ref();
    let pairs: Vec<_> =
        listed.iter().flat_map(|listed| listed.iter()).map(|pair| certified(resolver, pair)).collect();
    let clients = clients(resolver, written);
    if listed.is_some_and(|listed| listed.is_empty()) {
        let fault = Fault::new(written.span, "`certificates` lists none");
        resolver.faults.push(fault.help("add `{ certificate: site.pem, key: site.key }`"));
    }
    let mut pairs = pairs.into_iter().collect::<Option<Vec<_>>>()?.into_iter();
    let certificates = Certificates::new(pairs.next()?, pairs.collect());
    match ListenerTls::new(certificates, clients?) {
        Ok(tls) => Some(Arc::new(tls)),
        Err(error) => resolver.fault(Fault::new(written.span, format!("TLS cannot be set up: {error}"))),
    }
}

fn clients(resolver: &mut Resolver<'_>, written: &written::ListenerTls) -> Option<ClientCertificates> {
    let asked = match &written.client_certificate {
        Maybe::Faulty => return None,
        given => given.given(),
    };
    let revoked = match &written.client_crl {
        Maybe::Faulty => return None,
        Maybe::Absent => Some(RevocationLists::default()),
        Maybe::Given(file) => revocation_lists(resolver, file),
    };
    match (&written.client_ca, asked) {
        (Maybe::Faulty, _) => None,
        (Maybe::Absent, asked) => {
            let asked = asked.map(|asked| ("client_certificate", asked.span));
            let listed = written.client_crl.given().map(|file| ("client_crl", file.span));
            let Some((key, span)) = asked.or(listed) else { return Some(ClientCertificates::NotAsked) };
            let fault = Fault::new(span, format!("`{key}` needs `client_ca`, which says whom to believe"));
            resolver.fault(fault.help("add `client_ca` with the certificates of the authorities"))
        }
        (Maybe::Given(file), asked) => {
            let authorities = authorities(resolver, file, CertificateUse::ClientCa)?;
            let believed = BelievedClients { authorities, revoked: Arc::new(revoked?) };
            Some(match asked.map(|asked| asked.value) {
                Some(ClientCertificate::Optional) => ClientCertificates::Optional(believed),
                Some(ClientCertificate::Required) | None => ClientCertificates::Required(believed),
            })
        }
    }
}

/// Lists of revoked certificates, one after the other in PEM, or one in DER.
fn revocation_lists(resolver: &mut Resolver<'_>, file: &At<FilePath>) -> Option<RevocationLists> {
    let bytes = read(resolver, file)?;
    let name = resolver.written_at(file.span);
    let help = "it must hold lists in PEM (`-----BEGIN X509 CRL-----`), or one in DER";
    let pem = CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let lists: Vec<Vec<u8>> = match pem {
        Ok(found) if !found.is_empty() => found.into_iter().map(|list| list.to_vec()).collect(),
        Ok(_) if !bytes.starts_with(b"-----") => vec![bytes],
        _ => {
            let fault =
                Fault::new(file.span, format!("there is no list of revoked certificates in `{name}`"));
            return resolver.fault(fault.help(help));
        }
    };
    let dates = expiry::of_lists(&file.value.0, &lists);
    match RevocationLists::new(lists) {
        Ok(lists) => {
            if dates.as_ref().is_some_and(|dates| dates.not_after <= SystemClock.now()) {
                let message = format!(
                    "a list in `{name}` has expired: certificates of its authority are refused until there is a new one"
                );
                let warning = Fault::new(file.span, message);
                resolver.warnings.push(warning.help("fetch the authority's current list"));
            }
            resolver.certificates.extend(dates);
            Some(lists)
        }
        Err(why) => resolver.fault(Fault::new(file.span, format!("`{name}`: {why}")).help(help)),
    }
}

/// A service's; `Some(None)` where no endpoint asks for it.
pub(super) fn service(resolver: &mut Resolver<'_>, written: &written::Service) -> Option<Option<ServiceTls>> {
    let secure: Vec<&Host> = written
        .endpoints
        .iter()
        .flat_map(|endpoints| endpoints.iter())
        .filter(|endpoint| endpoint.url.secure)
        .map(|endpoint| &endpoint.url.host)
        .collect();
    let given = match &written.tls {
        Maybe::Faulty => return None,
        given => given.given(),
    };
    if let Some(given) = given.filter(|_| secure.is_empty() && written.endpoints.is_some()) {
        let fault = Fault::new(given.span, "`tls` is for endpoints with `https://`, and there is none");
        resolver.faults.push(fault.help("write the endpoints with `https://`, or remove `tls`"));
    }
    let authorities = given.map_or(Some(None), |given| {
        given.ca.resolve(|file| authorities(resolver, file, CertificateUse::ServiceCa))
    });
    let identity = given.map_or(Some(None), |given| shown_to_backends(resolver, given));
    let server_name = given.and_then(|given| given.server_name.given());
    let unnamed = secure.into_iter().filter(|host| server_name.is_none() && name(host).is_none());
    for host in unnamed.map(|host| host.name().to_owned()).collect::<Vec<_>>() {
        let fault = Fault::of_file(format!("the endpoint's name `{host}` cannot stand in a certificate"));
        resolver.faults.push(fault.help("add `tls: { server_name: … }` to its service"));
    }
    let server_name = match server_name {
        Some(written) => Some(named(resolver, written)?),
        None => None,
    };
    let tls = ServiceTls { authorities: authorities?, server_name, identity: identity? };
    let needed = written.endpoints.as_ref()?.iter().any(|endpoint| endpoint.url.secure);
    Some(needed.then_some(tls))
}

fn named(resolver: &mut Resolver<'_>, written: &At<Host>) -> Option<ServerName<'static>> {
    let found = name(&written.value);
    if found.is_none() {
        let message = format!("`{}` cannot stand in a certificate", resolver.written_at(written.span));
        resolver
            .faults
            .push(Fault::new(written.span, message).help("write a name such as `backend.internal`"));
    }
    found
}

/// A host as certificates have it.
fn name(host: &Host) -> Option<ServerName<'static>> {
    let plain = host.name().trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(plain.to_owned()).ok()
}

fn shown_to_backends(
    resolver: &mut Resolver<'_>,
    written: &written::ServiceTls,
) -> Option<Option<Arc<CertifiedKey>>> {
    match (&written.client_certificate, &written.client_key) {
        (Maybe::Absent, Maybe::Absent) => Some(None),
        (Maybe::Given(certificate), Maybe::Given(key)) => {
            key_pair(resolver, certificate, key, CertificateUse::ServiceClient).map(Some)
        }
        (Maybe::Given(alone), Maybe::Absent) => {
            let fault = Fault::new(alone.span, "`client_certificate` needs `client_key`");
            resolver.fault(fault.help("add the key that the certificate was made for"))
        }
        (Maybe::Absent, Maybe::Given(alone)) => {
            let fault = Fault::new(alone.span, "`client_key` needs `client_certificate`");
            resolver.fault(fault.help("add the certificate that the key belongs to"))
        }
        _ => None,
    }
}

fn certified(resolver: &mut Resolver<'_>, pair: &written::Certificate) -> Option<Arc<CertifiedKey>> {
    let (certificate, key) = (pair.certificate.as_ref()?, pair.key.as_ref()?);
    key_pair(resolver, certificate, key, CertificateUse::Listener)
}

/// A certificate, what leads to its authority, and the key that belongs to it.
fn key_pair(
    resolver: &mut Resolver<'_>,
    certificate: &At<FilePath>,
    key: &At<FilePath>,
    used_for: CertificateUse,
) -> Option<Arc<CertifiedKey>> {
    let chain = certificates(resolver, certificate, used_for);
    let private = private_key(resolver, key);
    let (chain, private) = (chain?, private?);
    let leaf = chain.first().cloned();
    let (certificate_name, key_name) = (resolver.written_at(certificate.span), resolver.written_at(key.span));
    let made = CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider());
    let made = match made {
        Ok(made) => made,
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let message =
                format!("the key `{key_name}` does not belong to the certificate `{certificate_name}`");
            return resolver
                .fault(Fault::new(key.span, message).help("name the key that the certificate was made for"));
        }
        Err(rustls::Error::InvalidCertificate(why)) => {
            let message = format!("the certificate in `{certificate_name}` cannot be used: {why}");
            return resolver.fault(
                Fault::new(certificate.span, message).help("it must be an X.509 certificate of version 3"),
            );
        }
        Err(_) => {
            let message = format!("the key in `{key_name}` cannot be used");
            let help = "it must be an RSA key of 2048 bits or more, an ECDSA key (P-256, P-384, P-521) or an Ed25519 key";
            return resolver.fault(Fault::new(key.span, message).help(help));
        }
    };
    if let Some(why) = leaf.as_ref().and_then(out_of_date) {
        let message = format!("the certificate in `{certificate_name}` {why}: clients will not accept it");
        resolver.warnings.push(Fault::new(certificate.span, message).help("renew it"));
    }
    Some(Arc::new(made))
}

/// Certificates whose holders vouch for others. One whose own time is over or still to come does not count, at any handshake, until it does.
fn authorities(
    resolver: &mut Resolver<'_>,
    file: &At<FilePath>,
    used_for: CertificateUse,
) -> Option<Arc<Authorities>> {
    let authorities = match Authorities::new(certificates(resolver, file, used_for)?) {
        Ok(authorities) => authorities,
        Err(why) => {
            let message =
                format!("a certificate in `{}` cannot be used: {why}", resolver.written_at(file.span));
            return resolver
                .fault(Fault::new(file.span, message).help("it must hold the certificates of authorities"));
        }
    };
    if let Some(why) = authorities.out_of_date(SystemClock.now()) {
        let message = format!(
            "a certificate of an authority in `{}` {why}: nobody is believed for its sake",
            resolver.written_at(file.span)
        );
        resolver.warnings.push(Fault::new(file.span, message).help("renew it, or remove it"));
    }
    Some(Arc::new(authorities))
}

/// The same, one by one, for clients that only know all or nothing: those whose time is now.
pub(super) fn authority_certificates(
    resolver: &mut Resolver<'_>,
    file: &At<FilePath>,
    used_for: CertificateUse,
) -> Option<Vec<CertificateDer<'static>>> {
    let valid =
        authorities(resolver, file, used_for)?.valid_certificates(SystemClock.now()).cloned().collect();
    Some(valid)
}

fn certificates(
    resolver: &mut Resolver<'_>,
    file: &At<FilePath>,
    used_for: CertificateUse,
) -> Option<Vec<CertificateDer<'static>>> {
    let text = read(resolver, file)?;
    let name = resolver.written_at(file.span);
    let help = "it must be PEM: `-----BEGIN CERTIFICATE-----`";
    match CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>() {
        Ok(found) if found.is_empty() => {
            resolver.fault(Fault::new(file.span, format!("there is no certificate in `{name}`")).help(help))
        }
        Ok(found) => {
            resolver.certificates.extend(expiry::of(used_for, &file.value.0, &found));
            Some(found)
        }
        Err(_) => resolver.fault(Fault::new(file.span, format!("`{name}` is not proper PEM")).help(help)),
    }
}

fn private_key(resolver: &mut Resolver<'_>, file: &At<FilePath>) -> Option<PrivateKeyDer<'static>> {
    let text = read(resolver, file)?;
    let name = resolver.written_at(file.span);
    let help = "it must be PEM without a passphrase: `-----BEGIN PRIVATE KEY-----`";
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Some(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => {
            resolver.fault(Fault::new(file.span, format!("there is no private key in `{name}`")).help(help))
        }
        Err(_) => resolver.fault(Fault::new(file.span, format!("`{name}` is not proper PEM")).help(help)),
    }
}

fn read(resolver: &mut Resolver<'_>, file: &At<FilePath>) -> Option<Vec<u8>> {
    match std::fs::read(&file.value.0) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let message = format!("`{}` cannot be read: {}", resolver.written_at(file.span), plain(&error));
            resolver.fault(Fault::new(file.span, message))
        }
    }
}

/// Whether a certificate's time has passed or is still to come. Verifying asks for this before anything else.
fn out_of_date(leaf: &CertificateDer<'_>) -> Option<&'static str> {
    let parsed = EndEntityCert::try_from(leaf).ok()?;
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let verified =
        parsed.verify_for_usage(algorithms, &[], &[], UnixTime::now(), KeyUsage::server_auth(), None, None);
    match verified.err()? {
        webpki::Error::CertExpired { .. } => Some("has expired"),
        webpki::Error::CertNotValidYet { .. } => Some("is not valid yet"),
        _ => None,
    }
}
