//! Pages that people see at the gate, in English and in Korean; logins are limited by address; a provider's logout ends what is open.

use super::browser::{Browser, location};
use super::provider::Provider;
use super::{COOKIE, World};
use crate::harness::websocket::{EchoServer, echoes, end_of, open};
use crate::harness::{Folder, Gate, curl, eventually, haechi};
use haechi_testkit::{Answer, Backend};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const KOREAN: &str = "Accept-Language: ko-KR,ko;q=0.9,en;q=0.8";

#[test]
fn pages_are_written_in_the_language_that_is_preferred() {
    let world = World::new();
    let page = |path: &str, language: &[&str]| {
        let fields: Vec<&str> = language.iter().flat_map(|field| ["--header", *field]).collect();
        Browser::default()
            .ask(&world.gate.url(path), &[&["--header", "Accept: text/html"], &*fields].concat())
    };
    for (path, status, english, korean) in [
        ("/nowhere", 404, "nothing is served at this address", "이 주소에는 아무것도 없습니다"),
        (
            "/auth/oidc/browser/callback",
            400,
            "the login provider's answer cannot be read",
            "로그인 제공자의 응답을 읽을 수 없습니다",
        ),
        ("/auth/oidc", 200, "<h1>Log in</h1>", "<h1>로그인</h1>"),
        ("/auth/logout", 200, "You have logged out of this site.", "이 사이트에서 로그아웃했습니다."),
    ] {
        for (asked, language, text) in [(&[][..], "en", english), (&[KOREAN][..], "ko", korean)] {
            let reply = page(path, asked).expect(status);
            assert!(reply.text().contains(text), "{path}: {}", reply.text());
            assert!(reply.text().contains(&format!("<html lang=\"{language}\">")), "{}", reply.text());
            assert_eq!(reply.field("content-language"), Some(language), "{path}");
            assert!(reply.head.all("vary").iter().any(|vary| vary.contains("Accept-Language")), "{path}");
        }
    }
    let machine = curl(&["--header", KOREAN, &world.gate.url("/nowhere")]).expect(404);
    assert_eq!(machine.json()["detail"], "nothing is served at this address", "machines read English");
    assert_eq!(machine.field("content-language"), None);
}

#[test]
fn logins_are_limited_by_address() {
    let world = World::new();
    let start = world.gate.url("/auth/oidc/browser/start?return_to=/app/");
    let arrived = world.arrived().len();
    let script = "import socket,sys\nh,p=sys.argv[1].split(':')\nc=socket.create_connection((h,int(p)))\nf=c.makefile('rb')\nfor n in range(400):\n c.sendall(b'GET /auth/oidc/browser/callback?state=x HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n'%sys.argv[1].encode())\n s=f.readline().split()[1].decode();l=0\n while True:\n  h=f.readline().strip().lower()\n  if not h: break\n  if h.startswith(b'content-length:'): l=int(h.split(b':')[1])\n f.read(l)\n print(s)";
    let address = world.gate.address().to_string();
    let made = Command::new("python3").args(["-c", script, &address]).output().unwrap();
    let statuses = String::from_utf8(made.stdout).unwrap();
    let count = |status: &str| statuses.lines().filter(|line| *line == status).count();
    assert!(count("400") >= 300 && count("429") > 50, "{}", statuses.lines().last().unwrap_or("none"));
    let again = || curl(&[&world.gate.url("/auth/oidc/browser/callback?state=x")]);
    let limited = eventually(Duration::from_secs(10), || Some(again()).filter(|reply| reply.status == 429));
    for name in [
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
    ] {
        assert!(limited.field(name).is_some(), "{name}: {limited:#?}");
    }
    Browser::default().open(&start).expect(303);
    assert_eq!(world.arrived().len(), arrived);
}

#[test]
fn a_providers_logout_ends_event_streams_and_web_sockets_within_five_seconds() {
    let (provider, echo) = (Provider::start(), EchoServer::start());
    let backend = Backend::start(|_| {
        Answer::written(move |socket: &mut TcpStream| {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
            drop(socket.write_all(head.as_bytes()));
            while socket.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        })
        .early()
    });
    let text = super::configuration(&provider, &backend, "")
        .replace("services: {", &format!("services: {{ chat: {{ endpoints: [\"{}\"] }},", echo.url()))
        + "  - { name: chat, match: { path: /chat }, authenticate: browser, authorize: any, service: chat }\n";
    let world = World { gate: Gate::start_in(Folder::new(&text)).ready(), provider, backend };
    let (alice, _) = world.logged_in("alice", "/app/");
    let (bob, _) = world.logged_in("bob", "/app/");
    let cookie = |browser: &Browser| format!("{COOKIE}={}", browser.cookies[COOKIE]);
    let site = world.base();
    let socket =
        |browser: &Browser| open(&world.gate, "/chat", &[("Cookie", &cookie(browser)), ("Origin", &site)]);
    let (mut hers, mut his) = (socket(&alice), socket(&bob));
    echoes(&mut hers, "before");
    let mut curl_child = Command::new("curl");
    curl_child.args([
        "--silent",
        "--no-buffer",
        "--max-time",
        "60",
        "--header",
        &format!("Cookie: {}", cookie(&alice)),
    ]);
    curl_child
        .arg(world.gate.url("/app/events"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut events = curl_child.spawn().unwrap();
    events.stdout.as_mut().unwrap().read_exact(&mut [0; 9]).unwrap();
    let token = world.provider.logout_token(&json!({ "sid": "sid-of-alice" }));
    let end = world.gate.url("/auth/oidc/browser/backchannel_logout");
    curl(&["--data-urlencode", &format!("logout_token={token}"), &end]).expect(200);
    let begun = Instant::now();
    let status = eventually(Duration::from_millis(5500), || events.try_wait().unwrap());
    assert!(!status.success(), "it ended as if it were whole");
    assert_eq!(end_of(&mut hers).map(|(code, _)| code), Some(1008));
    assert!(begun.elapsed() < Duration::from_millis(5500), "{:?}", begun.elapsed());
    echoes(&mut his, "and nobody else's");
}

#[test]
fn an_oidc_authenticator_makes_no_operators() {
    let world = World::new();
    let text = std::fs::read_to_string(world.gate.folder().file("haechi.yaml")).unwrap();
    let (before, _) = text.split_once("authenticators:").unwrap();
    let admin = before.lines().find(|line| line.starts_with("admin:")).map(str::to_owned);
    let admin = admin.unwrap_or_else(|| panic!("{before}"));
    let with = admin.replacen('{', "{ administrators: [{ authenticator: browser, role: USER }],", 1);
    let folder = Folder::exactly(&text.replace(&admin, &with));
    let checked = haechi(folder.path(), &["check"]);
    let said = format!("{}{}", checked.stdout, checked.stderr);
    assert_eq!(checked.code, 1, "{said}");
    assert!(said.contains("`browser` cannot vouch for callers of the admin API"), "{said}");
    assert!(location(&Browser::default().open(&world.gate.url("/app/")), "").starts_with("/auth/oidc/"));
}
