//! A store that cannot write, is locked, or lacks something: said, never fatal, and over when the fault is.

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, Strace, eventually, haechi, routes_to};
use haechi_testkit::Backend;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn folder(backend: &Backend) -> Folder {
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, partner: {{ type: api_key }} }}
{}",
        routes_to(
            backend,
            &[("/open", "anonymous", "any"), ("/token", "[local]", "any"), ("/key", "[partner]", "any")]
        )
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
fn failing_writes(process: u32, error: &str) -> Strace {
    Strace::attach(process, &["-e", "trace=pwrite64", "-e", &format!("inject=pwrite64:error={error}")])
}

#[test]
fn strace_a_store_that_cannot_write_is_503_for_what_writes_and_recovers() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend)).ready();
    let token = login(&gate).expect(200).json()["access_token"].as_str().unwrap().to_owned();
    for error in ["ENOSPC", "EIO", "EROFS"] {
        let failing = failing_writes(gate.process(), error);
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
        Self::by(
            gate_folder,
            "import sqlite3, sys
db = sqlite3.connect('haechi.db', isolation_level=None, timeout=30)
db.execute('PRAGMA locking_mode = EXCLUSIVE')
db.execute('BEGIN EXCLUSIVE')
db.execute('UPDATE users SET disabled = disabled')
print('locked', flush=True)
sys.stdin.read()",
        )
    }

    fn by(gate_folder: &Folder, script: &str) -> Self {
        let mut python = Command::new("python3");
        python.args(["-c", script]).current_dir(gate_folder.path());
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "locked\n");
        Self(child)
    }

    /// From a gate that is using it: it reads on, and nobody else writes.
    fn for_writing(gate_folder: &Folder) -> Self {
        Self::by(
            gate_folder,
            "import sqlite3, sys
db = sqlite3.connect('haechi.db', isolation_level=None, timeout=30)
db.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
sys.stdin.read()",
        )
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
    // The store may keep a policy that forbids it.
    gate.get("/open").expect(503);
    assert!(backend.recorded().is_empty());
    login(&gate).expect(503);
    gate.get("/.well-known/jwks.json").expect(503);
    store_is(&gate, false, "locked");
    locked.end();
    store_is(&gate, true, "");
    let token = login(&gate).expect(200).json()["access_token"].as_str().unwrap().to_owned();
    gate.get_with_token("/token", &token).expect(200);
}

/// What a gate with a store that does not take writes does, again and again until `over`: what writes is 503, what reads goes on.
#[track_caller]
fn serves_what_it_can(gate: &Gate, token: &str, over: impl Fn() -> bool) {
    while !over() {
        let refused = login(gate).expect(503);
        assert!(refused.field("retry-after").is_some());
        gate.get("/open").expect(200);
        gate.get_with_token("/token", token).expect(200);
        gate.admin("/livez").expect(200);
    }
}

#[test]
fn a_store_that_another_process_locks_is_503_for_what_writes_and_recovers() {
    // Longer than anything that is known of the store may grow old.
    const HELD: Duration = Duration::from_secs(15);
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend)).ready();
    let token = login(&gate).expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let locked = Locked::for_writing(gate.folder());
    let since = Instant::now();
    store_is(&gate, false, "locked");
    serves_what_it_can(&gate, &token, || since.elapsed() > HELD);
    store_is(&gate, false, "locked");
    locked.end();
    store_is(&gate, true, "");
    login(&gate).expect(200);
}

/// Files that nobody may change, the superuser neither, as on a file system that was mounted read-only; until it is dropped. `None` where the file system knows no such thing.
struct Unchangeable(Vec<std::path::PathBuf>);

impl Unchangeable {
    fn store_of(folder: &Folder) -> Option<Self> {
        let mut set = Self(Vec::new());
        for name in ["haechi.db", "haechi.db-wal", "haechi.db-shm"] {
            if chattr("+i", &folder.file(name)) {
                set.0.push(folder.file(name));
            }
        }
        (!set.0.is_empty()).then_some(set)
    }
}

impl Drop for Unchangeable {
    fn drop(&mut self) {
        for file in &self.0 {
            let _ = chattr("-i", file);
        }
    }
}

fn chattr(change: &str, file: &std::path::Path) -> bool {
    let done = Command::new("chattr").arg(change).arg(file).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

#[test]
fn a_store_that_becomes_read_only_is_503_for_what_writes_and_recovers() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend);
    let field = format!("X-API-Key: {}", folder.create_key(&["--owner", "partner"]));
    let gate = Gate::start_in(folder).ready();
    let token = login(&gate).expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let Some(unchangeable) = Unchangeable::store_of(gate.folder()) else { return };
    store_is(&gate, false, "\"store\"");
    let since = Instant::now();
    serves_what_it_can(&gate, &token, || since.elapsed() > Duration::from_secs(4));
    // A connection that is opened now finds a file that cannot be written. It is not asked again, and must not keep others from finding more.
    gate.get_with("/key", &[&field]);
    drop(unchangeable);
    store_is(&gate, true, "");
    login(&gate).expect(200);
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
