//! What credentials are remembered by. No password is kept: it is an HMAC under a key that never leaves the process.

use crate::RandomnessError;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use haechi_core::address_block;
use std::net::IpAddr;

/// HMAC-SHA-256 of a credential.
pub(super) type CredentialKey = [u8; 32];

/// Makes keys from credentials.
pub(super) struct CredentialHasher(hmac::Key);

impl CredentialHasher {
    pub(super) fn new() -> Result<Self, RandomnessError> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map(Self).map_err(|_| RandomnessError)
    }

    /// Of a credential that came from there. What one address has shown to be right is no help to another that guesses.
    pub(super) fn key(&self, credential: &[u8], from: IpAddr) -> CredentialKey {
        let mut context = hmac::Context::with_key(&self.0);
        match address_block(from) {
            IpAddr::V4(address) => context.update(&address.octets()),
            IpAddr::V6(address) => context.update(&address.octets()),
        }
        context.update(&[0]);
        context.update(credential);
        bytes(&context.sign())
    }

    /// A number that stays the same for the same text and that nobody outside can foresee.
    pub(super) fn number(&self, text: &[u8]) -> u64 {
        bytes(&hmac::sign(&self.0, text))
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

fn bytes(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::CredentialHasher;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn keys_of_two_processes_differ() {
        let (a, b) = (CredentialHasher::new().unwrap(), CredentialHasher::new().unwrap());
        let from = |host| IpAddr::from(Ipv4Addr::new(192, 0, 2, host));
        assert_ne!(a.key(b"x", from(1)), b.key(b"x", from(1)));
        assert_eq!(a.key(b"x", from(1)), a.key(b"x", from(1)));
        assert_ne!(a.key(b"x", from(1)), a.key(b"x", from(2)));
        assert_eq!(a.number(b"x"), a.number(b"x"));
    }
}
