//! npm's `oidc-provider`, which is certified, as the provider: the example in `examples/oidc-login`, unmodified.

use super::COOKIE;
use super::browser::{Browser, location};
use crate::harness::packages::with_packages;
use crate::harness::{Folder, Gate, PATIENCE, Running, eventually};
use haechi_testkit::Backend;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The example with its packages.
fn installed() -> PathBuf {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/oidc-login");
    with_packages("e2e-oidc-provider", &example, &["package.json", "provider.mjs"], "oidc-provider")
}

pub(super) fn start(port: u16, gate: &str) -> Running {
    let mut command = Command::new("node");
    command.args(["provider.mjs", &port.to_string(), gate]).current_dir(installed());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let provider = Running(child);
    let discovery = format!("http://127.0.0.1:{port}/.well-known/openid-configuration");
    eventually(PATIENCE, || (crate::harness::curl(&[&discovery]).status == 200).then_some(()));
    provider
}

/// The example's configuration, with free ports.
pub(super) fn folder(port: u16, backend: &Backend) -> Folder {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/oidc-login/haechi.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let text = text
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:9901", "127.0.0.1:0")
        .replace("127.0.0.1:9000", &format!("127.0.0.1:{port}"))
        .replace("http://127.0.0.1:7001", &backend.url());
    Folder::exactly(&text)
}

/// Follows a page of the gate's to the provider, logs in there as `name`, and comes back: where the gate leads to in the end.
#[track_caller]
fn log_in(gate: &Gate, browser: &mut Browser, there: &mut Browser, name: &str, path: &str) -> String {
    let base = gate.url("");
    let start = location(&browser.open(&gate.url(path)), &base);
    let mut at = location(&browser.open(&start), &base);
    let provider: String = at.split('/').take(3).collect::<Vec<_>>().join("/");
    for _ in 0..12 {
        if at.starts_with(&base) {
            return location(&browser.open(&at), "");
        }
        let page = there.open(&at);
        at = if page.status == 200 {
            let text = page.text();
            let prompt = if text.contains("value=\"login\"") { "login" } else { "consent" };
            let form = format!("prompt={prompt}&login={name}&password=any");
            location(&there.submit(&at, &form, &[]), &provider)
        } else {
            location(&page, &provider)
        };
    }
    panic!("the login leads nowhere: {at}");
}

#[test]
fn people_log_in_and_out_at_a_certified_provider() {
    let port = haechi_testkit::port::unused_port();
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(port, &backend));
    let _provider = start(port, &gate.url(""));
    let gate = gate.ready();
    let (mut first, mut second, mut there) = (Browser::default(), Browser::default(), Browser::default());
    let deep = "/app/report?q=3&next=%2Fx";
    assert_eq!(log_in(&gate, &mut first, &mut there, "alice", deep), deep);
    first.open(&gate.url(deep)).expect(200);
    let seen = backend.last();
    assert_eq!((seen.field("x-auth-subject"), seen.field("x-auth-roles")), (Some("alice"), Some("USER")));
    assert_eq!((seen.target(), seen.field("cookie")), (deep, None));
    // Another browser of the same person, known at the provider already.
    assert_eq!(log_in(&gate, &mut second, &mut there, "alice", "/app/"), "/app/");
    second.open(&gate.url("/app/")).expect(200);
    assert_ne!(first.cookies[COOKIE], second.cookies[COOKIE]);
    // One logs out, here and at the provider, which tells the gate of the other.
    let page = location(&first.open(&gate.url("/auth/logout")), "");
    assert!(page.contains("/session/end?"), "{page}");
    first.open(&gate.url("/app/")).expect(303);
    let asked = there.open(&page).expect(200).text();
    let (_, after) = asked.split_once("name=\"xsrf\" value=\"").unwrap();
    let xsrf = after.split('"').next().unwrap();
    let end = format!("http://127.0.0.1:{port}/session/end/confirm");
    there.submit(&end, &format!("xsrf={xsrf}&logout=yes"), &[]).expect(303);
    eventually(PATIENCE, || (second.fetch(&gate.url("/app/"), &[]).status == 401).then_some(()));
    assert!(gate.metric("haechi_sessions_ended_total", &["by=\"provider\""]) >= 1.0);
    assert_eq!(gate.metric("haechi_sessions_logins_total", &["result=\"ok\""]), 2.0);
}
