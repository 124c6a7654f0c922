//! The console in Chromium, driven by playwright-core and looked at by axe-core: `e2e/chromium/console.mjs`.

use super::start;
use crate::harness::{PASSWORD, chromium, haechi};
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn chromium_shows_a_console_that_people_can_use() {
    let gate = start();
    let key = haechi(gate.folder().path(), &["key", "create", "--owner", "acme"]).success().stdout;
    let key = key.trim();
    gate.get("/orders/1").expect(401);
    gate.get("/open").expect(502);
    gate.get_with("/orders/1", &[&format!("X-API-Key: {key}")]).expect(403);
    let folder = chromium::scripts();
    let base = format!("http://{}", gate.admin_address());
    let at = format!("http://{}", gate.address());
    let arguments = ["console.mjs", &base, &at, PASSWORD, "screenshots", "/usr/bin/chromium"];
    let done =
        Command::new("node").args(arguments).env("API_KEY", key).current_dir(&folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["problems"], json!([]), "screenshots are in {}", folder.display());
    for (page, title) in [
        ("admin-overview", "Overview · Haechi"),
        ("narrow-ko-dark-users/alice", "사용자 상세 · Haechi"),
        ("auditor-audit", "Audit · Haechi"),
        ("confirm-user", "Confirm that it is you · Haechi"),
    ] {
        assert_eq!(told["seen"][page], title, "{told}");
    }
}
