//! Records page by page, newest first.

use super::EvidenceError;
use super::records::Deadline;
use haechi_audit::read::{Filter, Line, lines_while};
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The first line of a file is no longer.
const LONGEST_LINE: u64 = 1024 * 1024;

/// Where a page begins: before this byte of the file that begins with this line. A file that is rolled meanwhile has another name, and the same first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    chain: String,
    seq: u64,
    before: u64,
}

/// Records, newest first, and where the next page begins.
pub(crate) type RecordPage = (Vec<Value>, Option<Cursor>);

impl Cursor {
    /// Of what [`Cursor`] was written as.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '-');
        let (before, seq, chain) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { chain: chain.to_owned(), seq: seq.parse().ok()?, before: before.parse().ok()? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.chain, self.seq, self.before)
    }
}

/// What is known of a file without reading it.
struct Begin {
    chain: String,
    seq: u64,
    at: String,
}

/// At most `limit` records that fit. `files` are in the order of time. `None` where the file that `from` tells of is no longer there.
///
/// # Errors
/// [`EvidenceError`].
pub(crate) fn newest(
    files: &[PathBuf],
    filter: &Filter,
    from: Option<&Cursor>,
    limit: usize,
    deadline: &mut Deadline,
) -> Result<Option<RecordPage>, EvidenceError> {
    let mut found: Vec<(Cursor, Value)> = Vec::new();
    let mut from = from;
    for path in files.iter().rev() {
        let Some(begin) = begin(path)? else { continue };
        let before = match from {
            Some(cursor) if (&*cursor.chain, cursor.seq) == (&*begin.chain, begin.seq) => cursor.before,
            Some(_) => continue,
            None => u64::MAX,
        };
        from = None;
        // One more tells whether there is another page.
        let most = limit + 1 - found.len();
        let last = last_in(path, filter, before, most, deadline)?;
        let cursor = |at| Cursor { chain: begin.chain.clone(), seq: begin.seq, before: at };
        found.extend(last.into_iter().rev().map(|(at, record)| (cursor(at), record)));
        // Whatever is in the files before was written before this one began.
        if found.len() > limit || filter.since.as_ref().is_some_and(|since| begin.at < *since) {
            break;
        }
    }
    if from.is_some() {
        return Ok(None);
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
    Ok(Some((found.into_iter().map(|(_, record)| record).collect(), next)))
}

/// The last records of a file that fit and begin before this byte, in the order of the file.
fn last_in(
    path: &Path,
    filter: &Filter,
    before: u64,
    most: usize,
    deadline: &mut Deadline,
) -> Result<VecDeque<(u64, Value)>, EvidenceError> {
    let unreadable = |error| EvidenceError::of(path, error);
    let file = File::open(path).map_err(unreadable)?;
    let (mut last, mut late) = (VecDeque::new(), false);
    let read = lines_while(&file, |at, bytes| {
        late = deadline.has_passed();
        if late || at >= before {
            return ControlFlow::Break(());
        }
        if let Some(record) = filter.take(bytes) {
            if last.len() == most {
                last.pop_front();
            }
            last.push_back((at, record));
        }
        ControlFlow::Continue(())
    });
    read.map_err(unreadable)?;
    if late { Err(EvidenceError::TooLong) } else { Ok(last) }
}

/// `None` for a file without a whole line.
fn begin(path: &Path) -> Result<Option<Begin>, EvidenceError> {
    match first_line(path) {
        // It was deleted meanwhile, because it is too old.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(EvidenceError::of(path, error)),
        Ok(bytes) => Ok(bytes.strip_suffix(b"\n").and_then(Line::read).map(|line| Begin {
            chain: line.chain.to_owned(),
            seq: line.seq,
            at: line.at.to_owned(),
        })),
    }
}

fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file: BufReader<Take<File>> = BufReader::new(File::open(path)?.take(LONGEST_LINE));
    file.read_until(b'\n', &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Cursor, newest};
    use crate::evidence::records::Deadline;
    use haechi_audit::read::Filter;
    use serde_json::Value;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    fn line(chain: &str, seq: u64, event: &str) -> String {
        let (prev, minute) = ("0".repeat(64), seq);
        format!(
            "{{\"chain\":\"{chain}\",\"seq\":{seq},\"prev\":\"{prev}\",\"at\":\"2026-11-27T10:{minute:02}:00.000Z\",\"event\":\"{event}\"}}\n"
        )
    }

    fn seqs(records: &[Value]) -> Vec<u64> {
        records.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
    }

    #[test]
    fn pages_follow_on_each_other_whatever_the_files_are_called_by_then() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, seqs: std::ops::Range<u64>| -> PathBuf {
            let lines = seqs.map(|seq| line("p.0", seq, if seq % 2 == 0 { "even" } else { "odd" }));
            let path = folder.path().join(name);
            std::fs::write(&path, lines.collect::<String>()).unwrap();
            path
        };
        let (old, current) = (write("a-1.jsonl", 1..10), write("a.jsonl", 10..20));
        let far = || Deadline::new(Instant::now() + Duration::from_secs(60));
        let even = Filter { event: Some("even".into()), ..Filter::default() };
        let files = [old.clone(), current.clone()];
        let (first, next) = newest(&files, &even, None, 3, &mut far()).unwrap().unwrap();
        assert_eq!(seqs(&first), [18, 16, 14]);
        let next = Cursor::parse(&next.unwrap().to_string()).unwrap();
        let rolled = folder.path().join("a-2.jsonl");
        std::fs::rename(&current, &rolled).unwrap();
        let files = [old.clone(), rolled, write("a.jsonl", 20..30)];
        let (second, next) = newest(&files, &even, Some(&next), 3, &mut far()).unwrap().unwrap();
        assert_eq!(seqs(&second), [12, 10, 8]);
        let (third, last) = newest(&files, &even, next.as_ref(), 30, &mut far()).unwrap().unwrap();
        assert_eq!((seqs(&third), last), (vec![6, 4, 2], None));
        let (exact, last) = newest(&files, &even, None, 14, &mut far()).unwrap().unwrap();
        assert_eq!((exact.len(), last), (14, None));
        let at = |minute: u64| Some(format!("2026-11-27T10:{minute:02}:00.000Z"));
        let between = Filter { since: at(7), until: at(12), ..Filter::default() };
        let (some, _) = newest(&files, &between, None, 30, &mut far()).unwrap().unwrap();
        assert_eq!(seqs(&some), [11, 10, 9, 8, 7]);
        let gone = Cursor { chain: "q.0".into(), seq: 1, before: 5 };
        assert!(newest(&files, &even, Some(&gone), 3, &mut far()).unwrap().is_none());
        assert!(["", "x", "a-b-c", "p.0-1"].into_iter().all(|odd| Cursor::parse(odd).is_none()));
    }
}
