//! The pages in Chromium (Debian's package), driven by playwright-core and looked at by axe-core: `e2e/chromium/pages.mjs`.

use super::{World, add_client, free_port};
use crate::harness::{PASSWORD, PATIENCE, Running, chromium, eventually};
use haechi_testkit::Backend;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// The application of `examples/embedded-provider`.
fn application(world: &World) -> (Running, String) {
    let client = ["orders-app", "--public", "--redirect-uri", "http://127.0.0.1/callback"];
    let client = add_client(world.gate.folder(), &client);
    let port = free_port();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/embedded-provider/app.mjs");
    let mut command = Command::new("node");
    command.arg(script).args([&port.to_string(), &world.issuer, &client.id]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let running = Running(child);
    eventually(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok());
    (running, format!("http://127.0.0.1:{port}/"))
}

#[test]
fn chromium_shows_pages_that_people_can_use() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    let (_running, app) = application(&world);
    let folder = chromium::scripts();
    let port = free_port().to_string();
    let spa = ["page", "--public", "--redirect-uri", &format!("http://localhost:{port}/")];
    let spa = add_client(world.gate.folder(), &spa);
    let origin = format!("Origin: http://localhost:{port}");
    // The gate knows of it before long.
    let asks = ["-X", "OPTIONS", "-H", &origin, "-H", "Access-Control-Request-Method: POST"];
    eventually(PATIENCE, || {
        world.gate.curl("/auth/token", &asks).field("access-control-allow-origin").map(|_| ())
    });
    let mut script = Command::new("node");
    script.args([
        "pages.mjs",
        &app,
        &world.issuer,
        "alice",
        PASSWORD,
        "screenshots",
        "/usr/bin/chromium",
        &port,
        &spa.id,
    ]);
    let done = script.current_dir(&folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["problems"], json!([]), "screenshots are in {}", folder.display());
    // It has been on all of them.
    for (page, title) in [
        ("login", "Log in"),
        ("login-ko", "로그인"),
        ("logged-out", "Logged out"),
        ("account", "Your account"),
        ("password-wrong", "Change password"),
        ("second-factor-set-up", "Second step"),
        ("recovery-codes", "Recovery codes"),
        ("code-wrong-ko", "2단계 인증"),
        ("account-ko", "내 계정"),
    ] {
        assert_eq!(told["seen"][page], title, "{told}");
    }
    assert_eq!(backend.last().field("x-auth-issuer"), Some(&*world.issuer));
}
