//! Private keys, and secrets of second factors, as the store keeps them: sealed, so that whoever reads the store signs nothing and shows no code.
//!
//! `HSK1`, eight bytes that name the seal, a nonce of twelve bytes, and the PKCS #8 document under AES-256-GCM, whose associated data are the key's id and
//! algorithm: what is sealed as one key is not opened as another. A PKCS #8 document by itself begins with 0x30, so neither is taken for the other.

use crate::random::{self, hex};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use haechi_core::Secret;
use haechi_core::ports::SigningKeyRecord;
use std::fmt;
use zeroize::Zeroizing;

const MAGIC: &[u8; 4] = b"HSK1";
const ID: usize = 8;
const NONCE: usize = 12;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The keys that private keys are sealed with: the first seals, each opens. Without any, private keys are kept as they are.
#[derive(Debug, Default)]
pub struct Seals(Vec<Seal>);

/// A key that private keys are sealed with.
pub struct Seal {
    id: [u8; ID],
    key: RandomizedNonceKey,
}

/// The text is no key to seal with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a seal is 32 random bytes, in base64 or as 64 hex digits")]
pub struct NotASeal;

/// Why a private key was not sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// None of the seals is the one that it was sealed with.
    #[error(
        "sealed with the seal `{0}`, which `identity.signing_keys.seal` does not have; add it to the list behind the first"
    )]
    Unknown(String),
    /// It was changed, or was sealed as another key.
    #[error(
        "not to be opened with the seal `{0}`: what the store has was changed, or belongs to another key"
    )]
    Broken(String),
    /// The cryptographic library failed.
    #[error("not sealed: the cryptographic library failed")]
    Library,
}

impl Seal {
    /// Reads a seal as it is configured.
    ///
    /// # Errors
    /// [`NotASeal`].
    pub fn parse(text: &str) -> Result<Self, NotASeal> {
        let bytes = Zeroizing::new(bytes(text.trim()).ok_or(NotASeal)?);
        // What is all the same byte was never random.
        if bytes.len() != 32 || bytes.iter().all(|byte| bytes.first() == Some(byte)) {
            return Err(NotASeal);
        }
        let digest = random::sha256(&[b"haechi seal\n", bytes.as_slice()].concat());
        let mut id = [0; ID];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| NotASeal)?;
        Ok(Self { id, key })
    }

    /// Names the seal without being it: 16 hex digits.
    pub fn id(&self) -> String {
        hex(&self.id)
    }

    fn seal(&self, associated: &[u8], secret: &[u8]) -> Result<Secret<Vec<u8>>, SealError> {
        let mut body = secret.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(associated), &mut body);
        let nonce = nonce.map_err(|_| SealError::Library)?;
        Ok(Secret::new([&MAGIC[..], &self.id, nonce.as_ref(), &body].concat()))
    }

    fn open(&self, associated: &[u8], nonce: &[u8], body: &[u8]) -> Option<Secret<Vec<u8>>> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = self.key.open_in_place(nonce, Aad::from(associated), &mut body).ok()?;
        Some(Secret::new(opened.to_vec()))
    }
}

impl Seals {
    /// These seals, the one that seals first.
    pub const fn new(seals: Vec<Seal>) -> Self {
        Self(seals)
    }

    /// Whether there is one to seal with.
    pub const fn seals(&self) -> bool {
        !self.0.is_empty()
    }

    /// The record with its private key sealed, or as it is where nothing seals.
    ///
    /// # Errors
    /// [`SealError::Library`].
    pub fn seal(&self, record: &SigningKeyRecord) -> Result<SigningKeyRecord, SealError> {
        let pkcs8 = self.seal_bytes(&associated(record), record.pkcs8.expose())?;
        Ok(SigningKeyRecord { pkcs8, ..record.clone() })
    }

    /// Another secret in the same way; `associated` says what it is and whose.
    ///
    /// # Errors
    /// [`SealError::Library`].
    pub(super) fn seal_bytes(&self, associated: &[u8], secret: &[u8]) -> Result<Secret<Vec<u8>>, SealError> {
        match self.0.first() {
            Some(seal) => seal.seal(associated, secret),
            None => Ok(Secret::new(secret.to_vec())),
        }
    }

    /// What [`Seals::seal_bytes`] gave, opened if it was sealed.
    ///
    /// # Errors
    /// [`SealError`].
    pub(super) fn open_bytes(
        &self,
        associated: &[u8],
        kept: Secret<Vec<u8>>,
    ) -> Result<Secret<Vec<u8>>, SealError> {
        let Some((id, nonce, body)) = parts(kept.expose()) else { return Ok(kept) };
        let seal = self.0.iter().find(|seal| seal.id == id).ok_or_else(|| SealError::Unknown(hex(id)))?;
        seal.open(associated, nonce, body).ok_or_else(|| SealError::Broken(seal.id()))
    }

    /// The record with its private key opened, if it was sealed.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, record: SigningKeyRecord) -> Result<SigningKeyRecord, SealError> {
        let pkcs8 = self.open_bytes(&associated(&record), record.pkcs8.clone())?;
        Ok(SigningKeyRecord { pkcs8, ..record })
    }

    /// Whether the record would be kept in another way now.
    pub fn wants_reseal(&self, record: &SigningKeyRecord) -> bool {
        let sealed = parts(record.pkcs8.expose()).map(|(id, ..)| id);
        self.0.first().is_some_and(|seal| sealed != Some(&seal.id[..]))
    }
}

/// The id of the seal that a record's private key was sealed with.
pub fn sealed_with(record: &SigningKeyRecord) -> Option<String> {
    parts(record.pkcs8.expose()).map(|(id, ..)| hex(id))
}

fn parts(kept: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (id, rest) = kept.strip_prefix(MAGIC)?.split_at_checked(ID)?;
    let (nonce, body) = rest.split_at_checked(NONCE)?;
    Some((id, nonce, body))
}

fn associated(record: &SigningKeyRecord) -> Vec<u8> {
    format!("haechi signing key\n{}\n{}", record.id, record.algorithm).into_bytes()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let pairs = (0..32).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok());
        return pairs.collect();
    }
    let engines = [GeneralPurpose::new(&STANDARD, LENIENT), GeneralPurpose::new(&URL_SAFE, LENIENT)];
    engines.iter().find_map(|engine| engine.decode(text).ok())
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seal").field(&self.id()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{NotASeal, Seal, SealError, Seals, sealed_with};
    use crate::identity::new_signing_key;
    use crate::jose::SigningAlgorithm;
    use haechi_core::Timestamp;
    use haechi_core::ports::SigningKeyRecord;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn seal(n: u8) -> Seal {
        Seal::parse(&format!("{}{n:02x}", "5a".repeat(31))).unwrap()
    }

    fn record() -> SigningKeyRecord {
        new_signing_key(SigningAlgorithm::EdDsa, NOW, NOW).unwrap()
    }

    #[test]
    fn the_first_seals_and_each_opens() {
        let record = record();
        let old = Seals::new(vec![seal(1)]).seal(&record).unwrap();
        assert_eq!(sealed_with(&old), Some(seal(1).id()));
        assert_ne!(old.pkcs8, Seals::new(vec![seal(1)]).seal(&record).unwrap().pkcs8, "another nonce");
        let both = Seals::new(vec![seal(2), seal(1)]);
        assert!(both.wants_reseal(&old) && both.wants_reseal(&record));
        let opened = both.open(old.clone()).unwrap();
        assert_eq!(opened.pkcs8, record.pkcs8);
        let new = both.seal(&opened).unwrap();
        assert_eq!(sealed_with(&new), Some(seal(2).id()));
        assert!(!both.wants_reseal(&new));
        let unknown = Seals::new(vec![seal(1)]).open(new).unwrap_err();
        assert_eq!(unknown, SealError::Unknown(seal(2).id()));
        assert_eq!(Seals::default().open(old).unwrap_err(), SealError::Unknown(seal(1).id()));
    }

    #[test]
    fn what_is_not_sealed_stays_as_it_is() {
        let record = record();
        assert_eq!(Seals::default().seal(&record).unwrap().pkcs8, record.pkcs8);
        assert_eq!(Seals::new(vec![seal(1)]).open(record.clone()).unwrap().pkcs8, record.pkcs8);
        assert!(!Seals::default().wants_reseal(&record));
    }

    #[test]
    fn what_was_changed_or_moved_does_not_open() {
        let seals = Seals::new(vec![seal(1)]);
        let sealed = seals.seal(&record()).unwrap();
        let broken = |record| matches!(seals.open(record), Err(SealError::Broken(_)));
        for at in 4 + 8..sealed.pkcs8.expose().len() {
            let mut bytes = sealed.pkcs8.expose().clone();
            bytes[at] ^= 1;
            assert!(
                broken(SigningKeyRecord { pkcs8: haechi_core::Secret::new(bytes), ..sealed.clone() }),
                "{at}"
            );
        }
        assert!(broken(SigningKeyRecord { id: "another".into(), ..sealed.clone() }));
        assert!(broken(SigningKeyRecord { algorithm: "ES256".into(), ..sealed }));
    }

    #[test]
    fn a_seal_is_32_bytes() {
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=";
        let url = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8";
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
        assert_eq!(Seal::parse(base64).unwrap().id(), Seal::parse(hex).unwrap().id());
        assert_eq!(Seal::parse(base64).unwrap().id(), Seal::parse(&format!("{url}\n")).unwrap().id());
        for bad in ["", "secret", &"0".repeat(64), &hex[2..], "AAECAwQFBgcICQoLDA0ODw=="] {
            assert_eq!(Seal::parse(bad).unwrap_err(), NotASeal, "{bad}");
        }
        assert!(!format!("{:?}", seal(1)).contains("5a5a"));
    }
}
