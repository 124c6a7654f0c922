//! Another process takes over the sockets, and no connection is refused meanwhile.

use crate::harness::{Folder, Gate, PATIENCE, eventually, program};
use command_fds::{CommandFdExt, FdMapping};
use haechi_testkit::load::{Load, Steady};
use haechi_testkit::{Answer, Backend, Latch};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::sync::Arc;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn folder(workers: usize, url: &str) -> Folder {
    Folder::exactly(&configuration(workers, url))
}

fn configuration(workers: usize, url: &str) -> String {
    format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]
admin: {{ bind: 127.0.0.1:0 }}
workers: {workers}
reload: {{ watch: false }}
access_log: {{ target: \"off\" }}
services: {{ web: {{ endpoints: [\"{url}\"] }} }}
routes: [{{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}]
"
    )
}

#[test]
fn another_process_takes_over_and_no_request_is_lost() {
    let backend = Steady::start();
    let mut gate = Gate::start_in_group(folder(2, &backend.url()));
    let address = gate.address();
    let load = Load::start(Arc::new(move || address), 8, 200);
    let first = gate.process();
    for _ in 0..2 {
        let sent = load.sent();
        eventually(PATIENCE, || (load.sent() > sent + 50).then_some(()));
        assert_eq!(gate.upgrade().code(), Some(0));
    }
    assert_ne!(gate.process(), first);
    let sent = load.sent();
    eventually(PATIENCE, || (load.sent() > sent + 50).then_some(()));
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:#?}");
    gate.admin("/readyz").expect(200);
    gate.get("/").expect(200);
}

#[test]
fn what_the_old_process_has_begun_it_finishes() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |request| {
        if request.target() == "/slow" {
            held.wait();
        }
        Answer::ok("finished")
    });
    let mut gate = Gate::start_in_group(folder(1, &backend.url()));
    let mut conversation = gate.converse();
    conversation.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(PATIENCE, || (!backend.recorded().is_empty()).then_some(()));
    gate.signal("USR2");
    gate.await_successor();
    // New connections are for the new process, while the old one still waits for its backend.
    gate.get("/quick").expect(200);
    eventually(PATIENCE, || (gate.admin("/readyz").status == 200).then_some(()));
    latch.open();
    let answer = conversation.answer().expect("the answer");
    assert_eq!((answer.status, answer.head.field("connection")), (200, Some("close")));
    assert_eq!(gate.exited().code(), Some(0));
}

#[test]
fn a_process_that_cannot_start_changes_nothing() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in_group(folder(1, &backend.url()));
    gate.folder().write("haechi.yaml", "listeners: 7\n");
    gate.signal("USR2");
    let refused =
        eventually(PATIENCE, || gate.log().into_iter().find(|line| line.contains("\"upgrade refused\"")));
    assert!(refused.contains("exit status: 1"), "{refused}");
    assert!(gate.log().iter().any(|line| line.contains("haechi.yaml:1:12")), "{:#?}", gate.log());
    gate.get("/").expect(200);
    gate.admin("/readyz").expect(200);
}

#[test]
fn another_number_of_workers_serves_every_socket() {
    let backend = Backend::saying("reached");
    let mut gate = Gate::start_in_group(folder(4, &backend.url()));
    for workers in [1, 3] {
        gate.folder().write("haechi.yaml", &configuration(workers, &backend.url()));
        assert_eq!(gate.upgrade().code(), Some(0));
        // The kernel spreads connections over all sockets; none may have been left without a worker.
        for _ in 0..40 {
            gate.get("/").expect(200);
        }
    }
}

#[test]
fn a_socket_of_systemd_is_taken_over() {
    let backend = Backend::saying("reached");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder = folder(2, &backend.url());
    let yaml = configuration(2, &backend.url()).replacen("127.0.0.1:0", &address.to_string(), 1);
    folder.write("haechi.yaml", &yaml);
    // Nobody accepts yet; the kernel holds the connection until somebody does.
    let mut early = crate::harness::Conversation::with(address);
    early.send(GET);
    let mut command = program(folder.path());
    command.args(["run"]).env("LISTEN_FDS", "1").env_remove("LISTEN_PID");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let handed = FdMapping { parent_fd: listener.into(), child_fd: 3 };
    let mut child = command.fd_mappings(vec![handed]).unwrap().spawn().unwrap();
    drop(command);
    let first = early.answer().map(|answer| answer.status);
    let second = {
        let mut late = crate::harness::Conversation::with(address);
        late.send(GET).answer().map(|answer| answer.status)
    };
    drop(child.kill());
    drop(child.wait());
    assert_eq!((first, second), (Some(200), Some(200)));
}

#[test]
fn the_service_manager_is_told() {
    let backend = Backend::saying("reached");
    let folder = folder(1, &backend.url());
    let manager = UnixDatagram::bind(folder.file("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let said = || {
        let mut message = [0; 256];
        let length = manager.recv(&mut message).expect("nothing was said");
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let socket = folder.file("notify");
    let mut gate = Gate::start_with(folder, &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    assert_eq!(said(), "READY=1");
    gate.signal("HUP");
    assert_eq!(said(), "RELOADING=1");
    assert_eq!(said(), "READY=1\nSTATUS=generation 2");
    gate.upgrade();
    assert_eq!(said(), format!("READY=1\nMAINPID={}", gate.process()));
    gate.signal("TERM");
    assert_eq!(said(), "STOPPING=1");
}

/// A process that follows and never gets ready: it reads its configuration from a pipe into which nobody writes.
#[test]
fn the_end_is_heard_at_once_while_the_next_process_hangs() {
    let backend = Backend::saying("reached");
    let mut gate = Gate::start_in_group(folder(1, &backend.url()));
    let file = gate.folder().file("haechi.yaml");
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    gate.signal("USR2");
    let task = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let next = eventually(PATIENCE, || {
        // Whichever thread started it.
        let tasks = std::fs::read_dir(format!("/proc/{}/task", gate.process())).unwrap();
        let mut found = tasks.map(|entry| task(entry.unwrap().path().join("children").to_str().unwrap()));
        found.find(|children| !children.trim().is_empty())
    });
    let asked = std::time::Instant::now();
    gate.signal("TERM");
    assert!(gate.exited().success());
    assert!(asked.elapsed() < std::time::Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(gate.log().iter().any(|line| line.contains("told to end before")), "{:#?}", gate.log());
    let stat = format!("/proc/{}/stat", next.trim());
    eventually(PATIENCE, || (!std::path::Path::new(&stat).exists()).then_some(()));
}
