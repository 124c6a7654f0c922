use super::{Fact, MtlsAuthenticator, MtlsConfig};
use crate::{Attempt, Authenticator, Look, Scheme};
use haechi_core::connection::{ClientCertificate, TlsFacts};
use haechi_core::id::RequestId;
use haechi_core::{
    AttributeType, AttributeValue, Caller, CanonicalPath, ConnectionFacts, Host, RequestHead, RoleTable,
    Timestamp,
};
use rcgen::{CertificateParams, DnType, DnValue, KeyPair, KeyUsagePurpose, SanType};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn certificate(change: impl FnOnce(&mut CertificateParams)) -> ClientCertificate {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    ClientCertificate::verified(made.der(), [], "CN=Mesh CA".into())
}

fn with_names(names: &[SanType]) -> ClientCertificate {
    certificate(|params| params.subject_alt_names.extend_from_slice(names))
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn config(subject: Fact) -> MtlsConfig {
    let roles = [("USER".to_owned(), vec![]), ("ADMIN".to_owned(), vec!["USER".to_owned()])];
    MtlsConfig {
        name: "mesh".into(),
        subject,
        issuer: None,
        roles: Vec::new(),
        roles_from: None,
        role_map: None,
        attributes: [].into(),
        forwarded: None,
        role_table: Arc::new(RoleTable::new(&roles.into()).unwrap()),
    }
}

fn head(shown: Option<&ClientCertificate>) -> RequestHead {
    let connection = ConnectionFacts {
        peer: ([192, 0, 2, 1], 4000).into(),
        tls: Some(TlsFacts { client_certificate: shown.cloned() }),
        is_described: false,
    };
    let (host, path) = (Host::parse(b"a").unwrap(), CanonicalPath::parse(b"/").unwrap());
    RequestHead::new(RequestId::from_bits(1), NOW, connection, http::Method::GET, host, path)
}

fn ask(config: MtlsConfig, shown: Option<&ClientCertificate>) -> Attempt {
    let scheme = MtlsAuthenticator::new(config).for_worker();
    asked(&*scheme, shown, NOW)
}

fn asked(scheme: &dyn Scheme, shown: Option<&ClientCertificate>, now: Timestamp) -> Attempt {
    match scheme.look(&head(shown), now) {
        Look::Done(attempt) => attempt,
        Look::Wait(_) => panic!("nothing has to be asked"),
    }
}

fn verified(attempt: Attempt) -> Arc<Caller> {
    match attempt {
        Attempt::Verified(caller) => caller,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_caller_is_the_one_name_of_the_kind_that_is_asked_for() {
    let all = certificate(|params| {
        params.subject_alt_names = vec![
            uri("spiffe://mesh.example/ns/prod/sa/orders"),
            dns("Orders.Example"),
            SanType::Rfc822Name("mina@example.com".try_into().unwrap()),
        ];
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params.distinguished_name.push(DnType::CommonName, "orders");
    });
    for (fact, subject) in [
        (Fact::SanUri, "spiffe://mesh.example/ns/prod/sa/orders"),
        (Fact::SanDns, "orders.example"),
        (Fact::SanEmail, "mina@example.com"),
        (Fact::SubjectCn, "orders"),
        (Fact::SubjectDn, "CN=orders,O=Example\\, Inc."),
    ] {
        let caller = verified(ask(config(fact), Some(&all)));
        assert_eq!((&*caller.subject, &*caller.issuer), (subject, "CN=Mesh CA"), "{fact:?}");
        assert_eq!(caller.credential_id.as_ref().unwrap().len(), 43);
        assert!(caller.expires_at.is_some());
    }
    assert!(matches!(ask(config(Fact::SanUri), None), Attempt::Absent));
}

#[test]
fn a_certificate_that_names_nobody_or_several_names_no_caller() {
    for (why, shown) in [
        ("none", certificate(|_| ())),
        ("two", with_names(&[uri("spiffe://a/1"), uri("spiffe://a/2")])),
        ("another kind", with_names(&[dns("a.example")])),
        ("a control character", with_names(&[uri("spiffe://a/\n")])),
        ("a space", with_names(&[uri("spiffe://a/ b")])),
        ("nothing", with_names(&[uri("")])),
    ] {
        assert!(matches!(ask(config(Fact::SanUri), Some(&shown)), Attempt::Rejected(_)), "{why}");
    }
    for (why, values) in [
        ("two", vec![DnValue::Utf8String("a".into()), DnValue::Utf8String("b".into())]),
        ("a control character", vec![DnValue::Utf8String("a\0b".into())]),
    ] {
        let shown = certificate(|params| {
            for (number, value) in values.into_iter().enumerate() {
                // The library keeps one value for each kind; a second one stands under the same identifier.
                let kind =
                    if number == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
                params.distinguished_name.push(kind, value);
            }
        });
        assert!(matches!(ask(config(Fact::SubjectCn), Some(&shown)), Attempt::Rejected(_)), "{why}");
    }
}

#[test]
fn a_key_that_may_not_sign_shows_nothing() {
    let with_usage = |usages: Vec<KeyUsagePurpose>| {
        certificate(|params| {
            params.subject_alt_names = vec![uri("spiffe://a/b")];
            params.key_usages = usages;
        })
    };
    let signs = with_usage(vec![KeyUsagePurpose::DigitalSignature]);
    verified(ask(config(Fact::SanUri), Some(&signs)));
    let encrypts = with_usage(vec![KeyUsagePurpose::KeyEncipherment]);
    assert!(matches!(ask(config(Fact::SanUri), Some(&encrypts)), Attempt::Rejected(_)));
}

#[test]
fn one_that_expires_while_its_connection_is_open_ends_then() {
    let shown = with_names(&[uri("spiffe://a/b")]);
    let scheme = MtlsAuthenticator::new(config(Fact::SanUri)).for_worker();
    let first = verified(asked(&*scheme, Some(&shown), NOW));
    let again = verified(asked(&*scheme, Some(&shown), NOW));
    assert!(Arc::ptr_eq(&first, &again), "it is remembered");
    let ends = first.expires_at.unwrap();
    verified(asked(&*scheme, Some(&shown), ends));
    let after = ends.plus(std::time::Duration::from_millis(1));
    assert!(matches!(asked(&*scheme, Some(&shown), after), Attempt::Rejected(_)));
}

#[test]
fn roles_come_of_the_subject_by_map_or_of_what_is_named() {
    let shown = certificate(|params| {
        params.subject_alt_names = vec![uri("ADMIN")];
        params.distinguished_name.push(DnType::OrganizationalUnitName, "ADMIN");
    });
    let roles = |config: MtlsConfig| {
        let caller = verified(ask(config, Some(&shown)));
        caller.roles.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(roles(config(Fact::SanUri)).is_empty(), "a subject is no role");
    let all = || MtlsConfig { roles: vec!["USER".into()], ..config(Fact::SanUri) };
    assert_eq!(roles(all()), ["USER"]);
    let map = |from: &str| Some([(from.into(), "ADMIN".into())].into());
    assert!(roles(MtlsConfig { role_map: map("admin"), ..config(Fact::SanUri) }).is_empty());
    assert_eq!(roles(MtlsConfig { role_map: map("ADMIN"), ..config(Fact::SanUri) }), ["ADMIN", "USER"]);
    let units = || Some(vec![Fact::OrganizationalUnit]);
    assert_eq!(roles(MtlsConfig { roles_from: units(), ..config(Fact::SanUri) }), ["ADMIN", "USER"]);
    let built_in = certificate(|params| {
        params.subject_alt_names = vec![uri("spiffe://a/b")];
        params.distinguished_name.push(DnType::OrganizationalUnitName, "haechi-admin");
    });
    let caller = verified(ask(MtlsConfig { roles_from: units(), ..config(Fact::SanUri) }, Some(&built_in)));
    assert!(!caller.has_role("haechi-admin"));
}

#[test]
fn attributes_are_what_the_certificate_says() {
    let shown = with_names(&[uri("spiffe://a/b"), dns("b.example"), dns("a.example")]);
    let attributes = [
        ("ca".into(), (Fact::Authority, AttributeType::String)),
        ("certificate".into(), (Fact::Thumbprint, AttributeType::String)),
        ("host".into(), (Fact::SanDns, AttributeType::String)),
        ("hosts".into(), (Fact::SanDns, AttributeType::Set)),
        ("unit".into(), (Fact::OrganizationalUnit, AttributeType::Set)),
    ];
    let caller =
        verified(ask(MtlsConfig { attributes: attributes.into(), ..config(Fact::SanUri) }, Some(&shown)));
    assert_eq!(caller.attributes["ca"], AttributeValue::String("CN=Mesh CA".into()));
    let thumbprint = AttributeValue::String(caller.credential_id.as_deref().unwrap().into());
    assert_eq!(caller.attributes["certificate"], thumbprint);
    let hosts = AttributeValue::Set(["a.example".into(), "b.example".into()].into());
    assert_eq!(caller.attributes["hosts"], hosts);
    assert!(!caller.attributes.contains_key("host"), "two of them are not one");
    assert!(!caller.attributes.contains_key("unit"));
}

#[test]
fn the_same_name_of_another_authority_is_somebody_else_unless_one_issuer_is_named() {
    let ours = with_names(&[uri("spiffe://a/b")]);
    let theirs = ClientCertificate::verified(ours.der(), [], "CN=Partner CA".into());
    let issuer = |shown, issuer: Option<&str>| {
        let config = MtlsConfig { issuer: issuer.map(Arc::from), ..config(Fact::SanUri) };
        verified(ask(config, Some(shown))).issuer.to_string()
    };
    assert_eq!((issuer(&ours, None), issuer(&theirs, None)), ("CN=Mesh CA".into(), "CN=Partner CA".into()));
    assert_eq!(issuer(&theirs, Some("mesh")), "mesh");
}
