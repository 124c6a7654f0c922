//! What the relying party checks of what a browser says for an authenticator (Web Authentication Level 2, 7.1 and 7.2). Attestation is not asked for and not
//! looked at, so nothing of a new key is signed: who adds it has shown who they are, and the key comes as the browser reads it (`getPublicKey`, 5.2.1.1).

use super::kept::Kept;
use crate::jose::{Algorithm, VerifyingKey, base64url};
use crate::random;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use serde::Deserialize;

/// The longest credential id, in bytes (Web Authentication 7.1, step 17).
const LONGEST_ID: usize = 1023;
/// The person was there (6.1).
const PRESENT: u8 = 0x01;
/// The authenticator has verified who it is.
const VERIFIED: u8 = 0x04;
/// The key may be on several devices.
const BACKUP_ELIGIBLE: u8 = 0x08;
/// It is.
const BACKED_UP: u8 = 0x10;
/// A new key follows.
const ATTESTED: u8 = 0x40;
/// Extensions follow.
const EXTENDED: u8 = 0x80;

/// Who asks: the provider's host, as browsers hold keys to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    origin: String,
}

/// Why what a browser says of a passkey was not taken. For the operator: people are told one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::identity) enum PasskeyFault {
    #[error("the answer of the passkey cannot be read: {0}")]
    Malformed(&'static str),
    #[error("the passkey answers another question")]
    Type,
    #[error("the passkey answers another challenge")]
    Challenge,
    #[error("the challenge was answered before")]
    Used,
    #[error("the passkey was asked for by a page of another origin")]
    Origin,
    #[error("the passkey was asked for in a frame of another site")]
    Framed,
    #[error("the passkey is for another relying party")]
    Party,
    #[error("nobody was present at the authenticator")]
    Presence,
    #[error("the authenticator has not verified the person")]
    Verification,
    #[error("the passkey contradicts itself about being synchronized")]
    Backup,
    #[error("no such passkey, or one of another user")]
    Owner,
    #[error("no such passkey")]
    Unknown,
    #[error("the signature of the passkey is wrong")]
    Signature,
    #[error("the signature counter of the passkey went back: it may have been copied")]
    Counter,
    #[error("the algorithm of the passkey is not one that was asked for")]
    Algorithm,
    #[error("the key of the passkey cannot be used")]
    Key,
    #[error("the passkey is registered already")]
    Known,
    #[error("the user has as many passkeys as there may be")]
    TooMany,
}

/// What an answer must be about.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) struct Expected<'a> {
    /// The challenge that the page had.
    pub(in crate::identity) challenge: &'a [u8; 32],
    /// Whose passkey it must be; whoever the authenticator names where nobody has said who they are.
    pub(in crate::identity) owner: Option<&'a str>,
    /// Whether the authenticator must have verified the person, because the passkey is all that is asked for.
    pub(in crate::identity) verified: bool,
}

/// An answer to a login (`navigator.credentials.get`), binary members in base64url.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::identity) struct Assertion {
    id: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
    user_handle: Option<String>,
}

/// A new key (`navigator.credentials.create`), binary members in base64url.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::identity) struct Creation {
    id: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    public_key: String,
    algorithm: i32,
}

/// A new key that may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::identity) struct NewKey {
    /// Names its record.
    pub(in crate::identity) id: String,
    pub(in crate::identity) credential: String,
    pub(in crate::identity) key: String,
    pub(in crate::identity) algorithm: i32,
    pub(in crate::identity) counter: u32,
    pub(in crate::identity) synced: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

struct AuthenticatorData<'a> {
    flags: u8,
    counter: u32,
    /// What follows: a new key, extensions.
    rest: &'a [u8],
}

impl RelyingParty {
    /// The one of an issuer, scheme, host and port; `None` where browsers have no passkeys for it: an address is no name (5.1.3), and plain HTTP is for
    /// `localhost` alone.
    pub fn of(issuer: &str) -> Option<Self> {
        let (scheme, authority) = issuer.split_once("://")?;
        let id = authority.split(':').next()?;
        let is_name = id.contains(|letter: char| letter.is_ascii_alphabetic()) && !authority.starts_with('[');
        let is_local = id == "localhost" || id.ends_with(".localhost");
        let is_sound = is_name && (scheme == "https" || scheme == "http" && is_local);
        is_sound.then(|| Self { id: id.to_owned(), origin: issuer.to_owned() })
    }

    /// The host.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The origin whose pages may ask.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Assertion {
    pub(in crate::identity) fn parse(text: &str) -> Result<Self, PasskeyFault> {
        serde_json::from_str(text).map_err(|_| PasskeyFault::Malformed("it is not the JSON of our script"))
    }

    /// Names the record of the passkey.
    pub(in crate::identity) fn record_id(&self) -> Result<String, PasskeyFault> {
        Ok(record_id(&credential(&self.id)?))
    }
}

impl Creation {
    pub(in crate::identity) fn parse(text: &str) -> Result<Self, PasskeyFault> {
        serde_json::from_str(text).map_err(|_| PasskeyFault::Malformed("it is not the JSON of our script"))
    }
}

/// Checks an answer of a passkey that is kept (7.2). The signature counter from now on.
pub(in crate::identity) fn check_assertion(
    party: &RelyingParty,
    answer: &Assertion,
    kept: &Kept,
    expected: &Expected<'_>,
) -> Result<u32, PasskeyFault> {
    // Steps 5 and 6: whose it is.
    if expected.owner.is_some_and(|owner| owner != kept.user) {
        return Err(PasskeyFault::Owner);
    }
    match &answer.user_handle {
        Some(handle) if decoded(handle)? == kept.user.as_bytes() => {}
        None if expected.owner.is_some() => {}
        _ => return Err(PasskeyFault::Owner),
    }
    let client_data = decoded(&answer.client_data)?;
    check_client_data(&client_data, "webauthn.get", party, expected.challenge)?;
    let bytes = decoded(&answer.authenticator_data)?;
    let data = AuthenticatorData::read(&bytes, party, expected.verified)?;
    if data.flags & ATTESTED != 0 || data.flags & EXTENDED == 0 && !data.rest.is_empty() {
        return Err(PasskeyFault::Malformed("its authenticator data do not end where they should"));
    }
    if (data.flags & BACKUP_ELIGIBLE != 0) != kept.synced {
        return Err(PasskeyFault::Backup);
    }
    let signed = [&*bytes, &random::sha256(&client_data)].concat();
    if !verifies(kept.algorithm, &decoded(&kept.key)?, &signed, &decoded(&answer.signature)?) {
        return Err(PasskeyFault::Signature);
    }
    // Step 21: an authenticator that counts has counted on.
    if (data.counter != 0 || kept.counter != 0) && data.counter <= kept.counter {
        return Err(PasskeyFault::Counter);
    }
    Ok(data.counter)
}

/// Checks a new key (7.1). The authenticator must have verified the person: the key is to be good for a login by itself.
pub(in crate::identity) fn check_creation(
    party: &RelyingParty,
    answer: &Creation,
    challenge: &[u8; 32],
) -> Result<NewKey, PasskeyFault> {
    check_client_data(&decoded(&answer.client_data)?, "webauthn.create", party, challenge)?;
    let bytes = decoded(&answer.authenticator_data)?;
    let data = AuthenticatorData::read(&bytes, party, true)?;
    let id = credential(&answer.id)?;
    if data.flags & ATTESTED == 0 || attested_id(data.rest) != Some(&*id) {
        return Err(PasskeyFault::Malformed("its authenticator data have another credential, or none"));
    }
    let key = decoded(&answer.public_key)?;
    let algorithm = algorithm(answer.algorithm).ok_or(PasskeyFault::Algorithm)?;
    VerifyingKey::from_spki(algorithm, &key).map_err(|_| PasskeyFault::Key)?;
    Ok(NewKey {
        id: record_id(&id),
        credential: base64url::encode(&id),
        key: base64url::encode(&key),
        algorithm: answer.algorithm,
        counter: data.counter,
        synced: data.flags & BACKUP_ELIGIBLE != 0,
    })
}

/// What the browser says of itself (5.8.1).
fn check_client_data(
    bytes: &[u8],
    kind: &str,
    party: &RelyingParty,
    challenge: &[u8; 32],
) -> Result<(), PasskeyFault> {
    let said: ClientData =
        serde_json::from_slice(bytes).map_err(|_| PasskeyFault::Malformed("its client data"))?;
    if said.kind != kind {
        return Err(PasskeyFault::Type);
    }
    if said.challenge != base64url::encode(challenge) {
        return Err(PasskeyFault::Challenge);
    }
    if said.origin != party.origin {
        return Err(PasskeyFault::Origin);
    }
    if said.cross_origin || said.top_origin.is_some() { Err(PasskeyFault::Framed) } else { Ok(()) }
}

impl<'a> AuthenticatorData<'a> {
    /// Reads and checks what both ceremonies have (6.1).
    fn read(bytes: &'a [u8], party: &RelyingParty, verified: bool) -> Result<Self, PasskeyFault> {
        let short = PasskeyFault::Malformed("its authenticator data are too short");
        let (hash, rest) = bytes.split_first_chunk::<32>().ok_or(short)?;
        let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or(short)?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        if *hash != random::sha256(party.id.as_bytes()) {
            return Err(PasskeyFault::Party);
        }
        if flags & PRESENT == 0 {
            return Err(PasskeyFault::Presence);
        }
        if verified && flags & VERIFIED == 0 {
            return Err(PasskeyFault::Verification);
        }
        if flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0 {
            return Err(PasskeyFault::Backup);
        }
        Ok(Self { flags, counter: u32::from_be_bytes(*counter), rest })
    }
}

/// The credential id in the data of a new key, behind the model of the authenticator (6.5.1).
fn attested_id(rest: &[u8]) -> Option<&[u8]> {
    let (_model, rest) = rest.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

fn decoded(text: &str) -> Result<Vec<u8>, PasskeyFault> {
    base64url::decode(text).ok_or(PasskeyFault::Malformed("a member is no base64url"))
}

fn credential(id: &str) -> Result<Vec<u8>, PasskeyFault> {
    let id = decoded(id)?;
    if (1..=LONGEST_ID).contains(&id.len()) {
        Ok(id)
    } else {
        Err(PasskeyFault::Malformed("a credential id has 1 to 1023 bytes"))
    }
}

fn record_id(credential: &[u8]) -> String {
    random::hex(&random::sha256(credential))
}

/// The algorithms that are asked for, by their COSE numbers (RFC 9053, RFC 8812).
pub(super) const ALGORITHMS: [i32; 3] = [-7, -8, -257];

const fn algorithm(cose: i32) -> Option<Algorithm> {
    match cose {
        -7 => Some(Algorithm::Es256),
        -8 => Some(Algorithm::EdDsa),
        -257 => Some(Algorithm::Rs256),
        _ => None,
    }
}

fn verifies(cose: i32, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    match algorithm(cose) {
        // Here in DER (6.5.6), where JOSE has the two numbers.
        Some(Algorithm::Es256) => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
            .is_ok_and(|key| key.verify_sig(message, signature).is_ok()),
        Some(other) => VerifyingKey::from_spki(other, key).is_ok_and(|key| key.verifies(message, signature)),
        None => false,
    }
}

#[cfg(test)]
pub(in crate::identity) mod tests;
