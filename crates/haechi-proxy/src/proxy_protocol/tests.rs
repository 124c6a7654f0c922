//! What is read and what is refused.

use super::{MAX, MAX_LINE, Malformed, SIGNATURE, Source, parse};
use proptest::prelude::*;
use std::net::SocketAddr;

fn client(address: &str) -> Source {
    Source::Client(address.parse().unwrap())
}

fn binary(version_and_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_and_command, family], &length, body].concat()
}

const V4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 0x01, 0xbb];

fn v6() -> Vec<u8> {
    let address = |last| [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    [&address(7)[..], &address(1), &[0x1f, 0x90, 0x01, 0xbb]].concat()
}

#[test]
fn lines() {
    let cases: [(&str, Source); 5] = [
        ("PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n", client("192.0.2.7:8080")),
        ("PROXY TCP6 2001:db8::7 ::1 65535 0\r\n", client("[2001:db8::7]:65535")),
        ("PROXY UNKNOWN\r\n", Source::Local),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Source::Local),
        ("PROXY UNKNOWN whatever stands here\r\n", Source::Local),
    ];
    for (line, source) in cases {
        let with_more = format!("{line}GET / HTTP/1.1\r\n");
        assert_eq!(parse(with_more.as_bytes()), Ok(Some((line.len(), source))), "{line}");
    }
}

#[test]
fn lines_that_are_refused() {
    let cases = [
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 192.0.2.7 10.0.0.1 8080 443\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY  TCP4 192.0.2.7 10.0.0.1 8080 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 8080\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 8080 443 \r\n",
        "PROXY TCP4 192.0.2.7  10.0.0.1 8080 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 08080 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 +8080 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
        "PROXY TCP4 192.0.2.007 10.0.0.1 8080 443\r\n",
        "PROXY TCP4 2001:db8::7 ::1 8080 443\r\n",
        "PROXY TCP6 192.0.2.7 10.0.0.1 8080 443\r\n",
        "PROXY UDP4 192.0.2.7 10.0.0.1 8080 443\r\n",
        "PROXY TCP4 host 10.0.0.1 8080 443\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\r\n",
        "PROXY TCP4 192.0.2.7\u{a0}10.0.0.1 8080 443\r\n",
    ];
    for line in cases {
        assert_eq!(parse(line.as_bytes()), Err(Malformed), "{line:?}");
    }
    let endless = format!("PROXY UNKNOWN {}", "a".repeat(MAX_LINE));
    assert_eq!(parse(endless.as_bytes()), Err(Malformed));
}

#[test]
fn binary_headers() {
    let with_fields = [V4, &[0x04, 0, 1, 0xff, 0x20, 0, 0]].concat();
    let cases: [(Vec<u8>, Source); 7] = [
        (binary(0x21, 0x11, V4), client("192.0.2.7:8080")),
        (binary(0x21, 0x21, &v6()), client("[2001:db8::7]:8080")),
        (binary(0x21, 0x11, &with_fields), client("192.0.2.7:8080")),
        (binary(0x20, 0x00, &[]), Source::Local),
        (binary(0x20, 0x11, V4), Source::Local),
        (binary(0x21, 0x00, &[1, 2, 3]), Source::Local),
        (binary(0x20, 0x31, &[0; 216]), Source::Local),
    ];
    for (header, source) in cases {
        let with_more = [&header[..], b"\x16\x03\x01"].concat();
        assert_eq!(parse(&with_more), Ok(Some((header.len(), source))), "{header:x?}");
    }
}

#[test]
fn binary_headers_that_are_refused() {
    let cases = [
        ("another version", binary(0x11, 0x11, V4)),
        ("an unknown command", binary(0x22, 0x11, V4)),
        ("datagrams", binary(0x21, 0x12, V4)),
        ("a Unix socket", binary(0x21, 0x31, &[0; 216])),
        ("an unknown family", binary(0x21, 0x41, V4)),
        ("addresses that are cut", binary(0x21, 0x11, &V4[..11])),
        ("the wrong family for its length", binary(0x21, 0x21, V4)),
        ("a field without its length", binary(0x21, 0x11, &[V4, &[4, 0]].concat())),
        ("a field longer than the header", binary(0x21, 0x11, &[V4, &[4, 0, 2, 0]].concat())),
        ("too long", binary(0x21, 0x11, &vec![0; MAX])),
    ];
    for (what, header) in cases {
        assert_eq!(parse(&header), Err(Malformed), "{what}");
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_lengths_stay_inside(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for start in [&[][..], SIGNATURE, b"PROXY ", b"PROXY TCP4 "] {
            let bytes = [start, &bytes].concat();
            if let Ok(Some((length, _))) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }

    /// However a header arrives, it is unfinished until it is whole, and then says the same.
    #[test]
    fn pieces_say_what_the_whole_says(address: SocketAddr, v2: bool) {
        let header = match (v2, address) {
            (false, SocketAddr::V4(a)) => format!("PROXY TCP4 {} 10.0.0.1 {} 1\r\n", a.ip(), a.port()).into_bytes(),
            (false, SocketAddr::V6(a)) => format!("PROXY TCP6 {} ::1 {} 1\r\n", a.ip(), a.port()).into_bytes(),
            (true, SocketAddr::V4(a)) => {
                binary(0x21, 0x11, &[&a.ip().octets()[..], &[10, 0, 0, 1], &a.port().to_be_bytes(), &[0, 1]].concat())
            }
            (true, SocketAddr::V6(a)) => {
                binary(0x21, 0x21, &[&a.ip().octets()[..], &[0; 16], &a.port().to_be_bytes(), &[0, 1]].concat())
            }
        };
        for end in 0..header.len() {
            prop_assert_eq!(parse(&header[..end]), Ok(None), "{}", end);
        }
        let expected = Source::Client(SocketAddr::new(address.ip(), address.port()));
        prop_assert_eq!(parse(&header), Ok(Some((header.len(), expected))));
    }
}
