//! The JSON Schema of the configuration (draft 2020-12), for editors.

use super::read::{Defs, Value};
use super::written::Config;
use crate::config::read::Definitions;
use serde_json::Value as Json;

/// The schema of a configuration that may name `definitions`. It describes what the loader takes; what this version does not build yet is described, and refused by the loader.
pub(crate) fn json_schema(definitions: Definitions) -> Json {
    let mut defs = Defs::new(definitions);
    Config::schema(&mut defs);
    let mut defs = defs.into_json();
    let root = defs.as_object_mut().and_then(|defs| defs.remove("Config"));
    let mut schema = root.as_ref().and_then(Json::as_object).cloned().unwrap_or_default();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "haechi.yaml".into());
    schema.insert("$defs".into(), defs);
    Json::Object(schema)
}
