//! Records of decisions, as operators and their tools see them, and the port through which the running gate tells of them.

use crate::shape::{Described, Schemas};
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::ports::BoxFuture;
use haechi_core::{Denial, Outcome, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Port: the decisions that the gate remembers.
pub trait Decisions: Send + Sync {
    /// The decision of this id; `None` when it is not remembered, or never was one.
    fn find(&self, id: DecisionId) -> BoxFuture<'_, Result<Option<DecisionRecord>, CannotTell>>;

    /// The newest ones, newest first.
    fn newest(&self, wanted: WantedDecisions) -> BoxFuture<'_, Result<Vec<DecisionRecord>, CannotTell>>;

    /// For each route and direction the first request on which the shadow policies in force would have decided otherwise.
    fn shadow(&self) -> BoxFuture<'_, Result<Vec<DecisionRecord>, CannotTell>>;

    /// Those that are made from now on; `None` where as many watch already as may.
    fn watch(&self, wanted: WantedDecisions) -> Option<Box<dyn DecisionStream>>;
}

/// Port: decisions as they are made.
pub trait DecisionStream: Send {
    /// The next one; `None` when the gate ends.
    fn next(&mut self) -> BoxFuture<'_, Option<DecisionRecord>>;

    /// How many there was no room for since this was last asked.
    fn missed(&self) -> u64;
}

/// Not every part of the gate has answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotTell;

/// Which decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedDecisions {
    /// Only those made before this one.
    pub before: Option<(Timestamp, DecisionId)>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only on the route of this name.
    pub route: Option<String>,
    /// Only about callers with this subject.
    pub subject: Option<String>,
    /// Only about this request.
    pub request: Option<RequestId>,
    /// Only those that were denied for such a reason.
    pub reason: Option<Denial>,
    /// Only of callers who came with the credential of this id.
    pub credential: Option<String>,
    /// Only of clients at this address.
    pub client: Option<IpAddr>,
    /// At most so many.
    pub limit: usize,
}

/// A decision: what it came to and why, and what it was about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Its id.
    pub id: String,
    /// When the head of the request was complete, RFC 3339.
    pub time: String,
    /// The same in milliseconds, for paging.
    #[serde(skip, default = "unknown")]
    pub received: Timestamp,
    /// The configuration that decided.
    pub generation: u64,
    /// What it came to.
    pub outcome: Outcome,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Any of these roles would have done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any_of_roles: Vec<String>,
    /// All of these scopes were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub all_of_scopes: Vec<String>,
    /// The clauses and policies that decided.
    pub decided_by: Vec<Origin>,
    /// What could not be evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<EvaluationError>,
    /// The facts that the clauses and policies look at, as they were.
    pub read: Vec<Fact>,
    /// What a decision point said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalAnswer>,
    /// What the shadow policies would have said, where that is another outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowVerdict>,
    /// What was asked for.
    pub request: RequestRecord,
    /// Who was calling.
    pub caller: CallerRecord,
    /// Nobody has sent the request, nor shown a credential: somebody asked what would become of it (AuthZEN).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub supposed: bool,
}

const fn unknown() -> Timestamp {
    Timestamp::from_millis(0)
}

/// A clause of a route, or a policy of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// The route itself, which permits whoever meets its clauses.
    Route,
    /// A clause of the route.
    Clause {
        /// Its name in the configuration.
        name: String,
        /// Where it stands.
        #[serde(flatten)]
        place: Option<Place>,
    },
    /// A policy.
    Policy {
        /// Where it begins.
        #[serde(flatten)]
        place: Place,
        /// Its `@id`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, as the configuration names it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// A clause or policy that could not be evaluated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluationError {
    /// Which one.
    pub origin: Origin,
    /// Why.
    pub message: String,
}

/// A fact, by its name in policies; `null` where there was none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// What it was.
    pub value: Value,
}

/// What a decision point said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExternalAnswer {
    /// Its name in the configuration.
    pub name: String,
    /// Whether it said yes.
    pub allowed: bool,
    /// Whether the answer is one that was kept.
    pub cached: bool,
}

/// What the shadow policies come to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShadowVerdict {
    /// What it is.
    pub outcome: Outcome,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The clauses and policies that would have decided.
    pub decided_by: Vec<Origin>,
}

/// What a decision was about, without credentials, cookies, body and query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestRecord {
    /// As answers, logs and backends have it.
    pub id: String,
    /// The method.
    pub method: String,
    /// The host that it named.
    pub host: String,
    /// The canonical path.
    pub path: String,
    /// The route's name.
    pub route: String,
    /// The client's address.
    pub client: String,
    /// Whether it came over TLS.
    pub secure: bool,
    /// The request headers that policies may read and that are no credential, by their names in policies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Who was calling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallerRecord {
    /// The entity type: `User`, `ApiKey` or `Anonymous`.
    pub kind: String,
    /// Unique within the issuer.
    pub subject: String,
    /// Who vouches for the subject.
    pub issuer: String,
    /// The authenticator that established it.
    pub authenticator: String,
    /// Roles held, and all that they include.
    pub roles: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Attributes.
    pub attributes: BTreeMap<String, Value>,
    /// The credential's own id; not a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<String>,
}

impl Described for DecisionRecord {
    fn schema(schemas: &mut Schemas) -> Value {
        schemas.refer("DecisionRecord", |_| {
            json!({
                "type": "object",
                "description": "A decision: what it came to and why, and what it was about.",
                "properties": {
                    "id": { "type": "string" },
                    "time": { "type": "string" },
                    "generation": { "type": "integer", "minimum": 0 },
                    "outcome": { "enum": Outcome::ALL.map(Outcome::name) },
                    "reason": { "type": "string" },
                    "any_of_roles": { "type": "array", "items": { "type": "string" } },
                    "all_of_scopes": { "type": "array", "items": { "type": "string" } },
                    "decided_by": { "type": "array", "items": { "type": "object" } },
                    "errors": { "type": "array", "items": { "type": "object" } },
                    "read": { "type": "array", "items": { "type": "object" } },
                    "external": { "type": "object" },
                    "shadow": { "type": "object" },
                    "request": { "type": "object" },
                    "caller": { "type": "object" },
                    "supposed": { "type": "boolean" },
                },
                "required": ["id", "time", "generation", "outcome", "decided_by", "read", "request", "caller"],
                "additionalProperties": false,
            })
        })
    }
}
