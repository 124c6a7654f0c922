//! Cedar's entities and context, made of the facts of a request: only of those that somebody looks at.

use crate::slice::Slice;
use crate::vocabulary::ACTIONS;
use crate::{Compiled, FactValue, Facts, Read, RequestFacts, RouteIndex, Vocabulary};
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use cedar_policy_core::entities::{Entities as CoreEntities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::extensions::Extensions;
use haechi_core::{AttributeValue, Caller, CallerKind};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::{Arc, LazyLock};

/// `kind::"id"`. `kind` is one of our own, which are names.
pub(crate) fn uid(kind: &str, id: &str) -> EntityUid {
    let known = KINDS.iter().find(|known| known.basename() == kind);
    EntityUid::from_type_name_and_id(known.map_or_else(|| type_name(kind), Clone::clone), EntityId::new(id))
}

/// The types of our entities.
static KINDS: LazyLock<[EntityTypeName; 7]> =
    LazyLock::new(|| ["Role", "Service", "Route", "Action", "User", "ApiKey", "Anonymous"].map(type_name));

/// Read as JSON: Cedar's parser of names as text would stay in memory for as long as the process runs.
#[expect(clippy::expect_used, reason = "our types are constants that are names")]
fn type_name(kind: &str) -> EntityTypeName {
    let uid = EntityUid::from_json(json!({ "type": kind, "id": "" })).expect("the type is a name");
    uid.type_name().clone()
}

/// The entity of a caller: two issuers may call two people by one name.
pub fn principal_id(caller: &Caller) -> String {
    match caller.kind {
        CallerKind::Anonymous => String::new(),
        CallerKind::User | CallerKind::ApiKey => format!("{}|{}", caller.issuer, caller.subject),
    }
}

/// The entity type of a caller.
pub const fn principal_kind(kind: CallerKind) -> &'static str {
    match kind {
        CallerKind::User => "User",
        CallerKind::ApiKey => "ApiKey",
        CallerKind::Anonymous => "Anonymous",
    }
}

/// The entities that every request on the route and action sees; each part only where it is looked at.
pub(crate) fn fixed(
    compiled: &Compiled,
    route: Option<RouteIndex>,
    action: Option<usize>,
    hierarchy: bool,
) -> Result<Entities, String> {
    let vocabulary = compiled.vocabulary();
    let mut all = Vec::new();
    if let Some(facts) = route.and_then(|route| vocabulary.route(route)) {
        let labels = facts.labels.iter().map(|label| RestrictedExpression::new_string(label.to_string()));
        let attributes = HashMap::from([("labels".to_owned(), RestrictedExpression::new_set(labels))]);
        let service: HashSet<_> = facts.service.iter().map(|name| uid("Service", name)).collect();
        all.push(Entity::new(uid("Route", &facts.name), attributes, service).map_err(text)?);
    }
    if let Some((method, group)) = action.and_then(|action| ACTIONS.get(action)) {
        let group = HashSet::from([uid("Action", group)]);
        all.push(Entity::new_no_attrs(uid("Action", method), group));
    }
    if hierarchy {
        all.extend(role_entities(vocabulary));
    }
    Entities::from_entities(all, None).map_err(text)
}

fn role_entities(vocabulary: &Vocabulary) -> impl Iterator<Item = Entity> {
    vocabulary.roles.names().map(|role| {
        let included = vocabulary.roles.effective(std::slice::from_ref(role));
        let parents = included.iter().filter(|other| *other != role).map(|other| uid("Role", other));
        Entity::new_no_attrs(uid("Role", role), parents.collect())
    })
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// The uids that are the same for every request.
#[derive(Debug)]
pub(crate) struct Names {
    actions: [EntityUid; ACTIONS.len()],
    routes: Vec<EntityUid>,
    /// By kind, for slices that do not look at who it is.
    somebody: [EntityUid; 3],
}

impl Names {
    pub(crate) fn new(vocabulary: &Vocabulary) -> Self {
        Self {
            actions: ACTIONS.map(|(method, _)| uid("Action", method)),
            routes: vocabulary.routes.iter().map(|route| uid("Route", &route.name)).collect(),
            somebody: ["User", "ApiKey", "Anonymous"].map(|kind| uid(kind, "")),
        }
    }

    fn principal(&self, slice: &Slice, caller: &Caller) -> EntityUid {
        if slice.reads.contains(&Read::Principal) {
            return uid(principal_kind(caller.kind), &principal_id(caller));
        }
        let [user, key, anonymous] = &self.somebody;
        match caller.kind {
            CallerKind::User => user.clone(),
            CallerKind::ApiKey => key.clone(),
            CallerKind::Anonymous => anonymous.clone(),
        }
    }
}

/// The request and the entities for a slice.
pub(crate) fn question(
    vocabulary: &Vocabulary,
    names: &Names,
    slice: &Slice,
    action: usize,
    facts: &Facts<'_>,
) -> Result<(Request, Entities), String> {
    let principal = names.principal(slice, facts.caller);
    let action = names.actions.get(action).ok_or("an unknown method")?.clone();
    let resource = names.routes.get(facts.route.get()).ok_or("an unknown route")?.clone();
    let source = RequestFacts { facts: *facts, vocabulary };
    let context = context(&slice.reads, &source)?;
    let entities = with_principal(slice, &principal, &source)?;
    let request = Request::new(principal, action, resource, context, None).map_err(text)?;
    Ok((request, entities))
}

fn with_principal(
    slice: &Slice,
    principal: &EntityUid,
    source: &RequestFacts<'_>,
) -> Result<Entities, String> {
    let caller = source.facts.caller;
    let mut attributes = HashMap::new();
    for read in slice.reads.iter() {
        let name = match read {
            Read::Subject => "subject",
            Read::Issuer => "issuer",
            Read::Authenticator => "authenticator",
            Read::Scopes => "scopes",
            Read::Attribute(name) => name,
            _ => continue,
        };
        let value = restricted(read.value(source)?)?;
        attributes.extend(value.map(|value| (name.to_owned(), value)));
    }
    let held = slice.roles.iter().filter(|(name, _)| caller.has_role(name));
    let parents = held.map(|(_, uid)| uid.clone()).collect();
    let entity = Entity::new(principal.clone(), attributes, parents).map_err(text)?;
    // A caller's roles are all that it holds, directly or through another: there is nothing left to close over.
    let entities: &CoreEntities = slice.fixed.as_ref();
    let entity = Arc::new(entity.as_ref().clone());
    entities
        .clone()
        .add_entities(
            [entity],
            None::<&NoEntitiesSchema>,
            TCComputation::AssumeAlreadyComputed,
            Extensions::all_available(),
        )
        .map(Entities::from)
        .map_err(text)
}

/// A value as Cedar has it; `None` for what is no attribute of anything.
fn restricted(value: FactValue<'_>) -> Result<Option<RestrictedExpression>, String> {
    let string = |text: &str| RestrictedExpression::new_string(text.to_owned());
    Ok(Some(match value {
        FactValue::Missing | FactValue::Kind(_) | FactValue::Principal(_) => return Ok(None),
        FactValue::Bool(value) => RestrictedExpression::new_bool(value),
        FactValue::Text(text) => string(text),
        FactValue::Names(names) => RestrictedExpression::new_set(names.iter().map(|name| string(name))),
        FactValue::Attribute(AttributeValue::Bool(value)) => RestrictedExpression::new_bool(*value),
        FactValue::Attribute(AttributeValue::Long(value)) => RestrictedExpression::new_long(*value),
        FactValue::Attribute(AttributeValue::String(text)) => string(text),
        FactValue::Attribute(AttributeValue::Set(members)) => {
            RestrictedExpression::new_set(members.iter().map(|member| string(member)))
        }
        FactValue::Record(pairs) => {
            let fields = pairs.into_iter().map(|(name, value)| (name.to_owned(), string(value)));
            RestrictedExpression::new_record(fields).map_err(text)?
        }
        FactValue::Ip(address) => RestrictedExpression::new_ip(address.to_string()),
        FactValue::Time(at) => RestrictedExpression::new_datetime(at.rfc3339_millis().to_string()),
    }))
}

/// The context, of those facts alone that somebody reads. A record of which single members are read has no others.
fn context(reads: &[Read], source: &RequestFacts<'_>) -> Result<Context, String> {
    let mut pairs = Vec::new();
    let (mut params, mut headers) = (None, None);
    for read in reads {
        let name = match read {
            Read::Host => "host",
            Read::Path => "path",
            Read::Ip => "ip",
            Read::Time => "time",
            Read::Secure => "secure",
            Read::Param(name) => {
                add_member(params.get_or_insert_default(), name, read.value(source)?);
                continue;
            }
            Read::Header(name) => {
                add_member(headers.get_or_insert_default(), name, read.value(source)?);
                continue;
            }
            Read::Params | Read::Headers => {
                let whole = if *read == Read::Params { &mut params } else { &mut headers };
                if let FactValue::Record(all) = read.value(source)? {
                    *whole = Some(all.into_iter().map(|(name, value)| (name.into(), value)).collect());
                }
                continue;
            }
            _ => continue,
        };
        pairs.extend(restricted(read.value(source)?)?.map(|value| (name.to_owned(), value)));
    }
    for (name, members) in [("params", params), ("headers", headers)] {
        if let Some(members) = members {
            let of = members.iter().map(|(name, value): &(Arc<str>, &str)| (&**name, *value)).collect();
            pairs.extend(restricted(FactValue::Record(of))?.map(|value| (name.to_owned(), value)));
        }
    }
    Context::from_pairs(pairs).map_err(text)
}

fn add_member<'a>(members: &mut Vec<(Arc<str>, &'a str)>, name: &Arc<str>, value: FactValue<'a>) {
    if let FactValue::Text(text) = value {
        members.push((name.clone(), text));
    }
}
