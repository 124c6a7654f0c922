//! The JSON Schema beside the loader.

use crate::authenticators::ALL;
use crate::config::json_schema;
use serde_json::Value as Json;

#[test]
fn the_schema_is_the_one_on_record() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&json_schema(ALL)).unwrap());
}

#[test]
fn every_record_is_closed_and_every_key_described() {
    let schema = json_schema(ALL);
    let definitions = schema["$defs"].as_object().unwrap();
    assert_eq!(schema["additionalProperties"], Json::Bool(false));
    assert_eq!(schema["required"], serde_json::json!(["listeners"]));
    let records = definitions.iter().filter(|(_, d)| d["type"] == "object");
    let mut seen = 0;
    for (name, record) in records {
        assert_eq!(record["additionalProperties"], Json::Bool(false), "{name}");
        for (key, property) in record["properties"].as_object().unwrap() {
            let described = property["description"].as_str().is_some_and(|d| d.len() > 5);
            assert!(described || property.get("const").is_some(), "{name}.{key}");
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(json: &Json, found: &mut Vec<String>) {
        match json {
            Json::Object(map) => {
                found.extend(map.get("$ref").and_then(Json::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Json::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let schema = json_schema(ALL);
    let mut found = Vec::new();
    references(&schema, &mut found);
    assert!(found.len() > 30);
    for reference in found {
        assert!(
            schema.pointer(reference.trim_start_matches('#')).is_some_and(|d| !d.is_null()),
            "{reference}"
        );
    }
}
