//! Names and passwords (RFC 7617), from the store and from an htpasswd file.

use crate::harness::{
    Folder, Gate, PASSWORD, PATIENCE, Reply, eventually, haechi, haechi_with_input, routes_to,
};
use haechi_testkit::Backend;
use haechi_testkit::jose::base64;
use serde_json::Value;

// Made with the Python packages bcrypt (cost 6) and argon2-cffi (19 MiB, 2 passes).
const HTPASSWD: &str = "\
mina:$2b$06$jXeQTh4xNngs8BTt.Ort5OQUtntgtxs9qksS/MtHzq8pBpcRitW7G
alice:$argon2id$v=19$m=19456,t=2,p=1$nk0XaVAchSc2IU+j9sNWZw$2+8dadm+UgDaPqU7B0qLc5U+XU26iZOE4XXkIO7ybn4
";

fn with_store(backend: &Backend) -> Gate {
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
authenticators: {{ staff: {{ type: basic, realm: staff }} }}
roles: {{ USER: {{}}, ADMIN: {{ includes: [USER] }} }}
{}",
        routes_to(backend, &[("/**", "[staff]", "any"), ("/admin/**", "[staff]", "{ roles: [ADMIN] }")])
    ));
    folder.add_user("alice", &["USER"]);
    folder.add_user("root", &["ADMIN"]);
    Gate::start_in(folder).ready()
}

fn as_user(gate: &Gate, path: &str, name: &str, password: &str) -> Reply {
    gate.curl(path, &["--user", &format!("{name}:{password}")])
}

fn without_id(reply: &Reply) -> Value {
    let mut problem = reply.json();
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}

#[test]
fn users_of_the_store() {
    let backend = Backend::saying("reached");
    let gate = with_store(&backend);
    as_user(&gate, "/x", "alice", PASSWORD).expect(200);
    let seen = backend.last();
    assert_eq!(seen.field("x-auth-authenticator"), Some("staff"));
    assert_eq!(seen.field("x-auth-roles"), Some("USER"));
    assert_eq!(seen.field("authorization"), None);
    as_user(&gate, "/admin/x", "alice", PASSWORD).expect(403);
    as_user(&gate, "/admin/x", "root", PASSWORD).expect(200);
    assert_eq!(backend.recorded().len(), 2);
}

/// A locked user is refused wherever the password is looked at: while requests go on well, it was not.
#[test]
fn a_change_to_others_ends_no_remembered_credential() {
    let backend = Backend::saying("reached");
    let gate = with_store(&backend);
    let start = std::time::Instant::now();
    as_user(&gate, "/x", "alice", PASSWORD).expect(200);
    for n in 0..5 {
        as_user(&gate, "/x", "alice", &format!("wrong {n}")).expect(401);
    }
    for verb in ["disable", "enable", "disable", "enable"] {
        change(&gate, &["user", verb, "root"]);
        let reply = as_user(&gate, "/x", "alice", PASSWORD);
        // It is remembered for a minute, which may be over on a machine that is busy.
        if start.elapsed() < std::time::Duration::from_secs(60) {
            reply.expect(200);
        }
    }
    // A change to the user is looked up, and what is known of the password still holds: nothing is hashed for it.
    for (verb, status) in [("disable", 401), ("enable", 200)] {
        change(&gate, &["user", verb, "alice"]);
        let reply = as_user(&gate, "/x", "alice", PASSWORD);
        if start.elapsed() < std::time::Duration::from_secs(60) {
            reply.expect(status);
        }
    }
    haechi_with_input(gate.folder().path(), &["user", "set-password", "alice"], "nine bees under one hat\n")
        .success();
    eventually(PATIENCE, || (as_user(&gate, "/x", "alice", PASSWORD).status == 401).then_some(()));
}

/// Runs a command that changes a user, and waits until the gate knows.
fn change(gate: &Gate, arguments: &[&str]) {
    let epoch = || gate.metric("haechi_store_revocation_epoch", &[]);
    let before = epoch();
    haechi(gate.folder().path(), arguments).success();
    eventually(PATIENCE, || (epoch() > before).then_some(()));
}

#[test]
fn unknown_and_wrong_get_the_same_answer_and_an_invitation() {
    let backend = Backend::saying("reached");
    let gate = with_store(&backend);
    let wrong = as_user(&gate, "/x", "alice", "wrong").expect(401);
    let unknown = as_user(&gate, "/x", "nobody", "wrong").expect(401);
    assert_eq!(without_id(&wrong), without_id(&unknown));
    assert_eq!(wrong.challenges(), unknown.challenges());
    assert!(gate.get("/x").expect(401).challenges().contains("Basic realm=\"staff\""));
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn credentials_that_are_no_credentials() {
    let backend = Backend::saying("reached");
    let gate = with_store(&backend);
    for value in ["Basic", "Basic !!!", "Basic YWxpY2U=", "Basic //79", "Digest YWxpY2U6eA=="] {
        let reply = gate.get_with("/x", &[&format!("Authorization: {value}")]);
        assert!([400, 401].contains(&reply.status), "{value}: {}", reply.status);
    }
    // A password's case, end and surroundings count.
    for password in [PASSWORD.to_uppercase(), format!("{PASSWORD} "), format!(" {PASSWORD}"), String::new()] {
        as_user(&gate, "/x", "alice", &password).expect(401);
    }
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn users_of_an_htpasswd_file() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "authenticators: {{ staff: {{ type: basic, realm: staff, users_file: users.htpasswd }} }}\n{}",
        routes_to(&backend, &[("/**", "[staff]", "any")])
    ));
    folder.write("users.htpasswd", HTPASSWD);
    let gate = Gate::start_in(folder).ready();
    as_user(&gate, "/", "mina", "horse battery staple").expect(200);
    as_user(&gate, "/", "alice", "correct horse battery").expect(200);
    // Once more, now from the short memory of verified credentials.
    as_user(&gate, "/", "alice", "correct horse battery").expect(200);
    as_user(&gate, "/", "mina", "correct horse battery").expect(401);
    as_user(&gate, "/", "alice", "horse battery staple").expect(401);
    as_user(&gate, "/", "nobody", "horse battery staple").expect(401);
    assert_eq!(backend.recorded().len(), 3);
}

#[test]
fn a_full_pool_is_503_and_other_routes_do_not_wait() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db\nauthenticators: {{ staff: {{ type: basic, realm: staff }} }}\n{}",
        routes_to(&backend, &[("/**", "[staff]", "any"), ("/open", "anonymous", "any")])
    ));
    folder.add_user("alice", &[]);
    let gate = Gate::start_in(folder).ready();
    let mut waiting = Vec::new();
    for n in 0..300 {
        let mut conversation = gate.converse();
        let credential = base64(format!("alice:wrong number {n}"));
        conversation.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {credential}\r\n\r\n"));
        waiting.push(conversation);
    }
    let start = std::time::Instant::now();
    gate.get("/open").expect(200);
    let open = start.elapsed();
    let answers: Vec<_> =
        waiting.iter_mut().map(|conversation| conversation.answer().expect("an answer")).collect();
    let full: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!full.is_empty(), "300 at once, and none was turned away");
    assert!(full.iter().all(|answer| answer.head.field("retry-after").is_some()));
    assert!(answers.iter().all(|answer| [401, 503].contains(&answer.status)));
    assert!(open < std::time::Duration::from_secs(5), "hashing held the worker for {open:?}");
    assert_eq!(backend.recorded().len(), 1);
}
