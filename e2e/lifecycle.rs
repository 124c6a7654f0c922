//! Starting and ending.

use crate::harness::{Folder, Gate, PATIENCE, eventually, haechi, open_gate, routes_to};
use haechi_testkit::{Answer, Backend, Latch};
use std::net::{TcpListener, TcpStream};

#[test]
fn a_polite_signal_ends_it_with_zero() {
    for name in ["TERM", "INT"] {
        let backend = Backend::saying("reached");
        let mut gate = open_gate(&backend);
        gate.get("/").expect(200);
        gate.signal(name);
        assert_eq!(gate.exited().code(), Some(0), "SIG{name}");
        assert!(TcpStream::connect(gate.address()).is_err());
    }
}

#[test]
fn requests_under_way_are_finished_first() {
    let latch = Latch::new();
    let held = latch.clone();
    let backend = Backend::start(move |_| {
        held.wait();
        Answer::ok("finished")
    });
    let mut gate = open_gate(&backend);
    let mut conversation = gate.converse();
    conversation.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(PATIENCE, || (!backend.recorded().is_empty()).then_some(()));
    gate.signal("TERM");
    eventually(PATIENCE, || TcpStream::connect(gate.address()).is_err().then_some(()));
    latch.open();
    assert_eq!(conversation.answer().expect("the answer").body, b"finished");
    assert_eq!(gate.exited().code(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = Backend::saying("reached");
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: \"{}\" }}]\n{}",
        taken.local_addr().unwrap(),
        routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    let ended = haechi(folder.path(), &["run"]);
    assert_eq!(ended.code, 1, "{ended:#?}");
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(ended.stderr.contains(&port) || ended.stdout.contains(&port), "{ended:#?}");
}

#[test]
fn several_workers_share_one_address() {
    let backend = Backend::saying("reached");
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]\nadmin: {{ bind: 127.0.0.1:0 }}\nworkers: 4\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    let gate = Gate::start_in(folder);
    for _ in 0..40 {
        gate.get("/").expect(200);
    }
    assert_eq!(backend.recorded().len(), 40);
    assert!(
        gate.log().iter().filter(|line| line.contains("\"listening\"")).count() <= 2,
        "{:#?}",
        gate.log()
    );
}
