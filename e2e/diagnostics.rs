//! What the process writes about itself never stands in the way of requests, or of its end.

use crate::harness::{Folder, Gate, PATIENCE, curl, eventually, program, routes_to};
use haechi_testkit::Backend;
use std::io::{PipeReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

/// A gate whose standard output and error are the test's to spoil; killed when dropped.
struct Spoiled {
    child: Child,
    address: SocketAddr,
    _backend: Backend,
    _folder: Folder,
}

/// An address that nobody listens on.
fn free() -> SocketAddr {
    haechi_testkit::port::unused_address()
}

impl Spoiled {
    /// `access_log` is the configuration's.
    #[track_caller]
    fn start(stdout: Stdio, stderr: Stdio, access_log: &str) -> Self {
        let (backend, address) = (Backend::saying("reached"), free());
        // The second endpoint refuses connections: its health check fails, which is told on standard error.
        let folder = Folder::exactly(&format!(
            "listeners: [{{ bind: {address} }}]
workers: 1
access_log: {{ target: {access_log} }}
store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080, path: /auth }}
services: {{ sick: {{ endpoints: [\"http://{}\"], health: {{ path: /h, interval: 1s }} }}, web: {{ endpoints: [\"{}\"] }} }}
{}",
            free(),
            backend.url(),
            routes_to(&backend, &[("/x", "anonymous", "any")]).split_once('\n').unwrap().1,
        ));
        let mut command = program(folder.path());
        command.args(["run", "-c", "haechi.yaml"]).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let spoiled = Self { child: command.spawn().unwrap(), address, _backend: backend, _folder: folder };
        eventually(PATIENCE, || (spoiled.get() == 200).then_some(()));
        spoiled
    }

    fn get(&self) -> u16 {
        curl(&[&format!("http://{}/x", self.address)]).status
    }

    /// Is refused, which the process tells about.
    fn login(&self) -> u16 {
        let url = format!("http://{}/auth/login", self.address);
        curl(&["--json", "{\"username\":\"nobody\",\"password\":\"a wrong one\"}", &url]).status
    }

    /// Refusals are told, requests go on, and SIGTERM ends it.
    #[track_caller]
    fn goes_on_and_ends(mut self, what: &str) {
        for _ in 0..8 {
            assert_eq!(self.login(), 401, "{what}");
            assert_eq!(self.get(), 200, "{what}");
        }
        assert!(self.child.try_wait().unwrap().is_none(), "{what}: it has ended");
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let status = eventually(PATIENCE, || self.child.try_wait().unwrap());
        assert!(status.success(), "{what}: {status}");
    }
}

impl Drop for Spoiled {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The end of a pipe that is full, and whose other end nobody reads.
fn full_pipe() -> (Stdio, PipeReader) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // As much as Linux lets a pipe hold; one byte more would wait.
    writer.write_all(&[b' '; 64 * 1024]).unwrap();
    (writer.into(), reader)
}

/// The end of a pipe whose other end is closed.
fn broken_pipe() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

fn full_disk() -> Stdio {
    std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn standard_error_that_takes_nothing_stops_nobody() {
    Spoiled::start(Stdio::null(), full_disk(), "off").goes_on_and_ends("a full disk");
    Spoiled::start(Stdio::null(), broken_pipe(), "off").goes_on_and_ends("a closed pipe");
    let (full, _reader) = full_pipe();
    Spoiled::start(Stdio::null(), full, "off").goes_on_and_ends("a pipe that nobody reads");
}

#[test]
fn an_access_log_that_takes_nothing_stops_nobody() {
    Spoiled::start(full_disk(), Stdio::null(), "stdout").goes_on_and_ends("a full disk");
    Spoiled::start(broken_pipe(), Stdio::null(), "stdout").goes_on_and_ends("a closed pipe");
    let (full, _reader) = full_pipe();
    Spoiled::start(full, Stdio::null(), "stdout").goes_on_and_ends("a pipe that nobody reads");
    let (full, _reader) = full_pipe();
    Spoiled::start(Stdio::null(), full, "stderr").goes_on_and_ends("standard error that nobody reads");
}

#[test]
fn who_writes_and_who_serves_the_admin_api_is_supervised() {
    let backend = Backend::saying("reached");
    let traces = format!("telemetry: {{ traces: {{ endpoint: \"{}/v1/traces\" }} }}\n", backend.url());
    let gate = Gate::start(&(traces + &routes_to(&backend, &[("/x", "anonymous", "any")])));
    let page = gate.admin("/metrics").expect(200).text();
    for task in ["access log", "diagnostics", "trace export", "admin listener"] {
        let line = format!("haechi_background_task_restarts_total{{task=\"{task}\"}} 0\n");
        assert!(page.contains(&line), "{task}: {page}");
    }
}
