//! A parsed, immutable set of verification keys.

use crate::jose::algorithm::{Algorithm, AlgorithmSet};
use crate::jose::json::{Json, Object};
use crate::jose::jwk::{Jwk, Secrets};
use crate::jose::{KeyFault, VerifyingKey, pem};
use aws_lc_rs::digest;
use haechi_core::{Secret, Timestamp};
use std::fmt;
use std::sync::Arc;

/// A key set's document may have so many bytes.
pub const MAX_BYTES: usize = 512 * 1024;
/// A key set may have so many keys.
pub const MAX_KEYS: usize = 100;

/// Keys as read from one document. Never empty.
#[derive(Debug)]
pub struct Keys {
    keys: Vec<Named>,
    fingerprint: [u8; 32],
}

#[derive(Debug)]
struct Named {
    name: Name,
    /// A digest, so that no secret is kept twice.
    identity: [u8; 32],
    key: VerifyingKey,
}

#[derive(Debug, PartialEq, Eq)]
enum Name {
    /// The JWK's `kid`.
    Kid(Box<str>),
    /// A JWK without one: fits only tokens without one.
    Unnamed,
    /// Not from a JWK: configured as the one key, whatever its issuer calls it.
    Sole,
}

/// Why a document gives no key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetFault {
    /// More than [`MAX_BYTES`].
    #[error("the key set has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not an object with an array of objects under `keys` (RFC 7517 5).
    #[error("not a JWK set: {0}")]
    Malformed(String),
    /// More than [`MAX_KEYS`].
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooMany,
    /// Two different keys for one name and algorithm: either could be meant.
    #[error("the key set has two different {1} keys named `{0}`")]
    Ambiguous(String, Algorithm),
    /// No key that verifies anything, and why not, for each.
    #[error("the key set has no usable key{}", reasons(.0))]
    NoUsable(Vec<KeyFault>),
    /// A single key was given, and it is not usable.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

/// What a set has for a token.
#[derive(Debug)]
pub enum Choice<'a> {
    /// This key is to verify it.
    Key(&'a VerifyingKey),
    /// No key of this `kid`: there may be one in a newer set.
    UnknownKid,
    /// No key, and a newer set is not asked for: the `kid` is one of another algorithm, or the token has none and not exactly one key fits.
    None,
}

impl Keys {
    /// Reads a JWK Set (RFC 7517 5). Keys that verify nothing (of unknown type, for encryption, weak) are skipped.
    ///
    /// # Errors
    /// [`SetFault`] when the document is broken or no usable key is left.
    pub fn from_jwks(document: &[u8], secrets: Secrets) -> Result<Self, SetFault> {
        if document.len() > MAX_BYTES {
            return Err(SetFault::TooLarge);
        }
        let set = Object::parse(document).map_err(|e| SetFault::Malformed(e.to_string()))?;
        let missing = || SetFault::Malformed("`keys` is no array of objects".into());
        let jwks = set.member("keys").and_then(Json::as_array).ok_or_else(missing)?;
        if jwks.len() > MAX_KEYS {
            return Err(SetFault::TooMany);
        }
        let mut keys = Vec::with_capacity(jwks.len());
        let mut faults = Vec::new();
        for jwk in jwks {
            match Jwk::read(jwk.as_object().ok_or_else(missing)?, secrets) {
                Ok(jwk) => keys.extend(named(jwk)),
                Err(fault) => faults.push(fault),
            }
        }
        if keys.is_empty() { Err(SetFault::NoUsable(faults)) } else { Self::distinct(keys) }
    }

    /// Reads a public key in PEM, `BEGIN PUBLIC KEY`. It verifies tokens of any `kid`.
    ///
    /// # Errors
    /// [`SetFault::Key`].
    pub fn from_pem(text: &str) -> Result<Self, SetFault> {
        Ok(Self::sole(pem::public_key(text)?, text.as_bytes()))
    }

    /// A shared secret, for each HMAC algorithm of the allow-list. It verifies tokens of any `kid`.
    ///
    /// # Errors
    /// [`SetFault::Key`] when it is shorter than the hash of one of them, or when none is allowed.
    pub fn from_secret(secret: &Secret<String>, allowed: AlgorithmSet) -> Result<Self, SetFault> {
        let bytes = secret.expose().as_bytes();
        let symmetric = allowed.iter().filter(|algorithm| algorithm.is_symmetric());
        let keys: Vec<_> = symmetric
            .map(|algorithm| VerifyingKey::from_secret(algorithm, bytes))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            let why = "a shared secret needs `algorithms` with HS256, HS384 or HS512".to_owned();
            return Err(KeyFault::Unusable(why).into());
        }
        Ok(Self::sole(keys, bytes))
    }

    /// The key that is to verify a token: the one of its `kid`, or, for a token without, the only one that fits its algorithm.
    pub fn choose(&self, algorithm: Algorithm, kid: Option<&str>) -> Choice<'_> {
        match kid {
            Some(kid) => self.by_kid(algorithm, kid),
            None => {
                let mut fitting = self.keys.iter().filter(|named| named.key.algorithm() == algorithm);
                match (fitting.next(), fitting.next()) {
                    (Some(named), None) => Choice::Key(&named.key),
                    _ => Choice::None,
                }
            }
        }
    }

    fn by_kid(&self, algorithm: Algorithm, kid: &str) -> Choice<'_> {
        let mut known = false;
        for named in self.keys.iter().filter(|named| named.name.answers_to(kid)) {
            if named.key.algorithm() == algorithm {
                return Choice::Key(&named.key);
            }
            known = true;
        }
        if known { Choice::None } else { Choice::UnknownKid }
    }

    fn sole(keys: Vec<VerifyingKey>, identity: &[u8]) -> Self {
        let fingerprint = fingerprint([identity]);
        let named = |key| Named { name: Name::Sole, identity: fingerprint, key };
        Self { keys: keys.into_iter().map(named).collect(), fingerprint }
    }

    /// The same key listed twice counts once; two keys of one name and algorithm are refused.
    fn distinct(all: Vec<Named>) -> Result<Self, SetFault> {
        let mut keys: Vec<Named> = Vec::with_capacity(all.len());
        for named in all {
            let algorithm = named.key.algorithm();
            let same_use = |other: &&Named| other.name == named.name && other.key.algorithm() == algorithm;
            let mut others = keys.iter().filter(same_use);
            match &named.name {
                Name::Kid(kid) => match others.next() {
                    Some(other) if other.identity == named.identity => continue,
                    Some(_) => return Err(SetFault::Ambiguous(kid.to_string(), algorithm)),
                    None => {}
                },
                _ if others.any(|other| other.identity == named.identity) => continue,
                _ => {}
            }
            keys.push(named);
        }
        let mut parts: Vec<_> = keys.iter().map(Named::described).collect();
        parts.sort_unstable();
        let fingerprint = fingerprint(parts.iter().map(Vec::as_slice));
        Ok(Self { keys, fingerprint })
    }
}

impl Named {
    fn described(&self) -> Vec<u8> {
        let name = match &self.name {
            Name::Kid(kid) => kid.as_bytes(),
            Name::Unnamed | Name::Sole => b"",
        };
        [
            self.key.algorithm().name().as_bytes(),
            &[0],
            &(name.len() as u64).to_be_bytes(),
            name,
            &self.identity,
        ]
        .concat()
    }
}

impl Name {
    fn answers_to(&self, kid: &str) -> bool {
        match self {
            Self::Kid(name) => **name == *kid,
            Self::Unnamed => false,
            Self::Sole => true,
        }
    }
}

fn named(jwk: Jwk) -> impl Iterator<Item = Named> {
    let Jwk { kid, identity, keys } = jwk;
    let identity = fingerprint([&*identity]);
    keys.into_iter().map(move |key| {
        let name = kid.clone().map_or(Name::Unnamed, Name::Kid);
        Named { name, identity, key }
    })
}

fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    out
}

fn reasons(faults: &[KeyFault]) -> String {
    faults.iter().map(|fault| format!("; {fault}")).collect()
}

/// The keys of one issuer, as workers see them: what, since when, and until when without a confirmation.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Option<Arc<Keys>>,
    generation: u64,
    confirmed_at: Timestamp,
    good_until: Timestamp,
}

impl KeySet {
    /// No keys yet, generation 0.
    pub const fn none() -> Self {
        let never = Timestamp::from_millis(0);
        Self { keys: None, generation: 0, confirmed_at: never, good_until: never }
    }

    /// Keys that hold until they are replaced, generation 1.
    pub fn standing(keys: Keys) -> Self {
        Self::none().followed_by(keys, Timestamp::MAX, Timestamp::MAX)
    }

    /// The set after this one. The generation grows only if the keys differ: a confirmation costs no cached verification.
    #[must_use]
    pub fn followed_by(&self, keys: Keys, confirmed_at: Timestamp, good_until: Timestamp) -> Self {
        match &self.keys {
            Some(mine) if mine.fingerprint == keys.fingerprint => {
                Self { confirmed_at, good_until, ..self.clone() }
            }
            _ => {
                Self { keys: Some(Arc::new(keys)), generation: self.generation + 1, confirmed_at, good_until }
            }
        }
    }

    /// Like [`KeySet::followed_by`], for keys that hold until they are replaced.
    #[must_use]
    pub fn replaced_by(&self, keys: Keys) -> Self {
        self.followed_by(keys, Timestamp::MAX, Timestamp::MAX)
    }

    /// The keys, if there are any that still hold.
    pub fn keys(&self, now: Timestamp) -> Option<&Keys> {
        self.keys.as_deref().filter(|_| now < self.good_until)
    }

    /// Grows with each change of the keys.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// When the source last gave these keys; `None` before the first time.
    pub fn confirmed_at(&self) -> Option<Timestamp> {
        self.keys.as_ref().map(|_| self.confirmed_at)
    }
}

impl fmt::Display for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.keys.as_ref().map_or(0, |keys| keys.keys.len());
        write!(f, "generation {} with {count} keys", self.generation)
    }
}
