//! What a token says of the keys that it is bound to (`cnf`, RFC 7800 3.1).

use super::base64url;
use super::compact::TokenFault;
use super::json::{Json, Object};

/// The keys that a token is bound to: whoever shows it must prove to have all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// `jkt`: the thumbprint (RFC 7638) of the key that signs DPoP proofs.
    pub(crate) dpop: Option<[u8; 32]>,
    /// `x5t#S256`: the thumbprint of the certificate that the client shows.
    pub(crate) certificate: Option<[u8; 32]>,
}

impl Binding {
    /// What `cnf` says, if it is there.
    ///
    /// # Errors
    /// [`TokenFault::Unproven`] for what cannot be proved here: another way, or a `cnf` that names none.
    pub(crate) fn of(claims: &Object<'_>) -> Result<Option<Self>, TokenFault> {
        let Some(confirmation) = claims.member("cnf") else { return Ok(None) };
        let members = confirmation.as_object().ok_or(TokenFault::Unproven)?;
        let mut binding = Self::default();
        for (name, value) in members.names() {
            let place = match name {
                "jkt" => &mut binding.dpop,
                "x5t#S256" => &mut binding.certificate,
                _ => return Err(TokenFault::Unproven),
            };
            *place = Some(thumbprint(value).ok_or(TokenFault::Unproven)?);
        }
        if binding == Self::default() { Err(TokenFault::Unproven) } else { Ok(Some(binding)) }
    }
}

fn thumbprint(value: &Json<'_>) -> Option<[u8; 32]> {
    base64url::decode(value.as_str()?)?.try_into().ok()
}
