//! The JSON Schema of the configuration (draft 2020-12), for editors.

use super::inherit::OWN_PREFIX;
use super::read::{Defs, Value};
use super::written::Config;
use crate::config::read::Definitions;
use serde_json::Value as Json;

/// The schema of a configuration that may name `definitions`. It describes what the loader takes; what this version does not build yet is described, and refused by the loader.
pub(crate) fn json_schema(definitions: Definitions) -> Json {
    let mut defs = Defs::new(definitions);
    Config::schema(&mut defs);
    let mut defs = defs.into_json();
    for (record, defaults) in [("Route", "RouteDefaults"), ("Service", "ServiceDefaults")] {
        allow_null(&mut defs, record, defaults);
    }
    let root = defs.as_object_mut().and_then(|defs| defs.remove("Config"));
    let mut schema = root.as_ref().and_then(Json::as_object).cloned().unwrap_or_default();
    let own = serde_json::json!({ (format!("^{OWN_PREFIX}")): { "description": "A key of your own: a place for anchors." } });
    schema.insert("patternProperties".into(), own);
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "haechi.yaml".into());
    schema.insert("$defs".into(), defs);
    Json::Object(schema)
}

/// A key that has a default may say that it has no value.
fn allow_null(defs: &mut Json, record: &str, defaults: &str) {
    let names = defs.pointer(&format!("/{defaults}/properties")).and_then(Json::as_object);
    let names: Vec<String> = names.into_iter().flat_map(|properties| properties.keys().cloned()).collect();
    for name in names {
        let Some(Json::Object(property)) = defs.pointer_mut(&format!("/{record}/properties/{name}")) else {
            continue;
        };
        let mut told = serde_json::Map::new();
        for key in ["description", "default"] {
            told.extend(property.remove(key).map(|value| (key.to_owned(), value)));
        }
        let value = Json::Object(std::mem::take(property));
        told.insert("anyOf".into(), serde_json::json!([value, { "const": null }]));
        *property = told;
    }
}
