//! `/api/v1/tokens`: access tokens that the gate has given. They stand in bodies alone: an address would be written down on the way.

use crate::answer::Shown;
use crate::call::{Asked, Json, Nothing};
use crate::change::{Change, Reader};
use crate::context::Stores;
use crate::error::AdminError;
use crate::shape::{SecretText, shape};
use haechi_authn::identity::TokenDesk;
use serde_json::{Map, Value};

shape! {
    /// A token.
    pub(crate) TokenBody {
        /// The access token; to revoke it, its `jti` will do.
        required token: SecretText,
    }

    /// What a token says, and whether it works.
    pub(crate) TokenView {
        /// Whether it works.
        required active: bool,
        /// Why it does not; `null` where it does.
        required reason: Option<String>,
        /// What it says, whether that holds or not.
        required claims: Map<String, Value>,
    }

    /// Which token was revoked.
    pub(crate) RevokedToken {
        /// Its `jti`.
        required jti: String,
    }
}

pub(super) async fn inspect(
    reader: Reader,
    asked: Asked<Nothing, Nothing, Json<TokenBody>>,
) -> Result<Shown<TokenView>, AdminError> {
    let desk = desk(&reader, reader.stores()?)?;
    let token = asked.body.0.token.into_secret();
    let found = desk.inspect(token.expose().trim()).await?;
    Ok(Shown(TokenView { active: found.reason.is_none(), reason: found.reason, claims: found.claims }))
}

pub(super) async fn revoke(
    change: Change,
    asked: Asked<Nothing, Nothing, Json<TokenBody>>,
) -> Result<Shown<RevokedToken>, AdminError> {
    let desk = desk(&change.look, &change.stores()?)?;
    let token = asked.body.0.token.into_secret();
    let (jti, until) = desk.named(token.expose().trim())?;
    change.target(format!("token {jti}")).await;
    desk.revoke(&jti, until).await?;
    Ok(Shown(RevokedToken { jti }))
}

fn desk(reader: &Reader, stores: &Stores) -> Result<TokenDesk, AdminError> {
    let (directory, rules) = (reader.directory()?, reader.rules()?);
    Ok(TokenDesk {
        identity: directory.keyring().map(|keyring| (keyring, rules.issuer)),
        signing_keys: stores.signing_keys.clone(),
        revocations: stores.revocations.clone(),
        clock: reader.0.clock.clone(),
        longest: rules.longest_token,
    })
}
