//! What the calls know of the gate, and of the store: ports that the binary implements.

pub use crate::refused::Refused;

use crate::archive::Archive;
use crate::decisions::Decisions;
use crate::inspection::Inspection;
use crate::policies::PolicyControl;
use crate::shape::shape;
use crate::topology::Topology;
use axum::http::HeaderMap;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::hashing::PasswordPool;
use haechi_authn::identity::{Keyring, SigningKeyAccounts};
use haechi_core::metrics::Source;
use haechi_core::ports::{
    ApiKeys, Approvals, AuditActor, AuditTrail, BoxFuture, Clients, IdentityRecords, Policies, Revocations,
    Sessions, SigningKeys, Users, WebSessions,
};
use haechi_core::{Clock, RoleTable};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

shape! {
    /// A part of the gate that can be ready or not.
    pub Component {
        /// Its name, such as `store` or `authenticator corp`.
        required name: String,
        /// Why it is not ready; left out when it is.
        optional reason: Option<String>,
        /// What an operator should know although it is ready.
        optional notes: Vec<String>,
    }

    /// What a configuration holds.
    pub InForce {
        /// Grows with every configuration that comes into force.
        required generation: u64,
        /// How many routes it declares.
        required routes: usize,
        /// How many services.
        required services: usize,
        /// How many authenticators.
        required authenticators: usize,
    }
}

/// Port: how the parts of the gate are.
pub trait Health: Send + Sync {
    /// Every part that requests depend on.
    fn components(&self) -> BoxFuture<'_, Vec<Component>>;
}

/// Port: who may change what the gate does, and who may look.
pub trait Operators: Send + Sync {
    /// Who calls, if they may do what they wish.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    fn admit(&self, shown: Shown, wish: Wish) -> BoxFuture<'_, Result<AuditActor, NotAdmitted>>;
}

/// What a caller shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The header fields, in which credentials stand.
    pub fields: HeaderMap,
    /// What stands in the request's path, as it was sent.
    pub path: String,
    /// Who is at the other end.
    pub peer: Peer,
}

/// Who is at the other end of a connection, as the system knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody at this address.
    Address(SocketAddr),
    /// A process of this machine, over the Unix socket. Its file says who may open it, and whoever may is an administrator.
    Process {
        /// The account that opened it.
        uid: u32,
        /// The process, where the system knows it.
        pid: Option<u32>,
    },
}

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The operation's name, such as `add_user`.
    pub operation: &'static str,
    /// What it needs.
    pub needs: Needs,
}

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: a probe.
    Nothing,
    /// To see: `haechi-admin` or `haechi-auditor`.
    Read,
    /// To change: `haechi-admin`.
    Change,
}

/// Why a caller may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// Nobody can: nothing is configured that could vouch for the role.
    NoIdentity,
    /// No credential was shown. What invites to each way in but the bearer token, as `WWW-Authenticate` has it.
    Absent(Vec<String>),
    /// The credential does not hold. The same invitations.
    Invalid(Vec<String>),
    /// It was shown in a way that could be read as two.
    Ambiguous,
    /// It does, and its bearer may not.
    Forbidden(Box<AuditActor>),
    /// Whether it holds could not be found out.
    Unavailable,
}

/// Port: the configuration of the gate.
pub trait Configuration: Send + Sync {
    /// Reads it again and puts it into force, whole or not at all, because `by` said so.
    fn reload(&self, by: Option<AuditActor>) -> BoxFuture<'_, Result<InForce, Refused>>;

    /// Says what a reload of `yaml` would find wrong; nothing changes.
    fn validate(&self, yaml: String) -> BoxFuture<'_, Result<InForce, Refused>>;

    /// `yaml` as it may be shown, with secrets starred, where it could take the place of the configuration of this generation; nothing changes.
    fn prepare(&self, yaml: String, generation: u64) -> BoxFuture<'_, Result<String, NotApplied>>;

    /// Writes `yaml` into the configuration's file and puts it into force, because `by` said so; or leaves both as they were.
    fn apply(
        &self,
        yaml: String,
        generation: u64,
        by: Option<AuditActor>,
    ) -> BoxFuture<'_, Result<InForce, NotApplied>>;
}

/// Why a configuration did not take the place of the one in force.
#[derive(Clone, Debug)]
pub enum NotApplied {
    /// It is at fault.
    Refused(Refused),
    /// Another configuration is in force, or in the file, than whoever wants it has seen.
    Changed,
    /// As things are, it cannot be done.
    Impossible(String),
}

/// Port: users, keys and clients, and what the configuration says of them.
pub trait Directory: Send + Sync {
    /// Where they are kept.
    fn stores(&self) -> &Stores;

    /// What the configuration in force says.
    fn rules(&self) -> Rules;

    /// Where new passwords are hashed.
    ///
    /// # Errors
    /// Why there is no such place.
    fn password_pool(&self) -> Result<Arc<PasswordPool>, String>;

    /// What is done with signing keys, which are kept in `keys`; `None` without an identity provider.
    fn signing_keys(&self, keys: Arc<dyn SigningKeys>) -> Option<SigningKeyAccounts>;

    /// A keyring with nothing loaded; `None` without an identity provider.
    fn keyring(&self) -> Option<Keyring>;
}

/// Where users, keys and clients are kept.
#[derive(Clone)]
pub struct Stores {
    /// Users.
    pub users: Arc<dyn Users>,
    /// Machine clients.
    pub clients: Arc<dyn Clients>,
    /// API keys.
    pub api_keys: Arc<dyn ApiKeys>,
    /// Login sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Browser sessions.
    pub web_sessions: Arc<dyn WebSessions>,
    /// What the embedded identity provider keeps of users.
    pub identity_records: Arc<dyn IdentityRecords>,
    /// What was revoked.
    pub revocations: Arc<dyn Revocations>,
    /// The identity provider's private keys.
    pub signing_keys: Arc<dyn SigningKeys>,
    /// Policies that count beside those of the files.
    pub policies: Arc<dyn Policies>,
    /// Changes that wait for a second person.
    pub approvals: Arc<dyn Approvals>,
}

/// What the configuration says of users, keys and clients.
#[derive(Clone)]
pub struct Rules {
    /// The roles that there are.
    pub roles: Arc<RoleTable>,
    /// The attributes that there are.
    pub declared: Arc<DeclaredAttributes>,
    /// Who vouches for the store's users.
    pub issuer: Arc<str>,
    /// Whether there is an identity provider.
    pub has_identity: bool,
    /// Whether an authenticator accepts keys that were made elsewhere.
    pub takes_imported_keys: bool,
    /// No access token is valid for longer.
    pub longest_token: Duration,
    /// How long a signing key is published before it signs, unless said otherwise.
    pub published_ahead: Duration,
    /// How long a change waits for a second person; `None` where one is enough.
    pub second_person: Option<Duration>,
}

/// What only a running gate knows.
#[derive(Clone)]
pub struct Running {
    /// How the parts are.
    pub health: Arc<dyn Health>,
    /// The decisions that were made lately.
    pub decisions: Arc<dyn Decisions>,
    /// The configuration.
    pub configuration: Arc<dyn Configuration>,
    /// Routes, services and endpoints.
    pub topology: Arc<dyn Topology>,
    /// What the configuration lets through, and what it stands on.
    pub inspection: Arc<dyn Inspection>,
    /// The policies in force, and those that might be.
    pub policies: Arc<dyn PolicyControl>,
    /// The audit trail; `None` where none is kept.
    pub archive: Option<Arc<dyn Archive>>,
    /// What `/metrics` shows.
    pub metrics: Arc<[Box<dyn Source>]>,
}

/// What the calls share.
#[derive(Clone)]
pub struct Context {
    /// `None` where no gate runs: a command works on the store itself.
    pub running: Option<Running>,
    /// `None` where no store is configured.
    pub directory: Option<Arc<dyn Directory>>,
    /// Where everything is written that changes something.
    pub trail: Arc<dyn AuditTrail>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The OpenAPI document.
    pub document: Arc<serde_json::Value>,
}
