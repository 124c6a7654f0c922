//! A small configuration to ask questions of.

use crate::{
    Clause, Condition, DenyReason, Engine, Facts, Memo, Place, PolicyFault, PolicyFile, RouteFacts,
    RouteIndex, Rule, Verdict, Vocabulary, compile,
};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::RequestId;
use haechi_core::{
    AttributeType, AttributeValue, Caller, CallerKind, CanonicalPath, ConnectionFacts, Host, MethodSet,
    PathPattern, RequestHead, RoleTable, Timestamp,
};
use http::Method;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Roles `USER` < `MANAGER` < `ADMIN`, `GUEST`, `AUDITOR`; attributes `tenant`, `clearance`, `mfa`; header `tenant`.
pub(crate) fn vocabulary() -> Vocabulary {
    let direct = [
        ("USER", vec![]),
        ("MANAGER", vec!["USER".to_owned()]),
        ("ADMIN", vec!["MANAGER".to_owned()]),
        ("GUEST", vec![]),
        ("AUDITOR", vec![]),
    ];
    let direct = direct.into_iter().map(|(name, includes)| (name.to_owned(), includes)).collect();
    Vocabulary {
        roles: RoleTable::new(&direct).unwrap(),
        attributes: BTreeMap::from([
            ("tenant".into(), AttributeType::String),
            ("clearance".into(), AttributeType::Long),
            ("mfa".into(), AttributeType::Bool),
        ]),
        headers: BTreeMap::from([("tenant".into(), "x-tenant".into())]),
        routes: Vec::new(),
    }
}

pub(crate) fn route(name: &str, path: &str, rule: Rule) -> RouteFacts {
    RouteFacts {
        name: name.into(),
        service: Some("s".into()),
        labels: Vec::new(),
        pattern: PathPattern::parse(path).unwrap(),
        methods: MethodSet::any(),
        rule,
    }
}

/// `any`, `policy`, or clauses: `roles A B`, `scopes a b`, `when EXPRESSION`, `external NAME`.
pub(crate) fn rule(written: &[&str]) -> Rule {
    match written {
        ["any"] => return Rule::any(),
        ["policy"] => return Rule::policy(),
        _ => {}
    }
    let clause = |text: &&str| {
        let (kind, rest) = text.split_once(' ').unwrap();
        let names = || rest.split(' ').map(Arc::from).collect();
        match kind {
            "roles" => Clause::Roles(names()),
            "scopes" => Clause::Scopes(names()),
            "external" => Clause::External(rest.into()),
            _ => Clause::When(Condition {
                text: rest.into(),
                place: Place { file: "haechi.yaml".into(), line: 1, column: 1 },
            }),
        }
    };
    Rule::all_of(written.iter().map(clause).collect()).unwrap()
}

pub(crate) struct World {
    vocabulary: Vocabulary,
    policies: String,
    memo: Memo,
}

impl World {
    pub(crate) fn new(policies: &str) -> Self {
        let mut vocabulary = vocabulary();
        // A service that policies can name.
        let mut other = route("other", "/other", Rule::policy());
        other.service = Some("other".into());
        vocabulary.routes.push(other);
        Self { vocabulary, policies: policies.into(), memo: Memo::default() }
    }

    pub(crate) const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    pub(crate) fn route(mut self, name: &str, path: &str, written: &[&str]) -> Self {
        self.vocabulary.routes.push(route(name, path, rule(written)));
        self
    }

    pub(crate) fn built_in(mut self, name: &str, path: &str) -> Self {
        self.vocabulary.routes.push(RouteFacts { service: None, ..route(name, path, Rule::built_in()) });
        self
    }

    pub(crate) fn labelled(mut self, name: &str, label: &str) -> Self {
        let index = self.vocabulary.index_of(name).unwrap();
        self.vocabulary.routes[index.get()].labels.push(label.into());
        self
    }

    pub(crate) fn try_route(
        mut self,
        name: &str,
        path: &str,
        condition: Condition,
    ) -> Result<Engine, Vec<PolicyFault>> {
        let rule = Rule::all_of(vec![Clause::When(condition)]).unwrap();
        self.vocabulary.routes.push(route(name, path, rule));
        self.engine()
    }

    pub(crate) fn engine(&self) -> Result<Engine, Vec<PolicyFault>> {
        let file = PolicyFile { name: "p.cedar".into(), text: self.policies.as_str().into() };
        let compiled = compile(Arc::new(self.vocabulary.clone()), &[file])?;
        Ok(Engine::new(Arc::new(compiled)).unwrap())
    }

    pub(crate) fn ask(&self, route: &str) -> Ask<'_> {
        let index = self.vocabulary.index_of(route).unwrap();
        let pattern = self.vocabulary.routes[index.get()].pattern.as_str().to_owned();
        let head = RequestHead::new(
            RequestId::from_bits(1),
            Timestamp::from_millis(1_764_000_000_000),
            ConnectionFacts::plain(([127, 0, 0, 1], 1).into()),
            Method::GET,
            Host::parse(b"a").unwrap(),
            CanonicalPath::parse(pattern.replace(['{', '}'], "").as_bytes()).unwrap(),
        );
        Ask { world: self, route: index, head, claimed: Claimed::default() }
    }

    pub(crate) fn reason(&self, route: &str, roles: &[&str]) -> Option<DenyReason> {
        self.ask(route).roles(roles).reason()
    }
}

pub(crate) struct Ask<'a> {
    world: &'a World,
    route: RouteIndex,
    head: RequestHead,
    claimed: Claimed,
}

impl Ask<'_> {
    pub(crate) fn roles(mut self, roles: &[&str]) -> Self {
        self.claimed.roles = roles.iter().map(|role| (*role).to_owned()).collect();
        self
    }

    pub(crate) fn scopes(mut self, scopes: &[&str]) -> Self {
        self.claimed.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self
    }

    pub(crate) fn attribute(mut self, name: &str, value: AttributeValue) -> Self {
        self.claimed.attributes.insert(name.into(), value);
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        self.head.path = CanonicalPath::parse(path.as_bytes()).unwrap();
        self
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.head.method = method.parse().unwrap();
        self
    }

    pub(crate) fn from(mut self, address: &str) -> Self {
        self.head.client = address.parse().unwrap();
        self
    }

    pub(crate) fn secure(mut self) -> Self {
        self.head.secure = true;
        self
    }

    /// What the enforcer takes.
    pub(crate) fn parts(self) -> (Box<RequestHead>, RouteIndex, Arc<Caller>) {
        let caller = self.caller();
        (Box::new(self.head), self.route, Arc::new(caller))
    }

    fn caller(&self) -> Caller {
        let table = &self.world.vocabulary.roles;
        Caller::new(CallerKind::User, &"local".into(), Vouched::BySelf, table, self.claimed.clone())
    }

    pub(crate) fn verdict(self) -> Arc<Verdict> {
        let engine = self.world.engine().unwrap_or_else(|faults| panic!("{faults:#?}"));
        let caller = self.caller();
        let facts = Facts { head: &self.head, route: self.route, caller: &caller };
        engine.decide(&facts, &self.world.memo)
    }

    pub(crate) fn reason(self) -> Option<DenyReason> {
        self.verdict().denied.clone()
    }
}
