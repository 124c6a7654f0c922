//! A chain of records: each line names its place in the chain and carries the SHA-256 of the line before.
//!
//! `{"chain":"9f3c01ab.1","seq":7,"prev":"<64 hex digits>",…}`. What is hashed is the line without its end, so that `sha256sum` gives the same.

use aws_lc_rs::digest::{SHA256, digest};
use haechi_core::id::hex16;

/// A SHA-256.
pub type Hash = [u8; 32];

/// Where a chain has come to: the number of its last line, and that line's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last line; 0 before the first.
    pub seq: u64,
    /// Its hash; before the first line whatever the chain begins with.
    pub hash: Hash,
}

/// A chain that grows.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    id: Box<str>,
    head: Head,
}

impl Chain {
    /// A chain that follows on the line with the hash `anchor`.
    pub(crate) fn new(id: impl Into<Box<str>>, anchor: Hash) -> Self {
        Self { id: id.into(), head: Head { seq: 0, hash: anchor } }
    }

    pub(crate) const fn id(&self) -> &str {
        &self.id
    }

    pub(crate) const fn head(&self) -> Head {
        self.head
    }

    /// Goes back to where it was: what was added since was not written.
    pub(crate) const fn go_back(&mut self, head: Head) {
        self.head = head;
    }

    /// Adds a line to `out`: the members that `body` is, without braces.
    pub(crate) fn add(&mut self, out: &mut Vec<u8>, body: &[u8]) {
        let line = self.add_open(out, body);
        self.close(out, line);
    }

    /// Adds a line without its end, and returns where it begins. What is signed of it is signed as it stands.
    pub(crate) fn add_open(&self, out: &mut Vec<u8>, body: &[u8]) -> usize {
        let begin = out.len();
        out.extend_from_slice(b"{\"chain\":\"");
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(b"\",\"seq\":");
        push_number(out, self.head.seq + 1);
        out.extend_from_slice(b",\"prev\":\"");
        push_hash(out, &self.head.hash);
        out.extend_from_slice(b"\",");
        out.extend_from_slice(body);
        begin
    }

    /// Ends the line that begins at `begin`.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>, begin: usize) {
        out.push(b'}');
        let hash = out.get(begin..).map(sha256).unwrap_or_default();
        self.head = Head { seq: self.head.seq + 1, hash };
        out.push(b'\n');
    }
}

/// The SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

fn push_hash(out: &mut Vec<u8>, hash: &Hash) {
    for eight in hash.as_chunks::<8>().0 {
        out.extend_from_slice(&hex16(u64::from_be_bytes(*eight)));
    }
}

/// A hash as 64 lower-case hex digits.
pub fn hex(hash: &Hash) -> String {
    let mut out = Vec::with_capacity(64);
    push_hash(&mut out, hash);
    out.into_iter().map(char::from).collect()
}

/// Reads a hash as 64 lower-case hex digits.
pub fn hash_of_hex(text: &[u8]) -> Option<Hash> {
    let (pairs, rest) = text.as_chunks::<2>();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut hash = [0; 32];
    for (to, [high, low]) in hash.iter_mut().zip(pairs) {
        *to = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(hash)
}

/// Reads the chain and the number that a line begins with; `None` for anything that does not begin like a record.
pub fn prefix(line: &[u8]) -> Option<(&str, u64)> {
    let rest = line.strip_prefix(b"{\"chain\":\"")?;
    let end = memchr::memchr(b'"', rest)?;
    let (chain, rest) = rest.split_at_checked(end)?;
    let rest = rest.strip_prefix(b"\",\"seq\":")?;
    let end = memchr::memchr(b',', rest)?;
    let seq = std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()?;
    Some((std::str::from_utf8(chain).ok()?, seq))
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        if let Some(place) = digits.get_mut(at) {
            *place = b'0' + (left % 10) as u8;
        }
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::{Chain, hash_of_hex, hex, sha256};

    #[test]
    fn each_line_carries_the_hash_of_the_one_before() {
        let mut chain = Chain::new("c", [0; 32]);
        let mut out = Vec::new();
        chain.add(&mut out, br#""a":1"#);
        chain.add(&mut out, br#""a":2"#);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!(r#"{{"chain":"c","seq":1,"prev":"{}","a":1}}"#, "0".repeat(64)));
        let hash = hex(&sha256(lines[0].as_bytes()));
        assert_eq!(lines[1], format!(r#"{{"chain":"c","seq":2,"prev":"{hash}","a":2}}"#));
        assert_eq!(chain.head().seq, 2);
        assert_eq!(Some(chain.head().hash), hash_of_hex(hex(&sha256(lines[1].as_bytes())).as_bytes()));
    }

    #[test]
    fn what_was_not_written_leaves_no_gap() {
        let mut chain = Chain::new("c", [0; 32]);
        let before = chain.head();
        chain.add(&mut Vec::new(), br#""a":1"#);
        chain.go_back(before);
        let mut out = Vec::new();
        chain.add(&mut out, br#""a":2"#);
        assert!(String::from_utf8(out).unwrap().contains(r#""seq":1,"#));
    }
}
