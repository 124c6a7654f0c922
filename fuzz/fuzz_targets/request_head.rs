//! HTTP/1.1 request heads: what is accepted means one thing, and means it again when it is written out from what was read.
#![no_main]

use haechi_core::FieldName;
use haechi_fuzz::is_token;
use haechi_proxy::fuzzing::{BodyEnd, Request, head_end, request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let end = head_end(data);
    incremental(data, &end);
    let Ok(Some(end)) = end else { return };
    let Ok(read) = request(&data[..end]) else { return };
    one_meaning(&read);
    if read.host.is_unnamed() {
        // HTTP/1.0 alone knows such; what is written out is HTTP/1.1.
        return;
    }
    let written = written(&read);
    let again = request(&written).unwrap_or_else(|fault| panic!("{fault}: {written:?}"));
    assert_eq!(meaning(&read), meaning(&again), "{written:?}");
    // A head is no prefix of a longer one that means something else.
    assert_eq!(head_end(&[&written, data].concat()), Ok(Some(written.len())));
});

/// A head that arrives byte by byte is judged as one that arrives at once: nothing that was incomplete was a head, nothing refused becomes one.
fn incremental(data: &[u8], whole: &Result<Option<usize>, String>) {
    let until = match whole {
        Ok(Some(end)) => *end,
        _ => data.len(),
    };
    let from = until.saturating_sub(64);
    for length in (0..from).step_by(61).chain(from..until) {
        match (head_end(&data[..length]), whole) {
            (Ok(None), _) | (Err(_), Err(_)) => {}
            // Limits of what is incomplete are told by its length.
            (Err(fault), Ok(_)) => assert!(fault.contains("over"), "{fault} after {length} bytes"),
            (Ok(Some(end)), _) => {
                panic!("a head ends after {end} of {length} bytes, and with all of them: {whole:?}")
            }
        }
    }
}

fn one_meaning(read: &Request) {
    assert!(read.path.starts_with(b"/"));
    let target = read.path.iter().chain(read.query.iter().flat_map(|query| query.as_bytes()));
    assert!(target.into_iter().all(|b| (0x21..0x7f).contains(b) && *b != b'#'));
    assert!(!read.path.contains(&b'?'));
    assert!(read.fields.all(FieldName::Host).count() <= 1);
    assert!(!read.fields.has(FieldName::Misspelled));
    for field in read.fields.iter() {
        assert!(is_token(field.name) && field.name.iter().all(|b| !b.is_ascii_uppercase()));
        assert!(!field.value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)), "{field:?}");
        assert_eq!(field.value, field.value.trim_ascii());
    }
    let lengths: Vec<_> = read.fields.all(FieldName::ContentLength).collect();
    let codings: Vec<_> = read.fields.all(FieldName::TransferEncoding).collect();
    match (read.end, &*lengths, &*codings) {
        (BodyEnd::None, [], []) => {}
        (BodyEnd::Length(length), [text], []) => {
            assert_eq!(std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()), Some(length));
        }
        (BodyEnd::Chunked, [], [coding]) => assert!(coding.eq_ignore_ascii_case(b"chunked")),
        other => panic!("two ways to read the length: {other:?}"),
    }
}

fn written(read: &Request) -> Vec<u8> {
    let mut out = [read.method.as_str().as_bytes(), b" ", &*read.path].concat();
    if let Some(query) = &read.query {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(format!(" HTTP/1.1\r\nhost: {}\r\n", read.host).as_bytes());
    // HTTP/1.0 ends its connection without saying so.
    if !read.keep_alive {
        out.extend_from_slice(b"connection: close\r\n");
    }
    for field in read.fields.iter().filter(|field| carried(field.known, field.name)) {
        out.extend_from_slice(&[field.name, b": ", field.value, b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn carried(known: FieldName, name: &[u8]) -> bool {
    !matches!(known, FieldName::Host | FieldName::Connection) && name != b"host"
}

fn meaning(read: &Request) -> impl PartialEq + std::fmt::Debug {
    let fields = read.fields.iter().filter(|field| carried(field.known, field.name));
    let fields: Vec<_> = fields.map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
    let line = (read.method.clone(), read.host.clone(), read.path.clone(), read.query.clone());
    (line, read.end, read.keep_alive, fields)
}
