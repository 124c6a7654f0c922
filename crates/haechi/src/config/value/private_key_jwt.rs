//! The private key by which the gate proves elsewhere that it is a client there.

use super::text::FilePath;
use crate::config::record::record;
use crate::config::source::At;

record! {
    "`private_key_jwt`"
    /// A private key to sign with (RFC 7523).
    struct PrivateKeyJwt {
        /// A file with the private key in PEM: Ed25519, P-256 or RSA.
        required key as "key": At<FilePath>,
        /// What the key is called at the provider. Its thumbprint (RFC 7638) where this is left out.
        optional kid as "kid": String,
    }
}
