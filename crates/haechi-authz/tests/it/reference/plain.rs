//! Plain Cedar: every policy, every fact.

use super::world::World;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression,
    Schema,
};
use haechi_authz::{Clause, Facts};
use haechi_core::{AttributeValue, Caller, CallerKind};
use std::collections::HashMap;
use std::fmt::Write;

pub(super) struct Plain<'a> {
    world: &'a World,
    schema: Schema,
    policies: PolicySet,
    /// Everything but the caller.
    entities: Entities,
}

fn uid(kind: &str, id: &str) -> EntityUid {
    format!("{kind}::{id:?}").parse().unwrap()
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

impl<'a> Plain<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let (schema, _) =
            Schema::from_cedarschema_str(&haechi_authz::schema::text(&world.vocabulary)).unwrap();
        let text = format!("{}\n{}", rules(world), world.policies.concat());
        let policies = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
        let mut all: Vec<Entity> = Vec::new();
        for (role, includes) in &world.roles {
            let parents = includes.iter().map(|other| uid("Role", other)).collect();
            all.push(Entity::new_no_attrs(uid("Role", role), parents));
        }
        for route in &world.vocabulary.routes {
            let labels = RestrictedExpression::new_set(route.labels.iter().map(|label| string(label)));
            let attributes = HashMap::from([("labels".to_owned(), labels)]);
            let service = route.service.iter().map(|name| uid("Service", name)).collect();
            all.push(Entity::new(uid("Route", &route.name), attributes, service).unwrap());
        }
        let entities = Entities::from_entities(all, Some(&schema)).unwrap();
        Self { world, schema, policies, entities }
    }

    /// Whether plain Cedar allows without an error, and whether there was one.
    pub(super) fn decide(&self, facts: &Facts<'_>) -> (bool, bool) {
        let (head, route) = (facts.head, &self.world.vocabulary.routes[facts.route.get()]);
        let principal = principal(facts.caller);
        let entity = self.entity(&principal, facts.caller);
        let entities = self.entities.clone().add_entities([entity], Some(&self.schema)).unwrap();
        let record =
            |pairs: Vec<(String, RestrictedExpression)>| RestrictedExpression::new_record(pairs).unwrap();
        let names = route.pattern.as_str().split('/').zip(head.path.as_str().split('/'));
        let params = names.filter_map(|(name, value)| {
            Some((name.strip_prefix('{')?.strip_suffix('}')?.to_owned(), string(value)))
        });
        let headers = self.world.vocabulary.headers.iter().filter_map(|(name, field)| {
            let value = head.fields.sole_named(field.as_bytes()).unwrap()?;
            Some((name.to_string(), string(std::str::from_utf8(value).unwrap())))
        });
        let context = Context::from_pairs([
            ("host".into(), string(head.host.name())),
            ("path".into(), string(head.path.as_str())),
            ("params".into(), record(params.collect())),
            ("headers".into(), record(headers.collect())),
            ("ip".into(), RestrictedExpression::new_ip(head.client.to_string())),
            ("time".into(), RestrictedExpression::new_datetime(head.received.rfc3339_millis().to_string())),
            ("secure".into(), RestrictedExpression::new_bool(head.secure)),
        ])
        .unwrap();
        let method = head.method.as_str();
        let action = uid("Action", if method == "PROPFIND" { "other" } else { method });
        let resource = uid("Route", &route.name);
        let request = Request::new(principal, action, resource, context, Some(&self.schema)).unwrap();
        let response = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        let errors = response.diagnostics().errors().next().is_some();
        (response.decision() == Decision::Allow && !errors, errors)
    }

    fn entity(&self, principal: &EntityUid, caller: &Caller) -> Entity {
        let mut attributes: HashMap<String, RestrictedExpression> = HashMap::from([
            ("subject".into(), string(&caller.subject)),
            ("issuer".into(), string(&caller.issuer)),
            ("authenticator".into(), string(&caller.authenticator)),
            ("scopes".into(), RestrictedExpression::new_set(caller.scopes.iter().map(|scope| string(scope)))),
        ]);
        for (name, value) in &caller.attributes {
            let value = match value {
                AttributeValue::Bool(value) => RestrictedExpression::new_bool(*value),
                AttributeValue::Long(value) => RestrictedExpression::new_long(*value),
                AttributeValue::String(value) => string(value),
                AttributeValue::Set(members) => {
                    RestrictedExpression::new_set(members.iter().map(|member| string(member)))
                }
            };
            attributes.insert(name.to_string(), value);
        }
        // Only what it holds by itself: Cedar follows the rest.
        let held = &caller.roles[..caller.roles.len().min(self.world.held(caller))];
        let roles = held.iter().map(|role| uid("Role", role)).collect();
        Entity::new(principal.clone(), attributes, roles).unwrap()
    }
}

fn principal(caller: &Caller) -> EntityUid {
    match caller.kind {
        CallerKind::User => uid("User", &format!("{}|{}", caller.issuer, caller.subject)),
        CallerKind::ApiKey => uid("ApiKey", &format!("{}|{}", caller.issuer, caller.subject)),
        CallerKind::Anonymous => uid("Anonymous", ""),
    }
}

/// What the rules of the routes stand for.
fn rules(world: &World) -> String {
    let mut text = String::new();
    for route in &world.vocabulary.routes {
        let about = format!("principal, action, resource == Route::{:?}", &*route.name);
        if route.rule.grants() {
            writeln!(text, "permit({about});").unwrap();
        }
        for clause in route.rule.clauses() {
            let holds = match clause {
                Clause::Roles(names) => {
                    let any = names.iter().map(|name| format!("principal in Role::{:?}", &**name));
                    any.collect::<Vec<_>>().join(" || ")
                }
                Clause::Scopes(names) => {
                    let all = names.iter().map(|name| format!("principal.scopes.contains({:?})", &**name));
                    all.collect::<Vec<_>>().join(" && ")
                }
                Clause::When(condition) => world.conditions[&*condition.text].clone(),
                Clause::External(_) => continue,
            };
            writeln!(text, "forbid({about}) unless {{ {holds} }};").unwrap();
        }
    }
    text
}
