//! The pages about logins in Chromium, at npm's `oidc-provider`: `e2e/chromium/oidc.mjs`.

use super::certified::{folder, start};
use crate::harness::chromium::scripts;
use crate::harness::{Folder, Gate};
use haechi_testkit::Backend;
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn chromium_shows_the_pages_of_logins_elsewhere() {
    let port = haechi_testkit::port::unused_port();
    let backend = Backend::saying("reached");
    let yaml = std::fs::read_to_string(folder(port, &backend).file("haechi.yaml")).unwrap();
    let second = format!(
        "authenticators:\n  partners: {{ type: oidc, issuer: \"http://127.0.0.1:{port}\", client_id: other, client_secret: none, session: {{ cookie: __Host-partners }} }}\n"
    );
    let both = "routes:\n  - { name: both, match: { path: /both/** }, authenticate: [browser, partners], authorize: any, service: app }\n";
    let yaml = yaml.replace("authenticators:\n", &second).replace("routes:\n", both);
    let gate = Gate::start_in(Folder::exactly(&yaml));
    let _provider = start(port, &gate.url(""));
    let gate = gate.ready();
    let folder = scripts();
    let mut node = Command::new("node");
    node.args(["oidc.mjs", gate.url("").trim_end_matches('/'), "screenshots", "/usr/bin/chromium"]);
    let done = node.current_dir(&folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["problems"], json!([]), "screenshots are in {}", folder.display());
    for (name, language, heading) in [
        ("chooser", "en", "Log in"),
        ("chooser-ko", "ko", "로그인"),
        ("logged-out", "en", "Logged out"),
        ("logged-out-ko", "ko", "로그아웃했습니다"),
    ] {
        assert_eq!(told["seen"][name]["lang"], language, "{told}");
        assert_eq!(told["seen"][name]["heading"], heading, "{told}");
    }
    for (name, language) in
        [("loop", "en"), ("loop-ko", "ko"), ("unknown-login", "en"), ("unknown-login-ko", "ko")]
    {
        assert_eq!(told["seen"][name]["lang"], language, "{told}");
    }
}
