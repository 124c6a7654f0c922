//! What the cases exercise. A route is exercised when a case reaches it; a clause when cases saw it hold and saw it not hold; a policy when
//! cases saw it true, and saw it false or about something else.

use crate::inspect::explain::{ExplainContext, Explanation};
use haechi_authz::{Clause, RuleResult, Source};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that could be exercised.
#[derive(Debug, Serialize)]
pub(super) struct Coverage {
    pub(super) routes: Part,
    pub(super) clauses: Part,
    pub(super) policies: Part,
    #[serde(skip)]
    seen: BTreeMap<CoverageItem, CoverageResult>,
}

/// One sort of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Part {
    pub(super) exercised: usize,
    pub(super) of: usize,
    /// What is not exercised, and what is missing.
    pub(super) missing: Vec<Missing>,
}

/// What no case exercises.
#[derive(Debug, Serialize)]
pub(super) struct Missing {
    pub(super) what: String,
    pub(super) never: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CoverageItem {
    Route(String),
    Clause(String, Source),
    Policy(Source),
}

#[derive(Clone, Copy, Debug, Default)]
struct CoverageResult {
    yes: bool,
    no: bool,
}

impl Coverage {
    pub(super) fn new(gate: ExplainContext<'_>) -> Self {
        let mut seen = BTreeMap::new();
        for route in &gate.config.routes {
            let name = route.name.to_string();
            seen.insert(CoverageItem::Route(name.clone()), CoverageResult::default());
            for clause in route.authorize.clauses() {
                if !matches!(clause, Clause::External(_)) {
                    seen.insert(
                        CoverageItem::Clause(name.clone(), clause.source()),
                        CoverageResult::default(),
                    );
                }
            }
        }
        for policy in gate.dry.plan().enforcer().engine().compiled().policies() {
            seen.insert(CoverageItem::Policy(policy.source.clone()), CoverageResult::default());
        }
        let (routes, clauses, policies) = (Part::default(), Part::default(), Part::default());
        Self { routes, clauses, policies, seen }
    }

    /// Takes note of what one case came to.
    pub(super) fn saw(&mut self, explanation: &Explanation) {
        let Some(route) = &explanation.route else { return };
        self.note(&CoverageItem::Route(route.name.clone()), true);
        for rule in &explanation.rules {
            let thing = match &rule.source {
                Source::Policy(..) => CoverageItem::Policy(rule.source.clone()),
                source => CoverageItem::Clause(route.name.clone(), source.clone()),
            };
            match rule.says {
                RuleResult::True => self.note(&thing, true),
                RuleResult::False | RuleResult::NotApplicable => self.note(&thing, false),
                RuleResult::Error(_) => {}
            }
        }
    }

    fn note(&mut self, thing: &CoverageItem, yes: bool) {
        if let Some(seen) = self.seen.get_mut(thing) {
            seen.yes |= yes;
            seen.no |= !yes;
        }
    }

    /// Counts.
    pub(super) fn finished(mut self) -> Self {
        for (thing, seen) in &self.seen {
            let (part, what, whole) = match thing {
                CoverageItem::Route(name) => (&mut self.routes, format!("the route `{name}`"), seen.yes),
                CoverageItem::Clause(route, source) => {
                    (&mut self.clauses, format!("{source} of the route `{route}`"), seen.yes && seen.no)
                }
                CoverageItem::Policy(source) => (&mut self.policies, source.to_string(), seen.yes && seen.no),
            };
            part.of += 1;
            if whole {
                part.exercised += 1;
                continue;
            }
            let never = match (thing, seen.yes, seen.no) {
                (CoverageItem::Route(_), ..) => "reached",
                (_, false, false) => "asked",
                (_, true, _) => "seen false",
                (_, false, _) => "seen true",
            };
            part.missing.push(Missing { what, never });
        }
        self
    }
}
