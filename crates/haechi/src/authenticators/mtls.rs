//! `type: mtls`: the certificate that the client showed at the TLS handshake.

use super::definition::{AuthenticatorType, Checks, Materials, Needs, Record, Settings};
use super::file::usable;
use super::jwt::check::role_map;
use crate::config::choice::choice;
use crate::config::read::Named;
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::{AttributeName, FilePath, ForeignName, RoleName};
use haechi_authn::keys::KeySource;
use haechi_authn::schemes::mtls::{self, CertificateHeader, Forwarded, MtlsAuthenticator, MtlsConfig};
use haechi_authn::{Authenticator, CredentialPlace};
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::{AttributeType, CallerKind, role};
use haechi_proxy::{Authorities, ForwardedVerifier};
use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) const DEFINITION: AuthenticatorType = AuthenticatorType::of::<Mtls>("mtls");

choice! {
    "what a certificate says"
    /// What a certificate says.
    pub(crate) enum Fact {
        /// A URI among the alternative names.
        SanUri = "san_uri",
        /// A DNS name among the alternative names.
        SanDns = "san_dns",
        /// A mail address among the alternative names.
        SanEmail = "san_email",
        /// The subject's common name.
        SubjectCn = "subject_cn",
        /// The subject's distinguished name.
        SubjectDn = "subject_dn",
        /// The subject's organization.
        Organization = "organization",
        /// The subject's organizational unit.
        OrganizationalUnit = "organizational_unit",
        /// The distinguished name of whoever signed it.
        IssuerDn = "issuer_dn",
        /// The distinguished name of the authority that the listener believed.
        Authority = "authority",
        /// The serial number in hexadecimal digits.
        Serial = "serial",
        /// The SHA-256 of it in base64url (RFC 8705 3.1).
        Thumbprint = "x5t#S256",
    }
}

choice! {
    "which name of a certificate is the caller"
    /// Which name of a certificate is the caller.
    pub(crate) enum SubjectFact {
        /// A URI among the alternative names.
        SanUri = "san_uri",
        /// A DNS name among the alternative names.
        SanDns = "san_dns",
        /// A mail address among the alternative names.
        SanEmail = "san_email",
        /// The subject's common name.
        SubjectCn = "subject_cn",
        /// The subject's distinguished name.
        SubjectDn = "subject_dn",
    }
}

record! {
    "an `mtls` authenticator"
    tag "type" = "mtls"
    /// The certificate that the client showed at the TLS handshake.
    struct Mtls {
        /// Which of its names is the caller: `san_uri` (SPIFFE), `san_dns`, `san_email`, `subject_cn` or `subject_dn`. A certificate without exactly one of it is none of this authenticator's.
        required subject as "subject": At<SubjectFact>,
        /// Who vouches for its callers. The distinguished name of the authority that the listener believed where this is left out.
        optional issuer as "issuer": At<String>,
        /// The roles that every caller holds.
        optional roles as "roles": At<Vec<At<RoleName>>>,
        /// What else in the certificate gives roles. The subject, as far as it stands in `role_map`, where this is left out.
        optional roles_from as "roles_from": At<Vec<At<Fact>>>,
        /// What a certificate says, and which role of ours that is. What is neither here nor declared is dropped.
        optional role_map as "role_map": At<Named<ForeignName, At<RoleName>>>,
        /// Declared caller attributes, and what in the certificate fills them.
        optional attributes as "attributes": At<Named<AttributeName, At<Fact>>>,
        /// A proxy in front ends TLS, and says in a header which certificate it was shown. That of the connection does not count then.
        optional from_header as "from_header": At<FromHeader>,
    }
}

record! {
    "`from_header` of an `mtls` authenticator"
    /// The header in which `trusted_proxies` say which certificate a client showed to them. They have to remove what clients send under its name.
    struct FromHeader {
        /// Which one it is.
        required header as "header": Header,
        /// A PEM file with the authorities that vouch for clients.
        required ca as "ca": At<FilePath>,
    }
}

choice! {
    "a header with a certificate"
    /// A header with a client's certificate.
    pub(crate) enum Header {
        /// RFC 9440, with `Client-Cert-Chain` where intermediate authorities are needed.
        ClientCert = "Client-Cert",
        /// Envoy's, with `Cert`, and `Chain` where intermediate authorities are needed.
        ForwardedClientCert = "X-Forwarded-Client-Cert",
    }
}

/// The checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MtlsSettings {
    subject: mtls::Fact,
    issuer: Option<Arc<str>>,
    /// Of every caller; all declared.
    roles: Vec<String>,
    roles_from: Option<Vec<mtls::Fact>>,
    role_map: Option<BTreeMap<Box<str>, Box<str>>>,
    attributes: BTreeMap<Box<str>, (mtls::Fact, AttributeType)>,
    from_header: Option<FromHeaderSettings>,
}

/// Whose word is taken for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FromHeaderSettings {
    header: CertificateHeader,
    from: Vec<IpNet>,
    authorities: PathBuf,
}

impl Record for At<Mtls> {
    fn credential_places(&self) -> Vec<CredentialPlace> {
        vec![CredentialPlace::Certificate]
    }

    fn check(&self, _: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>> {
        if self.from_header.is_absent() && !checks.asks_for_certificates() {
            let warning =
                Fault::new(self.span, "no listener asks clients for certificates, so nobody has one");
            checks.warn(warning.help("add `client_ca` under `tls` of a listener"));
        }
        let roles = self
            .roles
            .given()
            .map_or(Some(Vec::new()), |roles| roles.iter().map(|role| role_of_all(checks, role)).collect());
        let role_map = role_map(checks, &self.role_map);
        let attributes = attributes(checks, self);
        let from_header = from_header(checks, self);
        let roles_from = self.roles_from.given();
        Some(Arc::new(MtlsSettings {
            subject: self.subject.as_ref()?.value.meant(),
            issuer: self.issuer.given().map(|issuer| Arc::from(issuer.value.as_str())),
            roles: roles?,
            roles_from: roles_from.map(|facts| facts.iter().map(|fact| fact.value.meant()).collect()),
            role_map: role_map?,
            attributes: attributes?,
            from_header: from_header?,
        }))
    }
}

fn from_header(checks: &mut dyn Checks, written: &Mtls) -> Option<Option<FromHeaderSettings>> {
    let Some(given) = written.from_header.given() else {
        return written.from_header.is_absent().then_some(None);
    };
    let from = checks.trusted_proxies();
    if from.is_empty() {
        let fault = Fault::new(given.span, "`from_header` without `trusted_proxies` would believe nobody");
        return checks.fault(fault.help("add the addresses of the proxies in front"));
    }
    let file = given.ca.as_ref()?;
    usable(checks, file, |text| believed(text.as_bytes()).map(|_| ()))?;
    let header = match given.header? {
        Header::ClientCert => CertificateHeader::ClientCert,
        Header::ForwardedClientCert => CertificateHeader::ForwardedClientCert,
    };
    Some(Some(FromHeaderSettings { header, from, authorities: file.value.0.clone() }))
}

/// What verifies the certificates of clients for whom these authorities vouch.
fn believed(pem: &[u8]) -> Result<ForwardedVerifier, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let authorities = Authorities::new(certificates.map_err(|fault| fault.to_string())?);
    let authorities = Arc::new(authorities.map_err(|fault| fault.to_string())?);
    ForwardedVerifier::new(authorities).map_err(|fault| fault.to_string())
}

/// Only the store makes administrators of the gate.
fn role_of_all(checks: &mut dyn Checks, role: &At<RoleName>) -> Option<String> {
    let name = checks.role(&role.value.0, role.span)?;
    if name.starts_with(role::RESERVED_PREFIX) {
        let message = format!("a certificate cannot give the built-in role `{}`", checks.text_at(role.span));
        return checks.fault(Fault::new(role.span, message).help("name a role of your own"));
    }
    Some(name.to_string())
}

fn attributes(
    checks: &mut dyn Checks,
    written: &Mtls,
) -> Option<BTreeMap<Box<str>, (mtls::Fact, AttributeType)>> {
    let declared = checks.caller_attributes();
    let mut meant = BTreeMap::new();
    let Some(given) = written.attributes.given() else {
        return written.attributes.is_absent().then_some(meant);
    };
    for (name, fact) in &given.0 {
        let Some((_, type_of)) = declared.iter().find(|(declared, _)| *declared == name.value.0) else {
            let message = format!("there is no caller attribute `{}`", name.value);
            let known = declared.iter().map(|(name, _)| &**name);
            checks.report(Fault::new(name.span, message).suggest(&name.value.0, known));
            continue;
        };
        if let Some(kind @ (AttributeType::Long | AttributeType::Bool)) = type_of {
            let message =
                format!("`{}` is declared as {kind}, and what a certificate says is text", name.value);
            let fault = Fault::new(name.span, message);
            checks.report(fault.help("declare it as `string`, or as `set` where there may be several"));
        }
        if let (Some(fact), Some(type_of)) = (fact, type_of) {
            meant.insert(name.value.0.clone(), (fact.value.meant(), *type_of));
        }
    }
    Some(meant)
}

impl SubjectFact {
    const fn meant(self) -> mtls::Fact {
        match self {
            Self::SanUri => mtls::Fact::SanUri,
            Self::SanDns => mtls::Fact::SanDns,
            Self::SanEmail => mtls::Fact::SanEmail,
            Self::SubjectCn => mtls::Fact::SubjectCn,
            Self::SubjectDn => mtls::Fact::SubjectDn,
        }
    }
}

impl Fact {
    const fn meant(self) -> mtls::Fact {
        match self {
            Self::SanUri => mtls::Fact::SanUri,
            Self::SanDns => mtls::Fact::SanDns,
            Self::SanEmail => mtls::Fact::SanEmail,
            Self::SubjectCn => mtls::Fact::SubjectCn,
            Self::SubjectDn => mtls::Fact::SubjectDn,
            Self::Organization => mtls::Fact::Organization,
            Self::OrganizationalUnit => mtls::Fact::OrganizationalUnit,
            Self::IssuerDn => mtls::Fact::IssuerDn,
            Self::Authority => mtls::Fact::Authority,
            Self::Serial => mtls::Fact::Serial,
            Self::Thumbprint => mtls::Fact::Thumbprint,
        }
    }
}

impl Settings for MtlsSettings {
    fn needs(&self) -> Needs<'_> {
        Needs { password_pool: false, file: self.from_header.as_ref().map(|from| from.authorities.as_path()) }
    }

    fn build(
        &self,
        name: &Arc<str>,
        _: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let forwarded = self.from_header.as_ref().map(|settings| {
            let pem = std::fs::read(&settings.authorities);
            let pem = pem.map_err(|error| format!("`ca` cannot be read: {error}"))?;
            let (header, from) = (settings.header, settings.from.clone());
            Ok::<_, String>(Forwarded { header, from, believed: Arc::new(believed(&pem)?) })
        });
        Ok(Arc::new(MtlsAuthenticator::new(MtlsConfig {
            forwarded: forwarded.transpose()?,
            name: name.clone(),
            subject: self.subject,
            issuer: self.issuer.clone(),
            roles: self.roles.clone(),
            roles_from: self.roles_from.clone(),
            role_map: self.role_map.clone(),
            attributes: self.attributes.clone(),
            role_table: materials.roles.clone(),
        })))
    }

    fn way(&self, name: &Arc<str>, _: &Arc<str>) -> CallerOrigin {
        let roles_of_all = || self.roles.iter().map(|role| Arc::from(role.as_str())).collect();
        CallerOrigin {
            issuer: self.issuer.clone(),
            roles: match (&self.roles_from, &self.role_map) {
                (None, None) => PossibleValues::Exactly(roles_of_all()),
                _ => PossibleValues::NotBuiltIn,
            },
            scopes: false,
            attributes: Some(self.attributes.keys().cloned().collect()),
            ..CallerOrigin::any(CallerKind::User, name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MtlsSettings;
    use crate::authenticators::tests::{faults, settings};
    use haechi_authn::schemes::mtls::Fact;

    const LISTENER: &str =
        "roles: { USER: {}, ADMIN: {} }\ncaller_attributes: { ca: string, units: set, level: long }";

    #[test]
    fn what_a_certificate_says_becomes_roles_and_attributes() {
        let mesh = settings::<MtlsSettings>(
            LISTENER,
            "{ type: mtls, subject: san_uri, roles: [USER], role_map: { \"spiffe://mesh/ops\": ADMIN }, attributes: { ca: authority, units: organizational_unit } }",
        );
        assert_eq!((mesh.subject, mesh.issuer, mesh.roles_from), (Fact::SanUri, None, None));
        assert_eq!(mesh.attributes["ca"].0, Fact::Authority);
        assert_eq!(&*mesh.role_map.unwrap()["spiffe://mesh/ops"], "ADMIN");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (written, message) in [
            ("{ type: mtls }", "needs `subject`"),
            ("{ type: mtls, subject: serial }", "serial"),
            ("{ type: mtls, subject: san_uri, roles: [NOBODY] }", "NOBODY"),
            ("{ type: mtls, subject: san_uri, roles: [haechi-admin] }", "built-in role"),
            ("{ type: mtls, subject: san_uri, role_map: { ops: haechi-admin } }", "built-in role"),
            ("{ type: mtls, subject: san_uri, attributes: { level: serial } }", "declared as long"),
            (
                "{ type: mtls, subject: san_uri, attributes: { tenant: serial } }",
                "no caller attribute `tenant`",
            ),
        ] {
            let faults = faults(LISTENER, written);
            assert!(faults.iter().any(|fault| fault.contains(message)), "{written}: {faults:?}");
        }
    }
}
