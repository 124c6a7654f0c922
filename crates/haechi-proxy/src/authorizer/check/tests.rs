use super::super::messages::{
    Address, AttributeContext, CheckRequest, HeaderMap, HeaderValue, HttpRequest, Peer, Request,
    SocketAddress,
};
use super::{described, message};
use crate::lines::{HeadLimits, RequestLines};
use prost::Message;

const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 20 };

fn http(change: impl FnOnce(&mut HttpRequest)) -> HttpRequest {
    let mut http = HttpRequest {
        method: "GET".into(),
        path: "/a?b=c".into(),
        host: "api.example".into(),
        scheme: "https".into(),
        ..HttpRequest::default()
    };
    change(&mut http);
    http
}

fn about(http: HttpRequest, address: &str) -> CheckRequest {
    let socket_address = Some(SocketAddress { address: address.into() });
    let source = Some(Peer { address: Some(Address { socket_address }) });
    CheckRequest {
        attributes: Some(AttributeContext { source, request: Some(Request { http: Some(http) }) }),
    }
}

fn read(change: impl FnOnce(&mut HttpRequest)) -> Result<RequestLines, &'static str> {
    described(about(http(change), "192.0.2.1"), LIMITS)
}

fn raw(fields: &[(&str, &[u8])]) -> Option<HeaderMap> {
    let header = |(name, value): &(&str, &[u8])| HeaderValue {
        key: (*name).into(),
        value: String::new(),
        raw_value: value.to_vec(),
    };
    Some(HeaderMap { headers: fields.iter().map(header).collect() })
}

fn all(lines: &RequestLines, name: &str) -> Vec<String> {
    let found = lines.fields.iter().filter(|field| field.name == name.as_bytes());
    found.map(|field| String::from_utf8_lossy(field.value).into_owned()).collect()
}

#[test]
fn a_request_is_what_envoy_says_of_it() {
    let lines = read(|http| {
        http.header_map = raw(&[
            (":authority", b"evil.example"),
            (":path", b"/admin"),
            ("accept", b" text/html "),
            ("cookie", b"a=1"),
            ("cookie", b"b=2"),
            ("host", b"evil.example"),
            ("x-forwarded-host", b"evil.example"),
            ("connection", b"x-a"),
            ("content-length", b"7"),
            ("transfer-encoding", b"chunked"),
            ("x-bytes", b"\xff"),
        ]);
    });
    let lines = lines.unwrap();
    assert_eq!(
        (lines.method.as_str(), &*lines.path, lines.query.as_deref()),
        ("GET", &b"/a"[..], Some("b=c"))
    );
    assert_eq!(lines.host.to_string(), "api.example");
    assert_eq!(all(&lines, "cookie"), ["a=1", "b=2"], "as they were sent");
    assert_eq!(all(&lines, "accept"), ["text/html"]);
    assert_eq!(all(&lines, "x-forwarded-proto"), ["https"]);
    for gone in ["host", "x-forwarded-host", "connection", "content-length", "transfer-encoding", ":path"] {
        assert!(all(&lines, gone).is_empty(), "{gone}");
    }
    assert_eq!(lines.fields.iter().filter(|field| field.name == b"x-bytes").count(), 1);
}

#[test]
fn the_address_that_envoy_was_asked_from_is_the_last() {
    for (sent, expected) in [
        (None, &["192.0.2.1"][..]),
        (Some("6.6.6.6"), &["6.6.6.6", "192.0.2.1"]),
        (Some("6.6.6.6, 192.0.2.1"), &["6.6.6.6, 192.0.2.1"]),
        (Some("6.6.6.6,::ffff:192.0.2.1"), &["6.6.6.6,::ffff:192.0.2.1"]),
        (Some("192.0.2.1, 6.6.6.6"), &["192.0.2.1, 6.6.6.6", "192.0.2.1"]),
        (Some("nonsense"), &["nonsense", "192.0.2.1"]),
    ] {
        let lines = read(|http| {
            http.headers.extend(sent.map(|sent| ("x-forwarded-for".to_owned(), sent.to_owned())));
        });
        assert_eq!(all(&lines.unwrap(), "x-forwarded-for"), expected, "{sent:?}");
    }
}

#[test]
fn what_envoy_does_not_say_is_not_supposed() {
    assert!(read(|_| ()).is_ok());
    for path in ["", "a", "*", "http://a.example/", "/a#b", "/a b"] {
        assert!(read(|http| http.path = path.into()).is_err(), "{path}");
    }
    for host in ["", "a b", "a,b", "a/b", "a@b"] {
        assert!(read(|http| http.host = host.into()).is_err(), "{host}");
    }
    for method in ["", "G ET", "GET,POST"] {
        assert!(read(|http| http.method = method.into()).is_err(), "{method}");
    }
    for (name, value) in
        [("a b", "c"), ("", "c"), ("a", "b\r\nx-auth-subject: root"), ("a", "\0"), ("Content_Length", "1")]
    {
        assert!(
            read(|http| drop(http.headers.insert(name.into(), value.into()))).is_err(),
            "{name}: {value:?}"
        );
    }
    assert!(read(|http| drop(http.headers.insert("a".into(), "b".repeat(1024)))).is_err(), "too many bytes");
    let many: Vec<String> = (0..21).map(|number| format!("x-{number}")).collect();
    assert!(read(|http| http.headers.extend(many.iter().map(|name| (name.clone(), String::new())))).is_err());
    for address in ["", "unix:/a", "1.2.3"] {
        assert!(described(about(http(|_| ()), address), LIMITS).is_err(), "{address}");
    }
    assert!(described(CheckRequest::default(), LIMITS).is_err());
    let mut nothing = about(http(|_| ()), "192.0.2.1");
    nothing.attributes.as_mut().unwrap().request = None;
    assert!(described(nothing, LIMITS).is_err());
    let mut nobody = about(http(|_| ()), "192.0.2.1");
    nobody.attributes.as_mut().unwrap().source = None;
    assert!(described(nobody, LIMITS).is_err());
}

#[test]
fn a_call_has_one_whole_message() {
    let bytes = about(http(|_| ()), "192.0.2.1").encode_to_vec();
    let framed = |flag: u8, length: usize, bytes: &[u8]| {
        let mut framed = vec![flag];
        framed.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        framed.extend_from_slice(bytes);
        framed
    };
    let whole = framed(0, bytes.len(), &bytes);
    assert!(message(&whole).is_ok());
    for (why, sent) in [
        ("empty", Vec::new()),
        ("half a prefix", vec![0, 0]),
        ("compressed", framed(1, bytes.len(), &bytes)),
        ("too short", framed(0, bytes.len() + 1, &bytes)),
        ("too long", framed(0, bytes.len() - 1, &bytes)),
        ("twice", [whole.clone(), whole].concat()),
        ("another message", framed(0, 4, b"\x0a\xff\xff\xff")),
    ] {
        assert!(message(&sent).is_err(), "{why}");
    }
}
