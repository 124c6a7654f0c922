//! What the store has of a passkey.

use serde::{Deserialize, Serialize};

/// What is kept of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::identity) struct Kept {
    /// Whose it is, by id.
    pub(in crate::identity) user: String,
    /// The credential id, in base64url.
    #[serde(rename = "id")]
    pub(in crate::identity) credential: String,
    /// A `SubjectPublicKeyInfo` in DER, in base64url.
    pub(in crate::identity) key: String,
    /// The COSE algorithm (RFC 9053).
    #[serde(rename = "alg")]
    pub(in crate::identity) algorithm: i32,
    /// The signature counter; zero where the authenticator has none.
    #[serde(rename = "count")]
    pub(in crate::identity) counter: u32,
    /// Whether it may be on several devices (`BE`).
    pub(in crate::identity) synced: bool,
    /// What the user calls it.
    pub(in crate::identity) name: String,
    /// In milliseconds.
    pub(in crate::identity) created: i64,
    /// In milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::identity) used: Option<i64>,
}
