//! Who may pass after a change that could not before, and who no longer may.

mod notes;

use super::analysis::{ExampleOutcome, Loaded, explain_command, lines};
use haechi_authz::RouteIndex;
use haechi_authz::analysis::{Change, Example, Finding, Relation, RouteDiff, Solver, compare};
use haechi_core::CanonicalPath;
use http::Method;
use serde::Serialize;
use std::sync::Arc;

/// All that changed.
#[derive(Debug, Serialize)]
pub(crate) struct DiffReport {
    pub(crate) routes: Vec<RouteChange>,
    /// How often the solver was asked.
    pub(crate) questions: usize,
    /// How long it thought.
    pub(crate) solver_ms: u64,
}

/// What changed about one route.
#[derive(Debug, Serialize)]
pub(crate) struct RouteChange {
    pub(crate) route: Arc<str>,
    pub(crate) change: Kind,
    /// How those who pass now stand to those who passed before; for routes that are on both sides and take the same paths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) relation: Option<Relation>,
    /// Somebody who passes now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gained: Option<ConfirmedExample>,
    /// Somebody who passed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<ConfirmedExample>,
    /// What could not be decided.
    pub(crate) undecided: Vec<String>,
    /// What else changed: how callers are authenticated, what the route takes.
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Added,
    Removed,
    Moved,
    Kept,
}

/// An example that both gates confirmed.
#[derive(Debug, Serialize)]
pub(crate) struct ConfirmedExample {
    #[serde(flatten)]
    pub(crate) example: Box<Example>,
    /// What the old configuration makes of it.
    pub(crate) before: String,
    /// What the new one makes of it.
    pub(crate) now: String,
    /// The command that explains it, on the side that allows it.
    pub(crate) explain: String,
    #[serde(skip)]
    pub(crate) lines: Vec<String>,
}

/// Compares two configurations. What is found is led along the real path on both sides.
pub(crate) async fn ask(old: &Loaded, new: &Loaded, solver: &mut Solver) -> DiffReport {
    let old_takes = |route: RouteIndex, method: &Method, host: &str, path: &CanonicalPath| {
        old.takes(route, method, host, path)
    };
    let new_takes = |route: RouteIndex, method: &Method, host: &str, path: &CanonicalPath| {
        new.takes(route, method, host, path)
    };
    let (before, after) = (old.side(&old_takes), new.side(&new_takes));
    let changes = compare(&before, &after, solver).await;
    let mut routes = Vec::with_capacity(changes.len());
    for change in changes {
        routes.push(BothConfigurations { old, new }.told(change).await);
    }
    let (questions, took) = solver.spent();
    DiffReport { routes, questions, solver_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }
}

struct BothConfigurations<'a> {
    old: &'a Loaded,
    new: &'a Loaded,
}

impl BothConfigurations<'_> {
    async fn told(&self, RouteDiff { name, change }: RouteDiff) -> RouteChange {
        let kind = match change {
            Change::Added(_) => Kind::Added,
            Change::Removed(_) => Kind::Removed,
            Change::Moved(..) => Kind::Moved,
            Change::Kept { .. } => Kind::Kept,
        };
        let notes = notes::notes(&self.old.config, &self.new.config, &name);
        let logins = self.logins(&name);
        let (gained, lost) = (None, None);
        let mut told = RouteChange {
            route: name,
            change: kind,
            relation: None,
            gained,
            lost,
            undecided: Vec::new(),
            notes,
        };
        match change {
            Change::Added(gained) => told.gained = self.shown(gained, true, kind, &mut told.undecided).await,
            Change::Removed(lost) => told.lost = self.shown(lost, false, kind, &mut told.undecided).await,
            Change::Moved(gained, lost) => {
                told.gained = self.shown(gained, true, kind, &mut told.undecided).await;
                told.lost = self.shown(lost, false, kind, &mut told.undecided).await;
            }
            Change::Kept { relation, gained, lost } => {
                told.gained = self.shown(gained, true, kind, &mut told.undecided).await;
                told.lost = self.shown(lost, false, kind, &mut told.undecided).await;
                let relation = if told.undecided.is_empty() { relation } else { Relation::Undecided };
                told.relation = Some(logins.added_to(relation));
            }
        }
        told
    }

    /// How the logins that do now stand to those that did before.
    fn logins(&self, name: &str) -> Logins {
        let asked = |side: &Loaded| {
            let route = side.config.routes.iter().find(|route| *route.name == *name);
            route.map(|route| route.settings.step_up.clone()).unwrap_or_default()
        };
        let (before, now) = (asked(self.old), asked(self.new));
        Logins { more: !now.is_at_least(&before), fewer: !before.is_at_least(&now) }
    }

    /// The example, once both sides have confirmed it.
    async fn shown(
        &self,
        finding: Finding,
        gained: bool,
        kind: Kind,
        undecided: &mut Vec<String>,
    ) -> Option<ConfirmedExample> {
        let example = match finding {
            Finding::None => return None,
            Finding::Undecided(why) => {
                if !undecided.contains(&why) {
                    undecided.push(why);
                }
                return None;
            }
            Finding::Example(example) => example,
        };
        let (allows, other) = if gained { (self.new, self.old) } else { (self.old, self.new) };
        match confirmed(allows, other, &example, kind).await {
            Err(why) => {
                undecided.push(why);
                None
            }
            Ok((allowed, judged)) => {
                let (before, now) = if gained { (judged, allowed) } else { (allowed, judged) };
                let (explain, lines) =
                    (explain_command(allows, &example, None), lines(allows, &example, None));
                Some(ConfirmedExample { example, before: before.told, now: now.told, explain, lines })
            }
        }
    }
}

/// What the one side, which allows it, and the other make of the example.
async fn confirmed(
    allows: &Loaded,
    other: &Loaded,
    example: &Example,
    kind: Kind,
) -> Result<(ExampleOutcome, ExampleOutcome), String> {
    let allowed = allows.confirm(example, None, true).await?;
    if kind == Kind::Kept && other.judge_by_name(example).await.is_none_or(|judged| judged.allowed) {
        let (method, path) = (&example.method, &example.path);
        return Err(format!("the solver found {method} {path}, but both sides allow it"));
    }
    Ok((allowed, other.judge(example).await))
}

/// Which logins a route takes that it did not take before, and the other way round. Policies know nothing of `step_up`.
struct Logins {
    more: bool,
    fewer: bool,
}

impl Logins {
    /// What becomes of it, where policies alone give this.
    const fn added_to(&self, relation: Relation) -> Relation {
        let wider = self.more || matches!(relation, Relation::Wider | Relation::Incomparable);
        let narrower = self.fewer || matches!(relation, Relation::Narrower | Relation::Incomparable);
        match (relation, wider, narrower) {
            (Relation::Undecided, ..) => Relation::Undecided,
            (_, false, false) => Relation::Same,
            (_, true, false) => Relation::Wider,
            (_, false, true) => Relation::Narrower,
            (_, true, true) => Relation::Incomparable,
        }
    }
}

impl RouteChange {
    /// Whether somebody passes now who did not before.
    pub(crate) const fn is_wider(&self) -> bool {
        self.gained.is_some() || matches!(self.relation, Some(Relation::Wider | Relation::Incomparable))
    }

    /// Whether somebody passed before who does not now.
    pub(crate) const fn is_narrower(&self) -> bool {
        self.lost.is_some() || matches!(self.relation, Some(Relation::Narrower | Relation::Incomparable))
    }

    /// Whether there is nothing to tell.
    pub(crate) fn is_same(&self) -> bool {
        self.relation == Some(Relation::Same) && self.notes.is_empty()
    }
}
