//! The embedded identity provider (docs/identity-provider.md).

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, eventually, haechi_with_input, routes_to};
use haechi_testkit::Backend;
use haechi_testkit::jose::part;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

struct Site {
    backend: Backend,
    gate: Gate,
}

fn start() -> Site {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
identity:
  issuer: http://localhost:8080
  path: /auth
  access_token: {{ algorithm: EdDSA, lifetime: 10m }}
  refresh_token: {{ lifetime: 30d }}
  lockout: {{ failures: 5, for: 15m }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
roles: {{ USER: {{}}, MANAGER: {{ includes: [USER] }}, ADMIN: {{ includes: [MANAGER] }} }}
{}",
        routes_to(&backend, &[("/**", "[local]", "any"), ("/admin/**", "[local]", "{ roles: [ADMIN] }")])
    ));
    folder.add_user("alice", &["USER"]);
    folder.add_user("root", &["ADMIN"]);
    Site { backend, gate: Gate::start_in(folder).ready() }
}

impl Site {
    fn login(&self, name: &str, password: &str) -> Reply {
        self.gate.post_json("/auth/login", &json!({"username": name, "password": password}))
    }

    fn logged_in(&self, name: &str) -> Value {
        self.login(name, PASSWORD).expect(200).json()
    }

    fn refresh(&self, token: &str) -> Reply {
        self.gate.post_json("/auth/refresh", &json!({"refresh_token": token}))
    }

    fn status(&self, token: &str) -> u16 {
        self.gate.get_with_token("/x", token).status
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}"))
}

/// A problem without the members that differ from request to request.
fn constant(reply: &Reply) -> Value {
    let mut problem = reply.json();
    for member in ["request_id", "decision_id", "instance"] {
        problem.as_object_mut().unwrap().remove(member);
    }
    problem
}

#[test]
fn login_gives_tokens_that_open_what_the_roles_open() {
    let site = start();
    let alice = site.logged_in("alice");
    assert_eq!((text(&alice, "token_type"), &alice["expires_in"]), ("Bearer", &json!(600)));
    let token = text(&alice, "access_token");
    assert_eq!(part(token, 0)["alg"], "EdDSA");
    assert_eq!(part(token, 1)["iss"], "http://localhost:8080");
    site.gate.get_with_token("/x", token).expect(200);
    let seen = site.backend.last();
    assert_eq!(seen.field("x-auth-roles"), Some("USER"));
    assert_eq!(seen.field("x-auth-issuer"), Some("http://localhost:8080"));
    site.gate.get_with_token("/admin/x", token).expect(403);
    let root = site.logged_in("root");
    site.gate.get_with_token("/admin/x", text(&root, "access_token")).expect(200);
    let mut roles: Vec<String> =
        site.backend.last().field("x-auth-roles").unwrap().split(',').map(str::to_owned).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["ADMIN", "MANAGER", "USER"]);
}

#[test]
fn answers_with_tokens_are_not_to_be_kept() {
    let site = start();
    let reply = site.login("alice", PASSWORD).expect(200);
    assert!(reply.field("cache-control").is_some_and(|value| value.contains("no-store")), "{:?}", reply.head);
    assert!(reply.field("content-type").unwrap().starts_with("application/json"));
}

#[test]
fn me_is_the_caller_as_policies_see_it() {
    let site = start();
    let alice = site.logged_in("alice");
    let me = site.gate.get_with_token("/auth/me", text(&alice, "access_token")).expect(200).json();
    assert_eq!(me["issuer"], "http://localhost:8080");
    assert_eq!(me["authenticator"], "local");
    assert_eq!(me["roles"], json!(["USER"]));
    site.gate.get("/auth/me").expect(401);
    site.gate.get_with_token("/auth/me", "x.y.z").expect(401);
}

#[test]
fn a_refresh_token_works_once_and_a_replay_ends_the_family() {
    let site = start();
    let first = site.logged_in("alice");
    let second = site.refresh(text(&first, "refresh_token")).expect(200).json();
    assert_ne!(text(&first, "refresh_token"), text(&second, "refresh_token"));
    assert_eq!(site.status(text(&second, "access_token")), 200);
    site.refresh(text(&first, "refresh_token")).expect(401);
    site.refresh(text(&second, "refresh_token")).expect(401);
    eventually(Duration::from_secs(6), || (site.status(text(&second, "access_token")) == 401).then_some(()));
    // Another login is another family.
    assert_eq!(site.status(text(&site.logged_in("alice"), "access_token")), 200);
}

#[test]
fn one_refresh_token_used_many_times_at_once_gives_one_pair_at_most() {
    let site = start();
    let first = site.logged_in("alice");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| site.refresh(text(&first, "refresh_token")).status)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(statuses.iter().filter(|&&status| status == 200).count() <= 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
}

#[test]
fn logout_stops_the_access_token_within_five_seconds() {
    let site = start();
    let alice = site.logged_in("alice");
    let token = text(&alice, "access_token");
    assert_eq!(site.status(token), 200);
    let bearer = format!("Authorization: Bearer {token}");
    let body = json!({"refresh_token": text(&alice, "refresh_token")}).to_string();
    let logout = site.gate.curl(
        "/auth/logout",
        &["--header", &bearer, "--header", "Content-Type: application/json", "--data", &body],
    );
    assert!([200, 204].contains(&logout.status), "{}: {}", logout.status, logout.text());
    let start = Instant::now();
    eventually(PATIENCE, || (site.status(token) == 401).then_some(()));
    assert!(start.elapsed() < Duration::from_millis(5500), "{:?}", start.elapsed());
    site.refresh(text(&alice, "refresh_token")).expect(401);
}

#[test]
fn unknown_and_wrong_get_the_same_answer() {
    let site = start();
    let wrong = site.login("alice", "not the password at all").expect(401);
    let unknown = site.login("nobody", "not the password at all").expect(401);
    assert_eq!(constant(&wrong), constant(&unknown));
    let names = |reply: &Reply| reply.head.fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&wrong), names(&unknown));
}

#[test]
fn too_many_failures_lock_the_account_without_saying_so() {
    let site = start();
    for _ in 0..5 {
        site.login("alice", "not the password at all").expect(401);
    }
    let locked = site.login("alice", PASSWORD);
    assert_ne!(locked.status, 200, "the account is not locked");
    assert_eq!(constant(&locked.expect(401)), constant(&site.login("nobody", "x").expect(401)));
    site.login("root", PASSWORD).expect(200);
}

#[test]
fn odd_login_bodies_are_refused() {
    let site = start();
    let bodies = [
        "",
        "{",
        "[]",
        "{\"username\":\"alice\"}",
        "{\"username\":\"alice\",\"password\":7}",
        "{\"username\":\"alice\",\"username\":\"root\",\"password\":\"x\"}",
    ];
    for body in bodies {
        let reply = site
            .gate
            .curl("/auth/login", &["--header", "Content-Type: application/json", "--data-binary", body]);
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
    }
    let form = site.gate.curl("/auth/login", &["--data", "username=alice&password=x"]);
    assert!([400, 415].contains(&form.status), "{}", form.status);
    site.gate.get("/auth/login").expect(405);
}

#[test]
fn discovery_and_keys_are_public_and_agree() {
    let site = start();
    let discovery = site.gate.get("/.well-known/openid-configuration").expect(200).json();
    assert_eq!(discovery["issuer"], "http://localhost:8080");
    assert_eq!(discovery["jwks_uri"], "http://localhost:8080/.well-known/jwks.json");
    let keys = site.gate.get("/.well-known/jwks.json").expect(200).json();
    let keys = keys["keys"].as_array().unwrap().clone();
    let token = site.logged_in("alice");
    let kid = part(text(&token, "access_token"), 0)["kid"].clone();
    assert!(keys.iter().any(|key| key["kid"] == kid), "{keys:?}");
    for secret in ["d", "p", "q", "k"] {
        assert!(keys.iter().all(|key| key.get(secret).is_none()), "`{secret}` is published");
    }
}

#[test]
fn tokens_outlive_a_restart_of_the_gate() {
    let site = start();
    let token = text(&site.logged_in("alice"), "access_token").to_owned();
    let path = site.gate.folder().path().to_path_buf();
    let copy = Folder::exactly(&std::fs::read_to_string(path.join("haechi.yaml")).unwrap());
    site.gate.signal("TERM");
    let mut gate = site.gate;
    assert!(gate.exited().success());
    for entry in std::fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.file(entry.file_name().to_str().unwrap())).unwrap();
    }
    let again = Gate::start_in(copy).ready();
    again.get_with_token("/x", &token).expect(200);
}

/// The session that gave `pair` ends within five seconds of `change`.
#[track_caller]
fn ends_session(site: &Site, pair: &Value, change: &[&str], input: &str) {
    assert_eq!(site.status(text(pair, "access_token")), 200, "{change:?}");
    haechi_with_input(site.gate.folder().path(), change, input).success();
    let start = Instant::now();
    eventually(PATIENCE, || (site.status(text(pair, "access_token")) == 401).then_some(()));
    assert!(start.elapsed() < Duration::from_millis(5500), "{change:?}: {:?}", start.elapsed());
    site.refresh(text(pair, "refresh_token")).expect(401);
}

#[test]
fn what_an_operator_takes_away_ends_the_users_sessions_within_five_seconds() {
    let site = start();
    let root = site.logged_in("root");
    ends_session(&site, &root, &["user", "set-roles", "root", "--role", "USER"], "");
    let root = site.logged_in("root");
    site.gate.get_with_token("/admin/x", text(&root, "access_token")).expect(403);
    ends_session(&site, &root, &["user", "set-password", "root"], "cranes over the western wall\n");
    site.login("root", PASSWORD).expect(401);
    let alice = site.logged_in("alice");
    ends_session(&site, &alice, &["user", "delete", "alice"], "");
    site.login("alice", PASSWORD).expect(401);
    // Another user of the same name is somebody else.
    site.gate.folder().add_user("alice", &["USER"]);
    site.refresh(text(&alice, "refresh_token")).expect(401);
    assert_eq!(site.status(text(&alice, "access_token")), 401);
}

#[test]
fn whoever_gains_a_role_stays_logged_in() {
    let site = start();
    let alice = site.logged_in("alice");
    let change = ["user", "set-roles", "alice", "--role", "USER", "--role", "ADMIN"];
    haechi_with_input(site.gate.folder().path(), &change, "").success();
    let alice = site.refresh(text(&alice, "refresh_token")).expect(200).json();
    site.gate.get_with_token("/admin/x", text(&alice, "access_token")).expect(200);
}

#[test]
fn a_disabled_user_cannot_log_in() {
    let site = start();
    crate::harness::haechi(site.gate.folder().path(), &["user", "disable", "alice"]).success();
    site.login("alice", PASSWORD).expect(401);
}

#[test]
fn what_happens_at_the_provider_is_counted() {
    let site = start();
    let count = |action: &str, result: &str| {
        let labels = [format!("action=\"{action}\""), format!("result=\"{result}\"")];
        site.gate.metric("haechi_identity_events_total", &[&labels[0], &labels[1]])
    };
    let pair = site.logged_in("alice");
    site.logged_in("root");
    site.login("alice", "wrong wrong wrong wrong").expect(401);
    site.refresh(text(&pair, "refresh_token")).expect(200);
    // Of no user, and of one that is used up.
    site.login("nobody", PASSWORD).expect(401);
    site.refresh(text(&pair, "refresh_token")).expect(401);
    for (action, result, wanted) in [
        ("login", "ok", 2.0),
        ("login", "refused", 2.0),
        ("token.refresh", "ok", 1.0),
        ("token.refresh", "refused", 1.0),
    ] {
        let counted = count(action, result);
        assert!((counted - wanted).abs() < 0.5, "{action} {result}: {counted}");
    }
}
