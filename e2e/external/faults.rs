//! An authorization service that misbehaves, in one way after the other: what is no answer is 503, nothing reaches the backend, and the same credential is let
//! through as soon as the service is right.

use super::{World, alice};
use haechi_testkit::{Answer, Latch, Recorded};

type Behaviour = Box<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// What the service does, and the status that comes of it.
struct Case(&'static str, u16, Behaviour);

fn answers(name: &'static str, status: u16, answer: impl Fn() -> Answer + Send + Sync + 'static) -> Case {
    Case(name, status, Box::new(move |_| answer()))
}

/// An answer of this status that would name Alice.
fn status(name: &'static str, expected: u16, status: u16) -> Case {
    answers(name, expected, move || {
        let fields = [
            ("x-auth-subject", "alice"),
            ("x-auth-roles", "staff"),
            ("x-auth-scopes", "orders:read"),
            ("location", "/"),
        ];
        Answer::new(status, &fields, "")
    })
}

/// 200 with these fields, and the roles and scopes that the route asks for.
fn says(name: &'static str, expected: u16, fields: &'static str) -> Case {
    answers(name, expected, move || {
        let usual = "x-auth-roles: staff\r\nx-auth-scopes: orders:read\r\ncontent-length: 0\r\n";
        Answer::raw(format!("HTTP/1.1 200 OK\r\n{fields}{usual}\r\n"))
    })
}

fn statuses() -> Vec<Case> {
    vec![
        status("401", 401, 401),
        status("403", 403, 403),
        status("301", 503, 301),
        status("302", 503, 302),
        status("304", 503, 304),
        status("400", 503, 400),
        status("404", 503, 404),
        status("407", 503, 407),
        status("429", 503, 429),
        status("500", 503, 500),
        status("503", 503, 503),
        status("599", 503, 599),
    ]
}

fn callers() -> Vec<Case> {
    vec![
        says("no subject", 503, ""),
        says("an empty subject", 503, "x-auth-subject:\r\n"),
        says("a subject of spaces", 503, "x-auth-subject:    \r\n"),
        says("two subjects", 503, "x-auth-subject: alice\r\nx-auth-subject: root\r\n"),
        says("the same subject twice", 503, "x-auth-subject: alice\r\nX-Auth-Subject: alice\r\n"),
        says("a subject under another spelling", 503, "x_auth_subject: alice\r\n"),
        says("a control byte", 503, "x-auth-subject: al\x01ice\r\n"),
        says("a tab", 503, "x-auth-subject: al\tice\r\n"),
        says("a lone carriage return", 503, "x-auth-subject: al\rice\r\n"),
        says("a folded line", 503, "x-auth-subject: alice\r\n root\r\n"),
        says("a control byte among the roles", 503, "x-auth-subject: alice\r\nx-auth-roles: staff\x7f\r\n"),
        answers("a subject that is no UTF-8", 503, || {
            Answer::raw(b"HTTP/1.1 200 OK\r\nx-auth-subject: \xff\xfe\r\nx-auth-roles: staff\r\nx-auth-scopes: orders:read\r\ncontent-length: 0\r\n\r\n")
        }),
        answers("a subject that is too long", 503, || {
            Answer::new(
                200,
                &[
                    ("x-auth-subject", &"a".repeat(2000)),
                    ("x-auth-roles", "staff"),
                    ("x-auth-scopes", "orders:read"),
                ],
                "",
            )
        }),
        answers("roles that are too long", 503, || {
            Answer::new(
                200,
                &[
                    ("x-auth-subject", "alice"),
                    ("x-auth-roles", &"staff,".repeat(2000)),
                    ("x-auth-scopes", "orders:read"),
                ],
                "",
            )
        }),
    ]
}

/// Whom the service lets through, and the route does not.
fn not_allowed() -> Vec<Case> {
    vec![
        answers("another role", 403, || {
            Answer::new(
                200,
                &[("x-auth-subject", "alice"), ("x-auth-roles", "USERS"), ("x-auth-scopes", "orders:read")],
                "",
            )
        }),
        answers("a built-in role", 403, || {
            Answer::new(
                200,
                &[
                    ("x-auth-subject", "alice"),
                    ("x-auth-roles", "haechi-admin"),
                    ("x-auth-scopes", "orders:read"),
                ],
                "",
            )
        }),
        answers("no role", 403, || {
            Answer::new(200, &[("x-auth-subject", "alice"), ("x-auth-scopes", "orders:read")], "")
        }),
        answers("no scope", 403, || {
            Answer::new(200, &[("x-auth-subject", "alice"), ("x-auth-roles", "staff")], "")
        }),
    ]
}

fn broken() -> Vec<Case> {
    let latch = Latch::new();
    let head =
        "HTTP/1.1 200 OK\r\nx-auth-subject: alice\r\nx-auth-roles: staff\r\nx-auth-scopes: orders:read\r\n";
    vec![
        answers("a huge body", 503, || {
            Answer::new(
                200,
                &[("x-auth-subject", "alice"), ("x-auth-roles", "staff"), ("x-auth-scopes", "orders:read")],
                "a".repeat(1 << 20),
            )
        }),
        answers("huge fields", 503, move || {
            Answer::raw(format!("{head}x-more: {}\r\n\r\n", "a".repeat(1 << 20)))
        }),
        answers("a body that is cut short", 503, move || {
            Answer::raw(format!("{head}content-length: 100\r\n\r\n{{}}"))
        }),
        answers("a head that is cut short", 503, move || Answer::raw(head)),
        answers("two lengths", 503, move || {
            Answer::raw(format!("{head}content-length: 0\r\ncontent-length: 5\r\n\r\n"))
        }),
        answers("broken chunks", 503, move || {
            Answer::raw(format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n"))
        }),
        answers("no status", 503, || Answer::raw("HTTP/1.1 OK\r\nx-auth-subject: alice\r\n\r\n")),
        answers("no HTTP", 503, || Answer::raw("220 mail.example ESMTP\r\n")),
        answers("the connection closes", 503, || Answer::raw("")),
        answers("an interim answer and nothing else", 503, || {
            Answer::raw("HTTP/1.1 103 Early Hints\r\nx-auth-subject: alice\r\n\r\n")
        }),
        answers("an answer that never comes", 503, move || Answer::never(&latch)),
    ]
}

#[test]
fn what_says_no_is_refused_and_what_is_no_answer_lets_nobody_through() {
    let world = World::with("    cache: 1h\n    timeout: 2s");
    for (index, Case(name, status, behaviour)) in
        [statuses(), callers(), not_allowed(), broken()].into_iter().flatten().enumerate()
    {
        let before = world.backend.recorded().len();
        world.service.does(behaviour);
        let token: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let reply = world.ask(&token);
        assert_eq!(reply.status, status, "{name}: {} {:#?}", reply.text(), world.gate.log().last());
        assert_eq!(reply.field("retry-after").is_some(), status == 503, "{name}");
        assert_eq!(reply.field("location"), None, "{name}");
        assert_eq!(world.backend.recorded().len(), before, "{name}: it reached the backend");
        world.service.does(|_| alice());
        world.ask(&format!("right{index}")).expect(200);
        if status == 503 {
            world.ask(&token).expect(200);
        }
    }
}

#[test]
fn an_injected_line_makes_nobody_another() {
    let world = World::with("    encoding: percent");
    for (name, subject) in [
        ("line ends", "alice%0d%0ax-auth-roles:%20ADMIN"),
        ("a line feed", "alice%0aroot"),
        ("a zero byte", "alice%00"),
        ("half an escape", "alice%"),
        ("no escape", "alice%zz"),
        ("no UTF-8", "%ff%fe"),
    ] {
        world.service.does(move |_| {
            Answer::new(
                200,
                &[("x-auth-subject", subject), ("x-auth-roles", "staff"), ("x-auth-scopes", "orders:read")],
                "",
            )
        });
        assert_eq!(world.ask("a").status, 503, "{name}");
        assert_eq!(world.backend.recorded().len(), 0, "{name}");
    }
    world.service.does(|_| {
        Answer::new(
            200,
            &[
                ("x-auth-subject", "%EA%B0%80%2C"),
                ("x-auth-roles", "staff"),
                ("x-auth-scopes", "orders:read"),
            ],
            "",
        )
    });
    world.ask("a").expect(200);
    assert_eq!(world.backend.sole().field("x-auth-subject"), Some("%EA%B0%80%2C"));
}

#[test]
fn a_credential_that_could_be_read_as_two_asks_nobody() {
    let world =
        World::with("    headers: [authorization, X-Key]\n    cookies: [session]\n    also_send: [X-Device]");
    world.service.says_alice();
    for fields in [
        &["authorization: Bearer a", "x-key: b"][..],
        &["authorization: Bearer a", "authorization: Bearer a"],
        &["authorization: Bearer a", "cookie: session=b"],
        &["cookie: session=a; session=b"],
        &["x-key: a", "x-device: 1", "x-device: 2"],
    ] {
        assert_eq!(world.gate.get_with("/a", fields).status, 400, "{fields:?}");
    }
    assert_eq!(world.gate.get_with("/a?access_token=b", &["x-key: a"]).status, 400);
    assert_eq!((world.service.asked().len(), world.backend.recorded().len()), (0, 0));
    world.gate.get_with("/a", &["x-key: a", "x-device: 1"]).expect(200);
}

#[test]
fn other_ways_in_stand_beside_it() {
    let world = World::taking(
        "[legacy, other]",
        "    headers: [X-Key]\n  other: { type: external, url: \"http://127.0.0.1:1/\" }",
    );
    world.service.does(|_| Answer::new(401, &[], ""));
    world.gate.get_with("/a", &["x-key: a"]).expect(401);
    world.service.says_alice();
    world.gate.get_with("/a", &["x-key: a"]).expect(200);
    // What the other cannot find out outweighs a refusal here.
    world.service.does(|_| Answer::new(401, &[], ""));
    world.gate.get_with("/a", &["x-key: a", "authorization: Bearer b"]).expect(503);
    assert_eq!(world.backend.recorded().len(), 1);
}
