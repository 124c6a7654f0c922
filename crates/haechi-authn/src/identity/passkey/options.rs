//! What a page asks the browser for: the options of `navigator.credentials`, in JSON, binary members in base64url. The script of the page makes bytes of them.

use super::ceremony::{ALGORITHMS, RelyingParty};
use crate::jose::base64url;
use crate::random;
use haechi_core::ports::UserRecord;
use serde_json::{Value, json};

/// How long people may take, in milliseconds.
const TIMEOUT: u32 = 5 * 60 * 1000;

/// What a page asks the browser for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyQuestion {
    /// The options, in JSON.
    pub options: String,
    /// Whether a new passkey is to be made.
    pub creates: bool,
}

/// The challenge of a page: made of what its form carries, which is sealed under a nonce of its own, so it belongs to this login in this browser alone and
/// nobody can tell it before.
pub(in crate::identity) fn challenge_of(ticket: &str) -> [u8; 32] {
    random::sha256(&[b"haechi passkey challenge\n", ticket.as_bytes()].concat())
}

/// For a login: any passkey that the person has for this host, or one of `known` of whoever has shown the password before.
pub(in crate::identity) fn to_log_in(
    party: &RelyingParty,
    ticket: &str,
    known: Option<&[String]>,
) -> PasskeyQuestion {
    let options = json!({
        "challenge": base64url::encode(challenge_of(ticket)),
        "rpId": party.id(),
        "allowCredentials": descriptors(known.unwrap_or_default()),
        "userVerification": if known.is_some() { "discouraged" } else { "required" },
        "timeout": TIMEOUT,
    });
    PasskeyQuestion { options: options.to_string(), creates: false }
}

/// For a new passkey, beside those that are known.
pub(in crate::identity) fn to_create(
    party: &RelyingParty,
    ticket: &str,
    user: &UserRecord,
    known: &[String],
) -> PasskeyQuestion {
    let algorithms: Vec<Value> =
        ALGORITHMS.iter().map(|number| json!({ "type": "public-key", "alg": number })).collect();
    let options = json!({
        "challenge": base64url::encode(challenge_of(ticket)),
        "rp": { "id": party.id(), "name": party.id() },
        "user": { "id": base64url::encode(&user.id), "name": user.name, "displayName": user.name },
        "pubKeyCredParams": algorithms,
        "excludeCredentials": descriptors(known),
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": true,
            "userVerification": "required",
        },
        "attestation": "none",
        "timeout": TIMEOUT,
    });
    PasskeyQuestion { options: options.to_string(), creates: true }
}

fn descriptors(known: &[String]) -> Vec<Value> {
    known.iter().map(|id| json!({ "type": "public-key", "id": id })).collect()
}
