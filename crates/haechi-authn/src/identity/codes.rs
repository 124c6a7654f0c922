//! Authorization codes (RFC 6749 4.1.2): 256 random bits, of which the store has a hash; good once, for a minute, on all nodes.

use super::pkce::Challenge;
use crate::random::{self, RandomnessError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::ports::{IdentityRecord, IdentityRecords, RecordKind, StoreError};
use haechi_core::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a code is good for.
pub(super) const LASTS: Duration = Duration::from_secs(60);
/// For how long a code that was used is known, so that a replay ends what came of it.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
const PREFIX: &str = "hc_";

/// What a code stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CodeGrant {
    pub(super) client: String,
    pub(super) redirect_uri: String,
    challenge: String,
    pub(super) nonce: Option<String>,
    /// The user's id.
    pub(super) user: String,
    /// What tells the password that the user had; another one since then gives nothing.
    pub(super) password: String,
    pub(super) scopes: Vec<String>,
    pub(super) audiences: Vec<String>,
    /// In seconds.
    pub(super) authenticated_at: i64,
    pub(super) methods: Vec<String>,
    /// The browser session, by its id.
    pub(super) browser: String,
    /// Until when it may be redeemed, in milliseconds.
    until: i64,
    /// The session that came of it.
    #[serde(default)]
    used_for: Option<String>,
    #[serde(default)]
    replayed: bool,
}

/// What came of presenting a code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redeemed {
    /// It is what it was given for, to this client, once.
    First(Box<CodeGrant>),
    /// It was used before: what came of it, the session of this id, is to end.
    Replayed(String),
    /// It is none, or not any more, or not this client's.
    Unknown,
}

/// Keeps codes.
pub(super) struct Codes<'a>(pub(super) &'a dyn IdentityRecords);

/// What a code is given for; see [`CodeGrant`].
pub(super) struct CodeFor<'a> {
    pub(super) client: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) challenge: &'a Challenge,
    pub(super) nonce: Option<&'a str>,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) audiences: &'a [String],
    pub(super) authenticated_at: Timestamp,
    pub(super) methods: &'a [String],
    pub(super) browser: &'a str,
}

/// Why a code was not given.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    #[error("a code cannot be kept: {0}")]
    Json(#[from] serde_json::Error),
}

impl Codes<'_> {
    /// Gives a code.
    pub(super) async fn give(
        &self,
        for_what: CodeFor<'_>,
        now: Timestamp,
    ) -> Result<Secret<String>, CodeError> {
        let bytes: Secret<[u8; 32]> = Secret::new(random::bytes()?);
        let code = Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.expose())));
        let grant = CodeGrant {
            client: for_what.client.to_owned(),
            redirect_uri: for_what.redirect_uri.to_owned(),
            challenge: for_what.challenge.text(),
            nonce: for_what.nonce.map(str::to_owned),
            user: for_what.user.to_owned(),
            password: for_what.password.to_owned(),
            scopes: for_what.scopes.to_vec(),
            audiences: for_what.audiences.to_vec(),
            authenticated_at: for_what.authenticated_at.as_seconds(),
            methods: for_what.methods.to_vec(),
            browser: for_what.browser.to_owned(),
            until: now.plus(LASTS).as_millis(),
            used_for: None,
            replayed: false,
        };
        // It is new: nobody else has it.
        self.0.put(&record(&id_of(code.expose()), &grant, now)?, None, now).await?;
        Ok(code)
    }

    /// Redeems a code for `session`, which is to come of it. Of all who present it, on all nodes, one is the first.
    pub(super) async fn redeem(
        &self,
        code: &str,
        client: &str,
        session: &str,
        now: Timestamp,
    ) -> Result<Redeemed, CodeError> {
        let body = code.strip_prefix(PREFIX).and_then(|body| URL_SAFE_NO_PAD.decode(body).ok());
        if body.is_none_or(|body| body.len() != 32) {
            return Ok(Redeemed::Unknown);
        }
        let id = id_of(code);
        // Whoever comes second finds it used at the next reading.
        for _ in 0..8 {
            let Some((grant, version)) = self.read(&id, now).await? else { return Ok(Redeemed::Unknown) };
            if grant.client != client {
                return Ok(Redeemed::Unknown);
            }
            if let Some(first) = grant.used_for.clone() {
                // It is noted once: of many who come again none waits for another.
                if grant.replayed {
                    return Ok(Redeemed::Replayed(first));
                }
                let noted = CodeGrant { replayed: true, ..grant };
                if self.0.put(&record(&id, &noted, now)?, Some(version), now).await? {
                    return Ok(Redeemed::Replayed(first));
                }
                continue;
            }
            if now.as_millis() >= grant.until {
                return Ok(Redeemed::Unknown);
            }
            let used = CodeGrant { used_for: Some(session.to_owned()), ..grant };
            if self.0.put(&record(&id, &used, now)?, Some(version), now).await? {
                return Ok(Redeemed::First(Box::new(used)));
            }
        }
        Err(StoreError::Unavailable("too many present one code at once".to_owned()).into())
    }

    /// Whether it was presented again after it was redeemed: what began meanwhile is to end.
    pub(super) async fn was_replayed(&self, code: &str, now: Timestamp) -> Result<bool, CodeError> {
        Ok(self.read(&id_of(code), now).await?.is_none_or(|(grant, _)| grant.replayed))
    }

    async fn read(&self, id: &str, now: Timestamp) -> Result<Option<(CodeGrant, u64)>, CodeError> {
        let Some((value, version)) = self.0.get(RecordKind::Code, id, now).await? else { return Ok(None) };
        Ok(Some((serde_json::from_str(&value)?, version)))
    }
}

impl CodeGrant {
    /// Whether the client shows what is behind the challenge that the code was asked for with.
    pub(super) fn is_proved_by(&self, verifier: &str) -> bool {
        Challenge::parse(&self.challenge).is_some_and(|challenge| challenge.is_of(verifier))
    }
}

fn id_of(code: &str) -> String {
    random::hex(&random::sha256(code.as_bytes()))
}

fn record(id: &str, grant: &CodeGrant, now: Timestamp) -> Result<IdentityRecord, serde_json::Error> {
    Ok(IdentityRecord {
        kind: RecordKind::Code,
        id: id.to_owned(),
        owner: grant.user.clone(),
        value: serde_json::to_string(grant)?,
        kept_until: Some(now.plus(REMEMBERED)),
    })
}

#[cfg(test)]
mod tests {
    use super::{Challenge, CodeFor, Codes, LASTS, Redeemed};
    use haechi_core::{Secret, Timestamp};
    use haechi_testkit::FaultyStore;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    async fn give(store: &FaultyStore) -> Secret<String> {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        let for_what = CodeFor {
            client: "c",
            redirect_uri: "https://app.example.com/cb",
            challenge: &challenge,
            nonce: Some("n"),
            user: "u-1",
            password: "p",
            scopes: &["openid".into()],
            audiences: &[],
            authenticated_at: NOW,
            methods: &["pwd".into()],
            browser: "b",
        };
        Codes(&*store.inner().identity_records).give(for_what, NOW).await.unwrap()
    }

    async fn redeem(
        store: &FaultyStore,
        code: &str,
        client: &str,
        session: &str,
        now: Timestamp,
    ) -> Redeemed {
        Codes(&*store.inner().identity_records).redeem(code, client, session, now).await.unwrap()
    }

    #[tokio::test]
    async fn a_code_is_good_once_for_its_client_for_a_minute() {
        let store = FaultyStore::new();
        let code = give(&store).await;
        assert_eq!(redeem(&store, code.expose(), "another", "s", NOW).await, Redeemed::Unknown);
        assert_eq!(redeem(&store, "hc_nothing", "c", "s", NOW).await, Redeemed::Unknown);
        let Redeemed::First(grant) = redeem(&store, code.expose(), "c", "s-1", NOW).await else { panic!() };
        assert!(grant.is_proved_by(VERIFIER) && !grant.is_proved_by(&format!("{VERIFIER}a")));
        assert_eq!((grant.nonce.as_deref(), &*grant.user), (Some("n"), "u-1"));
        let codes = Codes(&*store.inner().identity_records);
        assert!(!codes.was_replayed(code.expose(), NOW).await.unwrap());
        let later = NOW.plus(Duration::from_secs(600));
        assert_eq!(redeem(&store, code.expose(), "c", "s-2", later).await, Redeemed::Replayed("s-1".into()));
        assert!(codes.was_replayed(code.expose(), NOW).await.unwrap());
        let late = give(&store).await;
        assert_eq!(redeem(&store, late.expose(), "c", "s", NOW.plus(LASTS)).await, Redeemed::Unknown);
        let kept = store
            .inner()
            .identity_records
            .owned_by(haechi_core::ports::RecordKind::Code, "u-1", NOW)
            .await
            .unwrap();
        assert!(!format!("{kept:?}").contains(code.expose()), "only a hash is kept");
    }

    #[tokio::test]
    async fn of_many_who_present_it_at_once_one_is_the_first() {
        for _ in 0..20 {
            let store = FaultyStore::new();
            let code = give(&store).await;
            let (a, b, c) = tokio::join!(
                redeem(&store, code.expose(), "c", "s-a", NOW),
                redeem(&store, code.expose(), "c", "s-b", NOW),
                redeem(&store, code.expose(), "c", "s-c", NOW),
            );
            let firsts = [&a, &b, &c].iter().filter(|one| matches!(one, Redeemed::First(_))).count();
            let replays = [&a, &b, &c].iter().filter(|one| matches!(one, Redeemed::Replayed(_))).count();
            assert_eq!((firsts, replays), (1, 2));
        }
    }
}
