//! The enforcer: the only mint of [`Permitted`].

use crate::{Decision, DenyReason, Outcome, Rule};
use haechi_core::id::DecisionId;
use haechi_core::{Caller, RequestHead};
use std::sync::Arc;

/// Decides for every route. Immutable; a new configuration brings a new one.
#[derive(Debug)]
pub struct Enforcer {
    rules: Vec<Rule>,
    generation: u64,
}

/// A request that may go on. It owns the request head, its fields are private, and only [`Enforcer::enforce`] makes one.
#[derive(Debug)]
pub struct Permitted {
    head: Box<RequestHead>,
    caller: Arc<Caller>,
    decision: Decision,
}

/// A request that may not. Its head is gone: there is nothing left to forward.
#[derive(Debug)]
pub struct Denied {
    /// The decision, with the clause that did not hold.
    pub decision: Decision,
    /// That clause.
    pub reason: DenyReason,
}

impl Enforcer {
    /// One rule per route, in the order of the routes' indices.
    pub const fn new(rules: Vec<Rule>, generation: u64) -> Self {
        Self { rules, generation }
    }

    /// The rule of a route.
    pub fn rule(&self, route: usize) -> Option<&Rule> {
        self.rules.get(route)
    }

    /// Judges one request on the route with this index. A route without a rule is denied.
    ///
    /// The call is asynchronous because a route may also ask a decision point outside the gate.
    ///
    /// # Errors
    /// [`Denied`] when a clause does not hold.
    #[expect(clippy::unused_async, reason = "external decision points answer later; the seam is theirs too")]
    pub async fn enforce(
        &self,
        head: Box<RequestHead>,
        route: usize,
        caller: Arc<Caller>,
        id: DecisionId,
    ) -> Result<Permitted, Denied> {
        let failing = self.rules.get(route).map_or(Some(DenyReason::NoRule), |rule| rule.failing(&caller));
        match failing {
            None => {
                let decision = Decision { id, outcome: Outcome::Allow, generation: self.generation };
                Ok(Permitted { head, caller, decision })
            }
            Some(reason) => {
                let outcome = Outcome::Deny(reason.clone());
                Err(Denied { decision: Decision { id, outcome, generation: self.generation }, reason })
            }
        }
    }
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
}

#[cfg(test)]
mod tests {
    use super::Enforcer;
    use crate::{Clause, DenyReason, Rule};
    use haechi_core::caller::{Claimed, Vouched};
    use haechi_core::id::{DecisionId, RequestId};
    use haechi_core::{Caller, CallerKind, CanonicalPath, Fields, Host, RequestHead, RoleTable, Timestamp};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn head() -> Box<RequestHead> {
        Box::new(RequestHead {
            id: RequestId::from_bits(1),
            received: Timestamp::from_millis(0),
            method: http::Method::GET,
            host: Host::parse(b"a").unwrap(),
            path: CanonicalPath::parse(b"/").unwrap(),
            query: None,
            fields: Fields::default(),
            client: [127, 0, 0, 1].into(),
            peer: ([127, 0, 0, 1], 1).into(),
            secure: false,
        })
    }

    fn caller(roles: &[&str], scopes: &[&str]) -> Arc<Caller> {
        let direct =
            BTreeMap::from([("USER".to_owned(), vec![]), ("ADMIN".to_owned(), vec!["USER".to_owned()])]);
        let claimed = Claimed {
            roles: roles.iter().map(|r| (*r).to_owned()).collect(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            ..Claimed::default()
        };
        let table = RoleTable::new(&direct).unwrap();
        Arc::new(Caller::new(CallerKind::User, &"local".into(), Vouched::BySelf, &table, claimed))
    }

    async fn decide(rule: Rule, caller: Arc<Caller>) -> Option<DenyReason> {
        let enforcer = Enforcer::new(vec![rule], 1);
        enforcer.enforce(head(), 0, caller, DecisionId::from_bits(7)).await.err().map(|denied| denied.reason)
    }

    fn names(list: &[&str]) -> Arc<[Arc<str>]> {
        list.iter().map(|name| Arc::from(*name)).collect()
    }

    #[tokio::test]
    async fn roles_are_any_of_and_follow_includes() {
        let rule = Rule::all_of(vec![Clause::Roles(names(&["USER", "AUDITOR"]))]).unwrap();
        assert_eq!(decide(rule.clone(), caller(&["ADMIN"], &[])).await, None);
        assert_eq!(decide(rule.clone(), caller(&["USER"], &[])).await, None);
        assert!(matches!(decide(rule, caller(&["GUEST"], &[])).await, Some(DenyReason::Roles(_))));
    }

    #[tokio::test]
    async fn scopes_are_all_of_and_every_clause_must_hold() {
        let clauses = vec![Clause::Roles(names(&["USER"])), Clause::Scopes(names(&["a", "b"]))];
        let rule = Rule::all_of(clauses).unwrap();
        assert_eq!(decide(rule.clone(), caller(&["USER"], &["a", "b", "c"])).await, None);
        assert!(matches!(decide(rule.clone(), caller(&["USER"], &["a"])).await, Some(DenyReason::Scopes(_))));
        assert!(matches!(decide(rule, caller(&[], &["a", "b"])).await, Some(DenyReason::Roles(_))));
    }

    #[tokio::test]
    async fn a_route_without_a_rule_is_denied() {
        let enforcer = Enforcer::new(Vec::new(), 1);
        let denied =
            enforcer.enforce(head(), 3, caller(&["ADMIN"], &[]), DecisionId::from_bits(7)).await.unwrap_err();
        assert_eq!(denied.reason, DenyReason::NoRule);
    }

    #[test]
    fn empty_clauses_are_not_rules() {
        assert!(Rule::all_of(vec![]).is_err());
        assert!(Rule::all_of(vec![Clause::Scopes(names(&[]))]).is_err());
        assert!(Rule::all_of(vec![Clause::Roles(names(&[]))]).is_err());
    }
}
