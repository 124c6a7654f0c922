//! Properties of the codec that hold for whatever is sent; `fuzz/` looks for exceptions with more patience.

use crate::fuzzing::{BodyEnd, chunked, encode_chunks, head_end, request};
use haechi_core::FieldName;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The body and how many bytes it took, or the refusal.
fn decoded(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(chunked(pieces.iter().copied(), 4096))
}

fn split<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect()
}

/// Chunked bodies, most of them with a fault.
fn chunked_bodies() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "5\r\nhello\r\n",
        "0\r\n",
        "\r\n",
        "X: y\r\n",
        "a\r\n0123456789\r\n",
        "5;x\r\n",
        "1;a=\"b\"\r\n",
        "\n",
        "0",
        "Host: a\r\n",
        "1\r\n \r\n",
    ];
    vec(select(words.to_vec()), 0..8).prop_map(|words| words.concat().into_bytes())
}

/// Request heads, most of them with a fault.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let first = select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /a?b HTTP/1.1\r\n",
        "GET http://a/ HTTP/1.0\r\n",
        "GET  / HTTP/1.1\r\n",
        "\r\n",
        "\r\nGET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
    ]);
    let lines = [
        "Host: a\r\n",
        "Host: b:80\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "X-A:b\r\n",
        "x-a: \t b \r\n",
        " folded\r\n",
        "X : a\r\n",
        "X: a\n",
        "Expect: 100-continue\r\n",
    ];
    (first, vec(select(lines.to_vec()), 0..5))
        .prop_map(|(first, lines)| format!("{first}{}\r\n", lines.concat()).into_bytes())
}

proptest! {
    #[test]
    fn a_chunked_body_is_read_the_same_however_it_is_split(wire in chunked_bodies(), cuts in vec(any::<Index>(), 0..12)) {
        prop_assert_eq!(decoded(&[&wire]), decoded(&split(&wire, &cuts)));
    }

    #[test]
    fn a_body_that_we_write_is_read_as_it_was(body in vec(any::<u8>(), 0..3000), cuts in vec(any::<Index>(), 0..6)) {
        let wire = encode_chunks(split(&body, &cuts));
        prop_assert_eq!(decoded(&[&wire]), Ok((body, wire.len())));
    }

    #[test]
    fn a_head_is_judged_the_same_when_it_arrives_byte_by_byte(head in heads()) {
        let whole = head_end(&head);
        let early = (0..head.len()).map(|length| head_end(&head[..length])).find(|end| *end != Ok(None));
        match (early, &whole) {
            (None, _) => {}
            (Some(Err(early)), Err(whole)) => prop_assert_eq!(&early, whole),
            (Some(early), whole) => prop_assert!(false, "{early:?} before {whole:?}"),
        }
    }

    #[test]
    fn a_head_that_is_written_out_again_means_the_same(head in heads()) {
        let Ok(read) = request(&head) else { return Ok(()) };
        let query = read.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let mut written = format!("{} {}{query} HTTP/1.1\r\n", read.method, String::from_utf8_lossy(&read.path)).into_bytes();
        for field in read.fields.iter() {
            written.extend_from_slice(&[field.name, b": ", field.value, b"\r\n"].concat());
        }
        if !read.fields.has(FieldName::Host) {
            written.extend_from_slice(format!("host: {}\r\n", read.host).as_bytes());
        }
        written.extend_from_slice(b"\r\n");
        let again = request(&written).unwrap();
        prop_assert_eq!((read.method, read.host, read.path, read.query, read.end), (again.method, again.host, again.path, again.query, again.end));
        let announced = [FieldName::ContentLength, FieldName::TransferEncoding].into_iter().any(|name| read.fields.has(name));
        prop_assert!(read.end == BodyEnd::None || announced);
    }
}
