//! What changes are about and what credentials depend on, in 16 bytes each.

use aws_lc_rs::digest::{Context, SHA256};
use haechi_core::ports::{Change, Revoked};

/// SHA-256 of a kind and an id, cut to 128 bits (of which 106 are kept of what is revoked for good): as much for one that is short as for one that is long, and nothing to allocate or free where
/// a million are kept. If two were ever the same, one would be revoked with the other; none would be missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u64; 2]);

impl Fingerprint {
    pub(super) fn of((kind, id): (&str, &str)) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(kind.as_bytes());
        // No kind has a colon, so no kind with its id reads as another.
        context.update(b":");
        context.update(id.as_bytes());
        let digest = context.finish();
        let word = |from: usize| {
            digest.as_ref().iter().skip(from).take(8).fold(0, |word, b| word << 8 | u64::from(*b))
        };
        Self([word(0), word(8)])
    }

    /// A number that spreads evenly.
    pub(super) const fn number(self) -> u64 {
        self.0[0]
    }

    /// The same in 96 bits, apart from [`Fingerprint::number`]'s last ten, by which it was filed.
    pub(super) const fn rest(self) -> [u32; 3] {
        // 54 bits of the first word and 42 of the second.
        let (first, second) = (self.0[0] >> 10, self.0[1]);
        [(first >> 22) as u32, ((first as u32) << 10) | ((second >> 32) as u32 & 0x3ff), second as u32]
    }
}

/// What a verified credential depends on: when one of these changes, it must be verified anew.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DependsOn([Option<Fingerprint>; 2]);

impl DependsOn {
    /// Nothing that the store could change.
    pub(crate) const fn nothing() -> Self {
        Self([None; 2])
    }

    /// A user: password, roles, whether disabled or deleted.
    pub(crate) fn user(id: &str) -> Self {
        Self([Some(Fingerprint::of(Change::User(id.to_owned()).subject())), None])
    }

    /// An API key.
    pub(crate) fn api_key(id: &str) -> Self {
        Self([Some(Fingerprint::of(Change::ApiKey(id.to_owned()).subject())), None])
    }

    /// A token, by its `jti`, and its session.
    pub(crate) fn token(id: Option<&str>, session: Option<&str>) -> Self {
        let token = id.map(|id| Fingerprint::of(Revoked::Token(id.to_owned()).subject()));
        let session = session.map(|id| Fingerprint::of(Revoked::Session(id.to_owned()).subject()));
        Self([token, session])
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Fingerprint> {
        self.0.into_iter().flatten()
    }
}
