//! The one parser of request paths.
//!
//! What it returns is what is routed, decided, logged and forwarded. A path that could mean two things is refused, never repaired
//! (docs/routing.md; RFC 3986 sections 2.3, 3.3 and 6.2.2).

use std::fmt;

/// The longest target, in bytes, path and query together.
pub const MAX_TARGET: usize = 8 * 1024;

/// A request path in canonical form: begins with `/`, escapes in upper case, unreserved characters unescaped.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CanonicalPath {
    text: Box<str>,
    irregular: Irregular,
}

/// Which ambiguous spellings a path has that a route may allow by name (`allow_in_path`). A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Irregular(u8);

impl Irregular {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// `;` or `%3B`.
    pub const SEMICOLON: Self = Self(1);
    /// `//`.
    pub const DOUBLE_SLASH: Self = Self(2);
    /// `%2F`.
    pub const ENCODED_SLASH: Self = Self(4);
    /// `%25`.
    pub const ENCODED_PERCENT: Self = Self(8);
    /// `%23` or `%3F`, which a backend that decodes once too often takes for the end of the path. Only what takes any rest of a path must allow it.
    pub const ENCODED_DELIMITER: Self = Self(16);

    /// The names that `allow_in_path` knows, with their flags.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("semicolon", Self::SEMICOLON),
        ("double_slash", Self::DOUBLE_SLASH),
        ("encoded_slash", Self::ENCODED_SLASH),
        ("encoded_percent", Self::ENCODED_PERCENT),
        ("encoded_delimiter", Self::ENCODED_DELIMITER),
    ];

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether everything in `self` is in `allowed`.
    pub const fn within(self, allowed: Self) -> bool {
        self.0 & !allowed.0 == 0
    }
}

/// Why a path was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// A byte that may not stand in a path (RFC 3986 3.3), `\` and `#` among them.
    #[error("the path has a character that may not stand there")]
    Character,
    /// `%` without two hex digits.
    #[error("the path has a `%` that is not followed by two hex digits")]
    Escape,
    /// An escape of `\` or a control byte.
    #[error("the path has an escape that could be read in two ways")]
    AmbiguousEscape,
    /// `.` or `..` as a segment, in any spelling, also behind `%2F` or before `;`.
    #[error("the path has a `.` or `..` segment")]
    DotSegment,
    /// The escapes do not decode to UTF-8.
    #[error("the path does not decode to valid UTF-8")]
    NotUtf8,
}

impl CanonicalPath {
    /// Reads the path part of a request target (without the query).
    ///
    /// # Errors
    /// [`PathFault`] for every spelling that two readers could take differently and that no route can allow.
    pub fn parse(raw: &[u8]) -> Result<Self, PathFault> {
        if raw.first() != Some(&b'/') {
            return Err(PathFault::NotAbsolute);
        }
        if let Some(text) = as_it_is(raw) {
            return Ok(Self { text: text.into(), irregular: Irregular::NONE });
        }
        let (text, irregular, high_escapes) = canonical_text(raw)?;
        if text.contains('.') && has_dot_segment(&text) {
            return Err(PathFault::DotSegment);
        }
        if high_escapes && String::from_utf8(percent_decode(&text)).is_err() {
            return Err(PathFault::NotUtf8);
        }
        Ok(Self { text: text.into(), irregular })
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The ambiguous spellings that it has.
    pub const fn irregular(&self) -> Irregular {
        self.irregular
    }

    /// The segments between slashes: `/` has one, empty; `/a/` has `a` and an empty one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.strip_prefix('/').unwrap_or(&self.text).split('/')
    }
}

/// The path as sent, where it is canonical and nothing in it could be read in two ways: no escape, no empty segment but the last, no dot segment,
/// nothing that may not stand there. Most paths are so.
fn as_it_is(raw: &[u8]) -> Option<&str> {
    let (mut previous, mut dots) = (0, false);
    for &byte in raw {
        if !(is_plain(byte) || (byte == b'/' && previous != b'/')) {
            return None;
        }
        dots |= byte == b'.';
        previous = byte;
    }
    let text = std::str::from_utf8(raw).ok()?;
    (!dots || !has_dot_segment(text)).then_some(text)
}

/// One pass: checks every byte, unescapes unreserved characters, notes what is irregular.
/// The last value tells whether an escape of a byte over 0x7F was seen.
fn canonical_text(raw: &[u8]) -> Result<(String, Irregular, bool), PathFault> {
    let mut text = String::with_capacity(raw.len());
    let mut irregular = Irregular::NONE;
    let mut high_escapes = false;
    let mut rest = raw;
    let mut previous = 0;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'/' if previous == b'/' => irregular = irregular.union(Irregular::DOUBLE_SLASH),
            b';' => irregular = irregular.union(Irregular::SEMICOLON),
            b'%' => {
                let [high, low, after @ ..] = rest else { return Err(PathFault::Escape) };
                let value = hex(*high).zip(hex(*low)).map(|(h, l)| h * 16 + l).ok_or(PathFault::Escape)?;
                rest = after;
                previous = b'%';
                if is_unreserved(value) {
                    text.push(char::from(value));
                    continue;
                }
                irregular = irregular.union(escape_irregularity(value)?);
                high_escapes |= value >= 0x80;
                text.push('%');
                text.push(char::from(high.to_ascii_uppercase()));
                text.push(char::from(low.to_ascii_uppercase()));
                continue;
            }
            // Browsers send these as they are (WHATWG URL). They and their escapes are one text.
            b'[' | b']' | b'|' | b'^' => {
                previous = byte;
                push_escape(&mut text, byte);
                continue;
            }
            _ if !is_plain(byte) && byte != b'/' => return Err(PathFault::Character),
            _ => {}
        }
        previous = byte;
        text.push(char::from(byte));
    }
    Ok((text, irregular, high_escapes))
}

const fn escape_irregularity(value: u8) -> Result<Irregular, PathFault> {
    match value {
        b'/' => Ok(Irregular::ENCODED_SLASH),
        b'%' => Ok(Irregular::ENCODED_PERCENT),
        b';' => Ok(Irregular::SEMICOLON),
        b'#' | b'?' => Ok(Irregular::ENCODED_DELIMITER),
        b'\\' | 0..=0x1f | 0x7f => Err(PathFault::AmbiguousEscape),
        _ => Ok(Irregular::NONE),
    }
}

/// Looks for `.` and `..` the way the most lenient backend would: `%2F` separates, and `;` ends a segment.
fn has_dot_segment(text: &str) -> bool {
    text.split('/').flat_map(|segment| segment.split("%2F")).any(|piece| {
        let name = piece.split(';').next().unwrap_or(piece);
        let name = name.split("%3B").next().unwrap_or(name);
        name == "." || name == ".."
    })
}

/// A path as people write it, in the form in which clients send it: what may not stand in a path (`상품`, a space) is escaped, escapes stay.
pub fn as_sent(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    for byte in written.bytes() {
        if byte >= 0x80 || matches!(byte, b' ' | b'"' | b'<' | b'>' | b'`') {
            push_escape(&mut text, byte);
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

fn push_escape(text: &mut String, byte: u8) {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase();
    text.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
}

/// The bytes that canonical text stands for, each escape decoded once. For comparing, never for forwarding.
pub fn percent_decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, rest) {
            (b'%', [high, low, after @ ..]) => {
                bytes.push(hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0));
                rest = after;
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` of RFC 3986 3.3 without escapes and without `;`.
const fn is_plain(byte: u8) -> bool {
    // One bit for each byte of ASCII, instead of twenty comparisons.
    const PLAIN: u128 = {
        let (mut bits, mut byte) = (0, 0);
        while byte < 128u8 {
            let listed = matches!(
                byte,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
            );
            if listed || is_unreserved(byte) {
                bits |= 1 << byte;
            }
            byte += 1;
        }
        bits
    };
    byte < 128 && PLAIN >> byte & 1 == 1
}

impl fmt::Debug for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::{CanonicalPath, Irregular, PathFault, percent_decode};
    use proptest::prelude::*;

    fn text(raw: &str) -> Result<String, PathFault> {
        CanonicalPath::parse(raw.as_bytes()).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn unreserved_escapes_are_decoded_once_and_others_kept() {
        assert_eq!(text("/%61dmin/%7Ex").unwrap(), "/admin/~x");
        assert_eq!(text("/a%20b/%c3%a9").unwrap(), "/a%20b/%C3%A9");
        assert_eq!(text("/v1/a:b@c/d,e=f").unwrap(), "/v1/a:b@c/d,e=f");
        assert_eq!(text("/").unwrap(), "/");
        assert_eq!(text("/main%2Epy/%2ehidden/a%2e%2eb").unwrap(), "/main.py/.hidden/a..b");
    }

    #[test]
    fn what_browsers_send_as_it_is_and_its_escape_are_one_text() {
        assert_eq!(text("/a[0]|b^c").unwrap(), "/a%5B0%5D%7Cb%5Ec");
        assert_eq!(text("/a%5b0%5d%7cb%5ec"), text("/a[0]|b^c"));
        assert_eq!(super::as_sent("/상품/a b?q=é"), "/%EC%83%81%ED%92%88/a%20b?q=%C3%A9");
        assert_eq!(super::as_sent("/a%20b/../[x]"), "/a%20b/../[x]");
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        let cases = [
            ("", PathFault::NotAbsolute),
            ("admin", PathFault::NotAbsolute),
            ("*", PathFault::NotAbsolute),
            ("/./a", PathFault::DotSegment),
            ("/a/../b", PathFault::DotSegment),
            ("/a/..", PathFault::DotSegment),
            ("/a/..;x/b", PathFault::DotSegment),
            ("/a%2F..%2fb", PathFault::DotSegment),
            ("/..%3Bx/b", PathFault::DotSegment),
            ("/%2e%2e/a", PathFault::DotSegment),
            ("/a/.%2E", PathFault::DotSegment),
            ("/%2e", PathFault::DotSegment),
            ("/%2e%2e%2fa", PathFault::DotSegment),
            ("/%2e%2e;x/a", PathFault::DotSegment),
            ("/a%5Cb", PathFault::AmbiguousEscape),
            ("/a%00", PathFault::AmbiguousEscape),
            ("/a%0d%0aX:1", PathFault::AmbiguousEscape),
            ("/a%7f", PathFault::AmbiguousEscape),
            ("/a\\b", PathFault::Character),
            ("/a#b", PathFault::Character),
            ("/a b", PathFault::Character),
            ("/a\u{e9}", PathFault::Character),
            ("/a<b", PathFault::Character),
            ("/a%", PathFault::Escape),
            ("/a%2", PathFault::Escape),
            ("/a%zz", PathFault::Escape),
            ("/a%u002e", PathFault::Escape),
            ("/%ff", PathFault::NotUtf8),
            ("/%c0%af", PathFault::NotUtf8),
            ("/%c3/%a9", PathFault::NotUtf8),
        ];
        for (raw, fault) in cases {
            assert_eq!(text(raw), Err(fault), "{raw}");
        }
    }

    #[test]
    fn what_a_route_may_allow_is_told_apart() {
        let cases = [
            ("/a;v=1", Irregular::SEMICOLON),
            ("/a%3bv", Irregular::SEMICOLON),
            ("//a", Irregular::DOUBLE_SLASH),
            ("/a//b", Irregular::DOUBLE_SLASH),
            ("/a%2fb", Irregular::ENCODED_SLASH),
            ("/a%252e", Irregular::ENCODED_PERCENT),
            ("/a%23b", Irregular::ENCODED_DELIMITER),
            ("/a%3fb", Irregular::ENCODED_DELIMITER),
            ("/a/b", Irregular::NONE),
        ];
        for (raw, irregular) in cases {
            assert_eq!(CanonicalPath::parse(raw.as_bytes()).unwrap().irregular(), irregular, "{raw}");
        }
        assert!(!Irregular::SEMICOLON.within(Irregular::DOUBLE_SLASH));
        assert!(Irregular::SEMICOLON.within(Irregular::SEMICOLON.union(Irregular::DOUBLE_SLASH)));
    }

    proptest! {
        /// The short way comes to what the long one does.
        #[test]
        fn a_path_that_stays_as_it_is_is_canonical(raw in "/[a-z0-9%/.;:@~_!-]{0,24}") {
            if let Some(text) = super::as_it_is(raw.as_bytes()) {
                let long = super::canonical_text(raw.as_bytes()).unwrap();
                prop_assert_eq!(long, (text.to_owned(), Irregular::NONE, false));
                prop_assert!(!super::has_dot_segment(text));
            }
        }

        #[test]
        fn canonical_form_is_a_fixed_point(raw in "/[a-zA-Z0-9%/.;:@~_!-]{0,40}") {
            if let Ok(path) = CanonicalPath::parse(raw.as_bytes()) {
                let again = CanonicalPath::parse(path.as_str().as_bytes());
                prop_assert_eq!(again, Ok(path));
            }
        }

        #[test]
        fn an_accepted_path_means_what_was_sent(raw in "/[ -~]{0,40}") {
            if let Ok(path) = CanonicalPath::parse(raw.as_bytes()) {
                prop_assert_eq!(percent_decode(path.as_str()), percent_decode(&raw));
                prop_assert!(!path.as_str().contains(['\\', '#', '?', ' ']));
            }
        }

        #[test]
        fn any_bytes_are_answered(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(path) = CanonicalPath::parse(&raw) {
                prop_assert!(path.as_str().is_ascii());
                prop_assert!(path.segments().all(|segment| segment != "." && segment != ".."));
            }
        }
    }
}
