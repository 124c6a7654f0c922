//! The solver: the program `cvc5`, asked through Cedar's symbolic compiler.

use super::field::{Field, fields};
use super::model::Model;
use crate::expr::Expr;
use crate::schema::quoted;
use cedar_policy::{
    Authorizer, Decision, Entities, EntityUid, Policy, PolicyId, PolicySet, Request, RequestEnv, Schema,
};
use cedar_policy_symcc::err::Error;
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, Env};
use haechi_core::AttributeType;
use serde_json::json;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::time::{Duration, Instant};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running solver.
pub struct Solver {
    program: OsString,
    running: Option<CedarSymCompiler<LocalSolver>>,
    asked: usize,
    took: Duration,
}

/// The solver's program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start `{program}`: {reason}")]
pub struct NoSolver {
    /// What was to be started.
    pub program: String,
    /// What the system said.
    pub reason: String,
}

impl fmt::Debug for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solver").field("program", &self.program).field("asked", &self.asked).finish()
    }
}

impl Solver {
    /// Starts `program`, `cvc5` or a path to it. Within a runtime of tokio with I/O and time.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn start(program: impl Into<OsString>) -> Result<Self, NoSolver> {
        let program = program.into();
        let name = program.to_string_lossy().into_owned();
        let mut solver = Self { program, running: None, asked: 0, took: Duration::ZERO };
        match solver.running() {
            Ok(_) => Ok(solver),
            Err(reason) => Err(NoSolver { program: name, reason }),
        }
    }

    /// How many questions were asked, and how long all of them took.
    pub const fn spent(&self) -> (usize, Duration) {
        (self.asked, self.took)
    }

    /// Facts for which the question's first condition holds and its second does not; `None` when there are none.
    pub(super) async fn ask(&mut self, question: &Question) -> Result<Option<Model>, String> {
        let began = Instant::now();
        let answer = self.put(question).await;
        (self.asked, self.took) = (self.asked + 1, self.took + began.elapsed());
        match answer {
            Ok(None) => Ok(None),
            Ok(Some(env)) => {
                let context = env.request.context().ok_or("the solver's answer has no context")?;
                Model::read(context, &question.fields).map(Some)
            }
            Err(message) => {
                // What it says next could belong to this question: it is started anew.
                self.running = None;
                Err(message)
            }
        }
    }

    async fn put(&mut self, question: &Question) -> Result<Option<Env>, String> {
        let compile = |policy: &Policy| {
            CompiledPolicy::compile(policy, &question.env, &question.schema).map_err(|error| told(&error))
        };
        let holds = compile(&question.holds)?;
        let not = question.not.as_ref().map(compile).transpose()?;
        let running = self.running()?;
        let answer = async {
            match &not {
                None => running.check_never_matches_with_counterexample_opt(&holds).await,
                Some(not) => running.check_matches_implies_with_counterexample_opt(&holds, not).await,
            }
        };
        match tokio::time::timeout(PATIENCE * 2, answer).await {
            Ok(answer) => answer.map_err(|error| told(&error)),
            Err(_) => Err("the solver does not answer".into()),
        }
    }

    fn running(&mut self) -> Result<&mut CedarSymCompiler<LocalSolver>, String> {
        if self.running.is_none() {
            let mut command = tokio::process::Command::new(&self.program);
            command
                .args(["--lang", "smt", "--strings-exp"])
                .arg(format!("--tlimit-per={}", PATIENCE.as_millis()));
            let local =
                LocalSolver::from_command(command.kill_on_drop(true)).map_err(|error| cause(&error))?;
            self.running = Some(CedarSymCompiler::new(local).map_err(|error| error.to_string())?);
        }
        self.running.as_mut().ok_or_else(|| "the solver is not running".into())
    }
}

fn told(error: &Error) -> String {
    match error {
        Error::SolverUnknown => {
            format!("the solver could not decide it within {} s", PATIENCE.as_secs())
        }
        Error::PolicyNotWellTyped { errs } => {
            let first = errs.first().map(ToString::to_string).unwrap_or_default();
            format!("its analysed form is not well typed: {first}")
        }
        other => other.to_string(),
    }
}

/// What is at the bottom of it.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// Are there facts for which one condition holds and another does not?
pub(super) struct Question {
    schema: Schema,
    env: RequestEnv,
    holds: Policy,
    not: Option<Policy>,
    sets: (PolicySet, PolicySet),
    fields: BTreeSet<Field>,
}

impl Question {
    /// Facts for which `holds` holds and `not` does not, an error being no.
    pub(super) fn new(
        holds: &Expr,
        not: Option<&Expr>,
        declared: impl Fn(&str) -> Option<AttributeType> + Copy,
    ) -> Result<Self, String> {
        let mut looked_at = BTreeSet::new();
        fields(holds, &mut looked_at);
        not.into_iter().for_each(|not| fields(not, &mut looked_at));
        let mut text = String::from(
            "entity P; entity R;\naction \"ask\" appliesTo { principal: [P], resource: [R], context: {\n",
        );
        for field in &looked_at {
            let kind = field.cedar_type(declared).ok_or("it reads an attribute that is not declared")?;
            let mark = if field.optional() { "?" } else { "" };
            text.push_str(&format!("  {}{mark}: {kind},\n", quoted(&field.name())));
        }
        text.push_str("} };\n");
        let (schema, _) = Schema::from_cedarschema_str(&text).map_err(|error| error.to_string())?;
        let env = RequestEnv::new(parsed("P")?, parsed("Action::\"ask\"")?, parsed("R")?);
        let holds = policy(holds)?;
        let not = not.map(policy).transpose()?;
        let set = |policy: Option<&Policy>| {
            PolicySet::from_policies(policy.cloned()).map_err(|error| error.to_string())
        };
        let sets = (set(Some(&holds))?, set(not.as_ref())?);
        Ok(Self { schema, env, holds, not, sets, fields: looked_at })
    }

    /// The facts that it is about.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    /// Whether these facts are an answer, by Cedar's own evaluation.
    pub(super) fn is_answered_by(&self, model: &Model) -> bool {
        let holds = |set: &PolicySet| {
            let uid = |text| parsed::<EntityUid>(text).ok();
            let (principal, action, resource) = (uid("P::\"\"")?, uid("Action::\"ask\"")?, uid("R::\"\"")?);
            let request = Request::new(principal, action, resource, model.context()?, None).ok()?;
            let response = Authorizer::new().is_authorized(&request, set, &Entities::empty());
            Some(response.decision() == Decision::Allow)
        };
        holds(&self.sets.0) == Some(true) && holds(&self.sets.1) == Some(false)
    }
}

fn parsed<T: std::str::FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn policy(condition: &Expr) -> Result<Policy, String> {
    let all = json!({ "op": "All" });
    let json = json!({
        "effect": "permit", "principal": all, "action": all, "resource": all,
        "conditions": [{ "kind": "when", "body": condition.to_json() }],
    });
    Policy::from_json(Some(PolicyId::new("q")), json).map_err(|error| error.to_string())
}
