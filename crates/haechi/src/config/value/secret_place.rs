//! Where the secret of a client stands that the gate is elsewhere.

use crate::config::choice::choice;
use haechi_authn::oidc::SecretIn;

choice! {
    "a place of a client's secret"
    /// Where the client's secret stands.
    pub(crate) enum SecretPlace {
        /// In `Authorization: Basic`.
        Basic = "basic",
        /// In the form.
        Post = "post",
    }
}

impl SecretPlace {
    /// The same for whoever sends it.
    pub(crate) const fn meant(self) -> SecretIn {
        match self {
            Self::Basic => SecretIn::Header,
            Self::Post => SecretIn::Form,
        }
    }
}
