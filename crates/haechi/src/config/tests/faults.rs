//! How faults are shown.

use super::check;
use proptest::prelude::*;

#[test]
fn all_faults_are_reported_at_once() {
    let text = r#"# haechi.yaml
listeners:
  - bind: 0.0.0.0
  - bind: 127.0.0.1:8080
admin: { bind: 0.0.0.0:9901 }
authentcators: {}
authenticators:
  corp:
    type: jwt
    issuer: https://sso.example.com
    leeway: 30
  partner: { type: api_kee }
services:
  orders:
    endpoints: [http://127.0.0.1:7001, https://127.0.0.1:7002]
    tiemout: 30s
routes:
  - name: order
    match: { path: "/orders/{id}", methods: [get] }
    authenticate: crop
    authorize: { roles: [USER] }
    service: order
  - name: open
    match: { path: /**/x }
    service: orders
"#;
    insta::assert_snapshot!(check(text).unwrap_err());
}

#[test]
fn one_fault_makes_no_second() {
    // The store is there though wrongly written, so nothing says that one is missing.
    let text =
        "listeners: [{ bind: 127.0.0.1:0 }]\nstore: mysql:x\nauthenticators: { a: { type: api_key } }\n";
    assert_eq!(check(text).unwrap_err().faults().len(), 1);
    // A service that cannot be read is still declared.
    let text = "listeners: [{ bind: 127.0.0.1:0 }]\nservices: { a: { endpoints: [x] } }\nroutes: [{ name: r, match: { path: /a }, authenticate: anonymous, authorize: any, service: a }]\n";
    assert_eq!(check(text).unwrap_err().faults().len(), 1);
}

#[test]
fn a_flood_of_faults_is_cut() {
    let keys: Vec<String> = (0..1000).map(|n| format!("a{n}: 1")).collect();
    let report = check(&keys.join("\n")).unwrap_err();
    assert_eq!(report.faults().len(), 200);
    assert!(report.to_string().ends_with("\nand 801 more\n"), "{report}");
    let report = check(&format!("{{ {} }}", keys.join(", "))).unwrap_err();
    assert!(report.to_string().contains("(a line of 8892 bytes)"), "{report}");
}

#[test]
fn faults_as_records_carry_their_place() {
    let report = check("listeners: [{ bind: x }]\n").unwrap_err();
    let json = serde_json::to_value(report.lines().collect::<Vec<_>>()).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{
            "severity": "error", "file": "haechi.yaml", "line": 1, "column": 21, "message": "`x` is not an address with a port",
            "help": "write an IP address and a port: `0.0.0.0:8080`, `[::]:8080`",
        }])
    );
}

#[test]
fn no_report_shows_a_secret() {
    let hidden = "hunter2";
    let texts = [
        "authenticators: { a: { type: jwt, issuer: x, audiences: [a], keys: { secret: hunter2 }, oops: 1 } }",
        "authenticators: { a: { type: jwt, issuer: x, audiences: [a], keys: { secret: \"${env:SHORT}\" } } }",
        "authenticators: { a: { type: jwt, issuer: x, audiences: [a], keys: { secret: [hunter2] } } }",
        "authenticators:\n  a:\n    type: jwt\n    issuer: x\n    keys:\n      secret: |\n        hunter2\n",
        "authenticators: { a: { type: jwt, issuer: x, keys: { secret: hunter2",
        "store: postgres://haechi:hunter2@db/haechi?sslmode=maybe",
        "store: postgres://haechi:hunter2@db:port/haechi",
        "store: mysql://haechi:hunter2@db/haechi",
        "services: { a: { endpoints: [\"http://u:hunter2@x\"] } }",
        "store: ${env:SHORT}",
        "workers: ${env:SHORT}",
        "trusted_proxies: [\"${env:SHORT}/8\"]",
        "routes: [{ name: \"${env:SHORT}\", service: \"${env:SHORT}\", match: { path: \"/${env:SHORT}\", methods: [\"${env:SHORT}\"], hosts: [\"${env:SHORT}:80\"] }, authenticate: \"${env:SHORT}\", authorize: { roles: [\"${env:SHORT}\"] }, origins: [\"http://${env:SHORT}/x\"] }]",
    ];
    for text in texts {
        let report = check(&format!("{}{text}\n", super::HEAD)).unwrap_err();
        let shown =
            format!("{report}{}", serde_json::to_string(&report.lines().collect::<Vec<_>>()).unwrap());
        assert!(!shown.contains(hidden), "{shown}");
        assert!(!report.faults().is_empty());
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = check(&text).map_err(|report| report.to_string());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = check(&String::from_utf8_lossy(&bytes)).map_err(|report| report.to_string());
    }

    #[test]
    fn no_mutilated_configuration_makes_it_panic(
        start in 0usize..4000, length in 0usize..200, put in "[-:{}\\[\\],&*!|>'\"%#\n\t a0$]{0,8}",
    ) {
        let whole: Vec<char> = include_str!("every_key.yaml").chars().collect();
        let text: String = whole.iter().take(start).chain(put.chars().collect::<Vec<_>>().iter())
            .chain(whole.iter().skip(start + length)).collect();
        if let Err(report) = check(&text) {
            prop_assert!(!report.faults().is_empty());
            let _ = report.to_string();
        }
    }
}
