//! WebSocket over HTTP/1.1: the same way in as any request, and ended when that way would be closed.

use crate::harness::websocket::{Client, EchoServer, echoes, end_of, open, try_open};
use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, eventually, haechi};
use haechi_testkit::jose::{Key, now, with};
use haechi_testkit::{Answer, Backend, IdentityProvider};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use tungstenite::Message;

const HANDSHAKE: [&str; 6] = [
    "GET /open HTTP/1.1",
    "Host: a",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// Routes to a service at `url`: `/open` for everybody, `/in` for those whom `authenticators` know, `/admin` for administrators among them.
fn configuration(url: &str, authenticators: &str, ways: &str) -> String {
    format!(
        "access_log: {{ format: json, target: access.log }}
store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators:
  local: {{ type: jwt, issuer: self }}
{authenticators}
roles: {{ USER: {{}}, ADMIN: {{ includes: [USER] }} }}
services: {{ chat: {{ endpoints: [\"{url}\"] }} }}
routes:
  - {{ name: open, match: {{ path: /open }}, authenticate: anonymous, authorize: any, service: chat }}
  - {{ name: in, match: {{ path: /in }}, authenticate: {ways}, authorize: any, service: chat }}
  - {{ name: admin, match: {{ path: /admin }}, authenticate: {ways}, authorize: {{ roles: [ADMIN] }}, service: chat }}
"
    )
}

fn start(url: &str) -> Gate {
    let authenticators =
        "  partner: { type: api_key, header: X-API-Key }\n  staff: { type: basic, realm: staff }";
    let folder = Folder::new(&configuration(url, authenticators, "[local, partner, staff]"));
    folder.add_user("alice", &["USER"]);
    folder.add_user("root", &["ADMIN"]);
    Gate::start_in(folder).ready()
}

/// With nothing but `/open`, and no store.
fn open_gate(url: &str, more: &str) -> Gate {
    Gate::start(&format!(
        "{more}
services: {{ chat: {{ endpoints: [\"{url}\"] }} }}
routes:
  - {{ name: open, match: {{ path: /open }}, authenticate: anonymous, authorize: any, service: chat }}
"
    ))
}

fn login(gate: &Gate, name: &str) -> Value {
    gate.post_json("/auth/login", &json!({"username": name, "password": PASSWORD})).expect(200).json()
}

fn bearer(login: &Value) -> String {
    format!("Bearer {}", login["access_token"].as_str().unwrap())
}

/// The last line of the access log for `path`, once it is there.
fn line(gate: &Gate, path: &str) -> Value {
    eventually(PATIENCE, || {
        let text = std::fs::read_to_string(gate.folder().file("access.log")).ok()?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.rev().find(|line| line["path"] == path)
    })
}

#[test]
fn messages_travel_both_ways_and_the_end_is_recorded() {
    let backend = EchoServer::start();
    let gate = start(&backend.url());
    let token = bearer(&login(&gate, "alice"));
    let mut client = open(&gate, "/in", &[("Authorization", &token), ("Sec-WebSocket-Protocol", "chat.v2")]);
    echoes(&mut client, "hello");
    let large = Message::binary(vec![7; 1_000_000]);
    client.send(large.clone()).unwrap();
    assert!(client.read().unwrap() == large, "a large message arrives as it was");
    client.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("are you there".into()));
    eventually(PATIENCE, || (gate.metric("haechi_websockets", &[]) == 1.0).then_some(()));
    client.close(None).unwrap();
    end_of(&mut client);
    eventually(PATIENCE, || (gate.metric("haechi_websockets", &[]) == 0.0).then_some(()));

    assert_eq!(backend.told("upgrade").as_deref(), Some("websocket"));
    assert_eq!(backend.told("sec-websocket-protocol").as_deref(), Some("chat.v2"));
    assert_eq!(backend.told("authorization"), None, "a credential verified here ends here");
    assert_eq!(backend.told("x-auth-authenticator").as_deref(), Some("local"));
    assert!(backend.told("x-auth-subject").is_some());
    let line = line(&gate, "/in");
    assert_eq!((&line["status"], &line["outcome"]), (&json!(101), &json!("forwarded")), "{line}");
    assert!(line["bytes_sent"].as_u64().unwrap() > 1_000_000, "{line}");
    assert_eq!(line["request_id"], backend.told("x-request-id").unwrap());
}

#[test]
fn the_backends_answer_is_passed_on_and_the_handshake_is_ours() {
    let backend = EchoServer::start();
    let gate = open_gate(&backend.url(), "");
    let mut conversation = gate.converse();
    conversation.send(format!("{}\r\n\r\n", HANDSHAKE.join("\r\n")));
    let answer = conversation.answer().unwrap();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.head.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.head.field("set-cookie"), Some("seat=1"));
    assert!(answer.head.field("x-request-id").is_some());
    assert_eq!(answer.head.field("transfer-encoding"), None);
    let key = backend.told("sec-websocket-key").unwrap();
    assert_ne!(key, "dGhlIHNhbXBsZSBub25jZQ==", "the gate has a key of its own");
}

#[test]
fn nobody_gets_in_who_would_not_get_an_answer() {
    let backend = EchoServer::start();
    let gate = start(&backend.url());
    let token = bearer(&login(&gate, "alice"));
    assert_eq!(try_open(&gate, "/in", &[]).err(), Some(401));
    assert_eq!(try_open(&gate, "/in", &[("Authorization", "Bearer x.y.z")]).err(), Some(401));
    assert_eq!(try_open(&gate, "/admin", &[("Authorization", &token)]).err(), Some(403));
    assert_eq!(try_open(&gate, "/nowhere", &[]).err(), Some(404));
    assert_eq!(try_open(&gate, "/open//", &[]).err(), Some(400));
    assert!(backend.handshakes().is_empty());
}

#[test]
fn a_malformed_handshake_reaches_nobody() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend.url(), "");
    let without = |prefix: &str| {
        HANDSHAKE.iter().filter(|line| !line.starts_with(prefix)).copied().collect::<Vec<_>>().join("\r\n")
    };
    let with = |prefix: &str, line: &str| format!("{}\r\n{line}", without(prefix));
    let whole = HANDSHAKE.join("\r\n");
    for malformed in [
        without("Connection"),
        without("Sec-WebSocket-Key"),
        without("Sec-WebSocket-Version"),
        with("Upgrade", "Upgrade: websocket, h2c"),
        with("Upgrade", "Upgrade: h2c\r\nUpgrade: websocket"),
        with("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ="),
        with("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"),
        format!("{whole}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        format!("{whole}\r\nContent-Length: 5"),
        whole.replace("GET", "POST"),
    ] {
        let answer = gate.converse().send(format!("{malformed}\r\n\r\n")).answer().unwrap();
        assert_eq!(answer.status, 400, "{malformed}");
    }
    let old = with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8");
    let answer = gate.converse().send(format!("{old}\r\n\r\n")).answer().unwrap();
    assert_eq!((answer.status, answer.head.field("sec-websocket-version")), (426, Some("13")));
    assert!(backend.recorded().is_empty());
}

#[test]
fn no_other_upgrade_is_passed_on() {
    let backend = Backend::saying("plain");
    let gate = open_gate(&backend.url(), "");
    for upgrade in ["h2c", "TLS/1.0", "foo/1", "h2c, foo"] {
        let request = format!(
            "GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        );
        let answer = gate.converse().send(request).answer().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"plain"[..]), "{upgrade}");
        let arrived = backend.last();
        for field in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(arrived.field(field), None, "{upgrade}");
        }
    }
    // HTTP/1.0 has no upgrade: a handshake in it is an ordinary request.
    let old = HANDSHAKE.join("\r\n").replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(gate.converse().send(format!("{old}\r\n\r\n")).answer().unwrap().status, 200);
    assert_eq!(backend.last().field("upgrade"), None);
}

#[test]
fn a_backend_may_refuse_and_must_not_pretend() {
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\n";
    for (wire, status) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_owned(), 403),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), 200),
        (format!("{SWITCH}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"), 502),
        (
            format!(
                "{SWITCH}Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            ),
            502,
        ),
        (format!("{SWITCH}Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"), 502),
    ] {
        let backend = Backend::start({
            let wire = wire.clone();
            move |_| Answer::kept(&wire)
        });
        let gate = open_gate(&backend.url(), "");
        let answer = gate.converse().send(format!("{}\r\n\r\n", HANDSHAKE.join("\r\n"))).answer().unwrap();
        assert_eq!(answer.status, status, "{wire}");
        assert_eq!(answer.head.field("upgrade"), None);
    }
}

#[test]
fn it_ends_when_the_token_expires() {
    let backend = EchoServer::start();
    let key = Key::p256("one");
    let provider = IdentityProvider::start(&[&key]);
    let corp = format!(
        "  corp: {{ type: jwt, issuer: \"{}\", audiences: [orders], keys: discovery, leeway: 0s }}",
        provider.issuer()
    );
    let gate = Gate::start_in(Folder::new(&configuration(&backend.url(), &corp, "[corp, local]"))).ready();
    let ends = now() + 3;
    let token = key.token(&with(&provider.claims("alice"), &json!({"exp": ends})));
    let mut client = open(&gate, "/in", &[("Authorization", &format!("Bearer {token}"))]);
    echoes(&mut client, "before");
    let (code, reason) = end_of(&mut client).expect("a Close");
    assert_eq!((code, reason.as_str()), (1008, "its credential no longer holds"));
    assert!(now() >= ends && now() <= ends + 4, "{} after the end of the token", now() - ends);
    assert_eq!(backend.ended().map(|(code, _)| code), Some(1008), "the backend is told as well");
    assert_eq!(line(&gate, "/in")["reason"], "its credential no longer holds");
}

/// Takes `away` what a WebSocket at `/in` rests on, and sees both sides told within five seconds.
#[track_caller]
fn ends_within_five_seconds(gate: &Gate, backend: &EchoServer, mut client: Client, away: impl FnOnce(&Gate)) {
    echoes(&mut client, "before");
    away(gate);
    let start = Instant::now();
    assert_eq!(end_of(&mut client).map(|(code, _)| code), Some(1008));
    assert!(start.elapsed() < Duration::from_millis(5500), "{:?}", start.elapsed());
    assert_eq!(backend.ended().map(|(code, _)| code), Some(1008));
}

#[test]
fn it_ends_with_a_logout() {
    let backend = EchoServer::start();
    let gate = start(&backend.url());
    let alice = login(&gate, "alice");
    let client = open(&gate, "/in", &[("Authorization", &bearer(&alice))]);
    ends_within_five_seconds(&gate, &backend, client, |gate| {
        let body = json!({"refresh_token": alice["refresh_token"]}).to_string();
        let authorization = format!("Authorization: {}", bearer(&alice));
        let fields =
            ["--header", &authorization, "--header", "Content-Type: application/json", "--data", &body];
        assert!(gate.curl("/auth/logout", &fields).status < 300);
    });
}

#[test]
fn it_ends_with_its_api_key() {
    let backend = EchoServer::start();
    let gate = start(&backend.url());
    let key = gate.folder().create_key(&["--owner", "acme", "--name", "ci"]);
    let client = open(&gate, "/in", &[("X-API-Key", &key)]);
    ends_within_five_seconds(&gate, &backend, client, |gate| {
        let listed = haechi(gate.folder().path(), &["key", "list", "--output", "json"]).success().stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let id = listed[0]["id"].as_str().unwrap();
        haechi(gate.folder().path(), &["key", "revoke", id]).success();
    });
}

#[test]
fn it_ends_with_the_role_that_let_it_in() {
    let backend = EchoServer::start();
    let gate = start(&backend.url());
    let basic = base64_of(&format!("root:{PASSWORD}"));
    let client = open(&gate, "/admin", &[("Authorization", &format!("Basic {basic}"))]);
    ends_within_five_seconds(&gate, &backend, client, |gate| {
        haechi(gate.folder().path(), &["user", "set-roles", "root", "--role", "USER"]).success();
    });
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn it_survives_what_does_not_concern_it() {
    let backend = EchoServer::start();
    let gate = start(&backend.url());
    let mut client = open(&gate, "/in", &[("Authorization", &bearer(&login(&gate, "alice")))]);
    let before = gate.metric("haechi_store_revocation_epoch", &[]);
    haechi(gate.folder().path(), &["user", "set-roles", "root", "--role", "USER"]).success();
    eventually(PATIENCE, || (gate.metric("haechi_store_revocation_epoch", &[]) > before).then_some(()));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        echoes(&mut client, "still here");
    }
}

#[test]
fn when_the_gate_ends_both_sides_are_told() {
    let backend = EchoServer::start();
    let mut gate = open_gate(&backend.url(), "");
    let mut client = open(&gate, "/open", &[]);
    echoes(&mut client, "before");
    gate.signal("TERM");
    assert_eq!(end_of(&mut client), Some((1001, "the gate is going away".to_owned())));
    assert_eq!(backend.ended(), Some((1001, "the gate is going away".to_owned())));
    assert_eq!(gate.exited().code(), Some(0));
}

/// A client that says whatever bytes it is given, once it is let in.
fn raw_client(gate: &Gate) -> crate::harness::Conversation {
    let mut conversation = gate.converse();
    conversation.send(format!("{}\r\n\r\n", HANDSHAKE.join("\r\n")));
    assert_eq!(conversation.answer().unwrap().status, 101);
    conversation
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_and_nothing_of_it_arrives() {
    for broken in [&[0x82, 0x01, b'x'][..], &[0xc1, 0x80, 0, 0, 0, 0], &[0x83, 0x80, 0, 0, 0, 0]] {
        let backend = EchoServer::start();
        let gate = open_gate(&backend.url(), "");
        let mut client = raw_client(&gate);
        client.send(broken);
        let mut told = Vec::new();
        client.socket().read_to_end(&mut told).unwrap();
        assert_eq!(told[..4], [0x88, told.len() as u8 - 2, 0x03, 0xea], "1002: {told:x?}");
        assert_eq!(backend.ended().map(|(code, _)| code), Some(1002), "{broken:x?}");
    }
}

#[test]
fn what_follows_a_clients_close_is_discarded() {
    // A whole frame, one that breaks the protocol, and no frame at all, in one segment with the Close.
    for behind in [
        &[0x82, 0x81, 0, 0, 0, 0, b'x'][..],
        &[0x82, 0x01, b'x'],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x88, 0x80, 0, 0, 0, 0],
    ] {
        let backend = EchoServer::start();
        let gate = open_gate(&backend.url(), "");
        let mut client = raw_client(&gate);
        client.send([&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8][..], behind].concat());
        let mut told = Vec::new();
        client.socket().read_to_end(&mut told).unwrap();
        assert_eq!(told.get(..4), Some(&[0x88, told.len() as u8 - 2, 0x03, 0xe8][..]), "1000: {told:x?}");
        assert_eq!(backend.ended().map(|(code, _)| code), Some(1000), "{behind:x?}");
    }
}

#[test]
fn a_backend_that_breaks_the_protocol_is_cut_off() {
    let backend = Backend::start(|request| {
        let key = request.field("sec-websocket-key").unwrap().to_owned();
        Answer::written(move |socket| {
            let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            // A frame that is masked, which a server's may not be.
            socket.write_all(&[head.as_bytes(), &[0x81, 0x82, 1, 2, 3, 4, b'h', b'i']].concat()).unwrap();
            drop(socket.read_to_end(&mut Vec::new()));
        })
    });
    let gate = open_gate(&backend.url(), "");
    let mut client = open(&gate, "/open", &[]);
    assert_eq!(end_of(&mut client).map(|(code, _)| code), Some(1002));
}

#[test]
fn a_frame_in_progress_is_finished_before_a_close_of_the_gate() {
    let backend = EchoServer::start();
    let mut gate = open_gate(&backend.url(), "");
    let mut client = raw_client(&gate);
    // The beginning of a frame of four bytes; the rest comes when the gate is about to end.
    client.send([0x82, 0x84, 0, 0, 0, 0, b'b', b'e']);
    gate.signal("TERM");
    eventually(PATIENCE, || std::net::TcpStream::connect(gate.address()).is_err().then_some(()));
    client.send(b"en");
    assert_eq!(backend.ended().map(|(code, _)| code), Some(1001), "said between two frames");
    assert_eq!(gate.exited().code(), Some(0));
}

#[test]
fn an_idle_one_is_let_go() {
    let backend = EchoServer::start();
    let gate = open_gate(&backend.url(), "limits: { websocket_idle: 2s }");
    let mut client = open(&gate, "/open", &[]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        echoes(&mut client, "not idle");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(end_of(&mut client), Some((1001, "idle for too long".to_owned())));
}

#[test]
fn a_side_that_does_not_read_holds_the_other_back() {
    let backend = EchoServer::start();
    let gate = open_gate(&backend.url(), "");
    let mut client = open(&gate, "/open", &[]);
    echoes(&mut client, "before");
    let before = gate.resident();
    client.get_ref().set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    // Says much and reads nothing: the echo fills every buffer on the way, and then this side cannot write either.
    let piece = Message::binary(vec![0; 1 << 20]);
    let sent = (0..512).take_while(|_| client.send(piece.clone()).is_ok()).count();
    assert!(sent < 512, "nobody held it back");
    let grown = gate.resident().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
}

/// The issuer of tokens for a chat whose pages have only cookies and subprotocols to put them in.
fn browser_gate(backend: &str, provider: &IdentityProvider) -> Gate {
    let places = "[{ websocket_protocol: bearer. }, { cookie: session }]";
    let folder = Folder::new(&format!(
        "authenticators:
  page: {{ type: jwt, issuer: \"{issuer}\", audiences: [orders], from: {places} }}
services: {{ chat: {{ endpoints: [\"{backend}\"] }} }}
routes:
  - {{ name: in, match: {{ path: /in }}, authenticate: page, authorize: any, service: chat, origins: [\"https://app.example\"] }}
",
        issuer = provider.issuer()
    ));
    Gate::start_in(folder).ready()
}

#[test]
fn a_page_puts_its_token_into_a_subprotocol() {
    let (backend, key) = (EchoServer::start(), Key::p256("k"));
    let provider = IdentityProvider::start(&[&key]);
    let gate = browser_gate(&backend.url(), &provider);
    let token = key.token(&provider.claims("alice"));
    let offered = format!("bearer.{token}, chat");
    let mut client =
        open(&gate, "/in", &[("sec-websocket-protocol", &offered), ("origin", "https://other.example")]);
    echoes(&mut client, "hello");
    assert_eq!(
        backend.told("sec-websocket-protocol").as_deref(),
        Some("chat"),
        "the credential does not travel on"
    );
    assert_eq!(backend.told("x-auth-subject").as_deref(), Some("alice"));
    assert_eq!(try_open(&gate, "/in", &[("sec-websocket-protocol", "bearer.x.y.z, chat")]).err(), Some(401));
    let two = format!("bearer.{token}, bearer.x");
    assert_eq!(try_open(&gate, "/in", &[("sec-websocket-protocol", &two)]).err(), Some(400));
}

#[test]
fn a_page_that_offers_nothing_but_its_token_is_answered_with_it() {
    let (backend, key) = (EchoServer::start(), Key::p256("k"));
    let provider = IdentityProvider::start(&[&key]);
    let gate = browser_gate(&backend.url(), &provider);
    let offered = format!("bearer.{}", key.token(&provider.claims("alice")));
    // The client refuses an answer that does not choose one of what it offered, as browsers do.
    let mut client = open(&gate, "/in", &[("sec-websocket-protocol", &offered)]);
    echoes(&mut client, "hello");
    assert_eq!(backend.told("sec-websocket-protocol"), None);
}

#[test]
fn a_cookie_opens_nothing_for_another_sites_page() {
    let (backend, key) = (EchoServer::start(), Key::p256("k"));
    let provider = IdentityProvider::start(&[&key]);
    let gate = browser_gate(&backend.url(), &provider);
    let cookie = format!("theme=dark; session={}; x=1", key.token(&provider.claims("alice")));
    let own = format!("http://{}", gate.address());
    let opened = |origin: Option<&str>| {
        let mut fields = vec![("cookie", &*cookie)];
        fields.extend(origin.map(|origin| ("origin", origin)));
        try_open(&gate, "/in", &fields).map(drop)
    };
    for origin in [Some("https://evil.example"), Some("null"), Some("https://app.example.evil.example")] {
        assert_eq!(opened(origin), Err(403), "{origin:?}");
    }
    assert_eq!(backend.handshakes().len(), 0, "nothing arrived");
    for origin in [Some("https://app.example"), Some(&*own), None] {
        assert_eq!(opened(origin), Ok(()), "{origin:?}");
    }
    for told in backend.handshakes() {
        let cookie = told.iter().find(|(name, _)| name == "cookie").map(|(_, value)| value.as_str());
        assert_eq!(cookie, Some("theme=dark; x=1"), "the credential does not travel on");
    }
}

#[test]
fn a_cookie_writes_nothing_for_another_sites_page() {
    let (backend, key) = (Backend::saying("reached"), Key::p256("k"));
    let provider = IdentityProvider::start(&[&key]);
    let gate = browser_gate(&backend.url(), &provider);
    let cookie = format!("Cookie: session={}", key.token(&provider.claims("alice")));
    let sent = |method: &str, origin: &str| {
        let origin = format!("Origin: {origin}");
        gate.curl("/in", &["--request", method, "--header", &cookie, "--header", &origin]).status
    };
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(sent(method, "https://evil.example"), 403, "{method}");
        assert_eq!(sent(method, "https://app.example"), 200, "{method}");
    }
    assert_eq!(backend.recorded().len(), 4);
    assert_eq!(sent("GET", "https://evil.example"), 200, "reading is the business of CORS");
}
