//! What the endpoints know.

use haechi_core::ports::BoxFuture;
use prometheus_client::registry::Registry;
use serde::Serialize;
use std::sync::Arc;

/// A part of the gate that can be ready or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Its name, such as `store` or `authenticator corp`.
    pub name: String,
    /// Why it is not ready; `None` when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Port: how the parts of the gate are.
pub trait Health: Send + Sync {
    /// Every part that requests depend on.
    fn components(&self) -> BoxFuture<'_, Vec<Component>>;
}

/// What the endpoints share.
#[derive(Clone)]
pub struct Context {
    /// How the parts are.
    pub health: Arc<dyn Health>,
    /// What `/metrics` shows.
    pub registry: Arc<Registry>,
}
