//! Tokens: JWS compact serialization, header and claims.
#![no_main]

use haechi_authn::jose::Algorithm;
use haechi_authn::jose::claims::{self, Expected};
use haechi_authn::jose::compact::{Compact, MAX_LENGTH};
use haechi_core::Timestamp;
use haechi_fuzz::is_json_with_distinct_names;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // As it stands; and as header and payload with the base64url put around them, which mutations rarely get right.
    judge(text);
    if let Some((header, payload)) = text.split_once('\n') {
        judge(&format!("{}.{}.c2ln", base64url(header.as_bytes()), base64url(payload.as_bytes())));
    }
});

fn judge(token: &str) {
    let Ok(compact) = Compact::split(token) else { return };
    assert!(token.len() <= MAX_LENGTH);
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{} parts", parts.len()) };
    assert_eq!(compact.signed(), format!("{header}.{payload}").as_bytes());
    // Strict: the one spelling of these bytes.
    assert_eq!(base64url(compact.signature()), signature);
    if let Ok(read) = compact.header() {
        let bytes = decoded(header);
        assert!(is_json_with_distinct_names(&bytes));
        let other: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(other["alg"].as_str().and_then(Algorithm::named), Some(read.algorithm));
        assert!(other.get("crit").is_none());
        assert_eq!(other.get("kid").map(|kid| kid.as_str()), read.kid.as_deref().map(Some));
    }
    if let Ok(claims) = compact.claims() {
        let bytes = decoded(payload);
        assert!(is_json_with_distinct_names(&bytes));
        let other: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let (now, leeway) = (Timestamp::from_seconds(1_800_000_000), Duration::from_secs(30));
        let audiences = ["orders".to_owned()];
        let expected = Expected { now, leeway, audiences: &audiences, audience: claims.member("aud") };
        if let Ok(end) = claims::check(&claims, expected) {
            assert!(end > now);
            let expires = other["exp"].as_f64().expect("a number");
            assert!(expires + 30.0 > 1_800_000_000.0 && other.get("cnf").is_none());
            let audience = &other["aud"];
            assert!(
                audience == "orders" || audience.as_array().is_some_and(|all| all.contains(&"orders".into()))
            );
        }
        if claims::check_issuer(&claims, "https://issuer.example").is_ok() {
            assert_eq!(other["iss"], "https://issuer.example");
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64url(bytes: &[u8]) -> String {
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let number =
            group.iter().fold(0u32, |number, &b| number << 8 | u32::from(b)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            out.push(char::from(ALPHABET[(number >> (18 - 6 * place)) as usize & 63]));
        }
    }
    out
}

fn decoded(text: &str) -> Vec<u8> {
    let digit = |b: u8| ALPHABET.iter().position(|&known| known == b).expect("base64url") as u32;
    let mut out = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let number = group.iter().fold(0, |number, &b| number << 6 | digit(b)) << (6 * (4 - group.len()));
        out.extend_from_slice(&number.to_be_bytes()[1..group.len()]);
    }
    assert_eq!(base64url(&out), text);
    out
}
