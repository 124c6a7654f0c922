//! What credentials are remembered by. No password is kept: it is an HMAC under a key that never leaves the process.

use crate::RandomnessError;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;

/// HMAC-SHA-256 of a credential.
pub(super) type CredentialKey = [u8; 32];

/// Makes keys from credentials.
pub(super) struct Keyed(hmac::Key);

impl Keyed {
    pub(super) fn new() -> Result<Self, RandomnessError> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map(Self).map_err(|_| RandomnessError)
    }

    pub(super) fn key(&self, credential: &[u8]) -> CredentialKey {
        let tag = hmac::sign(&self.0, credential);
        let mut key = [0; 32];
        key.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        key
    }

    /// A number that stays the same for the same text and that nobody outside can foresee.
    pub(super) fn number(&self, text: &[u8]) -> u64 {
        self.key(text).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::Keyed;

    #[test]
    fn keys_of_two_processes_differ() {
        let (a, b) = (Keyed::new().unwrap(), Keyed::new().unwrap());
        assert_ne!(a.key(b"x"), b.key(b"x"));
        assert_eq!(a.number(b"x"), a.number(b"x"));
    }
}
