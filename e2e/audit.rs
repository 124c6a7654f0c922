//! The audit trail (docs/audit.md): what is in it before anybody learns of a decision, and what becomes of requests when it cannot be written.

use crate::harness::{
    Folder, Gate, PASSWORD, PATIENCE, Strace, eventually, haechi, haechi_with, program, routes_to,
};
use haechi_testkit::{Answer, Backend};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const ROUTES: &[(&str, &str, &str)] = &[
    ("/open", "anonymous", "any"),
    ("/users/{id}", "[local]", "any"),
    ("/admin/**", "[local]", "{ roles: [ADMIN] }"),
];

fn folder(backend: &Backend, audit: &str) -> Folder {
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
roles: {{ ADMIN: {{}} }}
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
audit: {{ file: audit/haechi.jsonl{audit} }}
{}",
        routes_to(backend, ROUTES)
    ));
    folder.add_user("alice", &[]);
    folder
}

fn login(gate: &Gate, password: &str) -> crate::harness::Reply {
    gate.post_json("/auth/login", &json!({"username": "alice", "password": password}))
}

fn token(gate: &Gate) -> String {
    login(gate, PASSWORD).expect(200).json()["access_token"].as_str().unwrap().to_owned()
}

/// The lines of the trail.
fn records(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("audit/haechi.jsonl")).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "half a line");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The records of the decisions about a path.
fn decisions(folder: &Path, path: &str) -> Vec<Value> {
    records(folder).into_iter().filter(|line| line["event"] == "decision" && line["path"] == path).collect()
}

#[test]
fn a_decision_is_recorded_before_the_backend_sees_the_request() {
    let trail = tempfile::tempdir().unwrap();
    let file = trail.path().join("haechi.jsonl");
    let read = Arc::new(file.clone());
    // The backend answers with what it finds in the trail about the request that it got.
    let backend = Backend::start(move |request| {
        let id = request.field("x-request-id").unwrap();
        let text = std::fs::read_to_string(&*read).unwrap();
        let found = text.lines().filter(|line| line.contains(id)).collect::<Vec<_>>().join("\n");
        Answer::ok(found)
    });
    for durability in ["written", "synced"] {
        let yaml = format!(
            "audit: {{ file: \"{}\", durability: {durability} }}\n{}",
            file.display(),
            routes_to(&backend, &[("/**", "anonymous", "any")])
        );
        let gate = Gate::start(&yaml).ready();
        for n in 0..20 {
            let record = gate.get(&format!("/{n}")).expect(200).json();
            assert_eq!((&record["event"], &record["outcome"]), (&json!("decision"), &json!("allow")));
            assert_eq!((&record["path"], &record["route"]), (&json!(format!("/{n}")), &json!("r0")));
        }
    }
}

#[test]
fn the_trail_tells_who_was_let_through_and_who_was_not_without_naming_them() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "")).ready();
    login(&gate, "wrong").expect(401);
    let token = token(&gate);
    gate.get_with_token("/users/7", &token).expect(200);
    gate.get_with_token("/admin/x", &token).expect(403);
    gate.get_with_token("/users/7", "eyJhbGciOiJub25lIn0.e30.").expect(401);
    gate.get("/open?secret=hunter2").expect(200);
    gate.post_json("/auth/logout", &json!({})).expect(401);
    gate.curl("/auth/logout", &["-X", "POST", "-H", &format!("Authorization: Bearer {token}")]).expect(204);
    let path = gate.folder().path();
    eventually(PATIENCE, || records(path).iter().any(|line| line["event"] == "refusal").then_some(()));
    let all = records(path);
    let allowed = decisions(path, "/users/7").remove(0);
    let denied = decisions(path, "/admin/x").remove(0);
    assert_eq!((&allowed["outcome"], &denied["outcome"]), (&json!("allow"), &json!("deny")));
    assert_eq!(denied["reason"], "missing role: needs `ADMIN`");
    assert_eq!(allowed["who"], denied["who"]);
    assert_eq!(allowed["who"].as_str().unwrap().len(), 32);
    assert_eq!(allowed["config"].as_str().unwrap().len(), 64);
    assert!(
        allowed["credential"].is_string() && allowed["roles"].is_array() && allowed.get("client").is_none()
    );
    let open = decisions(path, "/open").remove(0);
    assert_eq!((&open["kind"], &open["client"]), (&json!("anonymous"), &json!("127.0.0.1")));
    let refusal = all.iter().find(|line| line["event"] == "refusal").unwrap();
    assert_eq!((&refusal["status"], &refusal["path"]), (&json!(401), &json!("/users/7")));
    let told = |event: &str, outcome: &str| {
        let found = all.iter().find(|line| line["event"] == event && line["outcome"] == outcome);
        found.unwrap_or_else(|| panic!("no {event} that was {outcome}")).clone()
    };
    assert_eq!(told("login", "done")["about"], allowed["who"], "a login is found under the same pseudonym");
    assert_eq!(told("login", "refused").get("about"), None);
    assert_eq!(told("logout", "done")["about"], allowed["who"]);
    let text = std::fs::read_to_string(gate.folder().file("audit/haechi.jsonl")).unwrap();
    for secret in ["alice", "hunter2", &*token, PASSWORD] {
        assert!(!text.contains(secret), "`{secret}` is in the trail");
    }
    let hash = allowed["config"].as_str().unwrap();
    let kept =
        std::fs::read_to_string(gate.folder().file(&format!("audit/haechi.configs/{hash}.json"))).unwrap();
    assert!(kept.contains("authorize: { roles: [ADMIN] }"), "{kept}");
}

#[test]
fn a_configuration_that_comes_into_force_is_recorded_and_kept() {
    let backend = Backend::saying("reached");
    let audit = "audit: { file: audit/haechi.jsonl }\n";
    let routes = |path: &str| format!("{audit}{}", routes_to(&backend, &[(path, "anonymous", "any")]));
    let gate = Gate::start(&routes("/one")).ready();
    gate.get("/one").expect(200);
    gate.folder().rewrite(&routes("/two"));
    gate.signal("HUP");
    eventually(PATIENCE, || (gate.get("/two").status == 200).then_some(()));
    let path = gate.folder().path();
    let (one, two) = (decisions(path, "/one").remove(0), decisions(path, "/two").remove(0));
    let in_force: Vec<_> =
        records(path).into_iter().filter(|line| line["event"] == "configuration").collect();
    assert_eq!((&in_force[0]["sha256"], &in_force[1]["sha256"]), (&one["config"], &two["config"]));
    assert_eq!((&in_force[0]["generation"], &in_force[1]["generation"]), (&json!(1), &json!(2)));
}

/// Nothing reaches the backend, whoever asks, and readiness says why.
#[track_caller]
fn refuses(gate: &Gate, backend: &Backend, why: &str) {
    let reached = backend.recorded().len();
    eventually(PATIENCE, || (gate.get("/open").status == 503).then_some(()));
    let seen = backend.recorded().len();
    for _ in 0..3 {
        let refused = gate.get("/open").expect(503);
        assert!(refused.field("retry-after").is_some());
    }
    assert_eq!(backend.recorded().len(), seen, "a request was forwarded without a record");
    assert!(seen <= reached + 20, "refused soon");
    let ready = gate.admin("/readyz").expect(503).text();
    assert!(ready.contains("audit trail") && ready.contains(why), "{ready}");
    assert_eq!(gate.metric("haechi_audit_up", &[]), 0.0);
}

/// Every request that reached the backend has its record, and no chain has a gap.
#[track_caller]
fn whole(gate: &Gate, backend: &Backend) {
    let all = records(gate.folder().path());
    for request in backend.recorded() {
        let id = request.field("x-request-id").unwrap();
        assert!(all.iter().any(|line| line["request"] == id), "no record of {id}");
    }
    let mut ends = std::collections::BTreeMap::new();
    for line in &all {
        let (chain, seq) = (line["chain"].as_str().unwrap(), line["seq"].as_u64().unwrap());
        let before = ends.insert(chain, seq);
        assert!(before.is_none_or(|before| seq == before + 1), "{line}");
    }
}

#[test]
fn strace_without_a_record_nothing_is_forwarded_until_the_disk_is_well_again() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "")).ready();
    gate.get("/open").expect(200);
    for (call, error, why) in [
        ("write", "ENOSPC", "the disk is full"),
        ("write", "EIO", "error"),
        ("write", "EDQUOT", "the disk is full"),
    ] {
        let trail = gate.folder().file("audit/haechi.jsonl");
        let options = [
            "-P",
            trail.to_str().unwrap(),
            "-e",
            &format!("trace={call}"),
            "-e",
            &format!("inject={call}:error={error}"),
        ];
        let failing = Strace::attach(gate.process(), &options);
        refuses(&gate, &backend, why);
        failing.end();
        eventually(PATIENCE, || (gate.get("/open").status == 200).then_some(()));
        eventually(PATIENCE, || (gate.admin("/readyz").status == 200).then_some(()));
    }
    whole(&gate, &backend);
    assert!(records(gate.folder().path()).iter().any(|line| line["event"] == "resumed"));
}

#[test]
fn strace_a_slow_disk_is_waited_for_a_moment_and_then_refused() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "")).ready();
    gate.get("/open").expect(200);
    let trail = gate.folder().file("audit/haechi.jsonl");
    // In microseconds.
    let options =
        ["-P", trail.to_str().unwrap(), "-e", "trace=write", "-e", "inject=write:delay_enter=700000"];
    let slow = Strace::attach(gate.process(), &options);
    refuses(&gate, &backend, "within 250 ms");
    slow.end();
    eventually(PATIENCE, || (gate.get("/open").status == 200).then_some(()));
    whole(&gate, &backend);
}

#[test]
fn a_trail_that_was_deleted_or_moved_is_begun_anew() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "")).ready();
    let file = gate.folder().file("audit/haechi.jsonl");
    gate.get("/open").expect(200);
    std::fs::remove_file(&file).unwrap();
    eventually(PATIENCE, || (gate.get("/open").status == 200 && file.exists()).then_some(()));
    std::fs::rename(&file, gate.folder().file("audit/moved.jsonl")).unwrap();
    eventually(PATIENCE, || (gate.get("/open").status == 200 && file.exists()).then_some(()));
    gate.get("/open").expect(200);
    assert!(!decisions(gate.folder().path(), "/open").is_empty());
}

#[test]
fn strace_best_effort_goes_on_and_counts_what_is_lost() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, ", mode: best_effort")).ready();
    let trail = gate.folder().file("audit/haechi.jsonl");
    let options = ["-P", trail.to_str().unwrap(), "-e", "trace=write", "-e", "inject=write:error=ENOSPC"];
    let failing = Strace::attach(gate.process(), &options);
    for _ in 0..5 {
        gate.get("/open").expect(200);
    }
    assert!(gate.metric("haechi_audit_records_total", &["dropped"]) >= 1.0);
    let ready = gate.admin("/readyz").expect(200).text();
    assert!(ready.contains("the disk is full"), "{ready}");
    failing.end();
}

#[test]
fn a_second_process_goes_on_in_the_same_files() {
    let backend = Backend::saying("reached");
    let mut gate = Gate::start_in_group(folder(&backend, "")).ready();
    gate.get("/open").expect(200);
    gate.upgrade();
    gate.get("/open").expect(200);
    whole(&gate, &backend);
    let all = records(gate.folder().path());
    // The command that added the user, and the two gates, of which the second still runs.
    assert_eq!(all.iter().filter(|line| line["event"] == "start").count(), 3);
    assert_eq!(all.iter().filter(|line| line["final"] == true).count(), 2);
}

#[test]
fn a_gate_that_is_killed_under_load_leaves_a_whole_trail() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/audit-kill");
    let gate = program(Path::new("."));
    let mut kills = Command::new("python3");
    let done =
        kills.arg(script).args(["--rounds", "10", "--haechi"]).arg(gate.get_program()).output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    assert!(told.contains("10 kills"), "{told}");
}

/// Whoever has this machine has the trail's key too, and could make a shorter trail that holds. What was sent elsewhere meanwhile tells.
#[test]
fn checkpoints_that_were_sent_elsewhere_find_a_trail_that_was_made_anew() {
    let away = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let refuses = away.clone();
    let elsewhere = Backend::start(move |_| match refuses.swap(false, std::sync::atomic::Ordering::SeqCst) {
        true => Answer::kept("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        false => Answer::ok(""),
    });
    let backend = Backend::saying("reached");
    let url = format!(", checkpoints: {{ every: 1s, url: \"{}/checkpoints\" }}", elsewhere.url());
    let mut gate = Gate::start_in(folder(&backend, &url)).ready();
    gate.get("/open").expect(200);
    let taken = || elsewhere.recorded().into_iter().skip(1).map(|sent| String::from_utf8(sent.body).unwrap());
    eventually(PATIENCE, || (taken().count() >= 2).then_some(()));
    assert_eq!(elsewhere.last().field("content-type"), Some("application/json"));
    gate.signal("TERM");
    gate.exited();
    let folder = gate.into_folder();
    let trail = std::fs::read_to_string(folder.file("audit/haechi.jsonl")).unwrap();
    let kept: Vec<String> = taken().collect();
    assert!(kept.last().unwrap().contains("\"final\":true"), "the last one is sent before the process ends");
    // They are lines of the trail, in its order, the one that was refused first sent again.
    let sent: Vec<&str> = kept.iter().map(|line| line.trim_end()).collect();
    let signed = trail.lines().filter(|line| line.contains("\"signature\""));
    let signed: Vec<&str> = signed.skip_while(|line| *line != sent[0]).collect();
    assert_eq!(sent[..], signed[..sent.len()], "{trail}");
    folder.write(
        "elsewhere.jsonl",
        &kept.iter().map(|line| format!("{}\n", line.trim_end())).collect::<String>(),
    );
    let verify = |arguments: &[&str]| haechi(folder.path(), &[&["audit", "verify"], arguments].concat());
    assert_eq!(verify(&["--checkpoints", "elsewhere.jsonl"]).code, 0);
    // The same key signs another trail.
    std::fs::remove_file(folder.file("audit/haechi.jsonl")).unwrap();
    let mut again = Gate::start_in(folder).ready();
    again.get("/open").expect(200);
    again.signal("TERM");
    again.exited();
    let folder = again.into_folder();
    let verify = |arguments: &[&str]| haechi(folder.path(), &[&["audit", "verify"], arguments].concat());
    assert_eq!(verify(&[]).code, 0, "by itself it holds");
    let found = verify(&["--checkpoints", "elsewhere.jsonl"]);
    assert_eq!(found.code, 1, "{found:#?}");
}

#[test]
fn a_sink_gets_every_line_as_it_stands_in_the_trail() {
    let syslog = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    syslog.set_read_timeout(Some(PATIENCE)).unwrap();
    let backend = Backend::saying("reached");
    let sinks = format!(", sinks: [{{ syslog: \"udp://{}\" }}]", syslog.local_addr().unwrap());
    let mut gate = Gate::start_in(folder(&backend, &sinks)).ready();
    gate.get("/open").expect(200);
    login(&gate, "not the password").expect(401);
    gate.signal("TERM");
    gate.exited();
    let trail = std::fs::read_to_string(gate.folder().file("audit/haechi.jsonl")).unwrap();
    // What commands wrote before the gate began is theirs alone.
    let begun = trail.lines().skip_while(|line| !line.contains("\"/open\"")).collect::<Vec<_>>();
    let mut datagram = [0; 65_536];
    let mut received = Vec::new();
    while received.last().map(String::as_str) != begun.last().copied() {
        let count = syslog.recv(&mut datagram).unwrap();
        let message = std::str::from_utf8(&datagram[..count]).unwrap();
        assert!(message.split(' ').nth(5) == Some("audit"), "{message}");
        received.push(message.splitn(8, ' ').nth(7).unwrap().to_owned());
    }
    let sent: Vec<&str> =
        received.iter().map(String::as_str).skip_while(|line| !line.contains("\"/open\"")).collect();
    assert_eq!(sent, begun);
    assert!(!gate.log().iter().any(|line| line.contains("in time")), "nobody is waited for in vain");
}

/// A trail with a caller's requests in it, whose gate has ended.
fn ended() -> (Folder, Backend) {
    let backend = Backend::saying("reached");
    let made = folder(&backend, "");
    made.add_user("bora", &[]);
    let gate = Gate::start_in(made).ready();
    let token = token(&gate);
    gate.get_with(
        "/users/7?card=4111",
        &[&format!("Authorization: Bearer {token}"), "User-Agent: <script>alert(1)</script>"],
    )
    .expect(200);
    gate.get_with_token("/admin/x", &token).expect(403);
    let bora = gate.post_json("/auth/login", &json!({"username": "bora", "password": PASSWORD})).expect(200);
    gate.get_with_token("/users/8", bora.json()["access_token"].as_str().unwrap()).expect(200);
    gate.signal("TERM");
    (gate.into_folder(), backend)
}

#[test]
fn verify_finds_what_was_done_to_a_trail_and_names_the_place() {
    let (folder, _backend) = ended();
    let good = haechi(folder.path(), &["audit", "verify"]).success();
    assert!(good.stdout.contains("ok: nothing was removed"), "{}", good.stdout);
    let pem = haechi(folder.path(), &["audit", "key"]).success().stdout;
    folder.write("public.pem", &pem);
    let openssl = Command::new("openssl")
        .args(["pkey", "-pubin", "-noout", "-text", "-in"])
        .arg(folder.file("public.pem"))
        .output();
    let openssl = String::from_utf8(openssl.unwrap().stdout).unwrap();
    assert!(openssl.contains("ED25519"), "{openssl}");
    let text = std::fs::read_to_string(folder.file("audit/haechi.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let line = 1 + lines.iter().position(|line| line.contains("\"deny\"")).unwrap();
    folder.write("audit/haechi.jsonl", &text.replacen("\"outcome\":\"deny\"", "\"outcome\":\"allow\"", 1));
    let bad = haechi(folder.path(), &["audit", "verify", "--key", "public.pem", "audit/haechi.jsonl"]);
    assert_eq!(bad.code, 1, "{bad:#?}");
    assert!(bad.stdout.contains(&format!("haechi.jsonl:{}: line", line + 1)), "{line}: {}", bad.stdout);
    let json = haechi(folder.path(), &["audit", "verify", "--output", "json"]);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(report["fault_count"].as_u64().unwrap() >= 1 && json.code == 1);
    assert_eq!(haechi(folder.path(), &["audit", "verify", "nowhere.jsonl"]).code, 2);
}

#[test]
fn records_are_found_by_what_they_tell_of() {
    let (folder, _backend) = ended();
    let found = |arguments: &[&str]| {
        let arguments = [&["audit", "search", "--output", "json"], arguments].concat();
        let printed = haechi(folder.path(), &arguments).success().stdout;
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let denied = found(&["--outcome", "deny"]);
    assert_eq!((denied.len(), &denied[0]["path"]), (1, &json!("/admin/x")));
    assert_eq!(found(&["--decision", denied[0]["decision"].as_str().unwrap()]), denied);
    assert_eq!(found(&["--request", denied[0]["request"].as_str().unwrap(), "--event", "decision"]), denied);
    assert_eq!(found(&["--route", "r1"]).len(), 2);
    assert_eq!(found(&["--route", "r1", "--subject", "bora"]).len(), 1);
    let key = denied[0]["credential"].as_str().unwrap();
    assert_eq!(found(&["--key", key]).len(), 2);
    assert_eq!(found(&["--until", "2001-01-01T00:00:00Z"]).len(), 0);
    assert_eq!(found(&["--since", "2001-01-01T00:00:00Z", "--event", "login"]).len(), 2);
    let words = haechi(folder.path(), &["audit", "search", "--outcome", "deny"]).success().stdout;
    assert!(words.contains("/admin/x") && words.contains("missing role"), "{words}");
    let last = haechi(folder.path(), &["audit", "tail", "-n", "1"]).success().stdout;
    assert!(last.contains("checkpoint") && last.lines().count() == 1, "{last}");
}

#[test]
fn a_person_gets_everything_about_them_and_then_nothing_is_left() {
    let (folder, _backend) = ended();
    let export = || haechi(folder.path(), &["audit", "export", "--subject", "alice"]).success();
    let told = export().stdout;
    let records: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.iter().any(|record| record["event"] == "login"), "{told}");
    let request = records.iter().find(|record| record["path"] == "/users/7").unwrap();
    assert_eq!(request["person"]["client"], "127.0.0.1");
    assert_eq!(request["person"]["issuer"], "http://localhost:8080");
    assert!(!told.contains("/users/8"), "bora's");
    haechi(folder.path(), &["audit", "export", "--subject", "alice", "--html", "alice.html"]).success();
    let page = std::fs::read_to_string(folder.file("alice.html")).unwrap();
    assert!(page.contains("/users/7") && page.contains("127.0.0.1") && !page.contains("<script"), "{page}");

    assert_eq!(haechi(folder.path(), &["audit", "erase", "--subject", "alice"]).code, 2, "not without --yes");
    haechi(folder.path(), &["audit", "erase", "--subject", "alice", "--yes"]).success();
    assert_eq!(export().stdout, "");
    let verified = haechi(folder.path(), &["audit", "verify"]).success();
    assert!(verified.stdout.contains("ok:"), "{}", verified.stdout);
    let erased =
        haechi(folder.path(), &["audit", "search", "--event", "subject.erase", "--output", "json"]).success();
    assert!(erased.stdout.contains(records[0]["about"].as_str().unwrap()), "{}", erased.stdout);
    let bora = haechi(folder.path(), &["audit", "export", "--subject", "bora"]).success().stdout;
    assert!(bora.contains("/users/8"), "others stay: {bora}");

    // Whoever was erased can come back, as somebody new.
    let gate = Gate::start_in(folder).ready();
    let token = token(&gate);
    gate.get_with_token("/users/9", &token).expect(200);
    let again = decisions(gate.folder().path(), "/users/9").remove(0);
    assert_ne!(again["who"], request["who"]);
}

#[test]
fn decisions_come_out_the_same_again_and_a_change_tells_whom_it_meets() {
    let backend = Backend::saying("reached");
    let rest = |roles: &str| {
        format!(
            "store: sqlite:haechi.db
roles: {{ ADMIN: {{}}, CLERK: {{}} }}
caller_attributes: {{ tenant: string }}
context_headers: {{ region: X-Region }}
identity: {{ issuer: \"http://localhost:${{env:PORT_OF_ISSUER}}\", path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, partner: {{ type: api_key }} }}
policies: [rules/*.cedar]
audit: {{ file: audit/haechi.jsonl }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: open, match: {{ path: \"/open/**\" }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: clerks, match: {{ path: \"/clerks/{{id}}\", hosts: [\"${{env:HOST}}\"] }}, authenticate: [local, partner], authorize: {{ roles: [{roles}] }}, service: web }}
  - {{ name: ruled, match: {{ path: \"/상품/**\" }}, authenticate: [local], authorize: policy, service: web }}
",
            backend.url()
        )
    };
    let folder = Folder::new(&rest("CLERK"));
    std::fs::create_dir(folder.file("rules")).unwrap();
    folder.write(
        "rules/one.cedar",
        "permit(principal in Role::\"CLERK\", action, resource == Route::\"ruled\") when { context.headers has region && context.headers.region == \"kr\" };",
    );
    let environment = [("PORT_OF_ISSUER", "8080"), ("HOST", "clerks.example.com")];
    let mut gate = {
        for (name, role) in [("alice", "CLERK"), ("root", "ADMIN")] {
            let arguments = ["user", "add", name, "--role", role];
            haechi_with(folder.path(), &environment, &arguments, &format!("{PASSWORD}\n")).success();
        }
        Gate::start_with(folder, &environment).ready()
    };
    let login = |name: &str| {
        let pair =
            gate.post_json("/auth/login", &json!({"username": name, "password": PASSWORD})).expect(200);
        pair.json()["access_token"].as_str().unwrap().to_owned()
    };
    for (name, clerks, ruled) in [("alice", 200, 200), ("root", 403, 403)] {
        let token = format!("Authorization: Bearer {}", login(name));
        gate.get_with("/clerks/7", &[&token, "Host: clerks.example.com"]).expect(clerks);
        gate.get_with("/%EC%83%81%ED%92%88/a%20b", &[&token, "X-Region: kr"]).expect(ruled);
        gate.get_with("/%EC%83%81%ED%92%88/1", &[&token, "X-Region: de"]).expect(403);
    }
    gate.get("/open/x|y").expect(200);
    gate.signal("TERM");
    assert!(gate.exited().success());
    let path = gate.folder().path().to_owned();
    // No variable is set any more: what decides is kept.
    let again = haechi(&path, &["audit", "replay", "--recorded", "audit/haechi.jsonl"]).success();
    assert!(again.stdout.contains("9 decided again: 9 the same, 0 otherwise"), "{}", again.stdout);
    gate.folder().rewrite(&rest("ADMIN"));
    let changed = haechi_with(&path, &environment, &["audit", "replay", "--output", "json"], "").success();
    let report: Value = serde_json::from_str(&changed.stdout).unwrap();
    assert_eq!((&report["decided"], &report["same"]), (&json!(9), &json!(7)), "{}", changed.stdout);
    let told: Vec<_> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (&change["was"], &change["would_be"], &change["example"]["path"]))
        .collect();
    assert!(told.contains(&(&json!("allow"), &json!("deny"), &json!("/clerks/7"))), "{told:?}");
    assert!(told.contains(&(&json!("deny"), &json!("allow"), &json!("/clerks/7"))), "{told:?}");
}

#[test]
fn what_a_command_changes_is_on_record_before() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend, "");
    let path = folder.path();
    folder.create_key(&["--owner", "billing"]);
    haechi(path, &["user", "set-roles", "alice", "--role", "ADMIN"]).success();
    haechi(path, &["user", "disable", "alice"]).success();
    haechi(path, &["user", "list"]).success();
    let told: Vec<(String, Value)> = records(path)
        .into_iter()
        .filter(|line| line["by"]["authenticator"] == "command")
        .map(|line| (line["event"].as_str().unwrap().to_owned(), line))
        .collect();
    let events: Vec<&str> = told.iter().map(|(event, _)| &**event).collect();
    assert_eq!(events, ["user.add", "key.create", "user.set_roles", "user.set_state"]);
    assert_eq!(told[0].1["about"], told[2].1["about"], "it is the same person");
    assert!(told[0].1["by"]["uid"].is_u64());
    let starts = records(path).iter().filter(|line| line["event"] == "start").count();
    assert_eq!(starts, 4, "a command that only looks leaves no line");
    haechi(path, &["audit", "verify"]).success();
    // A trail that cannot be written: nothing is changed.
    std::fs::remove_file(folder.file("audit/haechi.key")).unwrap();
    std::fs::create_dir(folder.file("audit/haechi.key")).unwrap();
    let refused = haechi(path, &["user", "delete", "alice"]);
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains("audit trail"), "{refused:#?}");
    assert!(haechi(path, &["user", "list"]).success().stdout.contains("alice"));
}

#[test]
fn a_review_shows_the_access_that_nobody_used_and_takes_nothing_else_away() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
roles: {{ ADMIN: {{}}, CLERK: {{}}, GUEST: {{}} }}
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, partner: {{ type: api_key }} }}
audit: {{ file: audit/haechi.jsonl }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: orders, match: {{ path: \"/orders/**\" }}, authenticate: [local, partner], authorize: {{ roles: [CLERK, GUEST] }}, service: web }}
  - name: reports
    match: {{ path: \"/reports/**\" }}
    authenticate: [local]
    authorize:
      roles: # who may
        - ADMIN
        - CLERK
    service: web
",
        backend.url()
    ));
    folder.add_user("alice", &["CLERK"]);
    folder.add_user("idle", &["ADMIN"]);
    folder.create_key(&["--owner", "billing", "--role", "GUEST"]);
    let gate = Gate::start_in(folder).ready();
    let token = token(&gate);
    for path in ["/orders/1", "/orders/2", "/reports/1"] {
        gate.get_with_token(path, &token).expect(200);
    }
    gate.signal("TERM");
    let folder = gate.into_folder();
    let told = haechi(folder.path(), &["review", "--output", "json"]).success();
    let review: Value = serde_json::from_str(&told.stdout).unwrap();
    let access: Vec<_> = review["access"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["route"].as_str().unwrap(),
                one["role"].as_str().unwrap(),
                one["requests"].as_u64().unwrap(),
                one["unused"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        access,
        [
            ("orders", "CLERK", 2, false),
            ("orders", "GUEST", 0, true),
            ("reports", "ADMIN", 0, true),
            ("reports", "CLERK", 1, false)
        ]
    );
    let accounts: Vec<_> = review["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["unused"].as_bool().unwrap()))
        .collect();
    assert_eq!(accounts, [("alice", false), ("idle", true), ("billing", true)]);
    assert!(told.stderr.contains("the trail begins later"), "{}", told.stderr);
    let page = haechi(folder.path(), &["review", "--output", "html"]).success().stdout;
    assert!(
        page.starts_with("<!doctype html>")
            && page.contains("<tr class=\"unused\"><td>orders</td><td>GUEST</td>"),
        "{page}"
    );
    let csv = haechi(folder.path(), &["review", "--output", "csv"]).success().stdout;
    assert!(csv.contains("access,reports,ADMIN,,,,,0,,true"), "{csv}");
    let smaller = haechi(folder.path(), &["review", "--smaller", "smaller.yaml"]).success();
    let (before, after) = (
        std::fs::read_to_string(folder.file("haechi.yaml")).unwrap(),
        std::fs::read_to_string(folder.file("smaller.yaml")).unwrap(),
    );
    assert_eq!(
        before.replace("[CLERK, GUEST]", "[\"CLERK\"]").replace("- ADMIN\n        - CLERK", "[\"CLERK\"]"),
        after
    );
    // `diff` proves that both routes lose somebody, and that nobody gains anything.
    assert!(smaller.stdout.contains("orders") && smaller.stdout.contains("reports"), "{}", smaller.stdout);
    let diff =
        haechi(folder.path(), &["diff", "haechi.yaml", "smaller.yaml", "--fail-on", "wider"]).success();
    assert!(diff.stdout.contains("orders"), "{}", diff.stdout);
}
