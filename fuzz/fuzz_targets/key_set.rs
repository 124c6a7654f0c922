//! Key sets: JWK sets and PEM. What cannot be used is skipped, and secrets do not pass as public keys.
#![no_main]

use haechi_authn::jose::Algorithm;
use haechi_authn::keys::set::{Choice, Keys, MAX_BYTES};
use haechi_core::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const ALGORITHMS: [&str; 13] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256",
    "HS384", "HS512",
];

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Keys::from_pem(text, NOW);
    }
    let Ok(keys) = Keys::from_jwks(data, NOW) else { return };
    assert!(data.len() <= MAX_BYTES);
    let document = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let document: Value = serde_json::from_slice(document).expect("JSON");
    let listed = document["keys"].as_array().expect("an array");
    assert!(!listed.is_empty());
    // Every choice is a key of the algorithm that was asked for, and of a name that the document has.
    for algorithm in ALGORITHMS.iter().filter_map(|name| Algorithm::named(name)) {
        let names = listed.iter().filter_map(|key| key["kid"].as_str()).chain(["elsewhere"]);
        for name in names.map(Some).chain([None]) {
            if let Choice::Key(key) | Choice::Unnamed(key) = keys.choose(algorithm, name) {
                assert_eq!(key.algorithm(), algorithm);
                assert!(!algorithm.is_symmetric(), "a secret in a public key set");
                assert!(name.is_none() || listed.iter().any(|key| key["kid"].as_str() == name));
            }
        }
    }
    assert!(Keys::from_jwks(data, NOW).is_ok());
});
