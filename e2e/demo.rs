//! `haechi demo`: every line that it tells people to try does what it says.

use crate::harness::{Folder, PATIENCE, curl, eventually};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

struct Demo {
    child: Child,
    said: Value,
    _folder: Folder,
}

impl Demo {
    fn start() -> Self {
        let folder = Folder::exactly("");
        let mut child = Command::new(env!("CARGO_BIN_EXE_haechi"))
            .args(["demo", "--output", "json", "--port", "0", "--admin-port", "0"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
        Self { child, said, _folder: folder }
    }

    fn text(&self, member: &str) -> String {
        self.said[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {}", self.said)).to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a line as it would be pasted, and tells the status that curl saw last.
fn pasted(line: &str) -> (String, String) {
    let script = format!("{line} --silent --show-error --max-time 30 --write-out '\\n%{{http_code}}'");
    let output = Command::new("bash").args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = text.lines().last().unwrap_or("").to_owned();
    (status, format!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn every_line_to_try_answers_as_promised() {
    let demo = Demo::start();
    let page = curl(&[&format!("{}/", demo.text("url"))]).expect(200);
    assert!(page.text().contains("href=\"/orders/42\""), "{page:?}");
    let lines = demo.said["try"].as_array().expect("`try`").clone();
    assert!(lines.len() >= 9, "{lines:#?}");
    for line in &lines {
        let (command, status) = (line["curl"].as_str().unwrap(), &line["status"]);
        let (seen, output) = pasted(command);
        assert_eq!(seen, status.to_string(), "{}: {command}\n{output}", line["title"]);
    }
    let statuses: Vec<u64> = lines.iter().filter_map(|line| line["status"].as_u64()).collect();
    for needed in [200, 401, 403] {
        assert!(statuses.contains(&needed), "nothing to try shows {needed}: {statuses:?}");
    }
}

#[test]
fn root_sees_the_console() {
    let demo = Demo::start();
    let (base, password) = (demo.text("admin_url"), demo.said["users"]["root"].as_str().unwrap());
    let (origin, password) = (format!("Origin: {base}"), format!("password={password}"));
    let form = ["--header", &*origin, "--data", "username=root", "--data", &password];
    let login = curl(&[&[&*format!("{base}/console/login")], &form[..]].concat()).expect(303);
    let cookie = login.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let shown = curl(&[&format!("{base}/console/users"), "--header", &format!("Cookie: {cookie}")]);
    assert!(shown.expect(200).text().contains("alice"));
}

#[test]
fn the_three_users_can_log_in_and_the_admin_side_is_up() {
    let demo = Demo::start();
    let url = demo.text("url");
    for (name, role) in [("alice", "USER"), ("mina", "MANAGER"), ("root", "ADMIN")] {
        let password = demo.said["users"][name].as_str().unwrap_or_else(|| panic!("no user {name}"));
        let body = serde_json::json!({"username": name, "password": password}).to_string();
        let login = curl(&[
            "--header",
            "Content-Type: application/json",
            "--data",
            &body,
            &format!("{url}/auth/login"),
        ])
        .expect(200)
        .json();
        assert_eq!(login["token_type"], "Bearer");
        let token = format!("Authorization: Bearer {}", login["access_token"].as_str().unwrap());
        let me = curl(&["--header", &token, &format!("{url}/auth/me")]).expect(200).json();
        assert!(me["roles"].as_array().unwrap().contains(&role.into()), "{me}");
    }
    assert!(demo.text("api_key").starts_with("hk_"));
    let admin = demo.text("admin_url");
    eventually(PATIENCE, || (curl(&[&format!("{admin}/readyz")]).status == 200).then_some(()));
    curl(&[&format!("{admin}/livez")]).expect(200);
}

#[test]
fn forged_roles_do_not_help_alice() {
    let demo = Demo::start();
    let url = demo.text("url");
    let password = demo.said["users"]["alice"].as_str().unwrap();
    let body = serde_json::json!({"username": "alice", "password": password}).to_string();
    let login =
        curl(&["--header", "Content-Type: application/json", "--data", &body, &format!("{url}/auth/login")])
            .expect(200)
            .json();
    let token = format!("Authorization: Bearer {}", login["access_token"].as_str().unwrap());
    let forged = curl(&["--header", &token, "--header", "X-Auth-Roles: ADMIN", &format!("{url}/admin/x")]);
    forged.expect(403);
}

#[test]
fn a_link_opens_the_console_once_logged_in() {
    let demo = Demo::start();
    let link = demo.text("console_url");
    assert!(link.starts_with(&demo.text("admin_url")) && link.contains("/console/enter/"), "{link}");
    // What a browser fetches ahead, or asks about, uses up nothing.
    curl(&[&link, "--header", "Sec-Purpose: prefetch"]).expect(403);
    curl(&[&link, "--head"]).expect(403);
    curl(&[&format!("{link}x")]).expect(403);
    let entered = curl(&[&link]).expect(303);
    let cookie = entered.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let console = format!("{}/console", demo.text("admin_url"));
    let shown = curl(&[&console, "--header", &format!("Cookie: {cookie}")]).expect(200).text();
    assert!(shown.contains("root") && shown.contains("/console/logout"), "{shown}");
    let again = curl(&[&link]).expect(403);
    assert!(again.field("set-cookie").is_none() && again.text().contains("type=\"password\""));
}
