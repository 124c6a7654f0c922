//! Who may ask by AuthZEN.

use super::check;
use crate::config::{Config, Report};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn listener(rest: &str) -> Result<Config, Report> {
    check(&format!(
        "listeners: [{{ bind: 127.0.0.1:0{rest} }}]\ntrusted_proxies: [127.0.0.1/32]\nroutes: [{{ name: r, match: {{ path: /a }}, authenticate: anonymous, authorize: any, service: none }}]\n"
    ))
}

#[test]
fn whoever_asks_has_a_token_that_nobody_finds_by_trying() {
    assert!(listener(&format!(", type: authorizer, authzen: {{ tokens: [\"{TOKEN}\"] }}")).is_ok());
    assert!(listener(", type: authorizer, authzen: { tokens: [\"${env:SECRET}\"], assume: { host: a.example, ip: 192.0.2.1, secure: false } }").is_ok());
    for (rest, part) in [
        (", type: authorizer, authzen: {}", "could ask about anybody"),
        (", type: authorizer, authzen: { tokens: [] }", "could ask about anybody"),
        (", type: authorizer, authzen: { tokens: [\"${env:SHORT}\"] }", "no bearer token of at least 32"),
        (
            ", type: authorizer, authzen: { tokens: [\"0123456789abcdef 0123456789abcdef\"] }",
            "no bearer token",
        ),
        (
            ", type: authorizer, authzen: { tokens: [\"a===============================\"] }",
            "no bearer token",
        ),
        (&*format!(", authzen: {{ tokens: [{TOKEN}] }}"), "for a listener of `type: authorizer`"),
    ] {
        let report = listener(rest).unwrap_err();
        let told: Vec<_> = report.faults().iter().map(|fault| fault.message.clone()).collect();
        assert!(told.len() == 1 && told[0].contains(part), "{rest}: {told:?}");
    }
}
