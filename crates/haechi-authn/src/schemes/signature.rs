//! `signature`: a request that its caller has signed (HTTP message signatures, RFC 9421; `Content-Digest`, RFC 9530).
//!
//! What is covered is taken of the request as the gate routes it. A signature is good once where it has a nonce.

mod components;
mod structured;

use crate::attempt::CredentialMatch;
use crate::jose::{Algorithm, KeyFault, VerifyingKey};
use crate::possession::{FirstUse, ReplayMemory};
use crate::random::sha256;
use crate::scheme::BodyRule;
use crate::{Attempt, Authenticator, Challenge, CredentialPlace, Look, Scheme};
use haechi_core::{Caller, RequestHead, Timestamp};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use structured::{SignatureInput, byte_sequences, signature_inputs};

/// Longer fields are not read, in bytes.
const LONGEST: usize = 8 * 1024;
const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";
const DIGEST: &str = "content-digest";

/// A `signature` authenticator, as meant.
pub struct SignatureConfig {
    /// The name under `authenticators:`.
    pub name: Arc<str>,
    /// By `keyid`. Not empty.
    pub keys: BTreeMap<Box<str>, SignatureKey>,
    /// What a signature must cover: names of fields and derived components.
    pub components: Vec<Box<str>>,
    /// How old a signature may be, by `created`.
    pub max_age: Duration,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Whether a signature without a nonce, which would be good as often as it is shown, is refused.
    pub nonce_required: bool,
    /// What `tag` must be, where it must be anything.
    pub tag: Option<Box<str>>,
    /// The most bytes of a body, which is compared with the digest that is signed; `None` where nobody looks at bodies.
    pub body: Option<usize>,
    /// Which signatures were used.
    pub replays: Arc<ReplayMemory>,
}

/// A key, and whose it is.
pub struct SignatureKey {
    /// It verifies.
    pub key: VerifyingKey,
    /// Whose it is.
    pub caller: Arc<Caller>,
}

/// What a signature can cover besides header fields (RFC 9421 2.2).
pub const COMPONENTS: [&str; 7] =
    ["@method", "@target-uri", "@authority", "@scheme", "@path", "@query", "@request-target"];

/// A public key in PEM, for this algorithm.
///
/// # Errors
/// Why it is none.
pub fn public_key(text: &str, algorithm: Algorithm) -> Result<VerifyingKey, KeyFault> {
    let unusable = |why: &str| KeyFault::Unusable(why.to_owned());
    let (keys, until) =
        crate::jose::pem::public_key(text, Timestamp::from_seconds(0)).map_err(|fault| match fault {
            KeyFault::Unusable(_) => unusable("it is no `PUBLIC KEY` in PEM that is known here"),
            fault => fault,
        })?;
    if until.is_some() {
        return Err(unusable("it is a certificate; give its public key: `openssl x509 -pubkey -noout`"));
    }
    let mut fitting = keys.into_iter().filter(|key| key.algorithm() == algorithm);
    fitting.next().ok_or_else(|| unusable("the key is not one for this algorithm"))
}

/// A secret that is shared with whoever signs.
///
/// # Errors
/// It is too short, or the algorithm takes none.
pub fn shared_secret(secret: &[u8], algorithm: Algorithm) -> Result<VerifyingKey, KeyFault> {
    VerifyingKey::from_secret(algorithm, secret)
}

/// The algorithm's name in RFC 9421 6.2.2; `None` for one that has none there.
pub const fn algorithm_name(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::EdDsa => Some("ed25519"),
        Algorithm::Es256 => Some("ecdsa-p256-sha256"),
        Algorithm::Es384 => Some("ecdsa-p384-sha384"),
        Algorithm::Ps512 => Some("rsa-pss-sha512"),
        Algorithm::Rs256 => Some("rsa-v1_5-sha256"),
        Algorithm::Hs256 => Some("hmac-sha256"),
        _ => None,
    }
}

/// The shared part, which needs no other.
pub struct SignatureAuthenticator(Arc<Shared>);

struct Shared {
    config: SignatureConfig,
    challenge: Arc<Challenge>,
    places: [CredentialPlace; 2],
}

impl SignatureAuthenticator {
    /// The authenticator that `config` describes.
    pub fn new(config: SignatureConfig) -> Self {
        let covered = config.components.join(" ");
        let challenge = Challenge::new("Signature", &config.name).with("headers", &covered);
        let places = [CredentialPlace::Field(INPUT.into()), CredentialPlace::Field(SIGNATURE.into())];
        Self(Arc::new(Shared { config, challenge: Arc::new(challenge), places }))
    }
}

impl Authenticator for SignatureAuthenticator {
    fn name(&self) -> &Arc<str> {
        &self.0.config.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(OnWorker(self.0.clone()))
    }
}

struct OnWorker(Arc<Shared>);

/// The signature that is one of ours.
struct Selected<'c> {
    input: SignatureInput,
    signature: Vec<u8>,
    key: &'c SignatureKey,
}

impl Scheme for OnWorker {
    fn name(&self) -> &Arc<str> {
        &self.0.config.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.0.challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &self.0.places
    }

    fn look(&self, head: &RequestHead, now: Timestamp) -> Look {
        let config = &self.0.config;
        let verified = config.selected(head).and_then(|selected| config.verify(selected, head, now));
        let (caller, nonce) = match verified {
            Ok(verified) => verified,
            Err(attempt) => return Look::Done(attempt),
        };
        // What was let in before is judged again with the signature that it came with.
        let Some(nonce) = nonce.filter(|_| !head.is_judged_again) else {
            return Look::Done(Attempt::Verified(caller));
        };
        match config.replays.first_use(nonce, config.max_age + config.leeway * 2) {
            FirstUse::Known(known) => Look::Done(settled(known, caller)),
            FirstUse::Asked(answer) => Look::Wait(Box::pin(async move { settled(answer.await, caller) })),
        }
    }

    fn body(&self, head: &RequestHead) -> BodyRule {
        let config = &self.0.config;
        let Some(most) = config.body else { return BodyRule::Any };
        match config.selected(head) {
            Ok(selected) if selected.input.covers(DIGEST) => BodyRule::Digest { most },
            // Nothing that was not signed comes along.
            _ => BodyRule::None,
        }
    }
}

impl SignatureConfig {
    /// The one signature by a key that is known here. Others on the way may have added theirs (RFC 9421 4.3).
    fn selected(&self, head: &RequestHead) -> Result<Selected<'_>, Attempt> {
        let (inputs, signatures) = match (joined(head, INPUT)?, joined(head, SIGNATURE)?) {
            (None, None) => return Err(Attempt::Absent),
            (Some(inputs), Some(signatures)) => (inputs, signatures),
            _ => return Err(refused("`Signature` and `Signature-Input` come together")),
        };
        let unread = || Attempt::invalid_request("`Signature` or `Signature-Input` cannot be read");
        let inputs = signature_inputs(&inputs).ok_or_else(unread)?;
        let signatures = byte_sequences(&signatures).ok_or_else(unread)?;
        let mut ours = inputs.into_iter().filter_map(|(label, input)| {
            let key = self.keys.get(input.key_id.as_deref()?)?;
            Some((label, input, key))
        });
        let (label, input, key) = ours.next().ok_or_else(|| {
            refused("no signature is by a key that is known (`keyid`)").matched(CredentialMatch::Other)
        })?;
        if ours.next().is_some() {
            return Err(Attempt::invalid_request("two signatures are by keys that are known"));
        }
        let signature = signatures.into_iter().find(|(known, _)| *known == label);
        let (_, signature) =
            signature.ok_or_else(|| refused("`Signature` lacks what `Signature-Input` names"))?;
        Ok(Selected { input, signature, key })
    }

    /// Whose request it is, and what tells its signature from all others.
    fn verify(
        &self,
        selected: Selected<'_>,
        head: &RequestHead,
        now: Timestamp,
    ) -> Result<(Arc<Caller>, Option<[u8; 16]>), Attempt> {
        let Selected { input, signature, key } = selected;
        if let Some(missing) = self.components.iter().find(|wanted| !input.covers(wanted)) {
            return Err(refused(format!("the signature does not cover `{missing}`")));
        }
        if input.algorithm.as_deref().is_some_and(|alg| Some(alg) != algorithm_name(key.key.algorithm())) {
            return Err(refused("the signature is of another algorithm than its key (`alg`)"));
        }
        if self.tag.is_some() && input.tag.as_deref() != self.tag.as_deref() {
            return Err(refused("the signature is for another use (`tag`)"));
        }
        let base = components::base(&input, head).map_err(|fault| refused(fault.to_string()))?;
        if !key.key.verifies(&base, &signature) {
            return Err(refused("the signature does not verify"));
        }
        if !head.is_judged_again {
            self.in_time(&input, now)?;
        }
        let Some(nonce) = &input.nonce else {
            if self.nonce_required {
                return Err(refused("the signature has no `nonce`"));
            }
            return Ok((key.caller.clone(), None));
        };
        let id = input.key_id.as_deref().unwrap_or_default();
        let whole = sha256(&[b"signature\0", id.as_bytes(), b"\0", nonce.as_bytes()].concat());
        Ok((key.caller.clone(), whole.first_chunk().copied()))
    }

    fn in_time(&self, input: &SignatureInput, now: Timestamp) -> Result<(), Attempt> {
        let created = input
            .created
            .ok_or_else(|| refused("the signature does not say when it was made (`created`)"))?;
        let created = Timestamp::from_seconds(created);
        if created > now.plus(self.leeway) || now > created.plus(self.max_age + self.leeway) {
            return Err(refused("the signature is too old, or of the future (`created`)"));
        }
        let expires = input.expires.map(Timestamp::from_seconds);
        if expires.is_some_and(|expires| now >= expires.plus(self.leeway)) {
            return Err(refused("the signature has expired (`expires`)"));
        }
        Ok(())
    }
}

impl SignatureInput {
    /// Whether it covers `wanted`; the whole address covers its parts.
    fn covers(&self, wanted: &str) -> bool {
        let has = |name: &str| self.components.iter().any(|component| component.name == name);
        let within: &[&str] = match wanted {
            "@authority" | "@scheme" => &["@target-uri"],
            "@path" | "@query" => &["@target-uri", "@request-target"],
            "@request-target" => &["@target-uri"],
            _ => &[],
        };
        has(wanted)
            || within.iter().any(|whole| has(whole))
            || (wanted == "@request-target" && has("@path") && has("@query"))
    }
}

/// All values of a field, as one dictionary (RFC 9651 3.2).
fn joined(head: &RequestHead, name: &str) -> Result<Option<String>, Attempt> {
    let mut all: Option<String> = None;
    for sent in head.fields.iter().filter(|sent| sent.name == name.as_bytes()) {
        let text = std::str::from_utf8(sent.value).ok().filter(|text| text.is_ascii());
        let text = text.ok_or_else(|| Attempt::invalid_request(format!("`{name}` is not ASCII")))?;
        let all = all.get_or_insert_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(text);
        if all.len() > LONGEST {
            return Err(Attempt::invalid_request(format!("`{name}` is too long")));
        }
    }
    Ok(all)
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> Attempt {
    Attempt::invalid_credentials(why).matched(CredentialMatch::Addressed)
}

fn settled(first: Result<bool, String>, caller: Arc<Caller>) -> Attempt {
    match first {
        Ok(true) => Attempt::Verified(caller),
        Ok(false) => refused("the signature's `nonce` was used before"),
        Err(why) => Attempt::unavailable(why),
    }
}

/// Whether `body` is the one that `Content-Digest` tells of (RFC 9530 2).
///
/// # Errors
/// Why it is not.
pub fn check_digest(head: &RequestHead, body: &[u8]) -> Result<(), &'static str> {
    let told = joined(head, DIGEST).ok().flatten().ok_or("there is no `Content-Digest` that can be read")?;
    let told = byte_sequences(&told).ok_or("`Content-Digest` cannot be read")?;
    let mut known = 0;
    for (algorithm, digest) in told {
        let hash = match &*algorithm {
            "sha-256" => &aws_lc_rs::digest::SHA256,
            "sha-512" => &aws_lc_rs::digest::SHA512,
            _ => continue,
        };
        known += 1;
        if aws_lc_rs::digest::digest(hash, body).as_ref() != digest {
            return Err("the body is not the one that `Content-Digest` tells of");
        }
    }
    if known == 0 { Err("`Content-Digest` has neither `sha-256` nor `sha-512`") } else { Ok(()) }
}

#[cfg(test)]
mod tests;
