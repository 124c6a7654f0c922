//! What a client learns of a person with the access token that it was given (OpenID Connect Core 1.0, 5.3).

use super::authorization::{OPENID, PROFILE};
use super::oauth_error::OAuthError;
use super::own_tokens::OwnToken;
use super::provider::{Inner, Provider};
use crate::control::STORE_ANSWERS_WITHIN;
use crate::revocation::DependsOn;
use haechi_core::Secret;
use haechi_core::ports::{StoreError, UserRecord};
use serde_json::{Value, json};

/// Why a bearer of a token is told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerRefused {
    /// No token.
    #[error("there is no access token")]
    None,
    /// It does not hold, for this reason.
    #[error("{0}")]
    Invalid(&'static str),
    /// It is not for this: the scope that is missing.
    #[error("the access token has not the scope `{0}`")]
    Scope(&'static str),
    /// Could not find out, for this reason.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for BearerRefused {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<crate::Unavailable> for BearerRefused {
    fn from(unavailable: crate::Unavailable) -> Self {
        Self::Unavailable(unavailable.reason.into_owned())
    }
}

impl From<OAuthError> for BearerRefused {
    fn from(error: OAuthError) -> Self {
        Self::Unavailable(error.reason.into_owned())
    }
}

impl Provider {
    /// Who the person is that the access token in the `Authorization` field is of.
    ///
    /// # Errors
    /// [`BearerRefused`].
    pub async fn userinfo(&self, authorization: Option<Secret<Vec<u8>>>) -> Result<Value, BearerRefused> {
        let inner = self.inner.clone();
        self.ask(STORE_ANSWERS_WITHIN, async move {
            let (token, user) = inner.bearer(authorization).await?;
            let scopes: Vec<&str> = token.text("scope").unwrap_or_default().split(' ').collect();
            if !scopes.contains(&OPENID) {
                return Err(BearerRefused::Scope(OPENID));
            }
            Ok(match scopes.contains(&PROFILE) {
                true => json!({ "sub": user.id, "preferred_username": user.name }),
                false => json!({ "sub": user.id }),
            })
        })
        .await
    }
}

impl Inner {
    /// The access token of ours that a request brings along, and the user whose it is.
    pub(super) async fn bearer(
        &self,
        authorization: Option<Secret<Vec<u8>>>,
    ) -> Result<(OwnToken, UserRecord), BearerRefused> {
        let field = authorization.ok_or(BearerRefused::None)?;
        let text =
            std::str::from_utf8(field.expose()).map_err(|_| BearerRefused::Invalid("no bearer token"))?;
        let (scheme, token) = text.split_once(' ').ok_or(BearerRefused::Invalid("no bearer token"))?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(BearerRefused::Invalid("no bearer token"));
        }
        let token =
            self.own(token.trim())?.ok_or(BearerRefused::Invalid("not an access token of this provider"))?;
        let view = self.watch.view();
        if !self.watch.is_fresh(&view) {
            let why = "cannot read revocations from the store recently enough";
            return Err(BearerRefused::Unavailable(why.to_owned()));
        }
        if view.is_revoked(&DependsOn::token(Some(&token.id), token.session.as_deref())) {
            return Err(BearerRefused::Invalid("the token is revoked"));
        }
        let subject = token.text("sub").unwrap_or_default();
        let user = self.stores.users.by_id(subject).await?.filter(|user| !user.disabled);
        let user = user.ok_or(BearerRefused::Invalid("the token is of no user who may log in"))?;
        Ok((token, user))
    }
}
