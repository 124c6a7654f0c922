//! WebSocket frames: however they are split, the same bytes pass; and what passes is what RFC 6455 5.2 allows, read here once more.
#![no_main]

use haechi_proxy::fuzzing::websocket_frames;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&how, bytes)) = data.split_first() else { return };
    let (client, extended, step) = (how & 1 == 1, how & 2 == 2, 1 + usize::from(how >> 2));
    let (passed, between, closed, fault) = websocket_frames([bytes], client, extended);
    assert_eq!(
        websocket_frames(bytes.chunks(step), client, extended),
        (passed, between, closed, fault.clone()),
        "in pieces of {step}"
    );
    assert!(passed <= bytes.len());
    let (mut at, mut in_message, mut last) = (0, false, None);
    while at < passed {
        let (first, payload, header) = header(&bytes[at..], client).expect("a whole header passed");
        let (fin, opcode) = (first & 0x80 != 0, first & 15);
        assert!(extended || first & 0x70 == 0, "reserved bits");
        assert_ne!(last, Some(8), "a frame after Close");
        match opcode {
            0..=2 => {
                assert_eq!(in_message, opcode == 0, "fragments");
                in_message = !fin;
            }
            8..=10 => assert!(fin && payload <= 125, "a control frame"),
            other => panic!("opcode {other}"),
        }
        last = Some(opcode);
        at = at.saturating_add(header).saturating_add(usize::try_from(payload).unwrap_or(usize::MAX));
    }
    assert_eq!(between, at == passed);
    assert_eq!(closed, between && last == Some(8));
    assert!(fault.is_none() || between);
});

/// The first byte, the payload's length and the header's.
fn header(bytes: &[u8], client: bool) -> Option<(u8, u64, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(second & 0x80 != 0, client, "masking");
    let number =
        |extra: usize| Some(bytes.get(2..2 + extra)?.iter().fold(0, |sum, b| sum << 8 | u64::from(*b)));
    let (payload, extra): (u64, usize) = match second & 0x7f {
        126 => (number(2)?, 2),
        127 => (number(8)?, 8),
        short => (u64::from(short), 0),
    };
    assert!(extra == 0 || payload >= if extra == 2 { 126 } else { 65_536 }, "a length in too many bytes");
    let header = 2 + extra + if client { 4 } else { 0 };
    (bytes.len() >= header).then_some((first, payload, header))
}
