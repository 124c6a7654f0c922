//! Field names: no spelling of a reserved name passes for another.
#![no_main]

use haechi_core::{FieldName, Fields};
use haechi_fuzz::is_token;
use libfuzzer_sys::fuzz_target;

/// A backend that folds names like a CGI gateway would read any of these as set by us.
const NEVER: [&str; 14] = [
    "x-auth-",
    "x-forwarded",
    "forwarded",
    "client-cert",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-original-method",
    "x-request-id",
    "traceparent",
    "tracestate",
    "x-forwarded-",
];

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
    let reserved = NEVER.iter().any(|name| match name.strip_suffix('-') {
        Some(_) => folded.starts_with(name),
        None if matches!(*name, "x-forwarded" | "client-cert") => folded.starts_with(name),
        None => folded == *name,
    });
    assert!(!reserved || known.is_reserved(), "{folded} is {known:?}");
    for name in ["content-length", "transfer-encoding", "host", "connection", "authorization", "cookie"] {
        if data.eq_ignore_ascii_case(name.as_bytes()) {
            assert_ne!(known, FieldName::Other);
        }
    }
});
