//! A parsed, immutable set of verification keys.

use crate::jose::algorithm::{Algorithm, AlgorithmSet};
use crate::jose::json::{Json, Object};
use crate::jose::jwk::{Jwk, JwkFault, shown};
use crate::jose::{KeyFault, VerifyingKey, pem};
use aws_lc_rs::digest;
use haechi_core::{Secret, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A key set's document may have so many bytes.
pub const MAX_BYTES: usize = 512 * 1024;
/// So many keys of a key set are used.
pub const MAX_KEYS: usize = 500;
/// So many of the skipped keys are told.
const MAX_TOLD: usize = 20;

/// Keys as read from one document. Never empty.
#[derive(Debug)]
pub struct Keys {
    keys: Vec<Named>,
    fingerprint: [u8; 32],
    skipped: Skipped,
    /// The last instant at which they hold; `None` for keys that say none.
    not_after: Option<Timestamp>,
}

/// A digest of a key, so that no secret is kept twice.
pub type Identity = [u8; 32];

/// The keys of a document that are not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Which and why, for an operator; bounded, like its texts.
    pub told: Vec<String>,
    /// How many there are.
    pub count: usize,
    /// Those whose private part stands in the document.
    pub leaked: BTreeSet<Identity>,
}

#[derive(Clone, Debug)]
struct Named {
    name: Name,
    identity: Identity,
    key: Arc<VerifyingKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// No key that verifies anything, and why not, for each.
    #[error("the key set has no usable key{}", reasons(.0))]
    NoUsable(Skipped),
    /// A single key was given, and it is not usable.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

/// What a set has for a token.
#[derive(Debug)]
pub enum Choice<'a> {
    /// This key is to verify it.
    Key(&'a VerifyingKey),
    /// This key, which the token does not name: if it does not verify it, there may be another in a newer set.
    Unnamed(&'a VerifyingKey),
    /// No key, and there may be one in a newer set: none has the token's `kid`, or the token has none and not exactly one key fits.
    Unknown,
    /// No key, and a newer set is not asked for: the `kid` is one of another algorithm.
    None,
}

impl Keys {
    /// Reads a JWK Set (RFC 7517 5). Keys that cannot be used are skipped, and the rest stays: what is of an unknown type, for encryption, weak,
    /// malformed, no object; two different keys of one name and algorithm, of which either could be meant; and keys that everybody knows, because
    /// their private part stands in the set. A byte order mark is passed over (RFC 8259 8.1).
    ///
    /// # Errors
    /// [`SetFault`] when the document is broken or no usable key is left.
    pub fn from_jwks(document: &[u8], now: Timestamp) -> Result<Self, SetFault> {
        if document.len() > MAX_BYTES {
            return Err(SetFault::TooLarge);
        }
        let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
        let set = Object::parse_set(document).map_err(|e| SetFault::Malformed(e.to_string()))?;
        let missing = || SetFault::Malformed("`keys` is no array".into());
        let jwks = set.member("keys").and_then(Json::as_array).ok_or_else(missing)?;
        let mut skipped = Skipped::default();
        let mut read = Vec::new();
        for (index, jwk) in jwks.iter().enumerate() {
            let name = || name_of(index, jwk);
            match usable(jwk, now) {
                Ok(_) if read.len() == MAX_KEYS => {
                    skipped.skip(name(), format!("only {MAX_KEYS} keys are used"))
                }
                Ok(jwk) => read.push(jwk),
                Err(JwkFault::Unusable(fault)) => skipped.skip(name(), fault.to_string()),
                Err(JwkFault::Leaked { member, identity }) => skipped.leak(name(), member, identity),
            }
        }
        let keys = distinct(read.into_iter().flat_map(named).collect(), &mut skipped);
        if keys.is_empty() {
            return Err(SetFault::NoUsable(skipped));
        }
        Ok(Self { fingerprint: fingerprint_of(&keys), keys, skipped, not_after: None })
    }

    /// Reads a public key in PEM: `BEGIN PUBLIC KEY`, or `BEGIN CERTIFICATE`, whose own time counts. It verifies tokens of any `kid`.
    ///
    /// # Errors
    /// [`SetFault::Key`].
    pub fn from_pem(text: &str, now: Timestamp) -> Result<Self, SetFault> {
        let text = text.trim_start_matches('\u{feff}');
        let (keys, not_after) = pem::public_key(text, now)?;
        Ok(Self { not_after, ..Self::sole(keys, text.as_bytes()) })
    }

    /// Shared secrets, for each HMAC algorithm of the allow-list: any of them verifies tokens of any `kid`, so that a secret can be replaced while tokens of the
    /// one before are still about.
    ///
    /// # Errors
    /// [`SetFault::Key`] when it is shorter than the hash of one of them, or when none is allowed.
    pub fn from_secrets(secrets: &[Secret<Vec<u8>>], allowed: AlgorithmSet) -> Result<Self, SetFault> {
        let bytes: Vec<&[u8]> = secrets.iter().map(|secret| secret.expose().as_slice()).collect();
        let symmetric = allowed.iter().filter(|algorithm| algorithm.is_symmetric());
        let keys: Vec<_> = symmetric
            .map(|algorithm| VerifyingKey::from_secrets(algorithm, &bytes))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            let why = "a shared secret needs `algorithms` with HS256, HS384 or HS512".to_owned();
            return Err(KeyFault::Unusable(why).into());
        }
        Ok(Self::sole(keys, &bytes.concat()))
    }

    /// The key that is to verify a token: the one of its `kid`, or, for a token without, the only one that fits its algorithm.
    pub fn choose(&self, algorithm: Algorithm, kid: Option<&str>) -> Choice<'_> {
        match kid {
            Some(kid) => self.by_kid(algorithm, kid),
            None => {
                let mut fitting = self.keys.iter().filter(|named| named.key.algorithm() == algorithm);
                match (fitting.next(), fitting.next()) {
                    (Some(named), None) => Choice::Unnamed(&named.key),
                    _ => Choice::Unknown,
                }
            }
        }
    }

    fn by_kid(&self, algorithm: Algorithm, kid: &str) -> Choice<'_> {
        let mut known = false;
        for named in self.keys.iter().filter(|named| named.name.answers_to(kid)) {
            if named.key.algorithm() == algorithm {
                return match named.name {
                    Name::Sole => Choice::Unnamed(&named.key),
                    Name::Kid(_) | Name::Unnamed => Choice::Key(&named.key),
                };
            }
            known = true;
        }
        if known { Choice::None } else { Choice::Unknown }
    }

    fn sole(keys: Vec<VerifyingKey>, identity: &[u8]) -> Self {
        let fingerprint = fingerprint([identity]);
        let named = |key| Named { name: Name::Sole, identity: fingerprint, key: Arc::new(key) };
        let keys = keys.into_iter().map(named).collect();
        Self { keys, fingerprint, skipped: Skipped::default(), not_after: None }
    }

    /// What of the document is not used.
    pub const fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// These keys without those, if any of those is among them.
    fn without(&self, leaked: &BTreeSet<Identity>) -> Option<Self> {
        let keys: Vec<Named> =
            self.keys.iter().filter(|named| !leaked.contains(&named.identity)).cloned().collect();
        (keys.len() < self.keys.len()).then(|| Self {
            fingerprint: fingerprint_of(&keys),
            keys,
            skipped: self.skipped.clone(),
            not_after: self.not_after,
        })
    }
}

impl KeySet {
    /// The last instant at which the keys hold; `None` for keys that say none.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.keys.as_ref()?.not_after
    }
}

impl Skipped {
    fn skip(&mut self, which: String, why: String) {
        self.count += 1;
        match self.told.len() {
            0..MAX_TOLD => self.told.push(format!("{which} is skipped: {why}")),
            MAX_TOLD => self.told.push("and others".into()),
            _ => {}
        }
    }

    fn leak(&mut self, which: String, member: &'static str, identity: Option<Vec<u8>>) {
        let why = format!(
            "its private part (`{member}`) stands in the set, so everybody who reads it can sign with it; the issuer must replace the key"
        );
        self.skip(which, why);
        self.leaked.extend(identity.map(|identity| fingerprint([&*identity])));
    }
}

fn usable(jwk: &Json<'_>, now: Timestamp) -> Result<Jwk, JwkFault> {
    let unusable = |why: &str| JwkFault::Unusable(KeyFault::Unusable(why.into()));
    match jwk {
        Json::Object(jwk) => Jwk::read(jwk, now),
        Json::Ambiguous => Err(unusable("a name stands twice in it, or it nests too deeply")),
        Json::Null => Err(unusable("it is `null`")),
        _ => Err(unusable("it is no object")),
    }
}

/// What an operator finds it by.
fn name_of(index: usize, jwk: &Json<'_>) -> String {
    match jwk.as_object().and_then(|jwk| jwk.member("kid")).and_then(Json::as_str) {
        Some(kid) => format!("key `{}`", shown(kid)),
        None => format!("key {} of the set", index + 1),
    }
}

/// Without what everybody knows, and without what could be meant in two ways. The same key listed twice counts once.
fn distinct(all: Vec<Named>, skipped: &mut Skipped) -> Vec<Named> {
    let mut first: BTreeMap<(Box<str>, Algorithm), Identity> = BTreeMap::new();
    let mut ambiguous = BTreeSet::new();
    for named in &all {
        if let Name::Kid(kid) = &named.name {
            let meant = *first.entry((kid.clone(), named.key.algorithm())).or_insert(named.identity);
            if meant != named.identity {
                ambiguous.insert(kid.clone());
            }
        }
    }
    for kid in &ambiguous {
        let why = "two different keys have this name, and either could be meant; tokens of it are refused";
        skipped.skip(format!("key `{}`", shown(kid)), why.into());
    }
    let mut seen = BTreeSet::new();
    let mut stays = |named: &Named| {
        let name = match &named.name {
            Name::Kid(kid) => Some(kid.clone()),
            Name::Unnamed | Name::Sole => None,
        };
        !skipped.leaked.contains(&named.identity)
            && name.as_ref().is_none_or(|kid| !ambiguous.contains(kid))
            && seen.insert((name, named.key.algorithm(), named.identity))
    };
    all.into_iter().filter(|named| stays(named)).collect()
}

fn fingerprint_of(keys: &[Named]) -> [u8; 32] {
    let mut parts: Vec<_> = keys.iter().map(Named::described).collect();
    parts.sort_unstable();
    fingerprint(parts.iter().map(Vec::as_slice))
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
        Named { name, identity, key: Arc::new(key) }
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

fn reasons(skipped: &Skipped) -> String {
    skipped.told.iter().map(|told| format!("; {told}")).collect()
}

/// The keys of one issuer, as workers see them: what, since when, and until when without a confirmation.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Option<Arc<Keys>>,
    generation: u64,
    /// Both on [`haechi_core::Clock::uptime`]: whoever sets the clock makes no key younger or older.
    confirmed_at: Duration,
    good_until: Duration,
}

impl KeySet {
    /// No keys yet, generation 0.
    pub const fn none() -> Self {
        Self { keys: None, generation: 0, confirmed_at: Duration::ZERO, good_until: Duration::ZERO }
    }

    /// Keys that hold until they are replaced, generation 1.
    pub fn standing(keys: Keys) -> Self {
        Self::none().followed_by(keys, Duration::MAX, Duration::MAX)
    }

    /// The set after this one. The generation grows only if the keys differ: a confirmation costs no cached verification.
    #[must_use]
    pub fn followed_by(&self, keys: Keys, confirmed_at: Duration, good_until: Duration) -> Self {
        let generation = match &self.keys {
            Some(mine) if mine.fingerprint == keys.fingerprint => self.generation,
            _ => self.generation + 1,
        };
        Self { keys: Some(Arc::new(keys)), generation, confirmed_at, good_until }
    }

    /// This set without those keys, if any of those is in it: none of them holds any more, whatever else its source says.
    #[must_use]
    pub fn without(&self, leaked: &BTreeSet<Identity>) -> Option<Self> {
        let left = self.keys.as_ref()?.without(leaked)?;
        let keys = (!left.keys.is_empty()).then(|| Arc::new(left));
        Some(Self { keys, generation: self.generation + 1, ..self.clone() })
    }

    /// What of the document that these keys came in is not used.
    pub fn skipped(&self) -> Option<&Skipped> {
        self.keys.as_ref().map(|keys| keys.skipped())
    }

    /// Like [`KeySet::followed_by`], for keys that hold until they are replaced.
    #[must_use]
    pub fn replaced_by(&self, keys: Keys) -> Self {
        self.followed_by(keys, Duration::MAX, Duration::MAX)
    }

    /// The keys, if there are any that still hold at this [`haechi_core::Clock::uptime`], and whose certificate holds `now`.
    pub fn keys(&self, uptime: Duration, now: Timestamp) -> Option<&Keys> {
        let holds = |keys: &&Keys| uptime < self.good_until && keys.not_after.is_none_or(|last| now < last);
        self.keys.as_deref().filter(holds)
    }

    /// Each key's id, where it has one, and what it verifies.
    pub fn listed(&self) -> Vec<(Option<String>, &'static str)> {
        let keys = self.keys.iter().flat_map(|keys| &keys.keys);
        let name = |name: &Name| match name {
            Name::Kid(kid) => Some(kid.to_string()),
            Name::Unnamed | Name::Sole => None,
        };
        keys.map(|known| (name(&known.name), known.key.algorithm().name())).collect()
    }

    /// Grows with each change of the keys.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// When the source last gave these keys (uptime); `None` before the first time.
    pub fn confirmed_at(&self) -> Option<Duration> {
        self.keys.as_ref().map(|_| self.confirmed_at)
    }
}

impl fmt::Display for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.keys.as_ref().map_or(0, |keys| keys.keys.len());
        write!(f, "generation {} with {count} keys", self.generation)
    }
}
