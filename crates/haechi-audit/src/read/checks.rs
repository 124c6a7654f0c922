//! What is remembered of a trail while its lines are read, and what each line must be like.

use super::line::Line;
use super::report::Report;
use crate::chain::{Hash, Head, hash_of_hex, sha256};
use crate::signing::{is_signed, key_id, public_key};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Events that only the key's owner can write.
const SIGNED: [&str; 4] = ["start", "checkpoint", "sealed", "deleted"];

/// A chain, as far as it was read.
struct Known {
    head: Head,
    /// The first line that is there, and what it follows on.
    first: (u64, Hash),
    place: (usize, u64),
    /// Hashes of lines that no checkpoint has been compared with yet, with the number of the first of them.
    open: VecDeque<Hash>,
    open_from: u64,
}

/// What is said of a file: its first `size` bytes have this digest.
pub(super) struct Claim {
    pub(super) file: String,
    /// The file that the claim stands in, and the line.
    pub(super) by: (usize, u64),
    pub(super) size: u64,
    pub(super) sha256: Hash,
}

/// A head that a signed line tells of, of a chain that was not there.
struct Absent {
    chain: String,
    seq: u64,
    place: (usize, u64),
}

/// Everything that is remembered.
#[derive(Default)]
pub(super) struct Checks {
    chains: HashMap<Box<str>, Known>,
    /// The hash of each process's first line.
    anchors: HashMap<Box<str>, Hash>,
    /// The hashes of all lines of control sides.
    control: HashSet<Hash>,
    /// What signs.
    key: Option<[u8; 32]>,
    pub(super) claims: Vec<Claim>,
    absent: Vec<Absent>,
    /// Where chains ended in files that were deleted.
    deleted: HashMap<String, Vec<Head>>,
    since_checkpoint: u64,
    is_pinned: bool,
}

/// What signed lines have.
#[derive(Deserialize)]
struct Signed {
    key: Option<String>,
    public_key: Option<String>,
    #[serde(default)]
    heads: BTreeMap<String, WrittenHead>,
    #[serde(default)]
    ends: BTreeMap<String, WrittenHead>,
    file: Option<WrittenFile>,
}

#[derive(Deserialize)]
struct WrittenHead {
    seq: u64,
    hash: String,
}

#[derive(Deserialize)]
struct WrittenFile {
    name: String,
    size: u64,
    sha256: String,
}

impl Checks {
    pub(super) fn new(key: Option<[u8; 32]>) -> Self {
        Self { key, is_pinned: key.is_some(), ..Self::default() }
    }

    /// Looks at one line, which stands at `place`: the file's number and the line's.
    pub(super) fn line(&mut self, report: &mut Report, file: &str, place: (usize, u64), bytes: &[u8]) {
        report.lines += 1;
        self.since_checkpoint += 1;
        let Some(line) = Line::read(bytes) else {
            return report.fault(file, place.1, "this is no record");
        };
        if report.first.is_none() {
            report.first = Some(line.at.to_owned());
        }
        report.last = Some(line.at.to_owned());
        let hash = sha256(bytes);
        if let Some(wrong) = self.follow(&line, hash, place) {
            report.fault(file, place.1, wrong);
        }
        if line.is_of_control_side() {
            self.control.insert(hash);
        }
        if line.is_of_control_side() && SIGNED.contains(&line.event) {
            self.signed(report, file, place, &line);
        }
    }

    /// Whether the line is the next of its chain. Goes on from it, whatever it is like.
    fn follow(&mut self, line: &Line<'_>, hash: Hash, place: (usize, u64)) -> Option<String> {
        let head = Head { seq: line.seq, hash };
        if let Some(known) = self.chains.get_mut(line.chain) {
            let (before, is_next) = (known.head, known.head.hash == line.prev);
            known.head = head;
            if line.seq == before.seq + 1 && is_next {
                known.open.push_back(hash);
                return None;
            }
            known.open.clear();
            known.open.push_back(hash);
            known.open_from = line.seq;
            let chain = line.chain;
            return Some(match line.seq.checked_sub(before.seq + 1) {
                Some(0) => format!(
                    "line {} of chain {chain} does not follow on line {}: one of them was altered",
                    line.seq, before.seq
                ),
                Some(gap) => format!("{gap} lines of chain {chain} are missing before line {}", line.seq),
                None => format!(
                    "line {} of chain {chain} stands behind line {}: it was doubled or moved",
                    line.seq, before.seq
                ),
            });
        }
        let known =
            Known { head, first: (line.seq, line.prev), place, open: [hash].into(), open_from: line.seq };
        self.chains.insert(line.chain.into(), known);
        if line.event == "start" && line.is_of_control_side() {
            self.anchors.insert(line.process().into(), hash);
            let is_first = self.control.is_empty() && line.prev == [0; 32];
            let follows = is_first || self.control.contains(&line.prev);
            // Where the files before are gone, `first` is looked at in the end.
            return (!follows && !self.control.is_empty())
                .then(|| format!("the process {} follows on a line that is not there", line.process()));
        }
        (line.seq == 1 && self.anchors.get(line.process()).is_some_and(|anchor| *anchor != line.prev))
            .then(|| format!("line 1 of chain {} does not follow on the start of its process", line.chain))
    }

    /// Looks at a line that must be signed, and at what it vouches for.
    fn signed(&mut self, report: &mut Report, file: &str, place: (usize, u64), line: &Line<'_>) {
        let read: Result<Signed, _> = serde_json::from_slice(line.bytes);
        let (Ok(read), Some((message, signature))) = (read, line.signed()) else {
            return report.fault(file, place.1, format!("a `{}` line without a signature", line.event));
        };
        if self.key.is_none() {
            self.key = read.public_key.as_deref().and_then(public_key);
        }
        match &self.key {
            None => {
                return report.fault(
                    file,
                    place.1,
                    "there is no key to verify the signature with: name it with `--key`",
                );
            }
            Some(key) if read.key.as_deref() != Some(&*key_id(key)) => {
                return report.fault(file, place.1, format!("a `{}` line signed by another key", line.event));
            }
            Some(key) if !is_signed(key, message, signature) => {
                return report.fault(
                    file,
                    place.1,
                    format!("a `{}` line whose signature is wrong", line.event),
                );
            }
            Some(_) => {}
        }
        if let Some(WrittenFile { name, size, sha256 }) = read.file
            && line.event != "deleted"
            && let Some(sha256) = hash_of_hex(sha256.as_bytes())
        {
            self.claims.push(Claim { file: name, by: place, size, sha256 });
        }
        if line.event == "deleted" {
            for (chain, head) in read.ends {
                let Some(hash) = hash_of_hex(head.hash.as_bytes()) else { continue };
                self.deleted.entry(chain).or_default().push(Head { seq: head.seq, hash });
            }
        }
        for (chain, head) in &read.heads {
            if let Some(wrong) = self.head(chain, head, place) {
                report.fault(file, place.1, wrong);
            }
        }
        if line.event == "checkpoint" {
            report.checkpoints += 1;
            self.since_checkpoint = 0;
        }
    }

    /// Whether a chain has come to where a signed line says that it has.
    fn head(&mut self, chain: &str, head: &WrittenHead, place: (usize, u64)) -> Option<String> {
        let Some(known) = self.chains.get_mut(chain) else {
            self.absent.push(Absent { chain: chain.to_owned(), seq: head.seq, place });
            return None;
        };
        if head.seq > known.head.seq {
            return Some(format!(
                "the tail of chain {chain} was cut off: {} lines were there, {} are",
                head.seq, known.head.seq
            ));
        }
        // An older one was compared with an earlier checkpoint already.
        let back = head.seq.checked_sub(known.open_from)?;
        let found = usize::try_from(back).ok().and_then(|back| known.open.get(back)).copied();
        known.open.drain(..usize::try_from(back).unwrap_or(usize::MAX).min(known.open.len()));
        known.open_from = head.seq;
        (found != hash_of_hex(head.hash.as_bytes()))
            .then(|| format!("line {} of chain {chain} is not the one that was there", head.seq))
    }

    /// Whether a line of a control side is there.
    pub(super) fn has_control_line(&self, hash: &Hash) -> bool {
        self.control.contains(hash)
    }

    /// Whether a line stood in a file that was deleted.
    pub(super) fn was_deleted(&self, chain: &str, seq: u64) -> bool {
        self.deleted.get(chain).is_some_and(|ends| ends.iter().any(|end| end.seq >= seq))
    }

    /// What can be said only when all lines were read.
    pub(super) fn finish(&mut self, report: &mut Report, names: &[String], partial: bool) {
        report.chains = self.chains.len();
        report.unsigned = self.since_checkpoint;
        if !self.is_pinned && self.key.is_some() {
            report.notes.push(
                "the key is the one that the trail itself names; `--key` pins the right one".to_owned(),
            );
        }
        let name = |place: (usize, u64)| names.get(place.0).map_or("", |name| name);
        let mut odd: Vec<((usize, u64), String)> = Vec::new();
        for (chain, known) in &self.chains {
            let (seq, prev) = known.first;
            let vouched = |seq: u64| {
                self.deleted
                    .get(&**chain)
                    .is_some_and(|ends| ends.iter().any(|end| end.seq == seq && end.hash == prev))
            };
            let process = chain.split_once('.').map_or(&**chain, |(process, _)| process);
            let has_start = self.anchors.contains_key(process);
            let is_control = chain.ends_with(".0");
            if seq > 1 && !vouched(seq - 1) {
                odd.push((
                    known.place,
                    format!("lines 1 to {} of chain {chain} are in none of the files", seq - 1),
                ));
            } else if seq == 1 && !has_start && !self.was_deleted(&format!("{process}.0"), 1) {
                odd.push((
                    known.place,
                    format!("the start of the process {process} is in none of the files"),
                ));
            } else if seq == 1
                && is_control
                && prev != [0; 32]
                && !self.control.contains(&prev)
                && self.deleted.is_empty()
            {
                odd.push((
                    known.place,
                    format!("what the process {process} follows on is in none of the files"),
                ));
            }
        }
        for absent in &self.absent {
            if !self.was_deleted(&absent.chain, absent.seq) {
                odd.push((
                    absent.place,
                    format!("all {} lines of chain {} are in none of the files", absent.seq, absent.chain),
                ));
            }
        }
        odd.sort();
        if partial {
            if !odd.is_empty() {
                report.notes.push(format!("{} chains begin in files that are not here", odd.len()));
            }
            return;
        }
        for (place, message) in odd {
            report.fault(name(place), place.1, message);
        }
    }
}
