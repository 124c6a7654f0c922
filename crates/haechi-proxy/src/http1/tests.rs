use super::body::{BodyError, Decoder, Framing};
use super::head::{HeadScan, Http1Head, complete, complete_request, request, response};
use crate::io::{Buffers, Reader, Stream};
use crate::lines::{HeadFault, HeadLimits};
use http::Method;
use proptest::prelude::*;
use std::future::poll_fn;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

const LIMITS: HeadLimits = HeadLimits { bytes: 16 * 1024, fields: 100 };

fn parse(head: &str) -> Result<Http1Head, HeadFault> {
    match complete_request(head.as_bytes(), LIMITS)? {
        Some(length) => request(&head.as_bytes()[..length], LIMITS),
        None => Err(HeadFault::TooLarge),
    }
}

#[test]
fn a_plain_request_is_read() {
    let head =
        parse("POST /a/b?c=d HTTP/1.1\r\nHost: API.example:80\r\nContent-Length: 5\r\nX-A:  b \r\n\r\n")
            .unwrap();
    let lines = head.lines;
    assert_eq!(
        (lines.method, &*lines.path, lines.query.as_deref()),
        (Method::POST, &b"/a/b"[..], Some("c=d"))
    );
    assert_eq!(lines.host.to_string(), "api.example:80");
    assert_eq!(head.framing, Framing::Length(5));
    assert_eq!(lines.fields.sole_named(b"x-a"), Ok(Some(&b"b"[..])));
    assert!(head.keep_alive);
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    let get = |rest: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{rest}\r\n");
    for (head, fault) in [
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), HeadFault::BareLf),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n".to_owned(), HeadFault::BareLf),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Malformed),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::BareLf),
        ("GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Host),
        ("GET http://a:443/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Host),
        ("GET / HTTP/1.0\r\nHost:\r\n\r\n".to_owned(), HeadFault::Host),
        (get("Transfer_Encoding: chunked\r\n"), HeadFault::Spelling),
        (get("Content.Length: 5\r\n"), HeadFault::Spelling),
        ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Target),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), HeadFault::Host),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(), HeadFault::Host),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Host),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Target),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Target),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Target),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Target),
        ("GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), HeadFault::Framing),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Malformed),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), HeadFault::Malformed),
        (get("Host: a\r\n"), HeadFault::Host),
        (get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), HeadFault::Framing),
        (get("Content-Length: 5\r\nContent-Length: 5\r\n"), HeadFault::Framing),
        (get("Content-Length: 5, 5\r\n"), HeadFault::Framing),
        (get("Content-Length: +5\r\n"), HeadFault::Framing),
        (get("Content-Length: 0x5\r\n"), HeadFault::Framing),
        (get("Content-Length:\r\n"), HeadFault::Framing),
        (get("Content-Length: 99999999999999999999\r\n"), HeadFault::Framing),
        (get("Transfer-Encoding: gzip, chunked\r\n"), HeadFault::Framing),
        (get("Transfer-Encoding: ,chunked\r\n"), HeadFault::Framing),
        (get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), HeadFault::Framing),
        (get("Transfer-Encoding: \u{b}chunked\r\n"), HeadFault::Malformed),
        (get("X : a\r\n"), HeadFault::Malformed),
        (get(" folded\r\n"), HeadFault::Malformed),
        (get("X: a\r\n b\r\n"), HeadFault::Malformed),
        (get("X: a\0b\r\n"), HeadFault::Malformed),
        (get("X: a\rb\r\n"), HeadFault::Malformed),
        (get("X\r\n"), HeadFault::Malformed),
        (get(": a\r\n"), HeadFault::Malformed),
        (get("Expect: nothing\r\n"), HeadFault::Expect),
    ] {
        assert_eq!(parse(&head).err(), Some(fault), "{head:?}");
    }
}

#[test]
fn limits_have_their_own_answers() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(8 * 1024));
    assert_eq!(parse(&long).err(), Some(HeadFault::TargetTooLong));
    assert_eq!(complete(&vec![b'a'; 9000], LIMITS).err(), Some(HeadFault::TargetTooLong));
    let fat = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(16 * 1024));
    assert_eq!(parse(&fat).err(), Some(HeadFault::TooLarge));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(100));
    assert_eq!(parse(&many).err(), Some(HeadFault::TooManyFields));
}

#[test]
fn absolute_form_is_read_when_it_agrees() {
    let lines = parse("GET http://A:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n").unwrap().lines;
    assert_eq!((&*lines.path, lines.query.as_deref()), (&b"/x"[..], Some("y")));
    let lines = parse("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().lines;
    assert_eq!(&*lines.path, b"/");
}

#[test]
fn what_can_be_read_in_one_way_only_is_read() {
    let host = |head: &str| parse(head).unwrap().lines.host.to_string();
    assert_eq!(host("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "a");
    assert_eq!(host("GET / HTTP/1.1\r\nHost: a.example.\r\n\r\n"), "a.example");
    assert_eq!(host("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n"), "a");
    assert_eq!(host("GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n"), "a:443");
    assert_eq!(host("GET http://b/ HTTP/1.0\r\n\r\n"), "b");
    assert!(parse("GET / HTTP/1.0\r\n\r\n").unwrap().lines.host.is_unnamed());
    let early = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!((0..early.len()).all(|end| complete_request(&early[..end], LIMITS) == Ok(None)));
    assert_eq!(complete(early, LIMITS), Err(HeadFault::Malformed), "an answer has none before it");
}

#[test]
fn answers_with_two_lengths_are_refused() {
    let answer = |head: &str, to: &Method| response(head.as_bytes(), to).map(|lines| lines.framing);
    let get = &Method::GET;
    assert_eq!(answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", get), Ok(Framing::Length(3)));
    assert_eq!(answer("HTTP/1.1 200 OK\r\n\r\n", get), Ok(Framing::UntilClose));
    assert_eq!(answer("HTTP/1.1 204 No\r\n\r\n", get), Ok(Framing::None));
    assert_eq!(answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", &Method::HEAD), Ok(Framing::None));
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(answer(both, get), Err(HeadFault::Framing));
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(answer(old, get), Err(HeadFault::Framing));
    assert_eq!(answer(old, &Method::HEAD), Err(HeadFault::Framing));
    let twice = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(answer(twice, get), Err(HeadFault::Framing));
}

/// Decodes `wire` as a chunked body that is followed by the end of the stream. Returns the body and what is left unread.
async fn decode(wire: &[u8], limit: u64) -> Result<(Vec<u8>, Vec<u8>), BodyError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    client.write_all(wire).await.unwrap();
    drop(client);
    let mut reader = Reader::new(Rc::new(Stream::tcp(server)), Buffers::default());
    let mut decoder = Decoder::new(Framing::Chunked, limit);
    let mut body = Vec::new();
    loop {
        let count = poll_fn(|cx| decoder.poll_ready(cx, &mut reader)).await?;
        if count == 0 {
            return Ok((body, reader.unread().to_vec()));
        }
        body.extend_from_slice(&reader.unread()[..count]);
        decoder.consume(&mut reader, count);
    }
}

#[tokio::test]
async fn chunks_are_read_strictly() {
    let whole = decode(b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nnext", 100).await.unwrap();
    assert_eq!(whole, (b"hello0123456789".to_vec(), b"next".to_vec()));
    for bad in [
        &b"5\nhello\r\n0\r\n\r\n"[..],
        b"5;\r\nhello\r\n0\r\n\r\n",
        b"5;a b\r\nhello\r\n0\r\n\r\n",
        b"5;a=\"b\r\nhello\r\n0\r\n\r\n",
        b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        b"0;a;\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-1\r\n",
        b"\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"0\r\n folded\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\ntransfer-encoding: chunked\r\n\r\n",
        b"0\r\nX: y\r\nConnection: close\r\n\r\n",
        b"0\r\nHost: a\r\n\r\n",
        b"0\r\n\n",
    ] {
        let outcome = decode(bad, u64::MAX).await;
        assert!(matches!(outcome, Err(BodyError::Chunk)), "{:?}: {outcome:?}", String::from_utf8_lossy(bad));
    }
    let extended =
        decode(b"5;a=1\r\nhello\r\n1 ; b = \"x;\\\"\" ;c\r\n!\r\n0;last\r\n\r\nnext", 100).await.unwrap();
    assert_eq!(extended, (b"hello!".to_vec(), b"next".to_vec()));
    let long = |bytes: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(bytes));
    assert!(decode(long(900).as_bytes(), 100).await.is_ok());
    assert!(matches!(decode(long(1100).as_bytes(), 100).await, Err(BodyError::Chunk)));
    // Tiny chunks with much beside them are no body.
    let padded = format!("1;{}\r\nx\r\n", "a".repeat(900)).repeat(40) + "0\r\n\r\n";
    assert!(matches!(decode(padded.as_bytes(), 100).await, Err(BodyError::Chunk)));
    let signed = format!("400;chunk-signature={}\r\n{}\r\n", "0".repeat(64), "x".repeat(1024)).repeat(400)
        + "0\r\n\r\n";
    assert_eq!(decode(signed.as_bytes(), u64::MAX).await.unwrap().0.len(), 400 * 1024);
    assert!(matches!(decode(b"5\r\nhel", 100).await, Err(BodyError::Truncated)));
    assert!(matches!(decode(b"5\r\nhello\r\n", 100).await, Err(BodyError::Truncated)));
    assert!(matches!(decode(b"65\r\n", 100).await, Err(BodyError::TooLarge)));
}

proptest! {
    /// Whatever is accepted has one host, one framing, and a target and fields without a byte that could end a line.
    #[test]
    fn any_bytes_are_answered(head in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = complete(&head, LIMITS);
        let _ = request(&head, LIMITS);
        let _ = response(&head, &Method::GET);
    }

    #[test]
    fn what_is_accepted_cannot_end_a_line(
        target in "[ -~]{1,30}",
        name in "[!-~]{1,12}",
        value in "[\\x00-\\x7f]{0,20}",
    ) {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n");
        if let Ok(Http1Head { lines, .. }) = parse(&head) {
            prop_assert!(lines.path.starts_with(b"/"));
            prop_assert!(lines.path.iter().chain(lines.query.iter().flat_map(|q| q.as_bytes())).all(|b| (0x21..0x7f).contains(b)));
            prop_assert!(lines.fields.iter().all(|f| !f.value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0))));
            prop_assert_eq!(lines.fields.all(haechi_core::FieldName::Host).count(), 1);
        }
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_ends_where_a_whole_one_does() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "\rGET / HTTP/1.1\r\n\r\n",
        "\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n\n",
    ] {
        let bytes = head.as_bytes();
        let mut scan = HeadScan::default();
        let ended = |outcome: &Result<Option<usize>, HeadFault>| *outcome != Ok(None);
        let by_bytes = (1..=bytes.len()).map(|end| scan.complete_request(&bytes[..end], LIMITS)).find(ended);
        let whole = (1..=bytes.len()).map(|end| complete_request(&bytes[..end], LIMITS)).find(ended);
        assert!(by_bytes.is_some());
        assert_eq!(by_bytes, whole, "{head:?}");
    }
}
