//! Public test vectors, through the same path as a token's: a key set is read, a key is chosen, a signature is verified.
//!
//! Project Wycheproof's whole sets for RSA PKCS #1, RSA-PSS, ECDSA, EdDSA and HMAC are walked. Where a vector's parameters are those of a JWS
//! algorithm, its verdict must be ours; where they are not, a signature that is valid under its own must be refused. What cannot be asked at
//! all stands in `NOT_ASKED`. (The crate has no JSON Web Signature set; the examples of RFC 7515 and RFC 8037 stand in for it.)

use haechi_authn::jose::{Algorithm, Compact, VerifyingKey};
use haechi_authn::keys::{Choice, Keys};
use haechi_testkit::jose::base64url;
use serde_json::{Value, json};
use wycheproof::{EdwardsCurve, EllipticCurve, HashFunction, Mgf, TestResult};
use wycheproof::{ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

/// Sets without a single vector that a key set could express, and why.
const NOT_ASKED: &[(&str, &str)] = &[
    ("Ed448", "Ed448 keys (RFC 8037 3.1) are not supported; such a key is skipped"),
    ("EcdsaSecp160k1Sha256P1363", "no JWK curve"),
    ("EcdsaSecp160k1Sha256", "no JWK curve"),
    ("EcdsaSecp160r1Sha256P1363", "no JWK curve"),
    ("EcdsaSecp160r1Sha256", "no JWK curve"),
    ("EcdsaSecp160r2Sha256P1363", "no JWK curve"),
    ("EcdsaSecp160r2Sha256", "no JWK curve"),
    ("EcdsaSecp192k1Sha256P1363", "no JWK curve"),
    ("EcdsaSecp192k1Sha256", "no JWK curve"),
    ("EcdsaSecp192r1Sha256P1363", "no JWK curve"),
    ("EcdsaSecp192r1Sha256", "no JWK curve"),
    ("EcdsaSecp224k1Sha224P1363", "no JWK curve"),
    ("EcdsaSecp224k1Sha224", "no JWK curve"),
    ("EcdsaSecp224k1Sha256P1363", "no JWK curve"),
    ("EcdsaSecp224k1Sha256", "no JWK curve"),
    ("EcdsaSecp224r1Sha224P1363", "no JWK curve"),
    ("EcdsaSecp224r1Sha224", "no JWK curve"),
    ("EcdsaSecp224r1Sha256P1363", "no JWK curve"),
    ("EcdsaSecp224r1Sha256", "no JWK curve"),
    ("EcdsaSecp224r1Sha3_224", "no JWK curve"),
    ("EcdsaSecp224r1Sha3_256", "no JWK curve"),
    ("EcdsaSecp224r1Sha3_512", "no JWK curve"),
    ("EcdsaSecp224r1Sha512P1363", "no JWK curve"),
    ("EcdsaSecp224r1Sha512", "no JWK curve"),
    ("EcdsaSecp224r1Shake128P1363", "no JWK curve"),
    ("EcdsaSecp224r1Shake128", "no JWK curve"),
    ("EcdsaBrainpool224r1Sha224P1363", "no JWK curve"),
    ("EcdsaBrainpool224r1Sha224", "no JWK curve"),
    ("EcdsaBrainpool224r1Sha3_224", "no JWK curve"),
    ("EcdsaBrainpool256r1Sha256P1363", "no JWK curve"),
    ("EcdsaBrainpool256r1Sha256", "no JWK curve"),
    ("EcdsaBrainpool256r1Sha3_256", "no JWK curve"),
    ("EcdsaBrainpool320r1Sha3_384", "no JWK curve"),
    ("EcdsaBrainpool320r1Sha384P1363", "no JWK curve"),
    ("EcdsaBrainpool320r1Sha384", "no JWK curve"),
    ("EcdsaBrainpool384r1Sha3_384", "no JWK curve"),
    ("EcdsaBrainpool384r1Sha384P1363", "no JWK curve"),
    ("EcdsaBrainpool384r1Sha384", "no JWK curve"),
    ("EcdsaBrainpool512r1Sha3_512", "no JWK curve"),
    ("EcdsaBrainpool512r1Sha512P1363", "no JWK curve"),
    ("EcdsaBrainpool512r1Sha512", "no JWK curve"),
    ("EcdsaSecp256k1Sha256Bitcoin", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Sha256P1363", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Sha256", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Sha3_256", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Sha3_512", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Sha512P1363", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Sha512", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Shake128P1363", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Shake128", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Shake256P1363", "ES256K (RFC 8812) is not supported"),
    ("EcdsaSecp256k1Shake256", "ES256K (RFC 8812) is not supported"),
];

fn not_asked(set: impl std::fmt::Debug) -> bool {
    let name = format!("{set:?}");
    NOT_ASKED.iter().any(|(listed, _)| *listed == name)
}

fn keys(jwk: &Value) -> Option<Keys> {
    Keys::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes(), crate::support::NOW).ok()
}

/// Whether any of the algorithms takes this signature.
fn takes(keys: &Keys, algorithms: &[Algorithm], message: &[u8], signature: &[u8]) -> bool {
    algorithms.iter().any(|&algorithm| match keys.choose(algorithm, None) {
        Choice::Key(key) | Choice::Unnamed(key) => key.verifies(message, signature),
        _ => false,
    })
}

/// How many vectors agreed, so that a set that is silently empty is noticed.
#[derive(Debug, Default)]
struct Tally {
    verdicts: usize,
    accepted: usize,
    foreign: usize,
}

impl Tally {
    #[track_caller]
    fn verdict(&mut self, what: String, expected: TestResult, ours: bool) {
        match expected {
            TestResult::Valid => assert!(ours, "{what} is valid and was refused"),
            TestResult::Invalid => assert!(!ours, "{what} is invalid and was accepted"),
            // Signatures of lax encoders: refusing is right, so is whatever the library does that refuses all the invalid ones.
            TestResult::Acceptable => {}
        }
        self.verdicts += 1;
        self.accepted += usize::from(ours);
    }

    #[track_caller]
    fn foreign(&mut self, what: String, theirs: TestResult, ours: bool) {
        // What is invalid in their set may be so by being made with our parameters.
        assert!(
            !ours || theirs != TestResult::Valid,
            "{what} is made with other parameters and was accepted"
        );
        self.foreign += 1;
    }
}

fn bits(hash: HashFunction) -> Option<usize> {
    match hash {
        HashFunction::Sha2_256 => Some(256),
        HashFunction::Sha2_384 => Some(384),
        HashFunction::Sha2_512 => Some(512),
        _ => None,
    }
}

fn rsa_jwk(n: &[u8], e: &[u8]) -> Value {
    let unpadded = |bytes: &[u8]| base64url(&bytes[bytes.iter().take_while(|&&b| b == 0).count()..]);
    json!({ "kty": "RSA", "n": unpadded(n), "e": unpadded(e) })
}

const RS: [(usize, Algorithm); 3] =
    [(256, Algorithm::Rs256), (384, Algorithm::Rs384), (512, Algorithm::Rs512)];
const PS: [(usize, Algorithm); 3] =
    [(256, Algorithm::Ps256), (384, Algorithm::Ps384), (512, Algorithm::Ps512)];

fn of(table: [(usize, Algorithm); 3], bits: usize) -> Algorithm {
    table.into_iter().find(|(size, _)| *size == bits).unwrap().1
}

#[test]
fn rsa_pkcs1() {
    let mut tally = Tally::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let keys =
                keys(&rsa_jwk(&group.key.n, &group.key.e)).unwrap_or_else(|| panic!("{name:?}: key refused"));
            for test in &group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                match bits(group.hash) {
                    Some(bits) => {
                        let ours = takes(&keys, &[of(RS, bits)], &test.msg, &test.sig);
                        tally.verdict(what, test.result, ours);
                    }
                    None => tally.foreign(
                        what,
                        test.result,
                        takes(&keys, &RS.map(|(_, a)| a), &test.msg, &test.sig),
                    ),
                }
                let under_pss = takes(&keys, &PS.map(|(_, a)| a), &test.msg, &test.sig);
                assert!(!under_pss || test.result != TestResult::Valid, "PKCS #1 taken for PSS");
            }
        }
    }
    assert!(tally.verdicts > 2000 && tally.accepted > 50 && tally.foreign > 1000, "{tally:?}");
}

#[test]
fn rsa_pss() {
    let mut tally = Tally::default();
    for name in rsa_pss_verify::TestName::all() {
        let set = rsa_pss_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let keys =
                keys(&rsa_jwk(&group.key.n, &group.key.e)).unwrap_or_else(|| panic!("{name:?}: key refused"));
            let ours = bits(group.hash).filter(|bits| {
                group.mgf == Mgf::Mgf1 && group.mgf_hash == Some(group.hash) && group.salt_size * 8 == *bits
            });
            for test in &group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                match ours {
                    Some(bits) => {
                        tally.verdict(what, test.result, takes(&keys, &[of(PS, bits)], &test.msg, &test.sig));
                    }
                    None => tally.foreign(
                        what,
                        test.result,
                        takes(&keys, &PS.map(|(_, a)| a), &test.msg, &test.sig),
                    ),
                }
            }
        }
    }
    assert!(tally.verdicts > 500 && tally.accepted > 200 && tally.foreign > 500, "{tally:?}");
}

#[test]
fn ecdsa() {
    let mut tally = Tally::default();
    for name in ecdsa::TestName::all() {
        let set = ecdsa::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let Some((crv, size, algorithm)) = curve(group.key.curve) else {
                assert!(not_asked(name), "{name:?} is neither asked nor listed");
                continue;
            };
            let own_hash = bits(group.hash).is_some_and(|bits| match algorithm {
                Algorithm::Es256 => bits == 256,
                Algorithm::Es384 => bits == 384,
                _ => bits == 512,
            });
            let (x, y) = group.key.key[1..].split_at(size);
            let jwk = json!({ "kty": "EC", "crv": crv, "x": base64url(x), "y": base64url(y) });
            let keys = keys(&jwk).unwrap_or_else(|| panic!("{name:?}: key refused"));
            for test in &group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                let ours = takes(&keys, &[algorithm], &test.msg, &test.sig);
                match group.test_type {
                    ecdsa::TestGroupTypeId::EcdsaP1363 if own_hash => tally.verdict(what, test.result, ours),
                    // In DER: refused as it stands; what it says counts once it is written as `r || s`.
                    ecdsa::TestGroupTypeId::Ecdsa if own_hash => {
                        tally.foreign(what.clone(), TestResult::Valid, ours);
                        if let Some(raw) =
                            raw_signature(&test.sig, size).filter(|_| test.result == TestResult::Valid)
                        {
                            tally.verdict(what, test.result, takes(&keys, &[algorithm], &test.msg, &raw));
                        }
                    }
                    _ => tally.foreign(what, test.result, ours),
                }
            }
        }
    }
    assert!(tally.verdicts > 1000 && tally.accepted > 600 && tally.foreign > 3000, "{tally:?}");
}

fn curve(curve: EllipticCurve) -> Option<(&'static str, usize, Algorithm)> {
    match curve {
        EllipticCurve::Secp256r1 => Some(("P-256", 32, Algorithm::Es256)),
        EllipticCurve::Secp384r1 => Some(("P-384", 48, Algorithm::Es384)),
        EllipticCurve::Secp521r1 => Some(("P-521", 66, Algorithm::Es512)),
        _ => None,
    }
}

/// `r || s` of a well-formed DER signature.
fn raw_signature(der: &[u8], size: usize) -> Option<Vec<u8>> {
    let body = if der.get(1)? & 0x80 == 0 { der.get(2..)? } else { der.get(3..)? };
    let integer = |from: &[u8]| {
        let length = usize::from(*from.get(1)?);
        let digits = from.get(2..2 + length)?;
        let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
        let mut padded = vec![0; size.checked_sub(digits.len())?];
        padded.extend_from_slice(digits);
        Some((padded, 2 + length))
    };
    let (r, next) = integer(body)?;
    let (s, _) = integer(body.get(next..)?)?;
    Some([r, s].concat())
}

#[test]
fn eddsa() {
    let mut tally = Tally::default();
    for name in eddsa::TestName::all() {
        let set = eddsa::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let crv = if group.key.curve == EdwardsCurve::Ed25519 { "Ed25519" } else { "Ed448" };
            let jwk = json!({ "kty": "OKP", "crv": crv, "x": base64url(&*group.key.pk) });
            let Some(keys) = keys(&jwk) else {
                assert!(not_asked(name), "{name:?} is neither asked nor listed");
                continue;
            };
            for test in &group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                tally.verdict(what, test.result, takes(&keys, &[Algorithm::EdDsa], &test.msg, &test.sig));
            }
        }
    }
    assert!(tally.verdicts > 100 && tally.accepted > 50, "{tally:?}");
}

#[test]
fn hmac() {
    let mut tally = Tally::default();
    for (name, bits, algorithm) in [
        (mac::TestName::HmacSha256, 256, Algorithm::Hs256),
        (mac::TestName::HmacSha384, 384, Algorithm::Hs384),
        (mac::TestName::HmacSha512, 512, Algorithm::Hs512),
    ] {
        for group in &mac::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                let key = VerifyingKey::from_secret(algorithm, &test.key);
                assert_eq!(
                    key.is_ok(),
                    test.key.len() * 8 >= bits,
                    "{what}: a secret shorter than the hash is refused"
                );
                let ours = key.is_ok_and(|key| key.verifies(&test.msg, &test.tag));
                if test.key.len() * 8 >= bits && group.tag_size == bits {
                    tally.verdict(what, test.result, ours);
                } else {
                    // A short secret, or a tag cut short.
                    tally.foreign(what, TestResult::Valid, ours);
                }
            }
        }
    }
    assert!(tally.verdicts > 200 && tally.accepted > 50 && tally.foreign > 100, "{tally:?}");
}

#[test]
fn every_set_that_is_not_asked_is_still_there() {
    let names: Vec<String> = ecdsa::TestName::all()
        .into_iter()
        .map(|name| format!("{name:?}"))
        .chain(eddsa::TestName::all().into_iter().map(|name| format!("{name:?}")))
        .collect();
    for (listed, why) in NOT_ASKED {
        assert!(names.iter().any(|name| name == listed), "{listed} ({why}) is gone: remove it");
    }
}

/// RFC 7515 A.3, RFC 8037 A.4; the HMAC of A.1 is among the vectors above.
#[test]
fn tokens_of_the_rfcs() {
    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    for (jwk, token, algorithm) in [
        (
            json!({ "kty": "EC", "crv": "P-256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }),
            format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
            Algorithm::Es256,
        ),
        (
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg".into(),
            Algorithm::EdDsa,
        ),
    ] {
        let keys = keys(&jwk).unwrap();
        let compact = Compact::split(&token).unwrap();
        assert_eq!(compact.header().unwrap().algorithm, algorithm);
        assert!(takes(&keys, &[algorithm], compact.signed(), compact.signature()), "{algorithm}");
        assert!(!takes(&keys, &Algorithm::ALL, &compact.signed()[1..], compact.signature()), "{algorithm}");
    }
}
