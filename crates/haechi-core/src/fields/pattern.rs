//! Names of fields as lists of them are written: `X-Real-IP`, or `X-User-*` for every name that begins so.

use std::fmt;

/// A field's name, or what names begin with.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldPattern {
    /// Lower case; a `*` at the end stands for any rest.
    text: Box<str>,
}

/// Text that is no field's name, with a `*` at its end or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is letters, digits and `-`; a `*` stands only at its end, behind three characters or more")]
pub struct FieldPatternError;

impl FieldPattern {
    /// Reads one.
    ///
    /// # Errors
    /// [`FieldPatternError`] for what is no token (RFC 9110 5.6.2), and for a `*` anywhere but at the end of a beginning that says something.
    pub fn parse(text: &str) -> Result<Self, FieldPatternError> {
        let name = text.strip_suffix('*');
        let said = name.unwrap_or(text);
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&b);
        let enough = said.len() >= if name.is_some() { 3 } else { 1 };
        if !enough || !said.bytes().all(token) {
            return Err(FieldPatternError);
        }
        Ok(Self { text: text.to_ascii_lowercase().into() })
    }

    /// Whether a backend may take a name, in lower case, for one that this is about.
    pub fn is_like(&self, name: &[u8]) -> bool {
        is_like(self.text.as_bytes(), name)
    }

    /// Whether this is about the name, in lower case, spelled as it is.
    pub fn is(&self, name: &[u8]) -> bool {
        match self.text.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning.as_bytes()),
            None => self.text.as_bytes() == name,
        }
    }

    /// Whether some name is one that both are about, in any spelling.
    pub fn overlaps(&self, other: &str) -> bool {
        let (ours, theirs) = (self.text.as_bytes(), other.as_bytes());
        match (ours.strip_suffix(b"*"), theirs.strip_suffix(b"*")) {
            (Some(ours), Some(theirs)) => begins_like(ours, theirs) || begins_like(theirs, ours),
            (None, _) => is_like(theirs, ours),
            (_, None) => is_like(ours, theirs),
        }
    }

    /// As written, in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for FieldPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// A letter in lower case, a digit, or `-` for everything else: backends like CGI programs read `_` and `.` so.
pub(super) const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether `name` is `listed` in some spelling, or begins so where that ends with `*`.
pub(super) fn is_like(listed: &[u8], name: &[u8]) -> bool {
    match listed.strip_suffix(b"*") {
        Some(beginning) => begins_like(name, beginning),
        None => listed.len() == name.len() && begins_like(name, listed),
    }
}

fn begins_like(name: &[u8], beginning: &[u8]) -> bool {
    let start = name.get(..beginning.len());
    start.is_some_and(|start| start.iter().zip(beginning).all(|(&a, &b)| fold(a) == fold(b)))
}

#[cfg(test)]
mod tests {
    use super::FieldPattern;

    #[test]
    fn beginnings_and_names_are_told_apart() {
        let all = FieldPattern::parse("X-User-*").unwrap();
        assert!(
            all.is_like(b"x_user_id")
                && all.is(b"x-user-id")
                && !all.is(b"x_user_id")
                && !all.is_like(b"x-users")
        );
        let one = FieldPattern::parse("X-Client-IP").unwrap();
        assert!(one.is(b"x-client-ip") && one.is_like(b"x.client.ip") && !one.is_like(b"x-client-ips"));
        for odd in ["", "*", "X*", "a b", "x-*-y", "X-**", "a:", "é"] {
            assert!(FieldPattern::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn overlaps_are_seen_from_both_sides() {
        let of = |text: &str| FieldPattern::parse(text).unwrap();
        assert!(of("X-Forwarded-*").overlaps("X-Forwarded-For"));
        assert!(of("x_auth_attr_mail").overlaps("X-Auth-Attr-*"));
        assert!(of("X-Auth-*").overlaps("X-Auth-Attr-*") && of("X-Auth-Attr-a*").overlaps("X-Auth-Attr-*"));
        assert!(!of("X-Auth-Token").overlaps("X-Auth-Attr-*") && !of("X-Envoy-*").overlaps("X-Auth-Attr-*"));
    }
}
