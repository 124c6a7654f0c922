//! As much of JSON Schema as ours uses, but for patterns: what the loader takes, editors must not mark.

use crate::authenticators::ALL;
use crate::config::json_schema;
use crate::config::yaml::{Kind, Node, parse};
use serde_json::Value as Json;

/// Why the schema does not take a text, if so.
fn refusal(text: &str) -> Option<String> {
    let node = parse(text, &mut Vec::new()).expect("YAML");
    let schema = json_schema(ALL);
    takes(&schema, &schema, &json(&node)).err()
}

fn json(node: &Node) -> Json {
    match &node.kind {
        Kind::Scalar { text, plain: true } => serde_json::from_str(text)
            .ok()
            .filter(|json: &Json| !json.is_string())
            .unwrap_or_else(|| text.as_str().into()),
        Kind::Scalar { text, plain: false } => text.as_str().into(),
        Kind::Sequence(items) => items.iter().map(json).collect(),
        Kind::Mapping(entries) => entries.iter().map(|(key, node)| (key.text.clone(), json(node))).collect(),
        Kind::Faulty => Json::Null,
    }
}

fn takes(root: &Json, schema: &Json, value: &Json) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("{why}: {value}"));
    for (keyword, rule) in schema.as_object().ok_or("a schema is an object")? {
        match keyword.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().trim_start_matches('#');
                takes(root, root.pointer(name).unwrap(), value)?;
            }
            "type" => {
                let fits = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    other => panic!("type {other}"),
                };
                if !fits {
                    return refuse(&format!("not of type {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => return refuse("not one of the words"),
            "const" if rule != value => return refuse("another word"),
            "minimum" if value.as_i64() < rule.as_i64() => return refuse("too small"),
            "maximum" if value.as_i64() > rule.as_i64() => return refuse("too large"),
            "anyOf" | "oneOf" => {
                let tried: Vec<_> = rule.as_array().unwrap().iter().map(|s| takes(root, s, value)).collect();
                let taken = tried.iter().filter(|t| t.is_ok()).count();
                if taken == 0 || (keyword == "oneOf" && taken > 1) {
                    return refuse(&format!("{taken} of the alternatives ({tried:?})"));
                }
            }
            "allOf" => rule.as_array().unwrap().iter().try_for_each(|s| takes(root, s, value))?,
            "items" => value.as_array().into_iter().flatten().try_for_each(|item| takes(root, rule, item))?,
            "required" => {
                let missing =
                    rule.as_array().unwrap().iter().find(|key| value.get(key.as_str().unwrap()).is_none());
                if let Some(missing) = missing {
                    return refuse(&format!("{missing} is missing"));
                }
            }
            "properties" | "patternProperties" | "additionalProperties" => members(root, schema, value)?,
            "enum" | "const" | "minimum" | "maximum" | "pattern" | "minLength" | "propertyNames"
            | "minItems" => {}
            "$schema" | "$defs" | "title" | "description" | "default" => {}
            other => panic!("the keyword {other} is not known here"),
        }
    }
    Ok(())
}

fn members(root: &Json, schema: &Json, value: &Json) -> Result<(), String> {
    for (key, member) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (None, _) if schema.get("patternProperties").is_some() && key.starts_with("x-") => {}
            (Some(known), _) => takes(root, known, member).map_err(|why| format!("{key}: {why}"))?,
            (None, Some(Json::Bool(false))) => return Err(format!("{key} is not known")),
            (None, Some(others)) => takes(root, others, member).map_err(|why| format!("{key}: {why}"))?,
            (None, None) => {}
        }
    }
    Ok(())
}

#[test]
fn every_key_is_taken() {
    assert_eq!(refusal(include_str!("every_key.yaml")), None);
}

#[test]
fn what_the_loader_takes_the_schema_takes() {
    let taken = [
        "limits: { head: 16KiB, body: 100, fields: 5, idle: 90s }",
        "access_log: { format: text, target: stderr }",
        "caller_attributes: { tenant: string }",
        "authenticators: { a: { type: jwt, issuer: x, audiences: [a], keys: { secret: \"${env:SECRET}\" } } }",
        "services: { s: { endpoints: [\"http://a\", { url: \"http://b\", weight: 2 }], balance: { hash: subject } } }\nroutes: [{ name: r, match: { path: /a, methods: [GET] }, authenticate: anonymous, authorize: any, service: s, max_body: 5, allow_in_path: [semicolon] }]",
        "include: []\nservices: { s: { endpoints: [\"http://a\"], host: endpoint } }",
        "x-mine: { anything: [1] }\ndefaults: { route: { timeout: 1s, cors: { origins: [\"https://a.example\"] } }, service: { timeout: 2s } }",
        "defaults: { route: { timeout: 1s } }\nservices: { s: { endpoints: [\"http://a\"] } }\nroutes: [{ name: r, match: { path: /a }, authenticate: anonymous, authorize: any, service: s, timeout: null, request_headers: { set: { X-A: b }, remove: [X-C] } }]",
    ];
    for text in taken {
        let text = format!("{}{text}\n", super::HEAD);
        assert_eq!(refusal(&text), None, "{text}");
        assert!(super::check(&text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_not_known_is_marked() {
    let marked = [
        "rotes: []",
        "limits: { haed: 1KiB }",
        "workers: 0",
        "mine: {}",
        "defaults: { route: { authenticate: anonymous } }",
        "defaults: { service: { endpoints: [\"http://a\"] } }",
        "defaults: { route: { timeuot: 1s } }",
        "access_log: { format: xml }",
        "authenticators: { a: { type: jwt } }",
        "authenticators: { a: { type: pigeon } }",
        "services: { s: {} }",
        "routes: [{ name: r, match: { path: /a }, authenticate: anonymous, service: s }]",
        "routes: [{ name: r, match: { path: /a }, authorize: any, service: s }]",
    ];
    for text in marked {
        let text = format!("{}{text}\n", super::HEAD);
        assert!(refusal(&text).is_some(), "{text}");
        assert!(super::check(&text).is_err(), "{text}");
    }
}
