//! The JSON Schema of the configuration (draft 2020-12), for editors.

use super::read::{Defs, Value};
use super::written::Config;
use serde_json::{Value as Json, json};

/// The schema. It describes what the loader takes; what this version does not build yet is described, and refused by the loader.
pub(crate) fn json_schema() -> Json {
    let mut defs = Defs::default();
    let root = Config::schema(&mut defs);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "haechi.yaml",
        "$ref": root.get("$ref"),
        "$defs": defs.into_json(),
    })
}
