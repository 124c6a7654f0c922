//! A `signature` authenticator as it is written.

use crate::authenticators::jwt::record::SecretEncoding;
use crate::config::choice::choice;
use crate::config::read::Named;
use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::{
    AttributeName, BoundedDuration, FilePath, ForeignName, RoleName, ScopeName, Size,
};
use haechi_core::Secret;
use std::time::Duration;

/// How old a signature may be: from 1 s to an hour.
type Age = BoundedDuration<1_000, 3_600_000>;
/// How far clocks may differ: at most 10 min.
type Leeway = BoundedDuration<0, 600_000>;
/// The most bytes of a body that is read whole: up to 64 MiB.
type Body = Size<1, 67_108_864>;

const AGE: Age = BoundedDuration(Duration::from_secs(60));
const LEEWAY: Leeway = BoundedDuration(Duration::from_secs(5));
const BODY: Body = Size(1024 * 1024);

record! {
    "a `signature` authenticator"
    tag "type" = "signature"
    /// Requests that their callers have signed (HTTP message signatures, RFC 9421).
    struct Signature {
        /// Who signs, by `keyid`.
        required keys as "keys": At<Named<ForeignName, At<SigningKey>>>,
        /// What a signature must cover: `@method`, `@target-uri`, `@authority`, `@scheme`, `@path`, `@query`, `@request-target`, and names of headers in lower case. `["@method", "@authority", "@path", "@query"]` where this is left out.
        optional components as "components": At<Vec<At<String>>>,
        /// How old a signature may be, by its `created`.
        default max_age as "max_age": Age = AGE,
        /// How far the signer's clock may differ from ours.
        default leeway as "leeway": Leeway = LEEWAY,
        /// Whether each signature needs a `nonce`, which makes it good once.
        default nonce as "nonce": Nonce = Nonce::Required,
        /// What a signature's `tag` must be. Any, and none, where this is left out.
        optional tag as "tag": At<String>,
        /// Whether a body is compared with the signed `Content-Digest` before it goes on. Then a request with a body has to sign one.
        default body as "body": BodyCheck = BodyCheck::Digest,
        /// The most bytes of a body that is compared.
        default max_body as "max_body": Body = BODY,
        /// Who vouches for its callers. The authenticator's name where this is left out.
        optional issuer as "issuer": At<String>,
    }
}

record! {
    "a key of a `signature` authenticator"
    /// A key, and whose it is.
    struct SigningKey {
        /// A PEM file with the public key. This or `secret`.
        optional public_key as "public_key": At<FilePath>,
        /// The secret that is shared with the signer, for `hmac-sha256`: at least 32 bytes.
        optional secret as "secret": At<Secret<String>>,
        /// How the secret's bytes are written.
        default encoding as "encoding": SecretEncoding = SecretEncoding::Text,
        /// What is signed with.
        required algorithm as "algorithm": At<SignatureAlgorithm>,
        /// Who signs with it. The `keyid` where this is left out.
        optional subject as "subject": At<String>,
        /// The roles that the signer holds.
        default roles as "roles": Vec<At<RoleName>> = Vec::new(),
        /// The scopes that the signer was granted.
        default scopes as "scopes": Vec<At<ScopeName>> = Vec::new(),
        /// Declared caller attributes, and their values.
        default attributes as "attributes": Named<AttributeName, At<String>> = Named(Vec::new()),
    }
}

choice! {
    "an algorithm of signatures"
    /// An algorithm (RFC 9421 6.2.2).
    pub(crate) enum SignatureAlgorithm {
        /// Ed25519.
        Ed25519 = "ed25519",
        /// ECDSA with P-256 and SHA-256.
        EcdsaP256 = "ecdsa-p256-sha256",
        /// ECDSA with P-384 and SHA-384.
        EcdsaP384 = "ecdsa-p384-sha384",
        /// RSASSA-PSS with SHA-512.
        RsaPss = "rsa-pss-sha512",
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        RsaV15 = "rsa-v1_5-sha256",
        /// HMAC with SHA-256.
        Hmac = "hmac-sha256",
    }
}

choice! {
    "whether signatures need a nonce"
    /// Whether signatures need a nonce.
    pub(crate) enum Nonce {
        /// Each signature has one, and is good once.
        Required = "required",
        /// One that is there is good once; without one a signature is good as long as it is new enough.
        Optional = "optional",
    }
}

choice! {
    "what becomes of bodies"
    /// What becomes of bodies.
    pub(crate) enum BodyCheck {
        /// They are compared with the signed `Content-Digest`.
        Digest = "digest",
        /// Nobody looks at them here: the backend does.
        Unchecked = "unchecked",
    }
}
