//! Digests of files up to given sizes.

use crate::chain::{Hash, sha256};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// So much is read at once.
const PIECE: u64 = 1 << 20;

/// The digests of a file's first bytes, for each of `sizes`. Sizes that the file does not have are left out.
pub(super) fn digests(path: &Path, sizes: impl IntoIterator<Item = u64>) -> io::Result<BTreeMap<u64, Hash>> {
    let mut wanted: Vec<u64> = sizes.into_iter().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut file = File::open(path)?;
    let (mut digest, mut offset) = (Context::new(&SHA256), 0);
    let mut piece = vec![0; PIECE as usize];
    let mut found = BTreeMap::new();
    for size in wanted {
        while offset < size {
            let most = usize::try_from((size - offset).min(PIECE)).unwrap_or(usize::MAX);
            match file.read(piece.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return Ok(found),
                Ok(count) => {
                    digest.update(piece.get(..count).unwrap_or_default());
                    offset += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut hash = sha256(b"");
        hash.iter_mut().zip(digest.clone().finish().as_ref()).for_each(|(to, from)| *to = *from);
        found.insert(size, hash);
    }
    Ok(found)
}
