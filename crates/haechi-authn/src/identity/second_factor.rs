//! A user's second factor: the secret of an authenticator app, and recovery codes for when it is lost. One small document for each user, which is changed
//! as it was read, so that no code counts twice on any node.

use super::seal::{SealError, Seals};
use super::totp::{TotpSecret, base32};
use crate::random::{self, RandomnessError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::ports::{IdentityRecord, IdentityRecords, RecordKind, StoreError};
use haechi_core::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// 80 random bits: nobody finds one from its hash.
const RECOVERY_BYTES: usize = 10;
/// How long an app may take to be set up.
pub(super) const SET_UP_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Whoever is disturbed by others so often gives up.
const TRIES: usize = 8;

/// Second factors of the store's users.
#[derive(Clone)]
pub struct SecondFactors {
    records: Arc<dyn IdentityRecords>,
    seals: Arc<Seals>,
}

/// What is kept of one user.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// The secret in force, sealed where there is a seal, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Whether a passkey is asked for beside the password.
    passkey: bool,
    /// The last step of which a code was taken.
    last_step: Option<u64>,
    /// The SHA-256 of each recovery code that was not used, in hex.
    recovery: Vec<String>,
    /// One that is being set up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
    /// Whether the password is one that only goes with a second factor.
    short_password: bool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Pending {
    secret: String,
    /// In milliseconds.
    until: i64,
}

/// A secret that waits for the first code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFactor {
    /// In base32, to be typed.
    pub secret: Secret<String>,
    /// The same as an `otpauth://` address.
    pub uri: Secret<String>,
    /// How long it waits.
    pub lasts: Duration,
}

/// How a user's second factor stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactorStanding {
    /// Whether the login asks for it: for a code of an app, or for a passkey.
    pub is_on: bool,
    /// Whether there is an app.
    pub has_app: bool,
    /// Whether a passkey is asked for, whether there is an app or not.
    pub asks_passkey: bool,
    /// How many recovery codes are left.
    pub recovery_codes: usize,
    /// Whether the password is one that only goes with it.
    pub short_password: bool,
}

/// Why it could not be found out, or not be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactorError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret cannot be opened.
    #[error("the secret of a second factor: {0}")]
    Seal(#[from] SealError),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

impl SecondFactors {
    /// Kept there, sealed with these where there are any.
    pub const fn new(records: Arc<dyn IdentityRecords>, seals: Arc<Seals>) -> Self {
        Self { records, seals }
    }

    /// How it stands with the user of this id.
    ///
    /// # Errors
    /// [`FactorError`].
    pub async fn standing(&self, user: &str, now: Timestamp) -> Result<FactorStanding, FactorError> {
        Ok(self.read(user, now).await?.0.standing())
    }

    /// Whether the code is the user's: one of the app's that was not taken yet, or a recovery code, which works once. Of all who present one code, on all
    /// nodes, one is right.
    pub(super) async fn takes(&self, user: &str, code: &str, now: Timestamp) -> Result<bool, FactorError> {
        for _ in 0..TRIES {
            let (kept, version) = self.read(user, now).await?;
            if !kept.is_on() {
                return Ok(false);
            }
            let secret = kept.secret.as_ref().map(|secret| self.open(user, secret)).transpose()?;
            let mut next = kept.clone();
            if let Some(step) = secret.as_ref().and_then(|secret| secret.step_of(code, kept.last_step, now)) {
                next.last_step = Some(step);
            } else {
                let Some(hash) = recovery_hash(user, code) else { return Ok(false) };
                next.recovery.retain(|known| *known != hash);
                if next.recovery.len() == kept.recovery.len() {
                    return Ok(false);
                }
            }
            // Under the first of the seals from now on.
            next.secret = secret.as_ref().map(|secret| self.seal(user, secret)).transpose()?;
            if self.write(user, &next, version, now).await? {
                return Ok(true);
            }
        }
        Err(too_many())
    }

    /// A new secret, which counts once a code of it was shown. What is in force stays so until then.
    pub(super) async fn begin(
        &self,
        (user, name, issuer): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<NewFactor, FactorError> {
        let secret = TotpSecret::generate()?;
        let sealed = self.seal(user, &secret)?;
        let pending = Pending { secret: sealed, until: now.plus(SET_UP_WITHIN).as_millis() };
        self.change(user, now, |kept| kept.pending = Some(pending.clone())).await?;
        Ok(NewFactor { secret: secret.text(), uri: secret.uri(issuer, name), lasts: SET_UP_WITHIN })
    }

    /// Puts the secret that waits into force, and gives recovery codes in place of all before. `None` where the code is none of it, or none waits.
    pub(super) async fn confirm(
        &self,
        user: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<Secret<String>>>, FactorError> {
        let (codes, hashes) = recovery_codes(user)?;
        for _ in 0..TRIES {
            let (kept, version) = self.read(user, now).await?;
            let pending = kept.pending.as_ref().filter(|pending| now.as_millis() < pending.until);
            let Some(pending) = pending else { return Ok(None) };
            let secret = self.open(user, &pending.secret)?;
            let Some(step) = secret.step_of(code, None, now) else { return Ok(None) };
            let next = Kept {
                secret: Some(pending.secret.clone()),
                last_step: Some(step),
                recovery: hashes.clone(),
                pending: None,
                ..kept
            };
            if self.write(user, &next, version, now).await? {
                return Ok(Some(codes));
            }
        }
        Err(too_many())
    }

    /// The secret that waits, for a page that shows it again.
    pub(super) async fn pending(
        &self,
        (user, name, issuer): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<Option<NewFactor>, FactorError> {
        let (kept, _) = self.read(user, now).await?;
        let Some(pending) = kept.pending.filter(|pending| now.as_millis() < pending.until) else {
            return Ok(None);
        };
        let secret = self.open(user, &pending.secret)?;
        let lasts = Timestamp::from_millis(pending.until).since(now);
        Ok(Some(NewFactor { secret: secret.text(), uri: secret.uri(issuer, name), lasts }))
    }

    /// Recovery codes in place of all before; `None` where there is no second factor.
    pub(super) async fn renew_recovery(
        &self,
        user: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<Secret<String>>>, FactorError> {
        let (codes, hashes) = recovery_codes(user)?;
        let done = self
            .change(user, now, |kept| {
                if kept.is_on() {
                    kept.recovery.clone_from(&hashes);
                }
            })
            .await?;
        Ok(done.is_on().then_some(codes))
    }

    /// Asks for a passkey beside the password from now on. Recovery codes, in place of all before.
    pub(super) async fn ask_for_passkey(
        &self,
        user: &str,
        now: Timestamp,
    ) -> Result<Vec<Secret<String>>, FactorError> {
        let (codes, hashes) = recovery_codes(user)?;
        self.change(user, now, |kept| {
            kept.passkey = true;
            kept.recovery.clone_from(&hashes);
        })
        .await?;
        Ok(codes)
    }

    /// Asks for no passkey any more, of a user who has an app as well.
    pub(super) async fn ask_for_app_alone(&self, user: &str, now: Timestamp) -> Result<(), FactorError> {
        self.change(user, now, |kept| kept.passkey = false).await.map(|_| ())
    }

    /// Takes the second factor away. How it stood before.
    pub(super) async fn remove(&self, user: &str, now: Timestamp) -> Result<FactorStanding, FactorError> {
        for _ in 0..TRIES {
            let (kept, version) = self.read(user, now).await?;
            let before = kept.standing();
            if version.is_none() {
                return Ok(before);
            }
            // What is kept until now is gone, and nobody has changed it since it was read.
            let mut record = record(user, &Kept::default())?;
            record.kept_until = Some(now);
            if self.records.put(&record, version, now).await? {
                return Ok(before);
            }
        }
        Err(too_many())
    }

    /// Notes that the password only goes with a second factor, before it is set, or that it does not any more, after. Whether there is one.
    pub(super) async fn note_short_password(
        &self,
        user: &str,
        is_short: bool,
        now: Timestamp,
    ) -> Result<bool, FactorError> {
        let (kept, _) = self.read(user, now).await?;
        if !kept.is_on() || kept.short_password == is_short {
            return Ok(kept.is_on());
        }
        let done = self.change(user, now, |kept| kept.short_password = is_short && kept.is_on()).await?;
        Ok(done.is_on())
    }

    async fn change(
        &self,
        user: &str,
        now: Timestamp,
        change: impl Fn(&mut Kept),
    ) -> Result<Kept, FactorError> {
        for _ in 0..TRIES {
            let (mut kept, version) = self.read(user, now).await?;
            change(&mut kept);
            if self.write(user, &kept, version, now).await? {
                return Ok(kept);
            }
        }
        Err(too_many())
    }

    async fn read(&self, user: &str, now: Timestamp) -> Result<(Kept, Option<u64>), FactorError> {
        match self.records.get(RecordKind::SecondFactor, user, now).await? {
            // What cannot be read is not as good as none.
            Some((value, version)) => Ok((serde_json::from_str(&value).map_err(corrupt)?, Some(version))),
            None => Ok((Kept::default(), None)),
        }
    }

    async fn write(
        &self,
        user: &str,
        kept: &Kept,
        version: Option<u64>,
        now: Timestamp,
    ) -> Result<bool, FactorError> {
        Ok(self.records.put(&record(user, kept)?, version, now).await?)
    }

    fn seal(&self, user: &str, secret: &TotpSecret) -> Result<String, FactorError> {
        let sealed = self.seals.seal_bytes(&associated(user), secret.bytes())?;
        Ok(STANDARD.encode(sealed.expose()))
    }

    fn open(&self, user: &str, kept: &str) -> Result<TotpSecret, FactorError> {
        let bytes = STANDARD.decode(kept).map_err(corrupt)?;
        let opened = self.seals.open_bytes(&associated(user), Secret::new(bytes))?;
        TotpSecret::of_bytes(opened.expose()).ok_or_else(|| corrupt("another length"))
    }
}

impl Kept {
    const fn is_on(&self) -> bool {
        self.secret.is_some() || self.passkey
    }

    const fn standing(&self) -> FactorStanding {
        FactorStanding {
            is_on: self.is_on(),
            has_app: self.secret.is_some(),
            asks_passkey: self.passkey,
            recovery_codes: self.recovery.len(),
            short_password: self.short_password,
        }
    }
}

fn record(user: &str, kept: &Kept) -> Result<IdentityRecord, FactorError> {
    Ok(IdentityRecord {
        kind: RecordKind::SecondFactor,
        id: user.to_owned(),
        owner: user.to_owned(),
        value: serde_json::to_string(kept).map_err(corrupt)?,
        kept_until: None,
    })
}

fn associated(user: &str) -> Vec<u8> {
    format!("haechi second factor\n{user}").into_bytes()
}

fn corrupt(fault: impl std::fmt::Display) -> FactorError {
    StoreError::Corrupt(format!("the record of a second factor: {fault}")).into()
}

fn too_many() -> FactorError {
    StoreError::Unavailable("too many change one second factor at once".to_owned()).into()
}

/// Codes to show, and what is kept of them.
fn recovery_codes(user: &str) -> Result<(Vec<Secret<String>>, Vec<String>), FactorError> {
    let mut codes = Vec::with_capacity(RECOVERY_CODES);
    let mut hashes = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let bytes: Secret<[u8; RECOVERY_BYTES]> = Secret::new(random::bytes()?);
        let text = base32(bytes.expose()).to_lowercase();
        let groups: Vec<String> =
            text.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
        hashes.extend(recovery_hash(user, &text));
        codes.push(Secret::new(groups.join("-")));
    }
    Ok((codes, hashes))
}

/// What is kept of a recovery code; `None` for what cannot be one. People write them with spaces and capitals.
fn recovery_hash(user: &str, code: &str) -> Option<String> {
    let text: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let text = text.to_ascii_lowercase();
    let fits = text.len() == RECOVERY_BYTES * 8 / 5 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let whole = Secret::new(format!("haechi recovery code\n{user}\n{text}"));
    let hash = random::sha256(whole.expose().as_bytes());
    fits.then(|| random::hex(&hash))
}

#[cfg(test)]
mod tests;
