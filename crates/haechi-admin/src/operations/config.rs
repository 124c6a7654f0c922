//! `/api/v1/config`: another configuration, checked or put into force. For administrators only.

use crate::answer::Shown;
use crate::call::{Asked, Nothing, Text};
use crate::change::{Change, Reader};
use crate::context::InForce;
use crate::error::AdminError;
use crate::shape::shape;

shape! {
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

/// Reads the file again, as SIGHUP does.
pub(super) async fn reload(
    change: Change,
    _: Asked<Nothing, Nothing, Nothing>,
) -> Result<Shown<InForce>, AdminError> {
    let configuration = change.look.running()?.configuration.clone();
    change.record().await?;
    configuration.reload().await.map(Shown).map_err(AdminError::Refused)
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
