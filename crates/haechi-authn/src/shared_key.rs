//! Names for what nodes count together.

use aws_lc_rs::digest::{Context, SHA256};

/// The name of a count: the same on every node, and no text that a client chose. Nobody finds two lists of parts that meet, and of a name that is
/// secret nobody reads it, though who guesses it can tell.
pub fn shared_key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::shared_key;

    #[test]
    fn parts_are_told_apart() {
        let keys = [
            shared_key([&b"ab"[..], b"c"]),
            shared_key([&b"a"[..], b"bc"]),
            shared_key([&b"abc"[..]]),
            shared_key([&b"abc"[..], b""]),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys.iter().skip(n + 1).any(|other| other == key));
        }
        assert_eq!(keys[0], shared_key([&b"ab"[..], b"c"]));
    }
}
