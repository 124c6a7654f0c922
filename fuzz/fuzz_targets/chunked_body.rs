//! Chunked bodies: however the bytes are split on their way, they are read the same; what was read can be written and read again; and a
//! second, simple reading of the grammar (RFC 9112 7.1) agrees.
#![no_main]

use haechi_fuzz::is_token;
use haechi_proxy::fuzzing::{chunked, encode_chunks};
use libfuzzer_sys::fuzz_target;
use std::cell::OnceCell;
use tokio::runtime::{Builder, Runtime};

const LIMIT: u64 = 1 << 20;
type Outcome = Result<(Vec<u8>, usize), String>;

thread_local!(static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() });

fuzz_target!(|data: &[u8]| {
    // The first byte says how the rest is split.
    let Some((&seed, wire)) = data.split_first() else { return };
    let whole = decoded(&[wire]);
    let pieces = split(wire, seed);
    assert_eq!(whole, decoded(&pieces), "in {} pieces", pieces.len());
    // The same body, and the same bytes taken for it; or both refuse.
    assert_eq!(whole.clone().ok(), simple(wire), "{whole:?}");
    if let Ok((body, _)) = whole {
        let again = encode_chunks(split(&body, seed));
        assert_eq!(decoded(&[&again]), Ok((body, again.len())));
    }
});

fn decoded(pieces: &[&[u8]]) -> Outcome {
    RUNTIME.with(|runtime| {
        let runtime =
            runtime.get_or_init(|| Builder::new_current_thread().enable_io().build().expect("a runtime"));
        runtime.block_on(chunked(pieces.iter().copied(), LIMIT))
    })
}

fn split(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut random = u32::from(seed) + 1;
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = 1 + (random >> 16) as usize % (1 + usize::from(seed % 40));
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The body and where it ends; `None` for what is malformed or ends too early.
fn simple(wire: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = line(wire, at)?;
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if line.len() + 2 > 1024 || !extensions(&line[digits..]) {
            return None;
        }
        let digits = std::str::from_utf8(&line[..digits]).expect("ASCII");
        let size = usize::try_from(u64::from_str_radix(digits, 16).ok()?).ok()?;
        // Sizes are short: nobody pads them.
        if digits.len() > 15 || size as u64 + body.len() as u64 > LIMIT {
            return None;
        }
        at += line.len() + 2;
        if size == 0 {
            return trailers(wire, at).map(|end| (body, end));
        }
        body.extend_from_slice(wire.get(at..at + size)?);
        at += size;
        (wire.get(at..at + 2)? == b"\r\n").then_some(())?;
        at += 2;
    }
}

/// A slower reading of the extensions' grammar. What many of them may come to together does not fit into the input.
fn extensions(text: &[u8]) -> bool {
    let skip = |text: &[u8]| text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let word = |text: &[u8]| text.iter().take_while(|b| is_token(&[**b])).count();
    let (mut at, end) = (0, text.len());
    while at < end {
        at += skip(&text[at..]);
        if text.get(at) != Some(&b';') {
            return false;
        }
        at += 1;
        at += skip(&text[at..]);
        let name = word(&text[at..]);
        at += name;
        if name == 0 {
            return false;
        }
        let equals = at + skip(&text[at..]);
        if text.get(equals) == Some(&b'=') {
            at = equals + 1;
            at += skip(&text[at..]);
            let Some(length) = value(&text[at..]) else { return false };
            at += length;
        }
    }
    true
}

fn value(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return Some(text.iter().take_while(|b| is_token(&[**b])).count()).filter(|length| *length > 0);
    }
    let mut at = 1;
    loop {
        let sound = |b: u8| b == b'\t' || (b >= 0x20 && b != 0x7f);
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if sound(*text.get(at + 1)?) => at += 2,
            b if sound(b) && b != b'\\' => at += 1,
            _ => return None,
        }
    }
}

/// What a trailer field must not speak of.
const FRAMING: [&[u8]; 13] = [
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"upgrade",
    b"expect",
    b"te",
    b"trailer",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"http2-settings",
];

fn trailers(wire: &[u8], mut at: usize) -> Option<usize> {
    let begun = at;
    loop {
        let line = line(wire, at)?;
        at += line.len() + 2;
        if line.is_empty() {
            return (at - begun <= 8 * 1024).then_some(at);
        }
        let colon = line.iter().position(|&b| b == b':')?;
        let sound = |b: &u8| *b == b'\t' || (*b >= 0x20 && *b != 0x7f);
        let name = line[..colon].to_ascii_lowercase();
        (is_token(&name) && !FRAMING.contains(&&*name) && line[colon + 1..].iter().all(sound))
            .then_some(())?;
    }
}

fn line(wire: &[u8], at: usize) -> Option<&[u8]> {
    let rest = wire.get(at..)?;
    let end = rest.iter().position(|&b| b == b'\n')?;
    rest[..end].strip_suffix(b"\r").filter(|line| !line.contains(&b'\r'))
}
