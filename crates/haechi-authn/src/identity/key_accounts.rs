//! What operators do with API keys.

use super::accounts::{AccountError, Accounts, check_name, check_roles, check_scopes, without_repeats};
use crate::api_key::ApiKey;
use crate::random;
use haechi_core::ports::{ApiKeyRecord, Edit, KeyStanding, KeyState, Quota, Revision};
use haechi_core::{Attributes, Timestamp};
use ipnet::IpNet;
use std::time::Duration;

/// What a key gives, to whom, and from where.
#[derive(Clone, Debug, Default)]
pub struct KeyGrant {
    /// Who answers for the key; the subject of its caller.
    pub owner: String,
    /// What people call it.
    pub name: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
    /// Accepted only from these addresses; from anywhere when empty.
    pub allowed_addresses: Vec<IpNet>,
    /// So many requests in so much time.
    pub rate_limit: Option<Quota>,
    /// So many in a longer time.
    pub quota: Option<Quota>,
}

/// An API key to be made.
#[derive(Clone, Debug, Default)]
pub struct KeySpec {
    /// What it gives.
    pub grant: KeyGrant,
    /// Accepted for so long; for ever when `None`.
    pub lasts: Option<Duration>,
}

/// A key that another gateway has given out.
#[derive(Clone, Debug)]
pub struct KeyImport {
    /// SHA-256 of the key's text as clients send it.
    pub sha256: [u8; 32],
    /// Whether its text is known to have our form.
    pub has_our_form: bool,
    /// What it gives.
    pub grant: KeyGrant,
    /// Not accepted from this time on.
    pub expires_at: Option<Timestamp>,
}

/// What tells one key from another with the same grant.
struct KeyIdentity {
    sha256: [u8; 32],
    imported: bool,
    expires_at: Option<Timestamp>,
}

impl Accounts {
    /// Makes an API key. The key itself is returned here and never again.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn create_key(&self, spec: KeySpec) -> Result<(ApiKeyRecord, ApiKey), AccountError> {
        let KeySpec { grant, lasts } = spec;
        self.check_grant(&grant)?;
        let key = ApiKey::generate()?;
        let expires_at = lasts.map(|lasts| self.clock.now().plus(lasts));
        let record = self.record(grant, KeyIdentity { sha256: key.sha256(), imported: false, expires_at })?;
        self.stores.api_keys.add(&record).await?;
        Ok((record, key))
    }

    /// Gives a key a new secret. The one that it has works for `overlap` longer, the one before that no more. Returns until when the earlier one
    /// works, and the new key, which is shown here and never again. Where a `revision` is given, only a key that has it.
    ///
    /// # Errors
    /// [`AccountError`], also for a key that was revoked or has expired.
    pub async fn rotate_key(
        &self,
        key: &ApiKeyRecord,
        revision: Option<Revision>,
        overlap: Duration,
    ) -> Result<(Timestamp, ApiKey), AccountError> {
        let now = self.clock.now();
        match key.standing(now) {
            KeyStanding::Active => {}
            KeyStanding::Revoked => {
                return Err(AccountError::KeyEnded { id: key.id.clone(), how: "was revoked" });
            }
            KeyStanding::Expired => {
                return Err(AccountError::KeyEnded { id: key.id.clone(), how: "has expired" });
            }
        }
        let (next, until) = (ApiKey::generate()?, now.plus(overlap));
        self.stores.api_keys.rotate(Edit { of: &key.id, revision }, &next.sha256(), until).await?;
        Ok((until, next))
    }

    /// The record of a key that is to be imported, for [`haechi_core::ports::ApiKeys::add_all`].
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn imported_key(&self, key: KeyImport) -> Result<ApiKeyRecord, AccountError> {
        let KeyImport { sha256, has_our_form, grant, expires_at } = key;
        self.check_grant(&grant)?;
        self.record(grant, KeyIdentity { sha256, imported: !has_our_form, expires_at })
    }

    fn check_grant(&self, grant: &KeyGrant) -> Result<(), AccountError> {
        check_name(&grant.owner)?;
        grant.name.as_deref().map_or(Ok(()), check_name)?;
        check_roles(&self.roles, &grant.roles)?;
        check_scopes(&grant.scopes)?;
        Ok(self.declared.check(&grant.attributes)?)
    }

    fn record(&self, grant: KeyGrant, identity: KeyIdentity) -> Result<ApiKeyRecord, AccountError> {
        let created_at = self.clock.now();
        Ok(ApiKeyRecord {
            id: random::id()?,
            sha256: identity.sha256,
            previous: None,
            owner: grant.owner,
            name: grant.name,
            roles: without_repeats(grant.roles),
            scopes: without_repeats(grant.scopes),
            attributes: grant.attributes,
            expires_at: identity.expires_at,
            allowed_addresses: grant.allowed_addresses,
            rate_limit: grant.rate_limit,
            quota: grant.quota,
            created_at,
            last_used_at: None,
            last_used_from: None,
            state: KeyState::Active,
            imported: identity.imported,
            revision: Revision::first(created_at),
        })
    }
}
