use super::guard::{Flood, FrameLimits, Guard, PREFACE};
use super::head::request;
use crate::lines::{HeadFault, HeadLimits};
use http::Request;
use proptest::prelude::*;
use std::time::{Duration, Instant};

const FRAMES: FrameLimits = FrameLimits { resets: 3, settings: 2 };
const HEAD: HeadLimits = HeadLimits { bytes: 1024, fields: 10 };

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    frame.extend_from_slice(payload);
    frame
}

fn guard(now: Instant) -> Guard {
    let mut guard = Guard::new(FRAMES, now);
    guard.read(PREFACE, now).unwrap();
    guard
}

#[test]
fn each_kind_has_its_limit_per_second() {
    let now = Instant::now();
    for (kind, payload, limit, flood) in [
        (3, 4, 3, Flood::Resets),
        (4, 0, 2, Flood::Settings),
        (6, 8, 1000, Flood::Control),
        (0, 0, 1000, Flood::Control),
    ] {
        let mut guard = guard(now);
        let frame = frame(kind, 0, &vec![0; payload]);
        for count in 0..limit {
            assert_eq!(guard.read(&frame, now), Ok(()), "{kind} {count}");
        }
        assert_eq!(guard.read(&frame, now), Err(flood), "{kind}");
        assert_eq!(guard.read(&frame, now + Duration::from_secs(1)), Ok(()), "{kind}");
    }
}

#[test]
fn what_we_write_earns_window_updates() {
    let now = Instant::now();
    let mut guard = guard(now);
    guard.wrote(64 * 500);
    let update = frame(8, 0, &[0; 4]);
    for _ in 0..1500 {
        guard.read(&update, now).unwrap();
    }
    assert_eq!(guard.read(&update, now), Err(Flood::Control));
}

#[test]
fn a_head_is_open_until_its_last_byte() {
    let now = Instant::now();
    let mut guard = guard(now);
    let (first, last) = (frame(1, 0, b"abc"), frame(9, 4, b"defg"));
    guard.read(&first, now).unwrap();
    assert!(guard.is_in_head());
    let (most, end) = last.split_at(last.len() - 1);
    guard.read(most, now).unwrap();
    assert!(guard.is_in_head());
    guard.read(end, now).unwrap();
    assert!(!guard.is_in_head());
}

proptest! {
    /// However the bytes are cut, the same frames are counted.
    #[test]
    fn cuts_do_not_matter(kinds in proptest::collection::vec((0u8..10, 0usize..40), 1..40), cut in 1usize..20) {
        let now = Instant::now();
        let mut wire = PREFACE.to_vec();
        for (kind, length) in &kinds {
            wire.extend(frame(*kind, 4, &vec![7; *length]));
        }
        let whole = Guard::new(FRAMES, now).read(&wire, now);
        let mut pieces = Guard::new(FRAMES, now);
        let cut = wire.chunks(cut).try_for_each(|piece| pieces.read(piece, now));
        prop_assert_eq!(whole, cut);
    }
}

/// Reads a head as `h2` would hand it over.
fn read(uri: &str, fields: &[(&str, &str)]) -> Result<super::head::Http2Head, HeadFault> {
    let request_builder =
        fields.iter().fold(Request::get(uri), |builder, (name, value)| builder.header(*name, *value));
    request(request_builder.body(()).unwrap().into_parts().0, HEAD)
}

#[test]
fn a_plain_head_is_read() {
    let head = read("https://API.example:8443/a/b?c=d", &[("x-a", "b"), ("content-length", "5")]).unwrap();
    assert_eq!((&*head.lines.path, head.lines.query.as_deref()), (&b"/a/b"[..], Some("c=d")));
    assert_eq!(head.lines.host.to_string(), "api.example:8443");
    assert_eq!((head.length, head.expects_continue), (Some(5), false));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (uri, fields, fault) in [
        ("http://a/", &[("host", "b")][..], HeadFault::Host),
        ("http://a/", &[("host", "a"), ("host", "a")], HeadFault::Host),
        ("/", &[], HeadFault::Host),
        ("http://user@a/", &[], HeadFault::Host),
        ("ftp://a/", &[], HeadFault::Target),
        ("*", &[("host", "a")], HeadFault::Target),
        ("http://a/", &[("content-length", "5"), ("content-length", "5")], HeadFault::Framing),
        ("http://a/", &[("content-length", "+5")], HeadFault::Framing),
        ("http://a/", &[("transfer-encoding", "chunked")], HeadFault::Malformed),
        ("http://a/", &[("connection", "close")], HeadFault::Malformed),
        ("http://a/", &[("x-a", " b")], HeadFault::Malformed),
        ("http://a/", &[("expect", "nothing")], HeadFault::Expect),
    ] {
        assert_eq!(read(uri, fields).err(), Some(fault), "{uri} {fields:?}");
    }
    assert!(read("http://a/", &[("host", "A")]).is_ok());
    assert!(read("/", &[("host", "a")]).is_ok());
}

#[test]
fn heads_over_the_limits_are_refused() {
    let crumbs = vec![("cookie", "a=b"); 11];
    assert_eq!(read("http://a/", &crumbs).err(), Some(HeadFault::TooLarge));
    let long = "x".repeat(1024);
    assert_eq!(read("http://a/", &[("x-a", &long)]).err(), Some(HeadFault::TooLarge));
    let target = format!("http://a/{}", "x".repeat(9000));
    assert_eq!(read(&target, &[]).err(), Some(HeadFault::TargetTooLong));
}

#[test]
fn crumbs_are_one_cookie() {
    let head = read("http://a/", &[("cookie", "a=1"), ("x-a", "b"), ("cookie", "c=2; d=3")]).unwrap();
    assert_eq!(head.lines.fields.sole_named(b"cookie"), Ok(Some(&b"a=1; c=2; d=3"[..])));
}
