//! Certificates and keys, as they are found in files.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// A folder with a pair `a`, another key, an expired pair `old`, and files that hold no such thing.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for (name, year) in [("a", 2100), ("old", 2001)] {
        let mut params = CertificateParams::new([format!("{name}.example")]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().unwrap();
        write(&format!("{name}.pem"), &params.self_signed(&key).unwrap().pem());
        write(&format!("{name}.key"), &key.serialize_pem());
    }
    write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    write("empty.pem", "");
    write("hunter2.pem", "-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n");
    write("odd.pem", "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n");
    write("odd.key", "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n");
    folder
}

/// The faults and warnings of a configuration in that folder.
fn said(text: &str) -> Vec<String> {
    let folder = folder();
    let file = folder.path().join("haechi.yaml");
    std::fs::write(&file, text).unwrap();
    let report = match super::load(&file) {
        Ok(config) => config.warnings,
        Err(report) => report,
    };
    assert!(
        !report.to_string().contains("aHVud") && !report.to_string().contains("PRIVATE KEY-----\na"),
        "{report}"
    );
    report
        .faults()
        .iter()
        .map(|fault| fault.message.clone())
        .filter(|message| !message.contains("no routes"))
        .collect()
}

fn listener(tls: &str) -> Vec<String> {
    said(&format!("listeners: [{{ bind: 127.0.0.1:0, tls: {{ {tls} }} }}]\n"))
}

fn pair(certificate: &str, key: &str) -> String {
    format!("certificates: [{{ certificate: {certificate}, key: {key} }}]")
}

#[test]
fn a_key_must_fit_its_certificate() {
    assert_eq!(listener(&pair("a.pem", "a.key")), [""; 0]);
    let cases = [
        ("a.pem", "other.key", "the key `other.key` does not belong to the certificate `a.pem`"),
        ("a.pem", "old.key", "the key `old.key` does not belong to the certificate `a.pem`"),
        ("nope.pem", "a.key", "`nope.pem` cannot be read: no such file or directory"),
        ("a.pem", ".", "`.` cannot be read: it is not a file"),
        ("a.key", "a.key", "there is no certificate in `a.key`"),
        ("a.pem", "a.pem", "there is no private key in `a.pem`"),
        ("empty.pem", "a.key", "there is no certificate in `empty.pem`"),
        ("hunter2.pem", "a.key", "`hunter2.pem` is not proper PEM"),
        ("a.pem", "odd.key", "the key in `odd.key` cannot be used"),
    ];
    for (certificate, key, message) in cases {
        assert_eq!(listener(&pair(certificate, key)), [message], "{certificate} {key}");
    }
    let found = listener(&pair("odd.pem", "a.key"));
    assert!(
        found.len() == 1 && found[0].starts_with("the certificate in `odd.pem` cannot be used: "),
        "{found:?}"
    );
    assert_eq!(listener("certificates: []"), ["`certificates` lists none"]);
}

#[test]
fn a_certificate_out_of_its_time_is_a_warning() {
    let expired = "the certificate in `old.pem` has expired: clients will not accept it";
    assert_eq!(listener(&pair("old.pem", "old.key")), [expired]);
}

#[test]
fn clients_are_asked_for_certificates_of_somebody() {
    let with = |rest: &str| listener(&format!("{}, {rest}", pair("a.pem", "a.key")));
    assert_eq!(with("client_ca: a.pem, client_certificate: optional"), [""; 0]);
    assert_eq!(with("client_ca: empty.pem"), ["there is no certificate in `empty.pem`"]);
    let found = with("client_ca: odd.pem");
    assert!(
        found.len() == 1 && found[0].starts_with("a certificate in `odd.pem` cannot be used: "),
        "{found:?}"
    );
    let needs = "`client_certificate` needs `client_ca`, which says whom to believe";
    assert_eq!(with("client_certificate: required"), [needs]);
    assert_eq!(
        with("client_ca: a.pem, client_certificate: maybe"),
        ["`maybe` is not whether clients must show a certificate"]
    );
}

#[test]
fn what_backends_are_shown_has_two_halves() {
    let with = |tls: &str| {
        let service = format!("s: {{ endpoints: [\"https://a\"], tls: {{ {tls} }} }}");
        let route = "{ name: r, match: { path: /a }, authenticate: anonymous, authorize: any, service: s }";
        said(&format!("listeners: [{{ bind: 127.0.0.1:0 }}]\nservices: {{ {service} }}\nroutes: [{route}]\n"))
    };
    assert_eq!(with("ca: a.pem, client_certificate: a.pem, client_key: a.key, server_name: b"), [""; 0]);
    assert_eq!(with("client_certificate: a.pem"), ["`client_certificate` needs `client_key`"]);
    assert_eq!(with("client_key: a.key"), ["`client_key` needs `client_certificate`"]);
    let unfit = "the key `other.key` does not belong to the certificate `a.pem`";
    assert_eq!(with("client_certificate: a.pem, client_key: other.key"), [unfit]);
    assert_eq!(with("ca: empty.pem"), ["there is no certificate in `empty.pem`"]);
}

#[test]
fn proxy_headers_are_believed_from_somebody() {
    let listeners = "listeners: [{ bind: 127.0.0.1:0, proxy_protocol: true }]\n";
    assert_eq!(said(listeners), ["`proxy_protocol` without `trusted_proxies` would close every connection"]);
    assert_eq!(said(&format!("{listeners}trusted_proxies: [10.0.0.0/8]\n")), [""; 0]);
    assert_eq!(said(&listeners.replace("true", "false")), [""; 0]);
}
