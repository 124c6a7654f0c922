//! API keys and the `Authorization` field: one spelling per key, one parameter per scheme.
#![no_main]

use haechi_authn::api_key::{ApiKey, looks_like_a_key};
use haechi_authn::authorization::{AuthScheme, Presented, token68};
use haechi_core::Fields;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(key) = ApiKey::parse(data) {
        assert_eq!(key.expose().as_bytes(), data);
        assert!(looks_like_a_key(data));
        assert!(data.len() == 53 && data.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_'));
    }
    let one = field(&[data]);
    let mut schemes = 0;
    for scheme in [AuthScheme::Bearer, AuthScheme::Basic] {
        match scheme.read(&one).expect("one field") {
            Presented::Absent => continue,
            Presented::Malformed => {}
            Presented::Token68(text) => {
                assert!(!text.is_empty() && legal(text));
                assert_eq!(token68(text.as_bytes()), Some(text));
                let written = format!("{} {text}", scheme.name());
                assert_eq!(scheme.read(&field(&[written.as_bytes()])), Ok(Presented::Token68(text)));
                assert!(data.ends_with(text.as_bytes()));
            }
        }
        schemes += 1;
    }
    assert!(schemes <= 1, "read as two schemes");
    assert!(AuthScheme::Bearer.read(&field(&[data, data])).is_err());
});

fn legal(text: &str) -> bool {
    text.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

fn field(values: &[&[u8]]) -> Fields {
    let mut fields = Fields::default();
    values.iter().for_each(|value| fields.push(b"authorization", value));
    fields
}
