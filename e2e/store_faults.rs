//! A store that cannot write, is locked, or lacks something: said, never fatal, and over when the fault is.

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, eventually, haechi, routes_to};
use haechi_testkit::Backend;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn folder(backend: &Backend) -> Folder {
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
{}",
        routes_to(backend, &[("/open", "anonymous", "any"), ("/token", "[local]", "any")])
    ));
    folder.add_user("alice", &[]);
    folder
}

fn login(gate: &Gate) -> Reply {
    gate.post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD}))
}

/// The store's part of `/readyz`, once it has come to what `wanted` says.
#[track_caller]
fn store_is(gate: &Gate, ready: bool, why: &str) {
    eventually(PATIENCE, || {
        let reply = gate.admin("/readyz");
        let told = (reply.status == 200) == ready && reply.text().contains(why);
        told.then_some(())
    });
}

/// Lets every write to a file of the process fail, until it is dropped.
struct FailingWrites(Child);

impl FailingWrites {
    fn of(process: u32, error: &str) -> Self {
        let inject = format!("inject=pwrite64:error={error}");
        let (id, injection) = (process.to_string(), ["-e", "trace=pwrite64", "-e", &inject]);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-o", "/dev/null", "-p", &id]).args(injection);
        let child = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let attached = Self(child);
        eventually(PATIENCE, || threads_are_traced(process).then_some(()));
        attached
    }

    fn end(mut self) {
        drop(Command::new("kill").args(["-s", "INT", &self.0.id().to_string()]).status());
        self.0.wait().unwrap();
    }
}

impl Drop for FailingWrites {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn threads_are_traced(process: u32) -> bool {
    let traced = |entry: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(entry.unwrap().path().join("status")).unwrap_or_default();
        !status.contains("TracerPid:\t0\n")
    };
    std::fs::read_dir(format!("/proc/{process}/task")).unwrap().all(traced)
}

#[test]
fn strace_a_store_that_cannot_write_is_503_for_what_writes_and_recovers() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend)).ready();
    let token = login(&gate).expect(200).json()["access_token"].as_str().unwrap().to_owned();
    for error in ["ENOSPC", "EIO"] {
        let failing = FailingWrites::of(gate.process(), error);
        for _ in 0..2 {
            let refused = login(&gate).expect(503);
            assert!(refused.field("retry-after").is_some(), "{error}");
        }
        store_is(&gate, false, "\"store\"");
        gate.admin("/livez").expect(200);
        gate.get("/open").expect(200);
        gate.get_with_token("/token", &token).expect(200);
        assert_eq!(gate.metric("haechi_store_up", &[]), 0.0, "{error}");
        failing.end();
        store_is(&gate, true, "");
        login(&gate).expect(200);
    }
}

/// Another process that has the whole database to itself until it is told otherwise.
struct Locked(Child);

impl Locked {
    fn whole(gate_folder: &Folder) -> Self {
        let script = "import sqlite3, sys
db = sqlite3.connect('haechi.db', isolation_level=None, timeout=30)
db.execute('PRAGMA locking_mode = EXCLUSIVE')
db.execute('BEGIN EXCLUSIVE')
db.execute('UPDATE users SET disabled = disabled')
print('locked', flush=True)
sys.stdin.read()";
        let mut python = Command::new("python3");
        python.args(["-c", script]).current_dir(gate_folder.path());
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "locked\n");
        Self(child)
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
fn a_store_locked_at_the_start_holds_up_nothing_and_is_opened_later() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend);
    let locked = Locked::whole(&folder);
    let started = Instant::now();
    let gate = Gate::start_in(folder);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    gate.admin("/livez").expect(200);
    gate.get("/open").expect(200);
    login(&gate).expect(503);
    gate.get("/.well-known/jwks.json").expect(503);
    store_is(&gate, false, "locked");
    locked.end();
    store_is(&gate, true, "");
    let token = login(&gate).expect(200).json()["access_token"].as_str().unwrap().to_owned();
    gate.get_with_token("/token", &token).expect(200);
}

#[test]
fn a_locked_store_does_not_hold_up_the_end() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend);
    let locked = Locked::whole(&folder);
    let mut gate = Gate::start_in(folder);
    let asked = Instant::now();
    gate.signal("TERM");
    assert!(gate.exited().success());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    locked.end();
}

#[test]
fn a_store_that_lacks_a_table_or_a_column_is_refused_at_the_start() {
    let backend = Backend::saying("reached");
    for (change, what) in [
        ("DROP TABLE api_keys", "the table `api_keys`"),
        ("ALTER TABLE users DROP COLUMN locked_until", "the column `users.locked_until`"),
    ] {
        let folder = folder(&backend);
        let script = format!("import sqlite3; sqlite3.connect('haechi.db').execute('{change}')");
        let changed = Command::new("python3").args(["-c", &script]).current_dir(folder.path()).status();
        assert!(changed.unwrap().success());
        let refused = haechi(folder.path(), &["run", "-c", "haechi.yaml"]);
        assert_eq!(refused.code, 1, "{refused:#?}");
        assert!(refused.stderr.contains(what), "{refused:#?}");
    }
}
