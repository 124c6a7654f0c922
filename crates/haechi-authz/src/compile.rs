//! From the rules of routes and the texts of policy files to policies that were parsed and strictly validated.

mod clauses;
pub(crate) mod depth;
mod messages;
mod names;
mod scope;

pub use scope::{Constraint, Scope};

use crate::expr::Expr;
use crate::{Place, RouteIndex, Source, Vocabulary};
use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use messages::{fault_of, faults_of};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The text of a policy file.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// As the configuration names it.
    pub name: Arc<str>,
    /// What it holds.
    pub text: Arc<str>,
}

/// Something that is wrong with a policy or a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// Which text it is in.
    pub within: CompiledText,
    /// From which byte of that text.
    pub offset: usize,
    /// How many bytes.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// A text that was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompiledText {
    /// The policy file with this index.
    File(usize),
    /// The `when` of the route with this index.
    Condition(RouteIndex),
    /// A condition that belongs to no route; see [`condition`].
    Unbound,
    /// None: the schema itself.
    Schema,
}

/// Everything that decides for one configuration: parsed, and strictly validated against its schema.
#[derive(Debug)]
pub struct Compiled {
    vocabulary: Arc<Vocabulary>,
    checks: Checks,
    clauses: Vec<Vec<ClausePolicy>>,
    policies: Vec<FilePolicy>,
    warnings: Vec<PolicyFault>,
}

/// Validates against the schema. Both are made when something is to be validated: a configuration without policies and conditions needs neither, and
/// they are large.
#[derive(Debug)]
struct Checks {
    vocabulary: Arc<Vocabulary>,
    validator: OnceLock<Validator>,
}

impl Checks {
    fn validator(&self) -> Result<&Validator, PolicyFault> {
        if let Some(made) = self.validator.get() {
            return Ok(made);
        }
        let schema = Schema::from_json_value(crate::schema::json(&self.vocabulary))
            .map_err(|error| fault_of(&error, CompiledText::Schema, 0, usize::MAX))?;
        Ok(self.validator.get_or_init(|| Validator::new(schema)))
    }
}

/// A clause of a route as a Cedar policy: it forbids what does not fulfil it.
#[derive(Clone, Debug)]
pub struct ClausePolicy {
    /// Its place among the rule's clauses.
    pub index: usize,
    /// What must hold.
    pub holds: Expr,
}

/// A policy of a file.
#[derive(Clone, Debug)]
pub struct FilePolicy {
    /// Where it was written.
    pub source: Source,
    /// Permit or forbid.
    pub effect: Effect,
    /// As it was written.
    pub policy: Policy,
    /// Whom and what it is about.
    pub scope: Scope,
    /// Its conditions as one expression; `true` without any.
    pub condition: Expr,
}

/// Compiles the rules in `vocabulary` and the policies in `files`.
///
/// # Errors
/// Everything that is wrong, in the order of the texts.
pub fn compile(vocabulary: Arc<Vocabulary>, files: &[PolicyFile]) -> Result<Compiled, Vec<PolicyFault>> {
    depth::with_room(|| compile_all(vocabulary, files)).unwrap_or_else(|| {
        let message = "there is no thread to read the policies on".into();
        Err(vec![PolicyFault { within: CompiledText::Schema, offset: 0, length: 0, message, help: None }])
    })
}

fn compile_all(vocabulary: Arc<Vocabulary>, files: &[PolicyFile]) -> Result<Compiled, Vec<PolicyFault>> {
    let checks = Checks { vocabulary: vocabulary.clone(), validator: OnceLock::new() };
    let mut told = Diagnostics::default();
    let mut policies = Vec::new();
    for (index, file) in files.iter().enumerate() {
        parse_file(&vocabulary, index, file, &mut policies, &mut told.faults);
    }
    if !policies.is_empty() {
        validate(checks.validator().map_err(|fault| vec![fault])?, &policies, files, &mut told);
    }
    let clauses = vocabulary
        .indexed_routes()
        .map(|(route, _)| clauses::of_route(&vocabulary, &checks, route, &mut told))
        .collect();
    let Diagnostics { faults, odd: warnings } = told.sorted();
    if faults.is_empty() {
        let policies = policies.into_iter().map(|parsed| parsed.policy).collect();
        return Ok(Compiled { vocabulary, checks, clauses, policies, warnings });
    }
    Err(faults)
}

/// What is wrong, and what is odd but holds.
#[derive(Default)]
struct Diagnostics {
    faults: Vec<PolicyFault>,
    odd: Vec<PolicyFault>,
}

impl Diagnostics {
    fn sorted(mut self) -> Self {
        for list in [&mut self.faults, &mut self.odd] {
            list.sort_by_key(|fault| (fault.within.order(), fault.offset));
            // Cedar says the same once for each kind of principal.
            list.dedup();
        }
        self
    }
}

/// Compiles a condition that belongs to no route, as the `when` of a route is compiled: what it reads without testing that it is there makes
/// it false where it is missing.
///
/// # Errors
/// Everything that is wrong, within [`Within::Unbound`].
pub fn condition(compiled: &Compiled, text: &str) -> Result<Expr, Vec<PolicyFault>> {
    let mut told = Diagnostics::default();
    let validator = compiled.checks.validator().map_err(|fault| vec![fault])?;
    let place = clauses::ClausePlace { within: CompiledText::Unbound, route: None };
    match clauses::condition(&compiled.vocabulary, validator, place, text, &mut told) {
        Some(expr) if told.faults.is_empty() => Ok(expr),
        _ => Err(told.faults),
    }
}

impl Compiled {
    /// The nouns that it was compiled with.
    pub const fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }

    /// The clauses of a route that are decided here, in order.
    pub fn clauses(&self, route: RouteIndex) -> &[ClausePolicy] {
        self.clauses.get(route.get()).map_or(&[], Vec::as_slice)
    }

    /// What holds but is hardly what was meant, in the order of the texts.
    pub fn warnings(&self) -> &[PolicyFault] {
        &self.warnings
    }

    /// Whether some policy of the files could permit a request on the route with this index.
    pub fn may_permit(&self, route: RouteIndex) -> bool {
        let Some(facts) = self.vocabulary.route(route) else { return false };
        let permits = |policy: &&FilePolicy| policy.effect == Effect::Permit;
        self.policies.iter().filter(permits).any(|policy| policy.scope.is_about(facts))
    }

    /// The policies of the files, in order.
    pub fn policies(&self) -> &[FilePolicy] {
        &self.policies
    }
}

/// A policy that was read, with what is needed to point at it.
struct Parsed {
    file: usize,
    start: usize,
    end: usize,
    sound: bool,
    policy: FilePolicy,
}

fn parse_file(
    vocabulary: &Vocabulary,
    index: usize,
    file: &PolicyFile,
    policies: &mut Vec<Parsed>,
    faults: &mut Vec<PolicyFault>,
) {
    let within = CompiledText::File(index);
    if let Err(fault) = depth::check(&file.text, within) {
        return faults.push(fault);
    }
    let set: PolicySet = match file.text.parse() {
        Ok(set) => set,
        Err(errors) => return faults.extend(faults_of(&errors, within, 0, file.text.len())),
    };
    for template in set.templates() {
        let (offset, length) = span(template.as_ref().loc());
        faults.push(PolicyFault {
            within,
            offset,
            length: length.min(1),
            message: "a template is not a policy: nothing would link it".into(),
            help: Some("write the entity in place of `?principal` or `?resource`".into()),
        });
    }
    let mut found: Vec<&Policy> = set.policies().collect();
    found.sort_by_key(|policy| span(policy.as_ref().loc()).0);
    for policy in found {
        let (start, length) = span(policy.as_ref().loc());
        let end = start.saturating_add(length).min(file.text.len());
        let number = policies.len();
        match read_policy(file, start, number, policy) {
            Ok(read) => {
                let body = file.text.get(start..end).unwrap_or_default();
                let before = faults.len();
                names::check(vocabulary, None, &read.whole(), body, |offset, length, message, help| {
                    faults.push(PolicyFault { within, offset: start + offset, length, message, help });
                });
                let sound = faults.len() == before;
                policies.push(Parsed { file: index, start, end, sound, policy: read });
            }
            Err(message) => {
                faults.push(PolicyFault { within, offset: start, length: 1, message, help: None });
            }
        }
    }
}

fn span(loc: Option<&cedar_policy_core::parser::Loc>) -> (usize, usize) {
    loc.map_or((0, 0), |loc| (loc.start(), loc.end().saturating_sub(loc.start())))
}

fn read_policy(
    file: &PolicyFile,
    start: usize,
    number: usize,
    policy: &Policy,
) -> Result<FilePolicy, String> {
    let json = policy.to_json().map_err(|error| error.to_string())?;
    let scope = Scope::parse(&json).map_err(|error| error.to_string())?;
    let condition = scope::conditions(&json).map_err(|error| error.to_string())?;
    let id = policy.annotation("id").map(Arc::from);
    Ok(FilePolicy {
        source: Source::Policy(Place::of(&file.name, &file.text, start), id),
        effect: policy.effect(),
        policy: policy.new_id(PolicyId::new(format!("p{number}"))),
        scope,
        condition,
    })
}

impl FilePolicy {
    /// Scope and conditions as one expression.
    pub fn whole(&self) -> Expr {
        self.scope.to_expr().and(self.condition.clone())
    }
}

fn validate(validator: &Validator, policies: &[Parsed], files: &[PolicyFile], told: &mut Diagnostics) {
    let sound = policies.iter().filter(|parsed| parsed.sound);
    let Ok(set) = PolicySet::from_policies(sound.clone().map(|parsed| parsed.policy.policy.clone())) else {
        return;
    };
    let result = validator.validate(&set, ValidationMode::Strict);
    let by_id: HashMap<String, &Parsed> =
        sound.map(|parsed| (parsed.policy.policy.id().to_string(), parsed)).collect();
    let parsed = |id: &PolicyId| by_id.get(&id.to_string()).copied();
    let text = |parsed: &Parsed| files.get(parsed.file).map_or("", |file| &*file.text);
    for error in result.validation_errors() {
        if let Some(parsed) = parsed(error.policy_id()) {
            let fault = messages::of_error(error, CompiledText::File(parsed.file), 0, text(parsed));
            told.faults.push(parsed.holding(fault));
        }
    }
    for warning in result.validation_warnings() {
        if let Some(parsed) = parsed(warning.policy_id()) {
            let fault = messages::of_warning(warning, CompiledText::File(parsed.file), 0, text(parsed));
            told.odd.push(parsed.holding(fault));
        }
    }
}

impl Parsed {
    /// What Cedar says of the whole policy is said of its beginning.
    fn holding(&self, fault: PolicyFault) -> PolicyFault {
        PolicyFault { offset: fault.offset.clamp(self.start, self.end), ..fault }
    }
}

impl CompiledText {
    const fn order(self) -> (usize, usize) {
        match self {
            Self::Schema => (0, 0),
            Self::Condition(route) => (1, route.get()),
            Self::Unbound => (2, 0),
            Self::File(index) => (3, index),
        }
    }
}
