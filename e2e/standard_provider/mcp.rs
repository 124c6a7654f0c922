//! `examples/mcp`: an MCP client (npm's `@modelcontextprotocol/sdk`, its authorization unmodified) knows an address, and finds its way through the embedded
//! provider to the tools behind it: metadata, registration, PKCE, consent, a token for this resource alone.

use super::{between, encoded, free_port};
use crate::harness::packages::with_packages;
use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Running, curl, eventually, haechi};
use crate::login::browser::{Browser, location, parameter};
use haechi_testkit::jose::part;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

/// A program of the example.
struct Program {
    running: Running,
    said: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut node = Command::new("node");
        node.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = node.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { running: Running(child), said }
    }

    #[track_caller]
    fn next_line(&mut self) -> String {
        self.said.next().expect("the program ended, and said why above").unwrap()
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/mcp")
}

/// The example with its packages.
fn installed() -> PathBuf {
    let files = ["package.json", "server.mjs", "client.mjs"];
    with_packages("e2e-mcp-example", &example(), &files, "@modelcontextprotocol/sdk")
}

fn gate(tools: u16, port: u16) -> Gate {
    let text = std::fs::read_to_string(example().join("haechi.yaml")).unwrap();
    let text = text
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
        .replace("127.0.0.1:9901", "127.0.0.1:0")
        .replace("127.0.0.1:7001", &format!("127.0.0.1:{tools}"));
    let folder = Folder::exactly(&text);
    folder.add_user("alice", &["USER"]);
    Gate::start_in(folder).ready()
}

/// Logs `alice` in and allows what the client asks for. Where the browser is sent.
fn allowed(site: &str, page: &str) -> String {
    let mut browser = Browser::default();
    let authorize = format!("{site}/auth/authorize");
    let mut shown = browser.open(page).expect(200);
    let mut send = |shown: &str, rest: &str| {
        let ticket = between(shown, "name=\"ticket\" value=\"", "\"");
        browser.submit(&authorize, &format!("ticket={ticket}&{rest}"), &[&format!("Origin: {site}")])
    };
    let login = format!("username=alice&password={}&action=login", encoded(PASSWORD));
    shown = send(&shown.text(), &login).expect(200);
    assert!(shown.text().contains("example client"), "people are asked: {}", shown.text());
    location(&send(&shown.text(), "action=allow"), site)
}

#[test]
fn an_mcp_client_registers_itself_and_reaches_the_tools_of_the_example() {
    let folder = installed();
    let (tools, port, back) = (free_port(), free_port(), free_port());
    let mut server = Program::start(&folder, &["server.mjs", &tools.to_string()]);
    assert!(server.next_line().starts_with("listening on "));
    let gate = gate(tools, port);
    let site = format!("http://127.0.0.1:{port}");
    let resource = format!("{site}/mcp");
    let mut client = Program::start(&folder, &["client.mjs", &resource, &back.to_string()]);
    let line = client.next_line();
    let page = line.strip_prefix("open ").unwrap_or_else(|| panic!("{line}")).to_owned();
    assert_eq!(parameter(&page, "resource"), resource);
    assert_eq!(parameter(&page, "code_challenge_method"), "S256");
    let to = allowed(&site, &page);
    assert!(to.starts_with(&format!("http://127.0.0.1:{back}/callback?code=")), "{to}");
    // Another login's answer is not taken.
    curl(&[&format!("http://127.0.0.1:{back}/callback?code=stolen&state=other")]).expect(404);
    curl(&[&to]).expect(200);
    let login =
        gate.post_json("/auth/login", &serde_json::json!({ "username": "alice", "password": PASSWORD }));
    let token = login.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let alice = part(&token, 1)["sub"].as_str().unwrap().to_owned();
    assert_eq!(client.next_line(), format!("{alice} (USER)"));
    eventually(PATIENCE, || client.running.0.try_wait().unwrap().filter(std::process::ExitStatus::success));
    // A token for something else is none here, and neither is no token.
    gate.get_with_token("/mcp", &token).expect(401);
    let refused = gate.get("/mcp").expect(401).challenges();
    assert!(refused.contains(&format!("{site}/.well-known/oauth-protected-resource/mcp")), "{refused}");
    let listed = haechi(gate.folder().path(), &["client", "list"]).success().stdout;
    assert!(listed.contains("example client"), "{listed}");
}
