//! The key that signs checkpoints: Ed25519 (RFC 8032), kept apart from the keys of tokens.

use crate::chain::{hex, sha256};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What stands before the 32 bytes of a public key in a SubjectPublicKeyInfo (RFC 8410 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs checkpoints.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    id: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("`{path}`: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// Others may read it.
    #[error("`{0}` may be read by others than its owner: `chmod 600` it")]
    Readable(PathBuf),
    /// It holds no key for Ed25519.
    #[error("`{0}` holds no Ed25519 key in PEM (PKCS #8)")]
    Unusable(PathBuf),
    /// The system gives no randomness.
    #[error("cannot make a key: the system gives no randomness")]
    NoRandomness,
}

impl SigningKey {
    /// Reads the key; makes one where the file is not there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let failed = |error| KeyError::File { path: path.to_owned(), error };
        match std::fs::read(path) {
            Ok(pem) => {
                let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(KeyError::Readable(path.to_owned()));
                }
                Self::of_pem(&pem).ok_or_else(|| KeyError::Unusable(path.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::NoRandomness)?;
                let der = pair.to_pkcs8v1().map_err(|_| KeyError::NoRandomness)?;
                match write_new(path, &pem("PRIVATE KEY", der.as_ref())) {
                    Ok(()) => Ok(Self::of_pair(pair)),
                    // Another process was faster.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
                    Err(error) => Err(failed(error)),
                }
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn of_pem(pem: &[u8]) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).ok().map(Self::of_pair)
    }

    fn of_pair(pair: Ed25519KeyPair) -> Self {
        let id = key_id(pair.public_key().as_ref());
        Self { pair, id }
    }

    /// What the key is called in checkpoints: 16 hex digits of the SHA-256 of the public key's 32 bytes.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key, as a PEM file holds it.
    pub fn public_pem(&self) -> String {
        let der = [&SPKI[..], self.pair.public_key().as_ref()].concat();
        pem("PUBLIC KEY", &der)
    }

    /// The public key as base64url without padding.
    pub(crate) fn public_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    /// The public key's 32 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// A signature as base64url without padding.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(message).as_ref())
    }
}

/// What a key is called in checkpoints.
pub fn key_id(public: &[u8]) -> String {
    hex(&sha256(public)).chars().take(16).collect()
}

/// The 32 bytes of a public key in PEM.
pub fn public_key_of_pem(pem: &[u8]) -> Option<[u8; 32]> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
    der.as_ref().strip_prefix(&SPKI[..])?.try_into().ok()
}

/// The 32 bytes of a public key, as `start` records have it.
pub(crate) fn public_key(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Whether the signature, as base64url, is that of this key over the message.
pub fn is_signed(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, public);
    URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// Makes the file as a whole, so that nobody reads half a key.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension(format!("new{}", fastrand::u32(..)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let linked = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&unfinished, path));
    let _ = std::fs::remove_file(&unfinished);
    linked
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyError, SigningKey, is_signed, public_key_of_pem};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_stays_and_signs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haechi.key");
        let made = SigningKey::open(&path).unwrap();
        let read = SigningKey::open(&path).unwrap();
        assert_eq!(made.id(), read.id());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let public = public_key_of_pem(read.public_pem().as_bytes()).unwrap();
        let signature = made.sign(b"checkpoint");
        assert!(is_signed(&public, b"checkpoint", signature.as_bytes()));
        assert!(!is_signed(&public, b"checkpoinT", signature.as_bytes()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haechi.key");
        SigningKey::open(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::open(&path), Err(KeyError::Readable(_))));
        std::fs::write(&path, "no key").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(SigningKey::open(&path), Err(KeyError::Unusable(_))));
    }
}
