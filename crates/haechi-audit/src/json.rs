//! Members of a JSON object, written without an intermediate value: records are made for every request.

use haechi_core::Timestamp;
use std::fmt::{self, Write};

/// Appends the members that every record begins with: when, and what.
pub fn begin(out: &mut Vec<u8>, at: Timestamp, event: &str) {
    out.extend_from_slice(b"\"at\":\"");
    display(out, at.rfc3339_millis());
    out.extend_from_slice(b"\",\"event\":\"");
    out.extend_from_slice(event.as_bytes());
    out.push(b'"');
}

/// Appends a string with its quotes.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotes of a string (RFC 8259 7).
pub fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut begin = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= b' ' && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(bytes.get(begin..at).unwrap_or_default());
        begin = at + 1;
        match *byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            other => {
                let digit = |value: u8| b"0123456789abcdef".get(usize::from(value)).copied().unwrap_or(b'0');
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(other >> 4), digit(other & 15)]);
            }
        }
    }
    out.extend_from_slice(bytes.get(begin..).unwrap_or_default());
}

/// Appends `,"name":"text"`. The name is one of ours and needs no escape.
pub fn text_member(out: &mut Vec<u8>, name: &str, text: &str) {
    member(out, name);
    string(out, text);
}

/// Appends `,"name":[…]`.
pub fn list_member<'a>(out: &mut Vec<u8>, name: &str, texts: impl IntoIterator<Item = &'a str>) {
    member(out, name);
    out.push(b'[');
    for (at, text) in texts.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(out, text);
    }
    out.push(b']');
}

/// Appends `,"name":"value"`, of something that displays itself without anything to be escaped: an id, a time, an address, a word.
pub fn plain_member(out: &mut Vec<u8>, name: &str, value: impl fmt::Display) {
    member(out, name);
    out.push(b'"');
    display(out, value);
    out.push(b'"');
}

/// Appends `,"name":value`, of a number or of `true` or `false`.
pub fn bare_member(out: &mut Vec<u8>, name: &str, value: impl fmt::Display) {
    member(out, name);
    display(out, value);
}

/// Appends something as it displays itself.
pub fn display(out: &mut Vec<u8>, value: impl fmt::Display) {
    // Writing to memory does not fail.
    let _ = write!(Into(out), "{value}");
}

fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

struct Into<'a>(&'a mut Vec<u8>);

impl Write for Into<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{list_member, string, text_member};
    use proptest::prelude::{any, proptest};

    proptest! {
        #[test]
        fn strings_are_read_back_as_they_were(text in any::<String>()) {
            let mut out = Vec::new();
            string(&mut out, &text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            assert!(!out.contains(&b'\n'));
        }
    }

    #[test]
    fn members_follow_on_others() {
        let mut out = b"{\"a\":1".to_vec();
        text_member(&mut out, "b", "\"\n");
        list_member(&mut out, "c", ["x", "\\"]);
        out.push(b'}');
        assert_eq!(out, br#"{"a":1,"b":"\"\u000a","c":["x","\\"]}"#);
    }
}
