//! What is sealed in records, opened with the keys that are still there.

use crate::subjects::SubjectKey;
use serde_json::Value;
use std::collections::HashMap;

/// Puts what is sealed into the record in clear, where its key is there: `sealed` becomes `person`, `sealed_headers` becomes `headers`.
pub fn open(record: &mut Value, keys: &HashMap<String, SubjectKey>) {
    open_in(record, keys);
    if let Some(by) = record.get_mut("by") {
        open_in(by, keys);
    }
}

fn open_in(record: &mut Value, keys: &HashMap<String, SubjectKey>) {
    let Some(record) = record.as_object_mut() else { return };
    let Some(key) = record.get("who").and_then(Value::as_str).and_then(|who| keys.get(who)) else { return };
    for (sealed, opened) in [("sealed", "person"), ("sealed_headers", "headers")] {
        let plain = record.get(sealed).and_then(Value::as_str).and_then(|text| key.open(text));
        if let Some(value) = plain.and_then(|plain| serde_json::from_slice(&plain).ok()) {
            record.remove(sealed);
            record.insert(opened.to_owned(), value);
        }
    }
}
