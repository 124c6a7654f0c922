//! Records from rows, for every kind of store that has rows.

use crate::json::{parse, unreadable};
use haechi_core::ports::{
    ApiKeyRecord, Approval, ApprovalState, Change, ClientProof, ClientRecord, ClientSecrets, Exchange,
    KeyState, LoginState, PasswordState, PoliciesInForce, PolicyVersion, PreviousSecret, Revision, Revoked,
    Session, SigningKeyRecord, StoreError, UserRecord, WebSession,
};
use haechi_core::{Secret, Timestamp};
use serde::de::DeserializeOwned;
use std::time::Duration;

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
    fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, Self::Fault>;

    fn count(&self, column: &str) -> Result<u32, Self::Fault> {
        let number = self.number(column)?;
        u32::try_from(number).map_err(|_| unreadable(column, "is not a count").into())
    }

    fn sha256(&self, column: &str) -> Result<[u8; 32], Self::Fault> {
        self.bytes(column)?.try_into().map_err(|_| unreadable(column, "is not 32 bytes").into())
    }

    fn optional_sha256(&self, column: &str) -> Result<Option<[u8; 32]>, Self::Fault> {
        let bytes = self.optional_bytes(column)?.map(TryInto::try_into).transpose();
        bytes.map_err(|_| unreadable(column, "is not 32 bytes").into())
    }

    fn time(&self, column: &str) -> Result<Timestamp, Self::Fault> {
        Ok(Timestamp::from_millis(self.number(column)?))
    }

    fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, Self::Fault> {
        Ok(self.optional_number(column)?.map(Timestamp::from_millis))
    }

    fn revision(&self) -> Result<Revision, Self::Fault> {
        Ok(Revision::from_number(self.number("revision")?))
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
        password: PasswordState {
            must_change: row.flag("must_change_password")?,
            changed_at: row.optional_time("password_changed_at")?,
        },
        revision: row.revision()?,
    })
}

pub(crate) fn login_state<R: Columns>(row: &R) -> Result<LoginState, R::Fault> {
    Ok(LoginState { failures: row.count("failures")?, locked_until: row.optional_time("locked_until")? })
}

pub(crate) fn client<R: Columns>(row: &R) -> Result<ClientRecord, R::Fault> {
    Ok(ClientRecord {
        id: row.text("id")?,
        name: row.text("name")?,
        proof: client_proof(row)?,
        roles: row.json("roles")?,
        scopes: row.json("scopes")?,
        attributes: row.json("attributes")?,
        audiences: row.json("audiences")?,
        token_lifetime: row.optional_number("token_lifetime")?.map(lifetime).transpose()?,
        login: row.json("login")?,
        created_at: row.time("created_at")?,
        revision: row.revision()?,
    })
}

fn client_proof<R: Columns>(row: &R) -> Result<ClientProof, R::Fault> {
    if row.flag("public")? {
        return Ok(ClientProof::Public);
    }
    if let Some(keys) = row.optional_text("public_keys")? {
        return Ok(ClientProof::Keys(keys));
    }
    let previous = row.optional_sha256("previous_sha256")?.zip(row.optional_time("previous_until")?);
    Ok(ClientProof::Secret(ClientSecrets { current: row.sha256("secret_sha256")?, previous }))
}

/// What the columns of a client's proof hold: the secret, the one before, until when, and the public keys.
pub(crate) type ProofColumns<'a> = (&'a [u8], Option<&'a [u8]>, Option<i64>, Option<&'a str>);

/// A secret's hash that no secret has, for clients with keys and for public ones.
const NO_SECRET: &[u8] = &[0; 32];

pub(crate) fn proof_columns(proof: &ClientProof) -> ProofColumns<'_> {
    match proof {
        ClientProof::Keys(keys) => (NO_SECRET, None, None, Some(keys)),
        ClientProof::Public => (NO_SECRET, None, None, None),
        ClientProof::Secret(ClientSecrets { current, previous }) => {
            let before = previous.as_ref().map(|(sha256, _)| sha256.as_slice());
            (current.as_slice(), before, previous.map(|(_, until)| until.as_millis()), None)
        }
    }
}

/// As the column `token_lifetime` has it.
pub(crate) fn lifetime_column(lifetime: Option<Duration>) -> Option<i64> {
    lifetime.map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

fn lifetime(millis: i64) -> Result<Duration, StoreError> {
    let millis = u64::try_from(millis).map_err(|_| unreadable("token_lifetime", "is negative"))?;
    Ok(Duration::from_millis(millis))
}

pub(crate) fn api_key<R: Columns>(row: &R) -> Result<ApiKeyRecord, R::Fault> {
    let created_at = row.time("created_at")?;
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
        created_at,
        // The minute that it was used in may have begun before there was a key.
        last_used_at: row.optional_time("last_used_at")?.map(|minute| minute.max(created_at)),
        last_used_from: row.optional_text("last_used_from")?.and_then(|text| text.parse().ok()),
        state: key_state(&row.text("state")?)?,
        imported: row.flag("imported")?,
        revision: row.revision()?,
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
        "unlock" => Ok(Change::Unlock(id)),
        other => Err(StoreError::Corrupt(format!("a change is of the kind `{other}`")).into()),
    }
}

/// A refresh token that the store remembers, and its session.
pub(crate) struct PresentedToken {
    pub(crate) used: bool,
    pub(crate) used_at: Option<Timestamp>,
    /// The session, with the token that works.
    pub(crate) session: Session,
    pub(crate) forget_after: Timestamp,
}

impl PresentedToken {
    /// Whether this is the same refresh as a moment ago, asked for twice.
    pub(crate) fn repeats(&self, exchange: &Exchange<'_>) -> bool {
        let recent = |used_at: Timestamp| {
            exchange.now.since(used_at) < exchange.reuse_interval && used_at <= exchange.now
        };
        self.session.token_sha256 == *exchange.next && self.used_at.is_some_and(recent)
    }
}

pub(crate) fn presented_token<R: Columns>(row: &R) -> Result<PresentedToken, R::Fault> {
    Ok(PresentedToken {
        used: row.flag("used")?,
        used_at: row.optional_time("used_at")?,
        session: session(row)?,
        forget_after: row.time("forget_after")?,
    })
}

/// A session, beside the hash of the token that works as `working`.
pub(crate) fn session<R: Columns>(row: &R) -> Result<Session, R::Fault> {
    Ok(Session {
        id: row.text("id")?,
        user_id: row.text("user_id")?,
        token_sha256: row.sha256("working")?,
        expires_at: row.time("expires_at")?,
        created_at: row.time("created_at")?,
        chain_key: row.optional_sha256("chain_key")?,
        details: row.json("details")?,
    })
}

pub(crate) fn web_session<R: Columns>(row: &R) -> Result<WebSession, R::Fault> {
    let version = row.number("version")?;
    Ok(WebSession {
        id: row.text("id")?,
        secret_sha256: row.sha256("secret_sha256")?,
        authenticator: row.text("authenticator")?,
        issuer: row.text("issuer")?,
        subject: row.text("subject")?,
        provider_session: row.optional_text("provider_session")?,
        claims: row.text("claims")?,
        tokens: row.optional_bytes("tokens")?,
        refresh_at: row.optional_time("refresh_at")?,
        version: u64::try_from(version).map_err(|_| unreadable("version", "is negative"))?,
        created_at: row.time("created_at")?,
        seen_at: row.time("seen_at")?,
        idle_until: row.time("idle_until")?,
        expires_at: row.time("expires_at")?,
    })
}

/// The document of an identity record, and its version.
pub(crate) fn record_version<R: Columns>(row: &R) -> Result<(String, u64), R::Fault> {
    let version = row.number("version")?;
    let version = u64::try_from(version).map_err(|_| unreadable("version", "is negative"))?;
    Ok((row.text("value")?, version))
}

/// An epoch as the log has it.
pub(crate) fn epoch(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt("the revocation epoch is negative".into()))
}

/// The log has no row for its epoch.
pub(crate) fn no_epoch() -> StoreError {
    StoreError::Corrupt("the revocation epoch is missing".into())
}

pub(crate) fn policy_version<R: Columns>(row: &R) -> Result<PolicyVersion, R::Fault> {
    Ok(PolicyVersion {
        serial: row.number("serial")?,
        name: row.text("name")?,
        version: row.number("version")?,
        text: row.optional_text("text")?,
        changed_at: row.time("changed_at")?,
        changed_by: row.json("changed_by")?,
        approved_by: row.optional_json("approved_by")?,
    })
}

/// Of rows that have the newest serial as `newest`, and one policy each; one without any where there is no policy.
pub(crate) fn policies_in_force<R: Columns>(rows: &[R]) -> Result<PoliciesInForce, R::Fault> {
    let serial = rows.first().map(|row| row.number("newest")).transpose()?.unwrap_or_default();
    let mut policies = Vec::with_capacity(rows.len());
    for row in rows {
        if row.optional_number("serial")?.is_some() {
            policies.push(policy_version(row)?);
        }
    }
    Ok(PoliciesInForce { serial, policies })
}

/// Somebody else was faster.
pub(crate) fn policy_changed(version: &PolicyVersion) -> StoreError {
    StoreError::Changed(format!("policy `{}`, or another policy,", version.name))
}

pub(crate) fn approval<R: Columns>(row: &R) -> Result<Approval, R::Fault> {
    let state = row.text("state")?;
    let unknown = || unreadable("state", &format!("there is no state `{state}`"));
    Ok(Approval {
        id: row.text("id")?,
        action: row.text("action")?,
        target: row.text("target")?,
        content: row.text("content")?,
        asked_by: row.json("asked_by")?,
        asked_at: row.time("asked_at")?,
        expires_at: row.time("expires_at")?,
        state: ApprovalState::of(&state).ok_or_else(unknown)?,
        decided_by: row.optional_json("decided_by")?,
        decided_at: row.optional_time("decided_at")?,
    })
}

/// Why nothing was decided, by whether there is such a change.
pub(crate) fn undecidable(id: &str, is_there: bool) -> StoreError {
    let named = format!("approval `{id}`");
    if is_there { StoreError::Changed(named) } else { StoreError::Missing(named) }
}
