//! HTTP/1.1 heads of answers: one status, one way to find the body's end.
#![no_main]

use haechi_core::FieldName;
use haechi_fuzz::is_token;
use haechi_proxy::fuzzing::{Answer, BodyEnd, answer};
use http::{Method, StatusCode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, head)) = data.split_first() else { return };
    let to = if first % 2 == 0 { Method::GET } else { Method::HEAD };
    let Ok(read) = answer(head, &to) else { return };
    one_meaning(&read, &to);
    let written = written(&read);
    let again = answer(&written, &to).unwrap_or_else(|fault| panic!("{fault}: {written:?}"));
    assert_eq!(meaning(&read), meaning(&again), "{written:?}");
});

fn one_meaning(read: &Answer, to: &Method) {
    for field in read.fields.iter() {
        assert!(is_token(field.name));
        assert!(!field.value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)), "{field:?}");
    }
    let lengths = read.fields.all(FieldName::ContentLength).count();
    let codings = read.fields.all(FieldName::TransferEncoding).count();
    assert!(lengths + codings <= 1);
    let bodiless = *to == Method::HEAD
        || read.status.is_informational()
        || matches!(read.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    assert_eq!(read.end == BodyEnd::None, bodiless);
    assert!(read.end != BodyEnd::Close || !read.keep_alive);
}

fn written(read: &Answer) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {} any\r\n", read.status.as_u16()).into_bytes();
    if !read.keep_alive {
        out.extend_from_slice(b"connection: close\r\n");
    }
    for field in read.fields.iter().filter(|field| field.known != FieldName::Connection) {
        out.extend_from_slice(&[field.name, b": ", field.value, b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn meaning(read: &Answer) -> impl PartialEq + std::fmt::Debug {
    let fields = read.fields.iter().filter(|field| field.known != FieldName::Connection);
    let fields: Vec<_> = fields.map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
    (read.status, read.end, read.keep_alive, fields)
}
