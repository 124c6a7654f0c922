//! What people do with their own account at the embedded provider: password and logins (docs/identity-provider.md#ones-own-account).

use crate::harness::authenticator_app::code_in;
use crate::harness::{
    Folder, Gate, PASSWORD, PATIENCE, Reply, eventually, haechi, haechi_with_input, routes_to,
};
use haechi_testkit::Backend;
use serde_json::{Value, json};

const NEW: &str = "four goats under a red moon";

struct Site {
    backend: Backend,
    gate: Gate,
}

fn start(identity: &str) -> Site {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
audit: {{ file: audit/haechi.jsonl }}
identity: {{ issuer: http://localhost:8080{identity} }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, staff: {{ type: basic, realm: staff }} }}
roles: {{ USER: {{}} }}
{}",
        routes_to(&backend, &[("/**", "[local]", "any"), ("/basic/**", "[staff]", "any")])
    ));
    folder.add_user("alice", &["USER"]);
    Site { gate: Gate::start_in(folder).ready(), backend }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}"))
}

#[track_caller]
fn refused(reply: Reply, status: u16, problem: &str) -> Value {
    let told = reply.expect(status).json();
    assert_eq!(told["type"], format!("urn:haechi:problem:{problem}"));
    assert!(told.get("access_token").is_none() && told.get("refresh_token").is_none(), "{told}");
    told
}

impl Site {
    fn login(&self, password: &str) -> Reply {
        self.gate.post_json("/auth/login", &json!({ "username": "alice", "password": password }))
    }

    fn change(&self, current: &str, new: &str) -> Reply {
        let body = json!({ "username": "alice", "password": current, "new_password": new });
        self.gate.post_json("/auth/password", &body)
    }

    fn refresh(&self, tokens: &Value) -> Reply {
        self.gate.post_json("/auth/refresh", &json!({ "refresh_token": text(tokens, "refresh_token") }))
    }

    fn status(&self, tokens: &Value) -> u16 {
        self.gate.get_with_token("/x", text(tokens, "access_token")).status
    }

    fn sessions(&self, tokens: &Value) -> Value {
        self.gate.get_with_token("/auth/sessions", text(tokens, "access_token")).expect(200).json()
    }

    fn end(&self, tokens: &Value, what: &Value) -> Reply {
        let bearer = format!("Authorization: Bearer {}", text(tokens, "access_token"));
        let body = what.to_string();
        self.gate.curl("/auth/sessions", &["-H", &bearer, "--json", &body])
    }

    fn set_password(&self, more: &[&str]) {
        let arguments = [&["user", "set-password", "alice"], more].concat();
        haechi_with_input(self.gate.folder().path(), &arguments, &format!("{PASSWORD}\n")).success();
    }
}

#[test]
fn a_password_is_changed_by_its_owner_and_all_other_logins_end() {
    let site = start("");
    let before = site.login(PASSWORD).expect(200).json();
    refused(site.change("wrong", NEW), 401, "invalid-credentials");
    for (new, why) in [
        ("short-one", "at least 15 characters"),
        ("aaaaaaaaaaaaaaaa", "a pattern"),
        ("CorrectHorseBatteryStaple", "a common one"),
        (PASSWORD, "the one from before"),
    ] {
        let told = refused(site.change(PASSWORD, new), 422, "password-refused");
        assert!(text(&told, "detail").contains(why), "{told}");
    }
    refused(site.gate.post_json("/auth/password", &json!({ "username": "alice" })), 400, "bad-body");
    assert_eq!(site.status(&before), 200, "nothing was changed");
    let after = site.change(PASSWORD, NEW).expect(200).json();
    site.refresh(&before).expect(401);
    eventually(PATIENCE, || (site.status(&before) == 401).then_some(()));
    assert_eq!(site.status(&after), 200);
    site.refresh(&after).expect(200);
    site.login(PASSWORD).expect(401);
    site.login(NEW).expect(200);
    let trail = std::fs::read_to_string(site.gate.folder().file("audit/haechi.jsonl")).unwrap();
    assert!(trail.contains("password.change") && !trail.contains(NEW) && !trail.contains(PASSWORD));
}

#[test]
fn the_password_of_now_is_guessed_no_more_often_than_at_the_login() {
    let site = start("");
    for _ in 0..5 {
        refused(site.change("wrong", NEW), 401, "invalid-credentials");
    }
    refused(site.change(PASSWORD, NEW), 401, "invalid-credentials");
    refused(site.login(PASSWORD), 401, "invalid-credentials");
}

#[test]
fn who_must_change_the_password_gets_no_token_before() {
    let site = start("");
    let before = site.login(PASSWORD).expect(200).json();
    let basic = || site.gate.curl("/basic/x", &["-u", &format!("alice:{PASSWORD}")]);
    basic().expect(200);
    site.set_password(&["--must-change"]);
    let shown = haechi(site.gate.folder().path(), &["user", "show", "alice"]).success().stdout;
    assert!(shown.contains("must be changed"), "{shown}");
    site.refresh(&before).expect(401);
    eventually(PATIENCE, || (basic().status == 401).then_some(()));
    let arrived = site.backend.recorded().len();
    refused(site.login(PASSWORD), 403, "password-change-needed");
    let totp = json!({ "username": "alice", "password": PASSWORD, "action": "enrol" });
    refused(site.gate.post_json("/auth/totp", &totp), 403, "password-change-needed");
    basic().expect(401);
    assert_eq!(site.backend.recorded().len(), arrived);
    let after = site.change(PASSWORD, NEW).expect(200).json();
    assert_eq!(site.status(&after), 200);
    site.login(NEW).expect(200);
    // Without it a new password is one to go on with.
    site.set_password(&[]);
    site.login(PASSWORD).expect(200);
}

#[test]
fn a_password_that_is_too_old_is_to_be_changed() {
    // Asked over and over until it is.
    let often =
        "login: { per_account: { requests: 1000, per: 1m }, per_address: { requests: 1000, per: 1m } }";
    let site = start(&format!(", password: {{ max_age: 5s }}, {often}"));
    // Whatever time the start took, it is old before long.
    eventually(PATIENCE, || (site.login(PASSWORD).status == 403).then_some(()));
    refused(site.login(PASSWORD), 403, "password-change-needed");
    let after = site.change(PASSWORD, NEW).expect(200).json();
    assert_eq!(site.status(&after), 200);
    eventually(PATIENCE, || (site.login(NEW).status == 403).then_some(()));
    site.refresh(&after).expect(401);
}

#[test]
fn a_short_password_goes_with_a_second_factor_and_never_without() {
    const SHORT: &str = "plum-kettle";
    let site = start("");
    refused(site.change(PASSWORD, SHORT), 422, "password-refused");
    let totp = |body: Value| site.gate.post_json("/auth/totp", &body);
    let new =
        totp(json!({ "username": "alice", "password": PASSWORD, "action": "enrol" })).expect(200).json();
    let code = code_in(text(&new, "secret"), 0);
    let confirm = json!({ "username": "alice", "password": PASSWORD, "action": "confirm", "code": code });
    let recovery = totp(confirm).expect(200).json()["recovery_codes"].clone();
    let change = |current: &str, new: &str, code: &Value| {
        let body = json!({ "username": "alice", "password": current, "new_password": new, "totp": code });
        site.gate.post_json("/auth/password", &body)
    };
    refused(site.change(PASSWORD, SHORT), 401, "second-factor-needed");
    refused(change(PASSWORD, "plum-ke", &recovery[0]), 422, "password-refused");
    change(PASSWORD, SHORT, &recovery[1]).expect(200);
    // It cannot be left alone: not by its owner, and when an administrator takes the second factor away it must be changed.
    let off = json!({ "username": "alice", "password": SHORT, "action": "disable", "totp": recovery[2] });
    refused(totp(off), 409, "conflict");
    site.gate.curl("/basic/x", &["-u", &format!("alice:{SHORT}")]).expect(401);
    haechi(site.gate.folder().path(), &["user", "remove-second-factor", "alice"]).success();
    refused(site.login(SHORT), 403, "password-change-needed");
    site.gate.curl("/basic/x", &["-u", &format!("alice:{SHORT}")]).expect(401);
    assert!(site.backend.recorded().is_empty());
    refused(site.change(SHORT, "plum-kettles"), 422, "password-refused");
    site.change(SHORT, NEW).expect(200);
    site.login(NEW).expect(200);
}

#[test]
fn people_see_where_they_are_logged_in_and_end_it() {
    let site = start("");
    let (one, two, three) = (site.login(PASSWORD), site.login(PASSWORD), site.login(PASSWORD));
    let (one, two, three) = (one.json(), two.json(), three.json());
    site.gate.folder().add_user("bob", &["USER"]);
    let bob = json!({ "username": "bob", "password": PASSWORD });
    let bob = site.gate.post_json("/auth/login", &bob).expect(200).json();
    let seen = site.sessions(&one);
    let sessions = seen["sessions"].as_array().unwrap();
    assert_eq!((sessions.len(), &seen["consents"], &seen["second_factor"]), (3, &json!([]), &json!(false)));
    let current = |tokens: &Value| {
        let seen = site.sessions(tokens);
        let mut current = seen["sessions"].as_array().unwrap().iter().filter(|one| one["current"] == true);
        let id = text(current.next().unwrap(), "id").to_owned();
        assert!(current.next().is_none());
        id
    };
    // Nobody ends what is another's, and nothing is said of whether there is such a login.
    site.end(&bob, &json!({ "end": current(&two) })).expect(204);
    site.refresh(&two).expect(200);
    site.end(&one, &json!({ "end": current(&three) })).expect(204);
    site.refresh(&three).expect(401);
    eventually(PATIENCE, || (site.status(&three) == 401).then_some(()));
    for bad in [
        json!({}),
        json!({ "end_others": false }),
        json!({ "end": 1 }),
        json!({ "end": "a", "withdraw": "b" }),
    ] {
        refused(site.end(&one, &bad), 400, "bad-body");
    }
    site.end(&one, &json!({ "end_others": true })).expect(204);
    eventually(PATIENCE, || (site.status(&two) == 401).then_some(()));
    assert_eq!((site.status(&one), site.status(&bob)), (200, 200));
    site.refresh(&one).expect(200);
    site.gate.get("/auth/sessions").expect(401);
    site.gate.get_with_token("/auth/sessions", text(&three, "access_token")).expect(401);
    let trail = std::fs::read_to_string(site.gate.folder().file("audit/haechi.jsonl")).unwrap();
    assert!(trail.contains("session.end_others"));
}
