//! `authenticators`: ways to establish who is calling.

use crate::authenticators::definition::{Record, types};
use crate::config::read::{Defs, Reader, Value};
use crate::config::report::Fault;
use crate::config::yaml::Node;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// One authenticator, of any type.
#[derive(Clone, Debug)]
pub(in crate::config) struct Authenticator(pub(in crate::config) Arc<dyn Record>);

impl Value for Authenticator {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.mapping("an authenticator", node)?;
        let known: Vec<&str> = types(reader.definitions).map(|known| known.word).collect();
        let Some((_, kind)) = entries.iter().find(|(key, _)| key.text == "type") else {
            let fault = Fault::new(node.span, "an authenticator needs `type`");
            return reader.fault(fault.help(format!("add {}", one_of(&known))));
        };
        let what = "an authenticator type";
        let word = reader.text(what, kind)?;
        let Some(found) = types(reader.definitions).find(|known| known.word == word) else {
            crate::config::choice::unknown(reader, kind, what, &word, &known, &[]);
            return None;
        };
        (found.read)(node, reader).map(Self)
    }

    fn schema(defs: &mut Defs) -> Json {
        let all: Vec<Json> = types(defs.definitions).map(|known| (known.schema)(defs)).collect();
        defs.refer(
            "Authenticator",
            |_| json!({ "description": "A named way to establish who is calling.", "oneOf": all }),
        )
    }
}

/// `type: a`, `type: b` or `type: c`.
fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`type: {word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
