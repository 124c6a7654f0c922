//! What a verification came to.

use serde::Serialize;
use std::fmt;

/// So many faults are told; one is often the cause of many.
const TOLD: usize = 20;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The line in it, counted from 1; 0 for the file as a whole.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

/// What a trail is like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files that were read.
    pub files: usize,
    /// Lines that were read.
    pub lines: u64,
    /// Chains that have lines in them.
    pub chains: usize,
    /// Signed checkpoints.
    pub checkpoints: u64,
    /// The time of the first line.
    pub first: Option<String>,
    /// The time of the last line.
    pub last: Option<String>,
    /// Lines behind the last checkpoint: nothing signed vouches for them yet.
    pub unsigned: u64,
    /// What is right, and worth knowing.
    pub notes: Vec<String>,
    /// The first things that are wrong.
    pub faults: Vec<Fault>,
    /// How many are wrong in all.
    pub fault_count: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub const fn holds(&self) -> bool {
        self.fault_count == 0
    }

    pub(super) fn fault(&mut self, file: &str, line: u64, message: impl Into<String>) {
        self.fault_count += 1;
        if self.faults.len() < TOLD {
            self.faults.push(Fault { file: file.to_owned(), line, message: message.into() });
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        let more = self.fault_count - self.faults.len() as u64;
        if more > 0 {
            writeln!(f, "and {more} more")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let Self { files, lines, chains, checkpoints, unsigned, .. } = self;
        write!(
            f,
            "{} lines in {}, {} and {}",
            lines,
            plural(*files as u64, "file"),
            plural(*chains as u64, "chain"),
            plural(*checkpoints, "checkpoint")
        )?;
        if let (Some(first), Some(last)) = (&self.first, &self.last) {
            write!(f, ", from {first} to {last}")?;
        }
        writeln!(f, "; {} behind the last checkpoint", plural(*unsigned, "line"))?;
        match self.fault_count {
            0 => writeln!(f, "ok: nothing was removed, added, altered or moved"),
            1 => writeln!(f, "not ok: 1 fault"),
            count => writeln!(f, "not ok: {count} faults"),
        }
    }
}

fn plural(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
