//! `/api/v1/signing-keys`: the keys that tokens are signed with.

use crate::answer::{Done, Made, Page, Shown};
use crate::call::{Asked, Json, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::shape::shape;
use haechi_authn::identity::sealed_with;
use haechi_core::Timestamp;
use haechi_core::ports::SigningKeyRecord;
use std::time::Duration;

/// No key is published for longer before it signs, in seconds: 10 years.
const LONGEST_LEAD: u32 = 3650 * 86_400;

shape! {
    /// Which key.
    pub(crate) SigningKeyPath {
        /// Its id (`kid`).
        required kid: String,
    }

    /// When the next key signs.
    pub(crate) SigningKeyRotation {
        /// After how long, in seconds, at least 30; an hour where this is left out.
        optional lead: Option<u32>,
    }

    /// How many keys were sealed anew.
    pub(crate) Resealed {
        /// So many.
        required resealed: usize,
    }

    /// A signing key: nothing of its private half.
    pub(crate) SigningKeyView {
        /// Its id.
        required kid: String,
        /// What it signs with.
        required algorithm: String,
        /// `next`, `signs`, `published` (it signs no more), or `withdrawn`.
        required state: String,
        /// Signs from this time on.
        required active_from: String,
        /// Signs no more from this time on.
        required retired_at: Option<String>,
        /// Published until then.
        required published_until: Option<String>,
        /// What it is sealed with.
        required seal: Option<String>,
    }
}

impl SigningKeyView {
    fn of(record: &SigningKeyRecord, now: Timestamp) -> Self {
        let shown = |at: Timestamp| at.rfc3339().to_string();
        let state = match record {
            SigningKeyRecord { published_until: Some(until), .. } if *until <= now => "withdrawn",
            SigningKeyRecord { retired_at: Some(at), .. } if *at <= now => "published",
            SigningKeyRecord { active_from, .. } if *active_from > now => "next",
            _ => "signs",
        };
        Self {
            kid: record.id.clone(),
            algorithm: record.algorithm.clone(),
            state: state.to_owned(),
            active_from: shown(record.active_from),
            retired_at: record.retired_at.map(shown),
            published_until: record.published_until.map(shown),
            seal: sealed_with(record),
        }
    }
}

pub(super) async fn list(
    reader: Reader,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Page<SigningKeyView>, AdminError> {
    let (records, now) = (reader.stores()?.signing_keys.list().await?, reader.now());
    Ok(Page { items: records.iter().map(|record| SigningKeyView::of(record, now)).collect(), next: None })
}

pub(super) async fn rotate(
    change: Change,
    asked: Asked<Nothing, Nothing, Json<SigningKeyRotation>>,
) -> Result<Made<SigningKeyView>, AdminError> {
    let keys = change.signing_keys()?;
    let lead = match asked.body.0.lead {
        None => change.look.rules()?.published_ahead,
        Some(seconds) if seconds <= LONGEST_LEAD => Duration::from_secs(seconds.into()),
        Some(_) => return Err(AdminError::Invalid("`lead` is at most 10 years, in seconds".to_owned())),
    };
    let next = keys.rotate(lead).await?;
    Ok(Made(SigningKeyView::of(&next, change.look.now())))
}

pub(super) async fn retire(
    change: Change,
    asked: Asked<SigningKeyPath, Nothing, Nothing>,
) -> Result<Done, AdminError> {
    change.target(format!("signing key {}", asked.path.kid)).await;
    change.signing_keys()?.retire(&asked.path.kid).await?;
    Ok(Done)
}

pub(super) async fn reseal(
    change: Change,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Shown<Resealed>, AdminError> {
    change.target("all signing keys".to_owned()).await;
    // Also where all are sealed so already: that somebody asked for it is worth a line.
    change.record().await?;
    let resealed = change.signing_keys()?.reseal().await?;
    Ok(Shown(Resealed { resealed }))
}
