//! Saying a thing once: `defaults`, anchors and aliases.

use crate::harness::{Gate, haechi};
use haechi_testkit::Backend;
use std::net::TcpListener;

#[test]
fn routes_and_services_have_what_defaults_say_unless_they_say_otherwise() {
    let backend = Backend::saying("reached");
    // Its connections are never answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut yaml = format!(
        "x-pages: &pages {{ origins: [\"https://app.example.com\"] }}\n\
         defaults:\n  route: {{ cors: *pages }}\n  service: {{ timeout: 200ms }}\n\
         services:\n  web: {{ endpoints: [\"{}\"] }}\n  slow: {{ endpoints: [\"http://{}\"] }}\n\
         routes:\n  - {{ name: slow, match: {{ path: /slow }}, authenticate: anonymous, authorize: any, service: slow }}\n  \
         - {{ name: own, match: {{ path: /own }}, authenticate: anonymous, authorize: any, service: web, cors: {{ origins: [\"https://other.example.com\"] }} }}\n",
        backend.url(),
        silent.local_addr().unwrap(),
    );
    for number in 0..50 {
        yaml.push_str(&format!(
            "  - {{ name: r{number}, match: {{ path: /r{number} }}, authenticate: anonymous, authorize: any, service: web }}\n"
        ));
    }
    let gate = Gate::start(&yaml);
    let origin = ["Origin: https://app.example.com"];
    for number in [0, 49] {
        let answer = gate.get_with(&format!("/r{number}"), &origin).expect(200);
        assert_eq!(answer.field("access-control-allow-origin"), Some("https://app.example.com"));
    }
    assert_eq!(gate.get_with("/own", &origin).expect(200).field("access-control-allow-origin"), None);
    gate.get("/slow").expect(504);
    let checked = haechi(gate.folder().path(), &["check", "--output", "json"]);
    assert_eq!(checked.code, 0, "{checked:#?}");
}
