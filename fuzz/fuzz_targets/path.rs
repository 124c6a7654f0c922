//! Request paths: an accepted path is canonical, means what was sent, and holds nothing that could be read in two ways.
#![no_main]

use haechi_core::path::percent_decode;
use haechi_core::{CanonicalPath, Irregular};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(path) = CanonicalPath::parse(data) else { return };
    let text = path.as_str();
    assert_eq!(CanonicalPath::parse(text.as_bytes()).as_ref(), Ok(&path), "not a fixed point: {text}");
    let sent = std::str::from_utf8(data).expect("ASCII");
    assert_eq!(percent_decode(text), percent_decode(sent), "{sent} became {text}");
    assert!(text.starts_with('/') && text.is_ascii() && text.len() <= 3 * data.len());
    assert!(!text.contains(['\\', '#', '?', ' ', '"', '<', '>', '^', '`', '{', '|', '}']), "{text}");
    let decoded = String::from_utf8(percent_decode(text)).expect("UTF-8");
    assert!(!decoded.contains('\\') && !decoded.bytes().any(|b| b < 0x20 || b == 0x7f), "{text}");
    // What a backend makes of it that decodes once and takes `;` for the end of a segment's name has no dot segment.
    let names = decoded.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    assert!(names.into_iter().all(|name| name != "." && name != ".."), "{text}");
    let flagged = |flag: Irregular| flag.within(path.irregular());
    assert_eq!(flagged(Irregular::SEMICOLON), decoded.contains(';'), "{text}");
    assert_eq!(flagged(Irregular::DOUBLE_SLASH), text.contains("//"), "{text}");
    assert_eq!(flagged(Irregular::ENCODED_SLASH), text.contains("%2F"), "{text}");
    let delimiter = text.contains("%23") || text.contains("%3F");
    assert_eq!(flagged(Irregular::ENCODED_DELIMITER), delimiter, "{text}");
    assert_eq!(flagged(Irregular::ENCODED_PERCENT), text.contains("%25"), "{text}");
    escapes_are_needed(text);
});

/// Escapes are in upper case, and none stands for a character that needs none.
fn escapes_are_needed(text: &str) {
    for (at, _) in text.match_indices('%') {
        let digits = &text[at + 1..at + 3];
        let value = u8::from_str_radix(digits, 16).expect("two hex digits");
        assert_eq!(digits, digits.to_ascii_uppercase());
        assert!(!value.is_ascii_alphanumeric() && !b"-._~".contains(&value), "{text}");
    }
}
