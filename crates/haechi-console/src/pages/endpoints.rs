//! Endpoints of services, as tables show them.

use crate::table::{items, text};
use crate::words::Said;
use maud::{Markup, html};
use serde_json::{Value, json};

/// A row for each endpoint of a list of services.
pub(super) fn rows(services: &Value) -> Vec<Value> {
    let mut rows = Vec::new();
    for service in items(services) {
        let all = service.get("endpoints").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        rows.extend(all.iter().map(|one| json!({ "service": service.get("name"), "endpoint": one })));
    }
    rows
}

/// Whether one takes requests, and else why not.
pub(super) fn takes(words: &Said, row: &Value) -> Markup {
    match row.pointer("/endpoint/available").and_then(Value::as_bool) {
        Some(true) => html! { span .good { (words.yes) } },
        _ => html! { span .bad { (words.no) } " " (text(row, "/endpoint/reason")) },
    }
}
