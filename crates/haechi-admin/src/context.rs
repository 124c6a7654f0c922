//! What the endpoints know.

use crate::decisions::Decisions;
use haechi_core::metrics::Source;
use haechi_core::ports::BoxFuture;
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
    /// What an operator should know although it is ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Port: how the parts of the gate are.
pub trait Health: Send + Sync {
    /// Every part that requests depend on.
    fn components(&self) -> BoxFuture<'_, Vec<Component>>;
}

/// Port: who may change what the gate does, and who may look.
pub trait Operators: Send + Sync {
    /// Whether the bearer of this token holds a role that allows what the call needs.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    fn admit(&self, token: &str, needs: Needs) -> Result<(), NotAdmitted>;
}

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// To see: `haechi-admin` or `haechi-auditor`.
    Read,
    /// To change: `haechi-admin`.
    Change,
}

/// Why a caller may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// Nobody can: there is no identity provider that could vouch for the role.
    NoIdentity,
    /// The token does not hold.
    Invalid,
    /// It does, and its bearer does not have the role.
    Forbidden,
    /// Whether it holds could not be found out.
    Unavailable,
}

/// Port: the configuration of the gate.
pub trait Configuration: Send + Sync {
    /// Reads it again and puts it into force, whole or not at all.
    fn reload(&self) -> BoxFuture<'_, Result<InForce, Refused>>;

    /// Says what a reload of `yaml` would find wrong; nothing changes.
    fn validate(&self, yaml: String) -> BoxFuture<'_, Result<InForce, Refused>>;
}

/// What a configuration holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// Grows with every configuration that comes into force.
    pub generation: u64,
    /// How many routes it declares.
    pub routes: usize,
    /// How many services.
    pub services: usize,
    /// How many authenticators.
    pub authenticators: usize,
}

/// A configuration that is at fault.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Each fault as an object with `file`, `line`, `column`, `message` and `help`.
    pub faults: serde_json::Value,
    /// The same for people.
    pub report: String,
}

/// What the endpoints share.
#[derive(Clone)]
pub struct Context {
    /// How the parts are.
    pub health: Arc<dyn Health>,
    /// Who may change what the gate does.
    pub operators: Arc<dyn Operators>,
    /// The decisions that were made lately.
    pub decisions: Arc<dyn Decisions>,
    /// The configuration.
    pub configuration: Arc<dyn Configuration>,
    /// What `/metrics` shows.
    pub metrics: Arc<[Box<dyn Source>]>,
}
