//! `traceparent`: what a backend gets is always valid, and continues the client's trace only where that was.
#![no_main]

use haechi_core::Fields;
use haechi_proxy::fuzzing::trace_parent;
use libfuzzer_sys::fuzz_target;

const FRESH: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

fuzz_target!(|data: &[u8]| {
    let (written, continued) = sent(&[data]);
    let text = std::str::from_utf8(&written).expect("ASCII");
    let parts: Vec<&str> = text.split('-').collect();
    let [version, id, parent, flags] = parts[..] else { panic!("{text}") };
    assert_eq!((version, id.len(), parent, flags.len()), ("00", 32, "00000000000000ab", 2));
    assert!(
        id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) && id.bytes().any(|b| b != b'0')
    );
    assert!(flags == "00" || flags == "01");
    if continued {
        assert_eq!(&data[3..35], id.as_bytes());
        // What was written is itself a trace that goes on.
        assert_eq!(sent(&[&written]), (written.clone(), true));
    } else {
        assert_eq!((id.as_bytes(), flags), (&FRESH[..], "00"));
    }
    assert!(!sent(&[data, data]).1, "two fields are not decided between");
});

fn sent(values: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut fields = Fields::default();
    values.iter().for_each(|value| fields.push(b"traceparent", value));
    trace_parent(&fields, FRESH, 0xab)
}
