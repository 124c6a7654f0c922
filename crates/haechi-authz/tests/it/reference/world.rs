//! Made-up configurations, policies, callers and requests.

use fastrand::Rng;
use haechi_authz::{
    Clause, Compiled, Condition, Place, PolicyFile, RouteFacts, RouteIndex, Rule, Vocabulary, compile,
};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::RequestId;
use haechi_core::{
    AttributeType, AttributeValue, Caller, CallerKind, CanonicalPath, ConnectionFacts, Fields, Host,
    MethodSet, PathPattern, RequestHead, RoleTable, Timestamp,
};
use http::Method;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

const ROLES: [&str; 6] = ["R0", "R1", "R2", "R3", "R4", "R5"];
const SCOPES: [&str; 4] = ["a", "b", "c:read", "d"];
const WORDS: [&str; 4] = ["acme", "beta", "x", ""];
const LABELS: [&str; 3] = ["pii", "slow", "open"];
const METHODS: [&str; 9] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "other"];
const ACTIONS: [&str; 8] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "other"];
const ISSUERS: [&str; 2] = ["https://one", "https://two"];
const SUBJECTS: [&str; 3] = ["alice", "bob", "carol"];

pub(crate) struct World {
    pub(crate) vocabulary: Vocabulary,
    /// Which role includes which, as it was declared.
    pub(crate) roles: BTreeMap<String, Vec<String>>,
    pub(crate) policies: Vec<String>,
    /// By what was written, what it stands for: with a test for everything that may be missing.
    pub(crate) conditions: HashMap<String, String>,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "roles {:?}", self.roles)?;
        for route in &self.vocabulary.routes {
            writeln!(f, "route {} {} {:?} {:?}", route.name, route.pattern, route.labels, route.rule)?;
        }
        f.write_str(&self.policies.concat())
    }
}

impl World {
    pub(crate) fn generate(rng: &mut Rng) -> Self {
        let mut roles = BTreeMap::new();
        for (index, role) in ROLES.iter().enumerate() {
            // Only later ones are included, so there is no circle.
            let includes = ROLES[index + 1..].iter().filter(|_| rng.u8(..) < 80);
            roles.insert((*role).to_owned(), includes.map(|role| (*role).to_owned()).collect());
        }
        let vocabulary = Vocabulary {
            roles: RoleTable::new(&roles).unwrap(),
            attributes: BTreeMap::from([
                ("tenant".into(), AttributeType::String),
                ("clearance".into(), AttributeType::Long),
                ("mfa".into(), AttributeType::Bool),
            ]),
            headers: BTreeMap::from([("purpose".into(), "x-purpose".into())]),
            routes: Vec::new(),
        };
        let mut world = Self { vocabulary, roles, policies: Vec::new(), conditions: HashMap::new() };
        for index in 0..rng.usize(1..5) {
            world.add_route(rng, index);
        }
        let wanted = rng.usize(0..8);
        while world.policies.len() < wanted {
            world.add_policy(rng);
        }
        world
    }

    pub(crate) fn compiled(&self) -> Compiled {
        // In two files, as a configuration would.
        let (one, two) = self.policies.split_at(self.policies.len() / 2);
        let file = |name: &str, text: &[String]| PolicyFile { name: name.into(), text: text.concat().into() };
        let files = [file("one.cedar", one), file("two.cedar", two)];
        compile(Arc::new(self.vocabulary.clone()), &files)
            .unwrap_or_else(|faults| panic!("{faults:#?}\n{self}"))
    }

    /// How many of a caller's roles it holds by itself; they come first.
    pub(crate) fn held(&self, caller: &Caller) -> usize {
        caller.session.as_deref().and_then(|held| held.parse().ok()).unwrap_or(0)
    }

    /// Adds a route, with a condition that strict validation takes there.
    fn add_route(&mut self, rng: &mut Rng, index: usize) {
        loop {
            let route = self.route(rng, index);
            let mut alone = self.vocabulary.clone();
            alone.routes.iter_mut().for_each(|route| route.rule = Rule::any());
            alone.routes.push(route.clone());
            if compile(Arc::new(alone), &[]).is_ok() {
                return self.vocabulary.routes.push(route);
            }
        }
    }

    fn route(&mut self, rng: &mut Rng, index: usize) -> RouteFacts {
        let path = pick(rng, &["/r", "/r/{tenant}", "/r/{tenant}/{id}", "/r/{id}/x"])
            .replace("/r", &format!("/r{index}"));
        let rule = match rng.u8(0..4) {
            0 => Rule::any(),
            1 => Rule::policy(),
            _ => self.clauses(rng, path.contains("{tenant}")),
        };
        RouteFacts {
            name: format!("route {index}").into(),
            service: Some(format!("s{}", if index == 0 { 0 } else { rng.u8(0..2) }).into()),
            labels: LABELS.iter().filter(|_| rng.bool()).map(|label| Arc::from(*label)).collect(),
            pattern: PathPattern::parse(&path).unwrap(),
            methods: MethodSet::any(),
            rule,
        }
    }

    fn clauses(&mut self, rng: &mut Rng, has_tenant: bool) -> Rule {
        let mut clauses = Vec::new();
        if rng.bool() {
            clauses.push(Clause::Roles(some(rng, &ROLES)));
        }
        if rng.u8(0..3) == 0 {
            clauses.push(Clause::Scopes(some(rng, &SCOPES)));
        }
        if rng.bool() || clauses.is_empty() {
            let (text, meant) = condition(rng, has_tenant);
            self.conditions.insert(text.clone(), meant);
            let place = Place { file: "haechi.yaml".into(), line: 1, column: 1 };
            clauses.push(Clause::When(Condition { text: text.into(), place }));
        }
        Rule::all_of(clauses).unwrap()
    }

    /// Adds a policy, unless strict validation refuses it.
    fn add_policy(&mut self, rng: &mut Rng) {
        let effect = if rng.u8(0..3) == 0 { "forbid" } else { "permit" };
        let principal = match rng.u8(0..6) {
            0 => format!("principal in Role::\"{}\"", pick(rng, &ROLES)),
            1 => "principal is User".to_owned(),
            2 => format!("principal is ApiKey in Role::\"{}\"", pick(rng, &ROLES)),
            3 => format!("principal == {}", somebody(rng)),
            _ => "principal".to_owned(),
        };
        let action = match rng.u8(0..5) {
            0 => format!("action == Action::\"{}\"", pick(rng, &ACTIONS)),
            1 => "action in [Action::\"GET\", Action::\"write\"]".to_owned(),
            2 => format!("action in Action::\"{}\"", pick(rng, &["read", "write"])),
            _ => "action".to_owned(),
        };
        let resource = match rng.u8(0..6) {
            0 | 1 => format!("resource == Route::\"route {}\"", rng.usize(0..self.vocabulary.routes.len())),
            2 => {
                let service = self.vocabulary.routes[0].service.as_deref().unwrap();
                format!("resource in Service::\"{service}\"")
            }
            3 => "resource is Route".to_owned(),
            _ => "resource".to_owned(),
        };
        let mut text = format!("{effect}({principal}, {action}, {resource})");
        for kind in ["when", "unless"] {
            if rng.bool() {
                text += &format!(" {kind} {{ {} }}", expression(rng, 3));
            }
        }
        text += ";\n";
        // By itself: the rest was taken already.
        let mut vocabulary = self.vocabulary.clone();
        vocabulary.routes.iter_mut().for_each(|route| route.rule = Rule::any());
        let file = PolicyFile { name: "one.cedar".into(), text: text.as_str().into() };
        if compile(Arc::new(vocabulary), &[file]).is_ok() {
            self.policies.push(text);
        }
    }

    /// A request, its route and a caller.
    pub(crate) fn question(&self, rng: &mut Rng) -> (RequestHead, RouteIndex, Caller) {
        let route = rng.usize(0..self.vocabulary.routes.len());
        let path: Vec<String> = self.vocabulary.routes[route]
            .pattern
            .as_str()
            .split('/')
            .map(
                |part| {
                    if part.starts_with('{') { pick(rng, &WORDS[..3]).to_owned() } else { part.to_owned() }
                },
            )
            .collect();
        let mut fields = Fields::default();
        if rng.bool() {
            fields.push(b"x-purpose", pick(rng, &["care", "billing"]).as_bytes());
        }
        let client = match rng.u8(0..3) {
            0 => IpAddr::from([10, 0, rng.u8(0..2), rng.u8(0..3)]),
            1 => IpAddr::from(Ipv6Addr::LOCALHOST),
            _ => IpAddr::from([127, 0, 0, 1]),
        };
        let head = RequestHead::new(
            RequestId::from_bits(1),
            Timestamp::from_millis(1_764_000_000_000 + rng.i64(0..200_000_000)),
            ConnectionFacts::plain((client, 1).into()),
            pick(rng, &METHODS).parse::<Method>().unwrap(),
            Host::parse(pick(rng, &["a.example", "b.example:8080"]).as_bytes()).unwrap(),
            CanonicalPath::parse(path.join("/").as_bytes()).unwrap(),
        );
        let head = head.with_fields(fields).with_client(client, rng.bool());
        (head, RouteIndex::new(route), self.caller(rng))
    }

    fn caller(&self, rng: &mut Rng) -> Caller {
        let kind =
            [CallerKind::User, CallerKind::User, CallerKind::ApiKey, CallerKind::Anonymous][rng.usize(0..4)];
        if kind == CallerKind::Anonymous {
            return Caller::anonymous("anonymous");
        }
        let roles: Vec<String> =
            ROLES.iter().filter(|_| rng.u8(0..4) == 0).map(|role| (*role).to_owned()).collect();
        let mut attributes = BTreeMap::new();
        if rng.bool() {
            attributes.insert("tenant".into(), AttributeValue::String(pick(rng, &WORDS).into()));
        }
        if rng.bool() {
            let value = [0, 1, 3, i64::MAX, i64::MIN][rng.usize(0..5)];
            attributes.insert("clearance".into(), AttributeValue::Long(value));
        }
        if rng.bool() {
            attributes.insert("mfa".into(), AttributeValue::Bool(rng.bool()));
        }
        let claimed = Claimed {
            subject: pick(rng, &SUBJECTS).into(),
            issuer: pick(rng, &ISSUERS).into(),
            session: Some(roles.len().to_string()),
            roles,
            scopes: SCOPES.iter().filter(|_| rng.bool()).map(|scope| (*scope).to_owned()).collect(),
            attributes,
            ..Claimed::default()
        };
        let authenticator = Arc::from(pick(rng, &["local", "corp"]));
        Caller::new(kind, &authenticator, Vouched::ByOther, &self.vocabulary.roles, claimed)
    }
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(0..from.len())]
}

fn some(rng: &mut Rng, from: &[&str]) -> Arc<[Arc<str>]> {
    (0..rng.usize(1..3)).map(|_| Arc::from(pick(rng, from))).collect()
}

fn somebody(rng: &mut Rng) -> String {
    format!("{}::\"{}|{}\"", pick(rng, &["User", "ApiKey"]), pick(rng, &ISSUERS), pick(rng, &SUBJECTS))
}

/// A `when` as written, without tests for what may be missing, and what it stands for.
fn condition(rng: &mut Rng, has_tenant: bool) -> (String, String) {
    const TENANT: &str = "principal has tenant";
    const CLEARANCE: &str = "principal has clearance";
    let number = rng.u8(0..6);
    let (text, guards): (String, &[&str]) = match rng.u8(0..8) {
        0 if has_tenant => {
            ("principal.tenant == context.params.tenant".into(), &[TENANT, "context.params has tenant"])
        }
        0 | 1 => (format!("!(principal.tenant == \"{}\")", pick(rng, &WORDS)), &[TENANT]),
        2 => (format!("principal.clearance + {number} > 3 || context.secure"), &[CLEARANCE]),
        3 => (format!("principal.mfa || action in Action::\"read\" // {number}"), &["principal has mfa"]),
        4 => ("context.headers.purpose == \"care\"".into(), &["context.headers has purpose"]),
        5 => (
            format!("principal has tenant && principal.tenant == \"x\" || principal.clearance < {number}"),
            &[CLEARANCE],
        ),
        _ => (expression(rng, 2), &[]),
    };
    let guards: String = guards.iter().map(|guard| format!("{guard} && ")).collect();
    let meant = format!("{guards}({text}\n)");
    (text, meant)
}

/// A condition that strict validation takes nearly always.
fn expression(rng: &mut Rng, depth: u8) -> String {
    if depth > 0 && rng.u8(0..3) > 0 {
        let mut inner = || expression(rng, depth - 1);
        let (one, two, three) = (inner(), inner(), inner());
        return match rng.u8(0..5) {
            0 | 1 => format!("({one} && {two})"),
            2 => format!("({one} || {two})"),
            3 => format!("!({one})"),
            _ => format!("(if {one} then {two} else {three})"),
        };
    }
    atom(rng)
}

fn atom(rng: &mut Rng) -> String {
    let (role, other) = (pick(rng, &ROLES), pick(rng, &ROLES));
    let (word, scope, scope2) = (pick(rng, &WORDS), pick(rng, &SCOPES), pick(rng, &SCOPES));
    let op = pick(rng, &["<", "<=", ">", ">=", "==", "!="]);
    let number = rng.i64(-2..6);
    match rng.u8(0..32) {
        0..=2 => format!("principal in Role::\"{role}\""),
        3 => format!("principal in [Role::\"{role}\", Role::\"{other}\"]"),
        4 => "principal is User".into(),
        5 => format!("principal == {}", somebody(rng)),
        6 => format!("(if context.secure then Role::\"{role}\" else Role::\"{other}\") in Role::\"R5\""),
        7 => format!("(if context.secure then principal else principal) in Role::\"{role}\""),
        8 => format!("(if context.secure then principal else principal).scopes.contains(\"{scope}\")"),
        9 => format!("{} in Role::\"{role}\"", somebody(rng)),
        10 => format!("principal has tenant && principal.tenant == \"{word}\""),
        11 => format!("principal has tenant && principal.tenant like \"{word}*\""),
        12 => format!("principal has clearance && principal.clearance {op} {number}"),
        13 | 14 | 29..=31 => format!(
            "principal has clearance && principal.clearance {} {number} {op} 3",
            pick(rng, &["+", "-", "*"])
        ),
        15 => "principal has mfa && principal.mfa".into(),
        16 => format!("principal.scopes.contains(\"{scope}\")"),
        17 => format!("principal.scopes.containsAll([\"{scope}\", \"{scope2}\"])"),
        18 => format!("principal.scopes.containsAny([\"{scope}\", \"{scope2}\"])"),
        19 => format!("principal.subject == \"{}\"", pick(rng, &SUBJECTS)),
        20 => {
            format!("principal.issuer == \"{}\" && principal.authenticator != \"corp\"", pick(rng, &ISSUERS))
        }
        21 => format!("context.host == \"{}\"", pick(rng, &["a.example", "b.example"])),
        22 => format!("context.path like \"*/{word}\""),
        23 => format!("context has params.tenant && context.params.tenant == \"{word}\""),
        24 => "context.params has id && principal has tenant && context.params.id == principal.tenant".into(),
        25 => "context.headers has purpose && context.headers.purpose == \"care\"".into(),
        26 => format!("context.ip.isInRange(ip(\"{}\"))", pick(rng, &["10.0.0.0/24", "127.0.0.0/8", "::1"])),
        27 => {
            "context.time < datetime(\"2025-11-25T12:00:00Z\") || context.time.toTime() > duration(\"20h\")"
                .into()
        }
        28 => format!(
            "action in Action::\"{}\" || resource.labels.contains(\"pii\")",
            pick(rng, &["read", "write"])
        ),
        _ => "resource in Service::\"s0\" || action == Action::\"GET\"".into(),
    }
}
