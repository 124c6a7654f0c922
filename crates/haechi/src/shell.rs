//! Commands that are shown to be run.

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(quoted("tenant=a/b"), "tenant=a/b");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("$(x) it's"), r"'$(x) it'\''s'");
    }
}
