//! What is revoked ends what is still open, whatever carries it: WebSockets, event streams and downloads over HTTP/1.1 and HTTP/2.

use crate::harness::websocket::{Client, EchoServer, echoes, end_of, open};
use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, eventually, haechi};
use haechi_testkit::{Answer, Backend};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is promised of a revocation, and the time that it takes to tell and to hear.
const ENDS_WITHIN: Duration = Duration::from_millis(5_500);

/// Begins an answer that never ends: events under `/events`, a file of which much is left else.
fn endless() -> Backend {
    Backend::start(|request| {
        let head = if request.target().starts_with("/events") {
            "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
        } else {
            "Content-Type: application/octet-stream\r\nContent-Length: 1000000000\r\n\r\nsome bytes"
        };
        Answer::written(move |socket: &mut TcpStream| {
            drop(socket.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()));
            while socket.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        })
        .early()
    })
}

struct World {
    gate: Gate,
    echo: EchoServer,
    /// A machine client's `client_id` and secret.
    client: (String, String),
    _backend: Backend,
}

impl World {
    fn new() -> Self {
        let (backend, echo) = (endless(), EchoServer::start());
        let folder = Folder::new(&format!(
            "store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
roles: {{ USER: {{}} }}
services: {{ web: {{ endpoints: [\"{}\"] }}, chat: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: web, match: {{ path: /** }}, authenticate: local, authorize: {{ roles: [USER] }}, service: web }}
  - {{ name: chat, match: {{ path: /chat }}, authenticate: local, authorize: {{ roles: [USER] }}, service: chat }}
",
            backend.url(),
            echo.url()
        ));
        folder.add_user("alice", &["USER"]);
        folder.add_user("bob", &["USER"]);
        let arguments = ["client", "add", "nightly", "--role", "USER", "--output", "json"];
        let client: Value =
            serde_json::from_str(&haechi(folder.path(), &arguments).success().stdout).unwrap();
        let text = |member: &str| client[member].as_str().unwrap().to_owned();
        let client = (text("client_id"), text("client_secret"));
        Self { gate: Gate::start_in(folder).ready(), echo, client, _backend: backend }
    }

    fn login(&self, name: &str) -> Value {
        let login = json!({"username": name, "password": PASSWORD});
        self.gate.post_json("/auth/login", &login).expect(200).json()
    }

    fn run(&self, arguments: &[&str]) {
        haechi(self.gate.folder().path(), arguments).success();
    }

    /// Opens one of each with a token, and another WebSocket of somebody else.
    fn open_all(&self, token: &str) -> Open<'_> {
        let bearer = |token: &str| format!("Bearer {token}");
        let mut socket = open(&self.gate, "/chat", &[("Authorization", &bearer(token))]);
        echoes(&mut socket, "before");
        let bystander = self.login("bob");
        let bystander = bearer(bystander["access_token"].as_str().unwrap());
        let bystander = open(&self.gate, "/chat", &[("Authorization", &bystander)]);
        let field = format!("Authorization: {}", bearer(token));
        let download = |protocol: &str, path: &str| {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--no-buffer", "--max-time", "60", protocol, "--header", &field]);
            curl.arg(self.gate.url(path)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = curl.spawn().unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 9]).unwrap();
            (format!("{path} {protocol}"), child)
        };
        let downloads = ["--http1.1", "--http2-prior-knowledge"]
            .into_iter()
            .flat_map(|protocol| [(protocol, "/events"), (protocol, "/file")])
            .map(|(protocol, path)| download(protocol, path))
            .collect();
        Open { world: self, socket, bystander, downloads }
    }
}

/// What is open.
struct Open<'a> {
    world: &'a World,
    socket: Client,
    bystander: Client,
    downloads: Vec<(String, Child)>,
}

impl Open<'_> {
    /// All of it ends in time, as what was broken off, and nothing of anybody else's.
    #[track_caller]
    fn ends_with(mut self, revocation: impl FnOnce(&World)) {
        revocation(self.world);
        let begun = Instant::now();
        for (what, child) in &mut self.downloads {
            let left = ENDS_WITHIN.saturating_sub(begun.elapsed());
            let status = eventually(left.max(Duration::from_millis(100)), || child.try_wait().unwrap());
            assert!(!status.success(), "{what} ended as if it were whole");
        }
        assert_eq!(end_of(&mut self.socket).map(|(code, _)| code), Some(1008));
        assert!(begun.elapsed() < ENDS_WITHIN, "{:?}", begun.elapsed());
        echoes(&mut self.bystander, "still here");
        assert_eq!(self.world.echo.handshakes().len(), 2);
        let denied = |line: &&String| line.contains("\"outcome\":\"denied\"");
        eventually(PATIENCE, || (self.world.gate.log().iter().filter(denied).count() >= 4).then_some(()));
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        for (_, child) in &mut self.downloads {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn text<'a>(login: &'a Value, member: &str) -> &'a str {
    login[member].as_str().unwrap()
}

#[test]
fn an_ended_session() {
    let world = World::new();
    let alice = world.login("alice");
    let sid = haechi_authn::identity::payload(text(&alice, "access_token")).unwrap();
    let sid = sid["sid"].as_str().unwrap().to_owned();
    world.open_all(text(&alice, "access_token")).ends_with(|world| world.run(&["session", "end", &sid]));
}

#[test]
fn a_logout() {
    let world = World::new();
    let alice = world.login("alice");
    world.open_all(text(&alice, "access_token")).ends_with(|world| {
        let field = format!("Authorization: Bearer {}", text(&alice, "access_token"));
        assert!(world.gate.curl("/auth/logout", &["-X", "POST", "--header", &field]).status < 300);
    });
}

#[test]
fn a_disabled_user() {
    let world = World::new();
    let alice = world.login("alice");
    world.open_all(text(&alice, "access_token")).ends_with(|world| world.run(&["user", "disable", "alice"]));
}

#[test]
fn a_deleted_user() {
    let world = World::new();
    let alice = world.login("alice");
    world.open_all(text(&alice, "access_token")).ends_with(|world| world.run(&["user", "delete", "alice"]));
}

#[test]
fn a_user_who_lost_the_role() {
    let world = World::new();
    let alice = world.login("alice");
    world
        .open_all(text(&alice, "access_token"))
        .ends_with(|world| world.run(&["user", "set-roles", "alice", "--none"]));
}

#[test]
fn one_token_of_a_login() {
    let world = World::new();
    let alice = world.login("alice");
    world
        .open_all(text(&alice, "access_token"))
        .ends_with(|world| world.run(&["token", "revoke", text(&alice, "access_token")]));
    // The login goes on.
    let refresh = json!({"refresh_token": text(&alice, "refresh_token")});
    world.gate.post_json("/auth/refresh", &refresh).expect(200);
}

/// A token of the machine client.
fn token_of_client(world: &World) -> String {
    let (id, secret) = &world.client;
    let form = ["--user", &format!("{id}:{secret}"), "--data", "grant_type=client_credentials"];
    text(&world.gate.curl("/auth/token", &form).expect(200).json(), "access_token").to_owned()
}

#[test]
fn one_token_that_its_client_revokes() {
    let world = World::new();
    let token = token_of_client(&world);
    world.open_all(&token).ends_with(|world| {
        let (id, secret) = &world.client;
        let (user, form) = (format!("{id}:{secret}"), format!("token={token}"));
        world.gate.curl("/auth/revoke", &["--user", &user, "--data-urlencode", &form]).expect(200);
    });
}

#[test]
fn a_deleted_client() {
    let world = World::new();
    let token = token_of_client(&world);
    world.open_all(&token).ends_with(|world| world.run(&["client", "delete", &world.client.0]));
}
