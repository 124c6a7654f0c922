//! Passkeys at the embedded provider (docs/identity-provider.md#passkeys): in Chromium with its virtual authenticator, `e2e/chromium/passkeys.mjs`.

use super::{CHALLENGE, VERIFIER, add_client, between, configuration, free_port};
use crate::harness::chromium::scripts;
use crate::harness::{Folder, Gate, PASSWORD, Reply};
use crate::login::browser::Browser;
use haechi_testkit::Backend;
use serde_json::{Value, json};
use std::process::Command;

const STRONG: &str = "caller_attributes: { mfa: bool, acr: string, amr: set }\n";

fn start(backend: &Backend) -> (Gate, String, String) {
    let port = free_port();
    let yaml = configuration(port, ", passkeys: true", backend).replace(
        &format!("issuer: \"http://127.0.0.1:{port}\""),
        &format!("issuer: \"http://localhost:{port}\""),
    );
    let strong = format!(
        "{STRONG}{yaml}  - {{ name: strong, match: {{ path: /strong/** }}, authenticate: local, authorize: {{ when: 'principal.amr.contains(\"hwk\") && principal.mfa' }}, service: web }}\n"
    );
    let folder = Folder::exactly(&strong);
    folder.add_user("alice", &["USER"]);
    let client = add_client(&folder, &["app", "--public", "--redirect-uri", "http://127.0.0.1/cb"]);
    let gate = Gate::start_in(folder).ready();
    (gate, format!("http://localhost:{port}"), client.id)
}

#[test]
fn chromium_logs_in_with_passkeys() {
    let backend = Backend::saying("reached");
    let (gate, issuer, client) = start(&backend);
    let folder = scripts();
    let request = format!(
        "{issuer}/auth/authorize?client_id={client}&response_type=code&scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256&state=s-1"
    );
    let mut node = Command::new("node");
    node.args(["passkeys.mjs", &issuer, &request, VERIFIER, "alice", PASSWORD, "screenshots"]);
    node.args(["/usr/bin/chromium", env!("CARGO_BIN_EXE_haechi")]).arg(gate.folder().path());
    let done = node.current_dir(&folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["problems"], json!([]), "screenshots are in {}", folder.display());
    for (page, title) in [
        ("passkeys-none", "Passkeys"),
        ("passkey-new", "Add a passkey"),
        ("passkey-login", "Log in"),
        ("passkey-second", "Second step"),
        ("passkey-remove", "Remove the passkey?"),
        ("passkeys-ko", "패스키"),
    ] {
        assert_eq!(told["seen"][page], title, "{told}");
    }
    let login = |methods: Value, several: bool| {
        let acr = if several { "urn:haechi:acr:mfa" } else { "urn:haechi:acr:password" };
        let status = if several { 200 } else { 403 };
        json!({ "amr": methods, "acr": acr, "mfa": several, "id": methods, "strong": status })
    };
    let alone = login(json!(["hwk", "user", "mfa"]), true);
    for (name, expected) in [
        ("alone", alone.clone()),
        ("again", alone.clone()),
        ("password", login(json!(["pwd"]), false)),
        ("beside", login(json!(["pwd", "hwk", "user", "mfa"]), true)),
        ("alone with a second factor", alone),
        ("required", login(json!(["pwd", "hwk", "user", "mfa"]), true)),
    ] {
        assert_eq!(told["logins"][name], expected, "{name}");
    }
    let trail = std::fs::read_dir(gate.folder().file("audit")).unwrap();
    let trail: String =
        trail.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default()).collect();
    for event in ["passkey.add", "passkey.remove", "user.remove_passkeys"] {
        assert!(trail.contains(&format!("\"{event}\"")), "{event}");
    }
    for reason in ["of another user", "signature of the passkey is wrong", "counter of the passkey went back"]
    {
        assert!(trail.contains(reason), "the reasons are on record: {reason}");
    }
}

fn is_without_passkeys(page: &Reply) -> bool {
    let policy = page.field("content-security-policy").unwrap();
    !page.text().contains("<script")
        && !page.text().contains("data-passkey")
        && !policy.contains("script-src")
}

#[test]
fn pages_run_the_one_script_and_only_where_people_may_have_passkeys() {
    let backend = Backend::saying("reached");
    let (gate, issuer, _) = start(&backend);
    let mut browser = Browser::default();
    let page = browser.open(&format!("{issuer}/auth/account")).expect(200);
    let text = page.text();
    let script = between(&text, "<script src=\"", "\" defer>");
    assert_eq!(text.matches("<script").count(), 1);
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.contains(&format!("; script-src {issuer}{script};")), "{policy}");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    let got = browser.open(&format!("{issuer}{script}")).expect(200);
    assert_eq!(got.field("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(got.field("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(got.field("x-content-type-options"), Some("nosniff"));
    // By another name of the same gate browsers would refuse: nothing is asked there, and nothing taken.
    let page = browser.open(&gate.url("/auth/account")).expect(200);
    assert!(is_without_passkeys(&page), "{}", page.text());
    let text = page.text();
    let ticket = between(&text, "name=\"ticket\" value=\"", "\"");
    let form = format!("ticket={ticket}&action=passkey&passkey=%7B%7D");
    let refused = browser.submit(&gate.url("/auth/authorize"), &form, &[]);
    assert!(refused.status == 400 && !refused.text().contains("<form"), "{}", refused.text());
}

#[test]
fn nobody_has_passkeys_where_that_is_not_said() {
    let backend = Backend::saying("reached");
    let world = super::World::new(&backend);
    let page = Browser::default().open(&format!("{}/auth/account", world.issuer)).expect(200);
    assert!(is_without_passkeys(&page), "{}", page.text());
    world.gate.get("/auth/passkeys").expect(401);
}
