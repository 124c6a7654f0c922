//! Hosts: an accepted one has one spelling and is a name or an address with an optional port.
#![no_main]

use haechi_core::Host;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(host) = Host::parse(data) else { return };
    let text = host.to_string();
    assert_eq!(Host::parse(text.as_bytes()), Ok(host.clone()), "{text}");
    assert!(data.is_ascii() && text.len() <= 300);
    assert!(!host.name().is_empty() && host.name() == host.name().to_ascii_lowercase());
    assert!(!text.contains(['/', '\\', '@', '?', '#', '%', ',', ' ', '\t']), "{text}");
    assert!(host.name().starts_with('[') || !host.name().contains([':', '[', ']']), "{text}");
    assert_ne!(host.port(), Some(0));
});
