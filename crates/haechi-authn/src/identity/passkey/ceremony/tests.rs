//! Each check by itself: a device that does all of it right, and what becomes of it when one thing is wrong.

use super::super::kept::Kept;
use super::{
    ATTESTED, Assertion, BACKED_UP, BACKUP_ELIGIBLE, Creation, Expected, PRESENT, PasskeyFault, RelyingParty,
    VERIFIED, check_assertion, check_creation,
};
use crate::jose::base64url;
use crate::random;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RsaKeyPair,
};

pub(in crate::identity) const PARTY_ISSUER: &str = "https://login.example.com";
const CHALLENGE: [u8; 32] = [9; 32];

enum Key {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A device with one passkey.
pub(in crate::identity) struct Authenticator {
    key: Key,
    id: Vec<u8>,
    user: String,
    pub(in crate::identity) counter: u32,
    flags: u8,
    party: String,
    /// The members of the client data that are other than they should be.
    client_data: serde_json::Value,
    algorithm: i32,
    /// What follows where nothing should.
    rest: Vec<u8>,
}

impl Authenticator {
    pub(in crate::identity) fn new(user: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let id: [u8; 16] = random::bytes().unwrap();
        Self {
            key: Key::P256(key),
            id: id.to_vec(),
            user: user.to_owned(),
            counter: 0,
            flags: PRESENT | VERIFIED,
            party: "login.example.com".to_owned(),
            client_data: serde_json::json!({}),
            algorithm: -7,
            rest: Vec::new(),
        }
    }

    fn with(key: Key, algorithm: i32) -> Self {
        Self { key, algorithm, ..Self::new("u-1") }
    }

    fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match &self.key {
            Key::P256(key) | Key::P384(key) => key.public_key().as_der().unwrap(),
            Key::Ed(key) => key.public_key().as_der().unwrap(),
            Key::Rsa(key) => key.public_key().as_der().unwrap(),
        };
        der.as_ref().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::P256(key) | Key::P384(key) => {
                key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            }
            Key::Ed(key) => key.sign(message).as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut out).unwrap();
                out
            }
        }
    }

    fn client_data(&self, kind: &str, challenge: &[u8; 32]) -> Vec<u8> {
        let mut said = serde_json::json!({
            "type": kind,
            "challenge": base64url::encode(challenge),
            "origin": PARTY_ISSUER,
            "crossOrigin": false,
            "other": "keys may be added",
        });
        for (name, value) in self.client_data.as_object().unwrap() {
            said[name] = value.clone();
        }
        said.to_string().into_bytes()
    }

    fn data(&self, more: u8, rest: &[u8]) -> Vec<u8> {
        let hash = random::sha256(self.party.as_bytes());
        [&hash[..], &[self.flags | more], &self.counter.to_be_bytes(), rest].concat()
    }

    pub(in crate::identity) fn assertion(&self, challenge: &[u8; 32]) -> Assertion {
        let client_data = self.client_data("webauthn.get", challenge);
        let data = self.data(0, &self.rest);
        let signature = self.sign(&[&data[..], &random::sha256(&client_data)].concat());
        Assertion {
            id: base64url::encode(&self.id),
            client_data: base64url::encode(client_data),
            authenticator_data: base64url::encode(data),
            signature: base64url::encode(signature),
            user_handle: Some(base64url::encode(&self.user)),
        }
    }

    pub(in crate::identity) fn creation(&self, challenge: &[u8; 32]) -> Creation {
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let attested = [&[0; 16][..], &length, &self.id, b"the key in COSE"].concat();
        Creation {
            id: base64url::encode(&self.id),
            client_data: base64url::encode(self.client_data("webauthn.create", challenge)),
            authenticator_data: base64url::encode(self.data(ATTESTED, &attested)),
            public_key: base64url::encode(self.spki()),
            algorithm: self.algorithm,
        }
    }

    fn kept(&self) -> Kept {
        Kept {
            user: self.user.clone(),
            credential: base64url::encode(&self.id),
            key: base64url::encode(self.spki()),
            algorithm: self.algorithm,
            counter: self.counter,
            synced: self.flags & BACKUP_ELIGIBLE != 0,
            name: "phone".to_owned(),
            created: 0,
            used: None,
        }
    }
}

fn party() -> RelyingParty {
    RelyingParty::of(PARTY_ISSUER).unwrap()
}

const ALONE: Expected<'static> = Expected { challenge: &CHALLENGE, owner: None, verified: true };
const BESIDE: Expected<'static> = Expected { owner: Some("u-1"), verified: false, ..ALONE };

fn logs_in(device: &Authenticator, expected: &Expected<'_>) -> Result<u32, PasskeyFault> {
    check_assertion(&party(), &device.assertion(&CHALLENGE), &device.kept(), expected)
}

fn adds(device: &Authenticator) -> Result<super::NewKey, PasskeyFault> {
    check_creation(&party(), &device.creation(&CHALLENGE), &CHALLENGE)
}

#[test]
fn every_kind_of_key_that_is_asked_for_logs_in() {
    let pair = |size| RsaKeyPair::generate(size).unwrap();
    for device in [
        Authenticator::new("u-1"),
        Authenticator::with(Key::Ed(Ed25519KeyPair::generate().unwrap()), -8),
        Authenticator::with(Key::Rsa(pair(KeySize::Rsa2048)), -257),
    ] {
        let new = adds(&device).unwrap();
        let kept = device.kept();
        assert_eq!((&new.key, new.algorithm, &new.credential), (&kept.key, kept.algorithm, &kept.credential));
        assert_eq!(logs_in(&device, &ALONE), Ok(0), "{}", device.algorithm);
        let mut answer = device.assertion(&CHALLENGE);
        answer.signature = base64url::encode([7; 64]);
        assert_eq!(check_assertion(&party(), &answer, &kept, &ALONE), Err(PasskeyFault::Signature));
    }
    let p384 = || Key::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap());
    assert_eq!(adds(&Authenticator::with(p384(), -35)).unwrap_err(), PasskeyFault::Algorithm);
    // A key that is another than it says.
    assert_eq!(adds(&Authenticator::with(p384(), -7)).unwrap_err(), PasskeyFault::Key);
    let other = Authenticator::with(Key::Ed(Ed25519KeyPair::generate().unwrap()), -7);
    assert_eq!(adds(&other).unwrap_err(), PasskeyFault::Key);
    let mut broken = Authenticator::new("u-1").creation(&CHALLENGE);
    broken.public_key = base64url::encode([1; 91]);
    assert_eq!(check_creation(&party(), &broken, &CHALLENGE).unwrap_err(), PasskeyFault::Key);
}

#[test]
fn what_the_browser_says_of_itself_is_held_to() {
    use serde_json::json;
    for (said, fault) in [
        (json!({ "type": "webauthn.other" }), PasskeyFault::Type),
        (json!({ "challenge": base64url::encode([8; 32]) }), PasskeyFault::Challenge),
        (json!({ "origin": "https://login.example.com.evil.example" }), PasskeyFault::Origin),
        (json!({ "origin": "https://example.com" }), PasskeyFault::Origin),
        (json!({ "origin": "https://login.example.com:8443" }), PasskeyFault::Origin),
        (json!({ "origin": "http://login.example.com" }), PasskeyFault::Origin),
        (json!({ "crossOrigin": true }), PasskeyFault::Framed),
        (json!({ "topOrigin": "https://evil.example" }), PasskeyFault::Framed),
    ] {
        let device = Authenticator { client_data: said.clone(), ..Authenticator::new("u-1") };
        assert_eq!(logs_in(&device, &ALONE), Err(fault), "{said}");
        assert_eq!(adds(&device).unwrap_err(), fault, "{said}");
    }
    // The answer to one question is none to the other.
    let device =
        Authenticator { client_data: json!({ "type": "webauthn.get" }), ..Authenticator::new("u-1") };
    assert_eq!(adds(&device).unwrap_err(), PasskeyFault::Type);
    let device =
        Authenticator { client_data: json!({ "type": "webauthn.create" }), ..Authenticator::new("u-1") };
    assert_eq!(logs_in(&device, &ALONE), Err(PasskeyFault::Type));
}

#[test]
fn what_the_authenticator_says_is_held_to() {
    let device = |flags| Authenticator { flags, ..Authenticator::new("u-1") };
    assert_eq!(logs_in(&device(VERIFIED), &ALONE), Err(PasskeyFault::Presence));
    assert_eq!(adds(&device(VERIFIED)).unwrap_err(), PasskeyFault::Presence);
    // Without a password beside it, the device must have asked who it is.
    assert_eq!(logs_in(&device(PRESENT), &ALONE), Err(PasskeyFault::Verification));
    assert_eq!(logs_in(&device(PRESENT), &BESIDE), Ok(0));
    assert_eq!(adds(&device(PRESENT)).unwrap_err(), PasskeyFault::Verification);
    let backed_up = device(PRESENT | VERIFIED | BACKED_UP);
    assert_eq!(logs_in(&backed_up, &ALONE), Err(PasskeyFault::Backup));
    assert_eq!(adds(&backed_up).unwrap_err(), PasskeyFault::Backup);
    let synced = device(PRESENT | VERIFIED | BACKED_UP | BACKUP_ELIGIBLE);
    assert!(adds(&synced).unwrap().synced);
    assert_eq!(logs_in(&synced, &ALONE), Ok(0));
    let kept = Kept { synced: false, ..synced.kept() };
    let answer = synced.assertion(&CHALLENGE);
    assert_eq!(check_assertion(&party(), &answer, &kept, &ALONE), Err(PasskeyFault::Backup));
    for elsewhere in ["example.com", "evil.example", ""] {
        let device = Authenticator { party: elsewhere.to_owned(), ..Authenticator::new("u-1") };
        assert_eq!(logs_in(&device, &ALONE), Err(PasskeyFault::Party));
        assert_eq!(adds(&device).unwrap_err(), PasskeyFault::Party);
    }
    let longer = Authenticator { rest: vec![0], ..Authenticator::new("u-1") };
    assert!(matches!(logs_in(&longer, &ALONE), Err(PasskeyFault::Malformed(_))));
}

#[test]
fn a_passkey_is_its_owners() {
    let device = Authenticator::new("u-1");
    assert_eq!(logs_in(&device, &Expected { owner: Some("u-2"), ..BESIDE }), Err(PasskeyFault::Owner));
    let mut answer = device.assertion(&CHALLENGE);
    answer.user_handle = Some(base64url::encode("u-2"));
    assert_eq!(check_assertion(&party(), &answer, &device.kept(), &ALONE), Err(PasskeyFault::Owner));
    assert_eq!(check_assertion(&party(), &answer, &device.kept(), &BESIDE), Err(PasskeyFault::Owner));
    answer.user_handle = None;
    assert_eq!(check_assertion(&party(), &answer, &device.kept(), &ALONE), Err(PasskeyFault::Owner));
    assert_eq!(check_assertion(&party(), &answer, &device.kept(), &BESIDE), Ok(0));
    // Another's key under the same id.
    let other = Authenticator { id: device.id.clone(), ..Authenticator::new("u-1") };
    let answer = other.assertion(&CHALLENGE);
    assert_eq!(check_assertion(&party(), &answer, &device.kept(), &ALONE), Err(PasskeyFault::Signature));
}

#[test]
fn what_was_signed_is_what_counts() {
    let device = Authenticator { flags: PRESENT, ..Authenticator::new("u-1") };
    let mut answer = device.assertion(&CHALLENGE);
    // The flag that says who it is, put on afterwards.
    answer.authenticator_data = Authenticator::new("u-1").assertion(&CHALLENGE).authenticator_data;
    assert_eq!(check_assertion(&party(), &answer, &device.kept(), &ALONE), Err(PasskeyFault::Signature));
    let device =
        Authenticator { client_data: serde_json::json!({ "origin": "https://evil.example" }), ..device };
    let mut answer = device.assertion(&CHALLENGE);
    answer.client_data = Authenticator::new("u-1").assertion(&CHALLENGE).client_data;
    assert_eq!(check_assertion(&party(), &answer, &device.kept(), &BESIDE), Err(PasskeyFault::Signature));
}

#[test]
fn sizes_are_bounded_and_nothing_else_is_read() {
    let malformed = |outcome: Result<super::NewKey, PasskeyFault>| {
        assert!(matches!(outcome, Err(PasskeyFault::Malformed(_))), "{outcome:?}");
    };
    for length in [0, 1024] {
        malformed(adds(&Authenticator { id: vec![1; length], ..Authenticator::new("u-1") }));
    }
    adds(&Authenticator { id: vec![1; 1023], ..Authenticator::new("u-1") }).unwrap();
    let mut other = Authenticator::new("u-1").creation(&CHALLENGE);
    other.id = base64url::encode([1; 16]);
    malformed(check_creation(&party(), &other, &CHALLENGE));
    for (at, text) in [(0, ""), (1, "="), (2, "AAAA")] {
        let mut answer = Authenticator::new("u-1").creation(&CHALLENGE);
        match at {
            0 => answer.authenticator_data = text.to_owned(),
            1 => answer.client_data = text.to_owned(),
            _ => answer.client_data = text.to_owned(),
        }
        malformed(check_creation(&party(), &answer, &CHALLENGE));
    }
    for text in ["", "{}", "[]", r#"{"id":"a"}"#, r#"{"id":"a","id":"a"}"#] {
        assert!(Assertion::parse(text).is_err() && Creation::parse(text).is_err(), "{text}");
    }
    let whole =
        r#"{"id":"YQ","clientDataJSON":"YQ","authenticatorData":"YQ","signature":"YQ","userHandle":null}"#;
    assert!(Assertion::parse(whole).is_ok());
    assert!(Assertion::parse(&whole.replace("}", ",\"more\":1}")).is_err());
}

#[test]
fn browsers_have_passkeys_for_names_alone() {
    for (issuer, id) in [
        ("https://login.example.com", Some("login.example.com")),
        ("https://login.example.com:8443", Some("login.example.com")),
        ("http://localhost:8080", Some("localhost")),
        ("http://login.example.com", None),
        ("https://192.0.2.1", None),
        ("http://127.0.0.1:8080", None),
        ("https://[2001:db8::1]", None),
    ] {
        assert_eq!(RelyingParty::of(issuer).as_ref().map(RelyingParty::id), id, "{issuer}");
    }
}
