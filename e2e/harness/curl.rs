//! curl as the everyday client.

use haechi_testkit::http1::Head;
use serde_json::Value;
use std::fmt;
use std::process::{Command, Stdio};

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// curl's own opinion: 0 for an answer that came to its proper end.
    pub(crate) exit: i32,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}\n{}", self.head, self.text())
    }
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| panic!("not JSON ({fault}): {self:#?}"))
    }

    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// The same, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head.start_line, self.text());
        self
    }

    /// All `WWW-Authenticate` fields together.
    pub(crate) fn challenges(&self) -> String {
        self.head.all("www-authenticate").join(", ")
    }
}

/// Runs curl with these arguments; the answer's status is 0 where there was none.
pub(crate) fn curl(arguments: &[&str]) -> Reply {
    let output = Command::new("curl")
        .args(["--silent", "--include", "--path-as-is", "--globoff", "--max-time", "30", "--noproxy", "*"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("curl is installed (scripts/test sees to it)");
    let mut reader = &output.stdout[..];
    let mut head = Head::default();
    // Interim answers (100) come before the one that counts.
    while let Ok(Some(next)) = Head::read(&mut reader) {
        let interim = next.word(1).starts_with('1');
        head = next;
        if !interim {
            break;
        }
    }
    Reply {
        status: head.word(1).parse().unwrap_or(0),
        head,
        body: reader.to_vec(),
        exit: output.status.code().unwrap_or(-1),
    }
}
