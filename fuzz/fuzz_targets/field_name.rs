//! Field names: no spelling of a reserved name passes for another.
#![no_main]

use haechi_core::fields::reserved;
use haechi_core::{FieldName, Fields};
use haechi_fuzz::is_token;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if !is_token(data) {
        return;
    }
    let mut fields = Fields::default();
    fields.push(data, b"x");
    let known = fields.iter().next().expect("one").known;
    let folded: String = data
        .iter()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b.to_ascii_lowercase()) } else { '-' })
        .collect();
    // A backend that folds names like a CGI gateway would read any of these as set by us.
    let reserved = reserved::names().any(|(name, _)| {
        let plain = |b: u8| if b.is_ascii_alphanumeric() { char::from(b.to_ascii_lowercase()) } else { '-' };
        match name.strip_suffix('*') {
            Some(beginning) => folded.starts_with(&beginning.bytes().map(plain).collect::<String>()),
            None => folded == name.bytes().map(plain).collect::<String>(),
        }
    });
    assert!(!reserved || known.is_reserved() || known == FieldName::MethodOverride, "{folded} is {known:?}");
    for name in ["content-length", "transfer-encoding", "connection", "expect", "upgrade", "host"] {
        if folded == name {
            assert_ne!(known, FieldName::Other, "{folded}");
        }
    }
    for name in ["content-length", "transfer-encoding", "host", "connection", "authorization", "cookie"] {
        if data.eq_ignore_ascii_case(name.as_bytes()) {
            assert_ne!(known, FieldName::Other);
        }
    }
});
