//! Key sets: JWK sets and PEM. No name stands twice, two different keys of one name and use are refused, secrets do not pass as public keys.
#![no_main]

use haechi_authn::jose::{Algorithm, Secrets};
use haechi_authn::keys::set::{Choice, Keys, MAX_BYTES, MAX_KEYS};
use haechi_fuzz::is_json_with_distinct_names;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const ALGORITHMS: [&str; 13] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256",
    "HS384", "HS512",
];

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Keys::from_pem(text);
    }
    let Ok(keys) = Keys::from_jwks(data, Secrets::Refused) else { return };
    assert!(data.len() <= MAX_BYTES && is_json_with_distinct_names(data));
    let document: Value = serde_json::from_slice(data).expect("JSON");
    let listed = document["keys"].as_array().expect("an array");
    assert!((1..=MAX_KEYS).contains(&listed.len()));
    // Every choice is a key of the algorithm that was asked for, and of a name that the document has.
    for algorithm in ALGORITHMS.iter().filter_map(|name| Algorithm::named(name)) {
        let names = listed.iter().filter_map(|key| key["kid"].as_str()).chain(["elsewhere"]);
        for name in names.map(Some).chain([None]) {
            if let Choice::Key(key) = keys.choose(algorithm, name) {
                assert_eq!(key.algorithm(), algorithm);
                assert!(!algorithm.is_symmetric(), "a secret in a public key set");
                assert!(name.is_none() || listed.iter().any(|key| key["kid"].as_str() == name));
            }
        }
    }
    assert!(Keys::from_jwks(data, Secrets::Refused).is_ok());
});
