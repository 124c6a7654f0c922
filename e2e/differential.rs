//! What the gate accepts, two independent parsers read as it does: h11, and llhttp, which is Node's (`differential.py`).
//!
//! Mutated requests go to the gate; a backend keeps the raw bytes that reach it. What was forwarded must be exactly one request for both
//! parsers, and in the client's own bytes both must read the same request: where either reads another one, or two, the gate must have refused.
//! `HAECHI_DIFFERENTIAL_CASES` and `HAECHI_DIFFERENTIAL_SEED` ask for more or other cases.

mod mutate;
mod recorder;

use crate::harness::{Folder, Gate, python};
use haechi_testkit::PATIENCE;
use mutate::{Case, Mutator};
use recorder::{Recorder, hex};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

const CHECKER: &str = include_str!("differential.py");
const CASES: u64 = 5000;
const SEED: u64 = 3;

#[test]
fn what_the_gate_accepts_two_other_parsers_read_the_same() {
    let (count, seed) =
        (setting("HAECHI_DIFFERENTIAL_CASES", CASES), setting("HAECHI_DIFFERENTIAL_SEED", SEED));
    let recorder = Recorder::start();
    let gate = Gate::start(&format!(
        "services: {{ web: {{ endpoints: [\"http://{}\"] }} }}\n\
         routes: [{{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}]\n",
        recorder.address()
    ));
    let mut mutator = Mutator::new(seed);
    let mut lines = String::new();
    let mut refused = 0;
    for number in 0..count {
        let case = mutator.next();
        let statuses = answers(gate.address(), &case);
        refused += u64::from(statuses.iter().any(|status| *status >= 400));
        let line = json!({
            "number": number, "complete": true, "sent": hex(&case.bytes), "statuses": statuses, "arrived": recorder.take_complete(),
        });
        writeln!(lines, "{line}").unwrap();
    }
    drop(gate);
    let broken = json!({ "number": count, "complete": false, "sent": "", "statuses": [], "arrived": recorder.take_broken() });
    writeln!(lines, "{broken}").unwrap();
    let found = check(&lines);
    assert_eq!(found["count"], 0, "seed {seed}: {:#}", found["faults"]);
    assert_eq!(found["checked"], count + 1);
    // The mutations are neither so mild nor so wild that nothing is compared.
    let accepted = found["accepted"].as_u64().unwrap();
    assert!(
        accepted * 10 > count && refused * 10 > count,
        "{accepted} accepted, {refused} refused, of {count}"
    );
}

#[test]
fn a_difference_would_be_seen() {
    let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{body}");
    let whole = post("content-length: 5", "hello");
    for (what, sent, arrived, faults) in [
        ("nothing", get.to_owned(), get.to_owned(), false),
        ("a body", post("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"), whole.clone(), false),
        ("two requests forwarded", get.to_owned(), format!("{get}{get}"), true),
        ("another host", get.to_owned(), get.replace("host: a", "host: b"), true),
        ("another path", get.to_owned(), get.replace("GET /", "GET /b"), true),
        ("another body", whole.clone(), whole.replace("hello", "jello"), true),
        ("a field from nowhere", get.to_owned(), get.replace("\r\n\r\n", "\r\nx-a: b\r\n\r\n"), true),
        (
            "both lengths",
            post("content-length: 5\r\ntransfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
            whole,
            true,
        ),
        ("a bare line feed", "GET / HTTP/1.1\nhost: a\n\n".to_owned(), get.to_owned(), true),
    ] {
        let line = json!({
            "number": 0, "complete": true, "sent": hex(sent.as_bytes()), "statuses": [200], "arrived": [hex(arrived.as_bytes())],
        });
        let found = check(&format!("{line}\n"));
        assert_eq!(found["count"] != 0, faults, "{what}: {found:#}");
    }
}

fn check(lines: &str) -> Value {
    let folder = Folder::exactly("");
    folder.write("cases.jsonl", lines);
    let cases = folder.file("cases.jsonl");
    serde_json::from_str(&python(CHECKER, &[cases.to_str().unwrap()])).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "how many cases to try is the tester's to say")]
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("`{name}` is no number")))
}

/// Sends a case in its pieces, and nothing more. Returns the statuses of all answers, without interim ones.
fn answers(gate: SocketAddr, case: &Case) -> Vec<u16> {
    let mut socket = TcpStream::connect(gate).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    for piece in case.pieces() {
        // A gate that has refused may have closed already.
        if socket.write_all(piece).is_err() {
            break;
        }
    }
    drop(socket.shutdown(Shutdown::Write));
    let mut answered = Vec::new();
    if let Err(fault) = socket.read_to_end(&mut answered) {
        assert_eq!(
            fault.kind(),
            std::io::ErrorKind::ConnectionReset,
            "{:?}",
            String::from_utf8_lossy(&case.bytes)
        );
    }
    statuses(&answered)
}

/// Answers stand one behind the other; no body of ours or of the recorder has a status line in it.
fn statuses(answered: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answered);
    let found = text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
    found.filter(|status| *status >= 200).collect()
}
