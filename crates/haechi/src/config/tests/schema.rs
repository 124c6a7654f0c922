//! The JSON Schema beside the loader.

use crate::authenticators::ALL;
use crate::config::{json_schema, parse_duration};
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
fn the_table_of_limits_has_every_limit_with_its_default() {
    const RECORDS: [(&str, &str); 6] = [
        ("services.*.keepalive.", "Keepalive"),
        ("services.*.circuit.", "Circuit"),
        ("services.*.", "Service"),
        ("routes.*.", "Route"),
        ("identity.lockout.", "Lockout"),
        ("drain.", "Drain"),
    ];
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let schema = json_schema(ALL);
    let mut seen = std::collections::BTreeSet::new();
    for row in docs.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for name in cells[1].split('`').skip(1).step_by(2) {
            let prefixed = RECORDS.iter().find_map(|(at, record)| Some((*record, name.strip_prefix(at)?)));
            let (record, key) = prefixed.unwrap_or(("Limits", name));
            let property = &schema["$defs"][record]["properties"][key];
            assert!(property.is_object(), "there is no `{name}`");
            let told = cells[2];
            match &property["default"] {
                Json::String(default) => {
                    let same = match (parse_duration(told), parse_duration(default)) {
                        (Some(told), Some(default)) => told == default,
                        _ => told == default,
                    };
                    assert!(same, "{row}");
                }
                Json::Number(default) => assert_eq!(told, default.to_string(), "{row}"),
                _ => assert!(!told.is_empty(), "{row}"),
            }
            if record == "Limits" {
                seen.insert(key.to_owned());
            }
        }
    }
    let all = schema["$defs"]["Limits"]["properties"].as_object().unwrap();
    assert!(all.keys().all(|key| seen.contains(key)), "{all:?} beside {seen:?}");
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
