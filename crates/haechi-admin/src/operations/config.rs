//! `/api/v1/config`: the configuration in force and those before, and another one, checked, compared or put into force.

use crate::answer::{Page, Shown, limit};
use crate::call::{Asked, Nothing, Text};
use crate::change::{Change, Reader};
use crate::context::InForce;
use crate::error::AdminError;
use crate::inspection::{ConfigView, HistoryQuery, HistoryView, KeptView};
use crate::shape::shape;
use serde_json::Value;

shape! {
    /// Which configuration.
    pub(crate) KeptPath {
        /// Its hash: 64 hex digits.
        required sha256: String,
    }

    /// What a configuration that holds would bring.
    pub(crate) Valid {
        /// `true`.
        required valid: bool,
        /// How many routes it declares.
        required routes: usize,
        /// How many services.
        required services: usize,
        /// How many authenticators.
        required authenticators: usize,
    }
}

/// Which configuration.
pub(super) async fn show(
    reader: Reader,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Shown<ConfigView>, AdminError> {
    Ok(Shown(reader.running()?.inspection.in_force()))
}

/// Those that were in force.
pub(super) async fn history(
    reader: Reader,
    asked: Asked<Nothing, HistoryQuery, Nothing>,
) -> Result<Page<HistoryView>, AdminError> {
    let limit = limit(asked.query.limit)?;
    let query = HistoryQuery { limit: Some(limit), ..asked.query };
    let (items, next) = reader.running()?.inspection.history(query).await?;
    Ok(Page { items, next })
}

/// One of them.
pub(super) async fn kept(
    reader: Reader,
    asked: Asked<KeptPath, Nothing, Nothing>,
) -> Result<Shown<KeptView>, AdminError> {
    Ok(Shown(reader.running()?.inspection.kept(asked.path.sha256).await?))
}

/// Which access the body would add and remove.
pub(super) async fn diff(
    reader: Reader,
    asked: Asked<Nothing, Nothing, Text>,
) -> Result<Shown<Value>, AdminError> {
    Ok(Shown(reader.running()?.inspection.diff(asked.body.0).await?))
}

/// Reads the file again, as SIGHUP does.
pub(super) async fn reload(
    change: Change,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Shown<InForce>, AdminError> {
    let configuration = change.look.running()?.configuration.clone();
    change.record().await?;
    configuration.reload(change.actor().await).await.map(Shown).map_err(AdminError::Refused)
}

/// Says what a reload of the body would find wrong; nothing changes.
pub(super) async fn validate(
    reader: Reader,
    asked: Asked<Nothing, Nothing, Text>,
) -> Result<Shown<Valid>, AdminError> {
    let checked = reader.running()?.configuration.validate(asked.body.0).await;
    let InForce { routes, services, authenticators, .. } = checked.map_err(AdminError::Refused)?;
    Ok(Shown(Valid { valid: true, routes, services, authenticators }))
}
