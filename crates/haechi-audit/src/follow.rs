//! Reads a file of the trail along, as far as whole lines go: its digest, and where each chain has come to in it.

use crate::chain::{Hash, Head, prefix, sha256};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// So much is read at once.
const PIECE: usize = 1 << 20;

/// How far a file was read.
#[derive(Clone)]
pub(crate) struct Follow {
    /// What was read, in bytes: up to the end of a line.
    pub(crate) offset: u64,
    pub(crate) lines: u64,
    /// The first line.
    pub(crate) first: Vec<u8>,
    /// Of each chain its last line in the file.
    last: BTreeMap<Box<str>, (u64, Vec<u8>)>,
    /// The last line of a control side.
    control: Option<Vec<u8>>,
    digest: Context,
}

impl Default for Follow {
    fn default() -> Self {
        Self {
            offset: 0,
            lines: 0,
            first: Vec::new(),
            last: BTreeMap::new(),
            control: None,
            digest: Context::new(&SHA256),
        }
    }
}

impl Follow {
    /// The whole of a file.
    pub(crate) fn whole(file: &File) -> io::Result<Self> {
        let mut follow = Self::default();
        follow.advance(file)?;
        Ok(follow)
    }

    /// Reads what has come since.
    pub(crate) fn advance(&mut self, file: &File) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        let mut filled = 0;
        loop {
            let room = piece.get_mut(filled..).unwrap_or_default();
            let count = file.read_at(room, self.offset + filled as u64)?;
            filled += count;
            let read = piece.get(..filled).unwrap_or_default();
            let whole = memchr::memrchr(b'\n', read).map_or(0, |end| end + 1);
            self.take(read.get(..whole).unwrap_or_default());
            piece.copy_within(whole..filled, 0);
            filled -= whole;
            if count == 0 {
                return Ok(());
            }
            if filled == piece.len() {
                piece.resize(2 * filled, 0);
            }
        }
    }

    /// Takes whole lines.
    fn take(&mut self, lines: &[u8]) {
        self.digest.update(lines);
        self.offset += lines.len() as u64;
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', lines) {
            let line = lines.get(begin..end).unwrap_or_default();
            begin = end + 1;
            self.lines += 1;
            if self.first.is_empty() {
                self.first = line.to_vec();
            }
            let Some((chain, seq)) = prefix(line) else { continue };
            match self.last.get_mut(chain) {
                Some(last) => {
                    last.0 = seq;
                    last.1.clear();
                    last.1.extend_from_slice(line);
                }
                None => drop(self.last.insert(chain.into(), (seq, line.to_vec()))),
            }
            if chain.ends_with(".0") {
                self.control = Some(line.to_vec());
            }
        }
    }

    /// Where each chain has come to.
    pub(crate) fn ends(&self) -> BTreeMap<Box<str>, Head> {
        let head = |(seq, line): &(u64, Vec<u8>)| Head { seq: *seq, hash: sha256(line) };
        self.last.iter().map(|(chain, last)| (chain.clone(), head(last))).collect()
    }

    /// Whether a chain of this process has a line in it.
    pub(crate) fn knows(&self, process: &str) -> bool {
        self.last.keys().any(|chain| chain.starts_with(process))
    }

    /// The hash of the last line of a control side.
    pub(crate) fn control(&self) -> Option<Hash> {
        self.control.as_deref().map(sha256)
    }

    /// The digest of what was read.
    pub(crate) fn sha256(&self) -> Hash {
        let mut hash = [0; 32];
        let digest = self.digest.clone().finish();
        hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        hash
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").field("offset", &self.offset).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Follow;
    use crate::chain::{Chain, sha256};
    use std::io::Write;

    #[test]
    fn a_file_is_read_along_up_to_its_last_whole_line() {
        let mut file = tempfile::tempfile().unwrap();
        let (mut control, mut worker) =
            (Chain::new("00000000.0", [0; 32]), Chain::new("00000000.1", [1; 32]));
        let mut lines = Vec::new();
        control.add(&mut lines, b"\"a\":1");
        worker.add(&mut lines, b"\"b\":1");
        file.write_all(&lines).unwrap();
        let mut follow = Follow::whole(&file).unwrap();
        assert_eq!((follow.lines, follow.offset), (2, lines.len() as u64));
        worker.add(&mut lines, format!("\"b\":\"{}\"", "x".repeat(3 << 20)).as_bytes());
        let all = lines.len();
        file.write_all(&lines[follow.offset as usize..all - 5]).unwrap();
        follow.advance(&file).unwrap();
        assert_eq!(follow.lines, 2, "half a line is none");
        file.write_all(&lines[all - 5..]).unwrap();
        follow.advance(&file).unwrap();
        assert_eq!((follow.lines, follow.sha256()), (3, sha256(&lines)));
        assert_eq!(follow.ends()["00000000.1"], worker.head());
        assert_eq!(follow.control(), Some(control.head().hash));
        assert!(follow.knows("00000000") && !follow.knows("00000001"));
    }
}
