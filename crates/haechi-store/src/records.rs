//! Records from rows, for every kind of store that has rows.

use crate::json::{parse, unreadable};
use haechi_core::ports::{
    ApiKeyRecord, Change, ClientRecord, KeyState, LoginState, PreviousSecret, Revoked, SigningKeyRecord,
    StoreError, UserRecord,
};
use haechi_core::{Secret, Timestamp};
use serde::de::DeserializeOwned;

/// A row, read column by column.
pub(crate) trait Columns {
    /// Why a column cannot be read.
    type Fault: From<StoreError>;

    fn text(&self, column: &str) -> Result<String, Self::Fault>;
    fn optional_text(&self, column: &str) -> Result<Option<String>, Self::Fault>;
    fn flag(&self, column: &str) -> Result<bool, Self::Fault>;
    fn number(&self, column: &str) -> Result<i64, Self::Fault>;
    fn optional_number(&self, column: &str) -> Result<Option<i64>, Self::Fault>;
    fn bytes(&self, column: &str) -> Result<Vec<u8>, Self::Fault>;

    fn count(&self, column: &str) -> Result<u32, Self::Fault> {
        let number = self.number(column)?;
        u32::try_from(number).map_err(|_| unreadable(column, "is not a count").into())
    }

    fn sha256(&self, column: &str) -> Result<[u8; 32], Self::Fault> {
        self.bytes(column)?.try_into().map_err(|_| unreadable(column, "is not 32 bytes").into())
    }

    fn time(&self, column: &str) -> Result<Timestamp, Self::Fault> {
        Ok(Timestamp::from_millis(self.number(column)?))
    }

    fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, Self::Fault> {
        Ok(self.optional_number(column)?.map(Timestamp::from_millis))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Self::Fault> {
        Ok(parse(column, &self.text(column)?)?)
    }

    fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, Self::Fault> {
        Ok(self.optional_text(column)?.map(|text| parse(column, &text)).transpose()?)
    }
}

pub(crate) fn user<R: Columns>(row: &R) -> Result<UserRecord, R::Fault> {
    Ok(UserRecord {
        id: row.text("id")?,
        name: row.text("name")?,
        password_hash: Secret::new(row.text("password_hash")?),
        roles: row.json("roles")?,
        attributes: row.json("attributes")?,
        disabled: row.flag("disabled")?,
        created_at: row.time("created_at")?,
        login: login_state(row)?,
    })
}

pub(crate) fn login_state<R: Columns>(row: &R) -> Result<LoginState, R::Fault> {
    Ok(LoginState { failures: row.count("failures")?, locked_until: row.optional_time("locked_until")? })
}

pub(crate) fn client<R: Columns>(row: &R) -> Result<ClientRecord, R::Fault> {
    Ok(ClientRecord {
        id: row.text("id")?,
        name: row.text("name")?,
        secret_sha256: row.sha256("secret_sha256")?,
        roles: row.json("roles")?,
        scopes: row.json("scopes")?,
        attributes: row.json("attributes")?,
        created_at: row.time("created_at")?,
    })
}

pub(crate) fn api_key<R: Columns>(row: &R) -> Result<ApiKeyRecord, R::Fault> {
    Ok(ApiKeyRecord {
        id: row.text("id")?,
        sha256: row.sha256("sha256")?,
        previous: previous_secret(row)?,
        owner: row.text("owner")?,
        name: row.optional_text("name")?,
        roles: row.json("roles")?,
        scopes: row.json("scopes")?,
        attributes: row.json("attributes")?,
        expires_at: row.optional_time("expires_at")?,
        allowed_addresses: row.json("allowed_addresses")?,
        rate_limit: row.optional_json("rate_limit")?,
        quota: row.optional_json("quota")?,
        created_at: row.time("created_at")?,
        last_used_at: row.optional_time("last_used_at")?,
        last_used_from: row.optional_text("last_used_from")?.and_then(|text| text.parse().ok()),
        state: key_state(&row.text("state")?)?,
        imported: row.flag("imported")?,
    })
}

fn previous_secret<R: Columns>(row: &R) -> Result<Option<PreviousSecret>, R::Fault> {
    let Some(until) = row.optional_time("previous_until")? else { return Ok(None) };
    Ok(Some(PreviousSecret { sha256: row.sha256("previous_sha256")?, until }))
}

/// As the column `state` has it.
pub(crate) const fn key_state_text(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "active",
        KeyState::Revoked => "revoked",
    }
}

fn key_state(text: &str) -> Result<KeyState, StoreError> {
    match text {
        "active" => Ok(KeyState::Active),
        "revoked" => Ok(KeyState::Revoked),
        other => Err(StoreError::Corrupt(format!("an API key is in the state `{other}`"))),
    }
}

pub(crate) fn signing_key<R: Columns>(row: &R) -> Result<SigningKeyRecord, R::Fault> {
    Ok(SigningKeyRecord {
        id: row.text("id")?,
        algorithm: row.text("algorithm")?,
        pkcs8: Secret::new(row.bytes("pkcs8")?),
        active_from: row.time("active_from")?,
        retired_at: row.optional_time("retired_at")?,
        published_until: row.optional_time("published_until")?,
        created_at: row.time("created_at")?,
    })
}

/// An entry of the log, by what [`Change::subject`] says.
pub(crate) fn change<R: Columns>(row: &R) -> Result<Change, R::Fault> {
    let id = row.text("id")?;
    let revoked = |what| Ok(Change::Revoked { what, until: row.time("kept_until")? });
    match row.text("kind")?.as_str() {
        "session" => revoked(Revoked::Session(id)),
        "token" => revoked(Revoked::Token(id)),
        "user" => Ok(Change::User(id)),
        "api_key" => Ok(Change::ApiKey(id)),
        "client" => Ok(Change::Client(id)),
        other => Err(StoreError::Corrupt(format!("a change is of the kind `{other}`")).into()),
    }
}

/// A refresh token that the store remembers, and its session.
pub(crate) struct PresentedToken {
    pub(crate) used: bool,
    pub(crate) session: String,
    pub(crate) user_id: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) forget_after: Timestamp,
}

pub(crate) fn presented_token<R: Columns>(row: &R) -> Result<PresentedToken, R::Fault> {
    Ok(PresentedToken {
        used: row.flag("used")?,
        session: row.text("id")?,
        user_id: row.text("user_id")?,
        expires_at: row.time("expires_at")?,
        created_at: row.time("created_at")?,
        forget_after: row.time("forget_after")?,
    })
}

/// An epoch as the log has it.
pub(crate) fn epoch(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt("the revocation epoch is negative".into()))
}

/// The log has no row for its epoch.
pub(crate) fn no_epoch() -> StoreError {
    StoreError::Corrupt("the revocation epoch is missing".into())
}
