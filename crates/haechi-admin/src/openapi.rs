//! The OpenAPI 3.1 document, made of the table of calls.

use crate::context::Needs;
use crate::operation::{ConditionUse, Operation};
use crate::shape::Schemas;
use serde_json::{Map, Value, json};

/// The document of these calls.
pub(crate) fn document(operations: &[Operation]) -> Value {
    let mut schemas = Schemas::default();
    schemas.refer("Problem", |_| problem());
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let described = describe(operation, &mut schemas);
        let at = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = at.as_object_mut() {
            methods.insert(operation.method.name().to_lowercase(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Haechi's admin API",
            "version": "1",
            "description": "Made from the gate's own table of calls. docs/admin-api.md tells how to use it.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:9901" }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "description": "A token with the role `haechi-admin`, or, to read, `haechi-auditor`." } },
            "schemas": schemas.into_value(),
        },
    })
}

fn describe(operation: &Operation, schemas: &mut Schemas) -> Value {
    let described = (operation.describe)(schemas);
    let mut parameters = of("path", described.path.as_ref());
    parameters.extend(of("query", described.query.as_ref()));
    if operation.condition != ConditionUse::None {
        let about =
            "The `ETag` of what is to be changed; where it is another by now, nothing is changed (412).";
        parameters.push(header("If-Match", about));
    }
    if operation.condition == ConditionUse::Required {
        let about = "`*`, in place of `If-Match`, where nothing is there yet. Without either nothing is changed (428).";
        parameters.push(header("If-None-Match", about));
    }
    let media = |(kind, schema): (&str, Value)| json!({ kind: { "schema": schema } });
    let mut responses = Map::new();
    for (how, shown) in described.answers {
        let mut response = json!({ "description": operation.summary });
        if let (Some(shown), Some(members)) = (shown, response.as_object_mut()) {
            members.insert("content".into(), media(shown));
        }
        responses.insert(how.status().to_string(), response);
    }
    responses.insert(
        "default".into(),
        json!({
            "description": "Why it was not answered (docs/answers.md).",
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        }),
    );
    let security = if operation.needs == Needs::Nothing { json!([]) } else { json!([{ "bearer": [] }]) };
    let mut described_as = json!({
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [tag(operation.path)],
        "security": security,
        "parameters": parameters,
        "responses": responses,
    });
    if let (Some(event), Some(members)) = (operation.action, described_as.as_object_mut()) {
        members.insert("x-audit-event".into(), event.into());
    }
    if let (Some(body), Some(members)) = (described.body, described_as.as_object_mut()) {
        members.insert("requestBody".into(), json!({ "required": true, "content": media(body) }));
    }
    described_as
}

fn header(name: &str, about: &str) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": about, "schema": { "type": "string" } })
}

/// The fields of a record as parameters.
fn of(place: &str, schema: Option<&Value>) -> Vec<Value> {
    let Some(schema) = schema else { return Vec::new() };
    let needed = |name: &str| {
        schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| json!({ "name": name, "in": place, "required": needed(name), "schema": not_null(schema) });
    properties.map(parameter).collect()
}

/// A parameter that is left out is not there; there is no `null` in an address.
fn not_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let kind = schema.get("type").and_then(Value::as_array).and_then(|kinds| kinds.first().cloned());
    if let (Some(kind), Some(members)) = (kind, schema.as_object_mut()) {
        members.insert("type".into(), kind);
    }
    schema
}

fn tag(path: &str) -> &str {
    path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next()).unwrap_or("probes")
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "A problem (RFC 9457).",
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "faults": { "type": "array", "items": { "type": "object" } },
            "report": { "type": "string" },
        },
        "required": ["type", "title", "status", "detail"],
    })
}
