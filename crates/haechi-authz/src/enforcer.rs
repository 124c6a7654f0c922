//! The enforcer (policy enforcement point), default deny: the only one who makes a [`Permitted`].

use crate::{
    Decision, DecisionPoint, Denial, DenyReason, Engine, External, Facts, HeaderChanges, Memo, PointAnswer,
    RouteIndex, Unavailable, Verdict,
};
use haechi_core::id::DecisionId;
use haechi_core::{Caller, RequestHead};
use std::sync::Arc;

/// Decides for every route. Immutable; a new configuration brings a new one.
#[derive(Debug)]
pub struct Enforcer {
    engine: Engine,
    shadow: Option<Engine>,
    /// By route: who is asked besides.
    points: Vec<Vec<Arc<dyn DecisionPoint>>>,
    generation: u64,
    /// Whether these are all the policies that there are.
    is_whole: bool,
}

/// What an [`Enforcer`] is made of.
#[derive(Debug)]
pub struct EnforcerParts {
    /// The policies in force.
    pub engine: Engine,
    /// The policies that are evaluated beside them and never enforced.
    pub shadow: Option<Engine>,
    /// The decision points that rules name.
    pub points: Vec<Arc<dyn DecisionPoint>>,
    /// The configuration's generation.
    pub generation: u64,
}

/// A rule names a decision point that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route `{route}` asks the decision point `{point}`, which is not there")]
pub struct NoSuchPoint {
    /// The route.
    pub route: Arc<str>,
    /// The decision point.
    pub point: Arc<str>,
}

/// A request that may go on. It owns the request head, its fields are private, and only [`Enforcer::enforce`] makes one.
#[derive(Debug)]
pub struct Permitted {
    head: Box<RequestHead>,
    caller: Arc<Caller>,
    decision: Decision,
    changes: HeaderChanges,
}

/// A request that may not. Its head is gone: there is nothing left to forward.
#[derive(Debug)]
pub enum Refused {
    /// It was decided, and the answer is no: why, and how the client is told.
    Denied(Decision, DenyReason, Denial),
    /// It could not be decided.
    Undecided(Decision, Unavailable),
    /// Not all policies are known, so that nothing was decided.
    Unknown(Decision),
}

/// Why nothing is decided by an [`Enforcer::incomplete`] enforcer.
pub const POLICIES_UNKNOWN: &str = "the policies of the store are not known yet";

impl Enforcer {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`NoSuchPoint`] where a rule names a decision point that is not among the parts.
    pub fn new(parts: EnforcerParts) -> Result<Self, NoSuchPoint> {
        let named = |route: &Arc<str>, name: &Arc<str>| {
            let point = parts.points.iter().find(|point| point.name() == name).cloned();
            point.ok_or_else(|| NoSuchPoint { route: route.clone(), point: name.clone() })
        };
        let routes = &parts.engine.compiled().vocabulary().routes;
        let points = routes
            .iter()
            .map(|route| route.rule.external().map(|name| named(&route.name, name)).collect())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            engine: parts.engine,
            shadow: parts.shadow.map(Engine::as_shadow),
            points,
            generation: parts.generation,
            is_whole: true,
        })
    }

    /// The same, which knows that there may be more policies: it decides nothing but what no policy is about.
    #[must_use]
    pub fn incomplete(self) -> Self {
        Self { is_whole: false, ..self }
    }

    /// The engine that decides.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine whose verdicts are compared with those in force.
    pub const fn shadow(&self) -> Option<&Engine> {
        self.shadow.as_ref()
    }

    /// Judges one request on the route with this index. A route that is not known is denied.
    ///
    /// The policies come first; a decision point is asked only where they allow.
    ///
    /// # Errors
    /// [`Refused`] when the policies or a decision point say no, a decision point cannot tell, or not all policies are known.
    pub async fn enforce(
        &self,
        head: Box<RequestHead>,
        route: RouteIndex,
        caller: Arc<Caller>,
        id: DecisionId,
        memo: &Memo,
    ) -> Result<Permitted, Refused> {
        let facts = Facts { head: &head, route, caller: &caller };
        let mut decision = self.decide(&facts, id, memo);
        if !self.is_whole && !self.is_built_in(route) {
            return Err(Refused::Unknown(decision));
        }
        let (mut changes, mut denial) = (HeaderChanges::NONE, Denial::default());
        if decision.verdict.is_allowed() {
            for point in self.points.get(route.get()).into_iter().flatten() {
                let (answer, cached) = match ask(&**point, &facts, memo).await {
                    Ok(answered) => answered,
                    Err(unavailable) => return Err(Refused::Undecided(decision, unavailable)),
                };
                let allowed = answer.is_allow();
                decision.external = Some(External { name: point.name().clone(), allowed, cached });
                match answer {
                    PointAnswer::Allow(more) => {
                        if let Some(unusable) = self.changes_what_policies_read(point.name(), &more) {
                            return Err(Refused::Undecided(decision, unusable));
                        }
                        changes.then(more);
                    }
                    PointAnswer::Deny(said) => {
                        denial = said;
                        break;
                    }
                }
            }
        }
        match decision.reason() {
            None => Ok(Permitted { head, caller, decision, changes }),
            Some(reason) => Err(Refused::Denied(decision, reason, denial)),
        }
    }

    fn is_built_in(&self, route: RouteIndex) -> bool {
        let facts = self.engine.compiled().vocabulary().route(route);
        facts.is_some_and(|facts| facts.rule.is_built_in())
    }

    /// The backend would see another value than the one that policies decided about: such an answer is none.
    fn changes_what_policies_read(&self, point: &Arc<str>, changes: &HeaderChanges) -> Option<Unavailable> {
        let read = &self.engine.compiled().vocabulary().headers;
        let header = changes.touches(read.values().map(|field| &**field))?;
        let reason = format!("its answer changes the header `{header}`, which policies read");
        Some(Unavailable { name: point.clone(), reason })
    }

    /// What the policies say, without asking anybody else.
    pub fn decide(&self, facts: &Facts<'_>, id: DecisionId, memo: &Memo) -> Decision {
        let verdict = self.engine.decide(facts, memo);
        let differs = |shadow: &Arc<Verdict>| shadow.is_allowed() != verdict.is_allowed();
        let shadow = self.shadow.as_ref().map(|shadow| shadow.decide(facts, memo)).filter(differs);
        Decision { id, generation: self.generation, verdict, shadow, external: None }
    }
}

/// What the decision point says, and whether that is an answer that was kept.
async fn ask(
    point: &dyn DecisionPoint,
    facts: &Facts<'_>,
    memo: &Memo,
) -> Result<(PointAnswer, bool), Unavailable> {
    let question = point.question(facts)?;
    let mut key = point.name().as_bytes().to_vec();
    key.push(0);
    key.extend(&question);
    let now = facts.head.received;
    if let Some(answer) = memo.answer(&key, now) {
        return Ok((answer, true));
    }
    let answer = point.ask(question).await?;
    let keeps = point.keeps();
    let lifetime = if answer.is_allow() { keeps.allow } else { keeps.deny };
    if !lifetime.is_zero() {
        memo.keep_answer(&key, answer.clone(), now.plus(lifetime));
    }
    Ok((answer, false))
}

impl Permitted {
    /// The head, as it was judged.
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// Who is calling.
    pub const fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// The decision that let it through.
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What the decision points that were asked change about what the backend receives.
    pub const fn header_changes(&self) -> &HeaderChanges {
        &self.changes
    }
}

#[cfg(test)]
mod tests;
