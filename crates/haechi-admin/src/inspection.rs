//! What can be known of a configuration and of what it lets through, without changing anything: ports that the binary implements with the code of its commands.

pub use crate::shape::SecretText;

use crate::refused::Refused;
use crate::shape::shape;
use haechi_core::AttributeValue;
use haechi_core::ports::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;

/// Port: the configuration in force, those before, and what they let through.
pub trait Inspection: Send + Sync {
    /// The configuration in force.
    fn in_force(&self) -> ConfigView;

    /// The configurations that were in force, newest first.
    fn history(&self, page: HistoryQuery) -> Inspected<'_, (Vec<HistoryView>, Option<String>)>;

    /// The files of a configuration that was in force, by its hash.
    fn kept(&self, sha256: String) -> Inspected<'_, KeptView>;

    /// Which access a candidate would add and remove.
    fn diff(&self, yaml: String) -> Inspected<'_, Value>;

    /// What a candidate would make of the decisions that were recorded lately.
    fn replay(&self, yaml: String, asked: ReplayQuery) -> Inspected<'_, Value>;

    /// Whether the properties that a candidate names are true of it.
    fn prove(&self, yaml: String) -> Inspected<'_, Value>;

    /// What becomes of cases under a candidate.
    fn try_cases(&self, wanted: CasesToTry) -> Inspected<'_, Value>;

    /// What becomes of a request, and why.
    fn explain(&self, question: Question) -> Inspected<'_, Value>;

    /// Routes by methods by kinds of callers.
    fn matrix(&self, routes: Vec<String>) -> Inspected<'_, MatrixView>;

    /// One cell of the matrix, with what is proved of it.
    fn cell(&self, wanted: CellQuery) -> Inspected<'_, Value>;

    /// Who may make a request.
    fn who_can(&self, request: WhoCanQuery) -> Inspected<'_, WhoCanView>;

    /// Where keys of issuers come from, and how they are.
    fn issuers(&self) -> Vec<IssuerView>;

    /// The certificates of the configuration in force.
    fn certificates(&self) -> Vec<CertificateView>;
}

/// An answer that may take a while.
pub type Inspected<'a, T> = BoxFuture<'a, Result<T, InspectionError>>;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum InspectionError {
    /// A configuration is at fault.
    Refused(Refused),
    /// What is asked for may not be, and why.
    Invalid(String),
    /// There is no such thing.
    Missing(String),
    /// As things are, it cannot be told.
    Impossible(String),
    /// Others are asking already.
    Busy,
    /// It took too long.
    TooLong,
    /// The store could not be asked.
    Store(String),
    /// Something could not be read.
    Failed(String),
}

shape! {
    /// Who changed something.
    pub ActorView {
        /// Which authenticator established it.
        required authenticator: String,
        /// Who vouches for the subject.
        optional issuer: Option<String>,
        /// The subject.
        optional subject: Option<String>,
        /// The account of this machine, over the socket.
        optional uid: Option<u32>,
        /// From where.
        optional client: Option<String>,
    }

    /// The configuration in force. Secrets are starred.
    pub ConfigView {
        /// Grows with every configuration that comes into force in this process.
        required generation: u64,
        /// SHA-256 of what is shown, and more that decides, as the audit trail keeps it.
        required sha256: String,
        /// Since when it is in force, RFC 3339.
        required since: String,
        /// Why it came into force: `start`, `SIGHUP`, `a file changed` or `the admin API`.
        required because: String,
        /// Who made it come into force, where somebody called.
        optional by: Option<ActorView>,
        /// The main file: a name among `files`.
        required main: String,
        /// Names and contents of the files, those with policies among them.
        required files: BTreeMap<String, String>,
        /// Whether the gate may write another into the main file (`admin.write_config`).
        required writable: bool,
    }

    /// A configuration that was in force.
    pub HistoryView {
        /// When it came into force, RFC 3339.
        required at: String,
        /// Counted from 1 in each process.
        required generation: u64,
        /// By which its files are found.
        required sha256: String,
        /// Why it came into force; left out where the record is older than this.
        optional because: Option<String>,
        /// Who made it come into force, where somebody called this process.
        optional by: Option<ActorView>,
        /// The process, as the audit trail's chains name it.
        optional process: Option<String>,
        /// Whether it is in force now.
        optional current: bool,
    }

    /// Which part of the history.
    pub HistoryQuery {
        /// Where the page begins: what the one before gave as `next`.
        optional cursor: Option<String>,
        /// At most so many, 1 to 200; 50 where it is left out.
        optional limit: Option<usize>,
    }

    /// The files of a configuration that was in force. Secrets are starred.
    pub KeptView {
        /// Its hash.
        required sha256: String,
        /// The main file: a name among `files`.
        required main: String,
        /// Names and contents of the files, those with policies among them.
        required files: BTreeMap<String, String>,
    }

    /// Which recorded decisions are made again.
    pub ReplayQuery {
        /// Those of so many seconds until now; 3600 where it is left out, at most 2678400.
        optional within: Option<u32>,
        /// At most so many, the newest, 1 to 20000; 10000 where it is left out.
        optional limit: Option<usize>,
    }

    /// Cases, and a configuration to try them on.
    pub CasesToTry {
        /// The configuration (YAML); the one in force where it is left out.
        optional config: Option<String>,
        /// The cases (YAML), as `haechi test` reads them.
        required cases: String,
    }

    /// A request that nobody has sent.
    pub Question {
        /// The method.
        required method: String,
        /// The path, with its query where it has one.
        required path: String,
        /// The host; `localhost` where it is left out.
        optional host: Option<String>,
        /// The client's address; 127.0.0.1 where it is left out.
        optional ip: Option<String>,
        /// Header fields.
        optional headers: BTreeMap<String, String>,
        /// Whether it comes over TLS.
        optional secure: bool,
        /// The time that policies see, RFC 3339; now where it is left out.
        optional time: Option<String>,
        /// Who calls; nobody in particular where it is left out.
        optional caller: Option<CallerQuestion>,
    }

    /// Who calls: a credential, a user of the store, or whoever an authenticator says this of. One of the three.
    pub CallerQuestion {
        /// A token, which is verified.
        optional token: Option<SecretText>,
        /// An API key, which is verified.
        optional key: Option<SecretText>,
        /// A user of the store, by name.
        optional user: Option<String>,
        /// Roles.
        optional roles: Vec<String>,
        /// Scopes.
        optional scopes: Vec<String>,
        /// Declared attributes.
        optional attributes: BTreeMap<Box<str>, AttributeValue>,
        /// The authenticator that says so; the route's first where it is left out.
        optional authenticator: Option<String>,
        /// The subject.
        optional subject: Option<String>,
        /// Who vouches for the subject.
        optional issuer: Option<String>,
    }

    /// Which routes.
    pub MatrixQuery {
        /// Only the route of this name.
        optional route: Option<String>,
    }

    /// Who may do what, before any request.
    pub MatrixView {
        /// The configuration that it was made of.
        required file: String,
        /// The kinds of callers, in the order of the cells.
        required columns: Vec<String>,
        /// Routes and methods.
        required rows: Vec<MatrixRow>,
    }

    /// Methods of a route for which the same holds.
    pub MatrixRow {
        /// The route's name.
        required route: String,
        /// Whether the gate brings the route itself.
        required built_in: bool,
        /// Its path pattern.
        required pattern: String,
        /// Its hosts; any where there is none.
        required hosts: Vec<String>,
        /// Through which authenticators callers come.
        required authenticators: Vec<String>,
        /// The methods.
        required methods: Vec<String>,
        /// One for each column.
        required cells: Vec<MatrixCell>,
    }

    /// What one kind of caller may do.
    pub MatrixCell {
        /// `allow`, `deny` or `depends`.
        required outcome: String,
        /// On which condition, or why not.
        optional note: Option<String>,
    }

    /// A cell of the matrix.
    pub CellQuery {
        /// The route's name.
        required route: String,
        /// The method.
        required method: String,
        /// The kind of caller, as the matrix calls it: `anonymous`, `no role`, or a role.
        required caller: String,
    }

    /// A request, as far as it matters who makes it.
    pub WhoCanQuery {
        /// The method.
        required method: String,
        /// The path.
        required path: String,
        /// The host; `localhost` where it is left out.
        optional host: Option<String>,
    }

    /// Who may make a request.
    pub WhoCanView {
        /// The method.
        required method: String,
        /// The host.
        required host: String,
        /// The canonical path.
        required path: String,
        /// The route that takes it; left out where none does.
        optional route: Option<String>,
        /// Why nobody gets there, where nobody does.
        optional reason: Option<String>,
        /// Kinds of callers who may, or may on a condition: `anonymous`, `no role`, and roles.
        required roles: Vec<RoleMay>,
        /// Users of the store who may.
        required users: Vec<PrincipalMay>,
        /// API keys of the store that may.
        required keys: Vec<PrincipalMay>,
        /// Machine clients of the store that may.
        required clients: Vec<PrincipalMay>,
        /// What this answer does not know.
        required notes: Vec<String>,
        /// Whether the store holds more than were looked at.
        required truncated: bool,
    }

    /// A kind of caller who may.
    pub RoleMay {
        /// The role; `anonymous` and `no role` are none.
        required role: String,
        /// `allow` or `depends`.
        required outcome: String,
        /// On which condition.
        optional condition: Option<String>,
    }

    /// Somebody who may.
    pub PrincipalMay {
        /// Its id.
        required id: String,
        /// Its name.
        optional name: Option<String>,
        /// Whose key it is.
        optional owner: Option<String>,
        /// Through which authenticator.
        required authenticator: String,
        /// `allow`, or `depends` where it hangs on more than who, what and where.
        required outcome: String,
        /// What of the request it hangs on: facts as policies name them, decision points, the key's addresses.
        optional depends_on: Vec<String>,
    }

    /// The keys that an authenticator verifies with.
    pub IssuerView {
        /// The authenticator.
        required authenticator: String,
        /// Whose keys.
        required issuer: String,
        /// `discovery`, `jwks_url`, `jwks_file`, `pem_file`, or `here`: a shared secret, or this gate's own.
        required source: String,
        /// The address or file.
        optional from: Option<String>,
        /// Whether there are keys that hold.
        required ready: bool,
        /// Why not.
        optional reason: Option<String>,
        /// The keys.
        required keys: Vec<VerifyingKeyView>,
        /// How many keys of the set cannot be used.
        required skipped: usize,
        /// Which and why.
        optional skipped_because: Vec<String>,
        /// How long ago the keys were last confirmed, in seconds.
        optional age_seconds: Option<f64>,
        /// How long ago they were last asked for, in seconds.
        optional last_fetch_seconds_ago: Option<f64>,
        /// Why the last time failed; left out where it did not.
        optional last_error: Option<String>,
        /// How many times the set was fetched.
        required fetched: u64,
        /// How many times it could not be.
        required failed: u64,
    }

    /// A key that verifies tokens.
    pub VerifyingKeyView {
        /// Its id; left out for a key without one.
        optional kid: Option<String>,
        /// The algorithms that it verifies.
        required algorithms: Vec<String>,
    }

    /// A certificate.
    pub CertificateView {
        /// What it is for: `listener`, `client_ca`, `client_crl`, `service_ca`, `service_client`, `decision_point_ca` or `sink_ca`.
        required used_for: String,
        /// Which listeners show it, by address.
        optional listeners: Vec<String>,
        /// The file.
        required file: String,
        /// Whom it is about.
        required subject: String,
        /// The names that it holds for.
        required names: Vec<String>,
        /// Who signed it.
        required issuer: String,
        /// The first instant at which it holds, RFC 3339.
        required not_before: String,
        /// The last instant at which it holds.
        required not_after: String,
        /// Whole days until then; negative once it has passed.
        required days_left: i64,
    }
}
