//! A line of a trail, taken apart without reading all of it.

use crate::chain::{Hash, hash_of_hex};

/// What a line begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line, without its end.
    pub bytes: &'a [u8],
    /// Its chain.
    pub chain: &'a str,
    /// Its number there.
    pub seq: u64,
    /// The hash of the line before.
    pub prev: Hash,
    /// When, as it is written.
    pub at: &'a str,
    /// What it tells of.
    pub event: &'a str,
}

impl<'a> Line<'a> {
    /// Takes a line apart; `None` for what is no record.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (chain, rest) = text(bytes.strip_prefix(b"{\"chain\":\"")?)?;
        let rest = rest.strip_prefix(b",\"seq\":")?;
        let (seq, rest) = rest.split_at_checked(memchr::memchr(b',', rest)?)?;
        let seq = number(seq)?;
        let (prev, rest) = text(rest.strip_prefix(b",\"prev\":\"")?)?;
        let prev = hash_of_hex(prev.as_bytes())?;
        let (at, rest) = text(rest.strip_prefix(b",\"at\":\"")?)?;
        let (event, _) = text(rest.strip_prefix(b",\"event\":\"")?)?;
        bytes.ends_with(b"}").then_some(Self { bytes, chain, seq, prev, at, event })
    }

    /// The process that its chain is of.
    pub fn process(&self) -> &'a str {
        self.chain.split_once('.').map_or(self.chain, |(process, _)| process)
    }

    /// Whether it is of a control side's chain.
    pub fn is_of_control_side(&self) -> bool {
        self.chain.ends_with(".0")
    }

    /// What of it is signed, and the signature; `None` where it has none.
    pub fn signed(&self) -> Option<(&'a [u8], &'a [u8])> {
        const BEFORE: &[u8] = b",\"signature\":\"";
        // It stands last: whatever looks like one before is text of the line.
        let at = memchr::memmem::rfind(self.bytes, BEFORE)?;
        let signature = self.bytes.get(at + BEFORE.len()..)?.strip_suffix(b"\"}")?;
        Some((self.bytes.get(..at)?, signature))
    }

    /// The value of a member that is text without escapes, such as an id or a pseudonym.
    pub fn member(&self, name: &str) -> Option<&'a str> {
        let before = format!(",\"{name}\":\"");
        let at = memchr::memmem::find(self.bytes, before.as_bytes())?;
        text(self.bytes.get(at + before.len()..)?).map(|(value, _)| value)
    }
}

/// The text up to the next quote, and what follows on that. Nothing with an escape in it is asked for so.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (text, rest) = bytes.split_at_checked(memchr::memchr(b'"', bytes)?)?;
    Some((std::str::from_utf8(text).ok()?, rest.get(1..)?))
}

/// As it is written: digits, without a sign or a zero before them.
fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}
