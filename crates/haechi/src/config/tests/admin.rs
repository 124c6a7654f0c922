//! Where the admin API may be, and who may call it.

use super::{HEAD, check};
use crate::config::report::Fault;

const ISSUERS: &str = "\
authenticators:
  corp: { type: jwt, issuer: \"https://sso.example.com\", audiences: [a], claims: { roles: /roles } }
  page: { type: jwt, issuer: \"https://sso.example.com\", audiences: [a], from: [{ cookie: session }], claims: { roles: /roles } }
  partner: { type: api_key }
store: sqlite:haechi.db
roles: { OPS: {} }
";

/// The messages about a configuration with this `admin`.
fn faults(admin: &str, rest: &str) -> Vec<String> {
    let Err(report) = check(&format!("{HEAD}admin: {admin}\n{rest}")) else { return Vec::new() };
    let told = |fault: &Fault| format!("{}: {}", fault.message, fault.help.clone().unwrap_or_default());
    report.faults().iter().map(told).collect()
}

#[track_caller]
fn assert_one(found: &[String], part: &str) {
    assert!(found.len() == 1 && found[0].contains(part), "expected `{part}` alone, found {found:#?}");
}

#[test]
fn elsewhere_than_on_loopback_it_needs_tls_and_somebody_who_may_call() {
    let by_identity = "store: sqlite:h\nidentity: { issuer: \"http://localhost:8080\" }\n";
    for bind in ["0.0.0.0:9901", "\"[::]:9901\"", "192.0.2.1:9901", "\"[::ffff:192.0.2.1]:9901\""] {
        let found = faults(&format!("{{ bind: {bind} }}"), "");
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found[0].contains("needs `tls`") && found[0].contains("type: probes"), "{found:#?}");
        assert!(found[1].contains("nobody could call"), "{found:#?}");
        assert_one(&faults(&format!("{{ bind: {bind} }}"), by_identity), "needs `tls`");
    }
    for bind in ["127.0.0.1:9901", "127.9.9.9:9901", "\"[::1]:9901\"", "\"[::ffff:127.0.0.1]:9901\""] {
        assert_eq!(faults(&format!("{{ bind: {bind} }}"), ""), [""; 0], "{bind}");
    }
    assert_one(&faults("{}", ""), "neither `bind` nor `socket`");
    let found = faults("{ socket: a.sock, tls: { certificates: [] } }", "");
    assert!(found.iter().any(|fault| fault.contains("is for `bind`, and there is none")), "{found:#?}");
    assert_eq!(faults("{ socket: a.sock }", ""), [""; 0]);
}

#[test]
fn a_socket_has_a_name_that_the_system_takes() {
    assert_one(&faults("{ socket: \"run/\" }", ""), "is not a file's name");
    assert_one(&faults("{ socket: \"\" }", ""), "expected text");
    let long = "x".repeat(108);
    assert_one(&faults(&format!("{{ socket: /{long} }}"), ""), "the system takes 107");
    assert_eq!(faults(&format!("{{ socket: /{} }}", &long[..106]), ""), [""; 0]);
}

#[test]
fn who_could_never_be_an_operator_is_a_fault() {
    let one = |authenticator: &str, role: &str| {
        let listed = format!("[{{ authenticator: {authenticator}, role: {role} }}]");
        let admin = faults(&format!("{{ bind: 127.0.0.1:9901, administrators: {listed} }}"), ISSUERS);
        assert_eq!(admin, faults(&format!("{{ bind: 127.0.0.1:9901, auditors: {listed} }}"), ISSUERS));
        admin
    };
    assert_eq!(one("corp", "platform-admins"), [""; 0]);
    assert_eq!(one("corp", "/staff/관리자"), [""; 0]);
    assert_eq!(one("partner", "OPS"), [""; 0]);
    assert_one(&one("corq", "x"), "there is no authenticator `corq`: did you mean `corp`?");
    assert_one(&one("anonymous", "x"), "there is no authenticator `anonymous`");
    assert_one(&one("corp", "haechi-admin"), "such roles are built in");
    assert_one(&one("page", "x"), "in header fields only");
    assert_one(&one("partner", "platform-admins"), "there is no role `platform-admins`");
    assert_one(
        &faults("{ bind: 127.0.0.1:9901, administrators: [{ role: x }] }", ""),
        "needs `authenticator`",
    );
}

#[test]
fn a_listener_for_probes_is_for_nothing_else() {
    let messages = |listeners: &str| -> Vec<String> {
        let Err(report) = check(&format!("listeners: [{listeners}]\ntrusted_proxies: [10.0.0.0/8]\n")) else {
            return Vec::new();
        };
        report.faults().iter().map(|fault| fault.message.clone()).collect()
    };
    let client = "{ bind: 127.0.0.1:1 }";
    assert_eq!(messages(&format!("{client}, {{ bind: 0.0.0.0:2, type: probes }}")), [""; 0]);
    assert_one(&messages("{ bind: 0.0.0.0:2, type: probes }"), "none that clients connect to");
    for odd in ["redirect: https", "proxy_protocol: true"] {
        let found = messages(&format!("{client}, {{ bind: 0.0.0.0:2, type: probes, {odd} }}"));
        assert_one(&found, "a listener of `type: probes` has no");
    }
    assert_one(&messages(&format!("{client}, {{ bind: 0.0.0.0:2, type: probe }}")), "`probe`");
    assert_one(&messages(&format!("{client}, {{ bind: 127.0.0.1:1, type: probes }}")), "two listeners have");
}
