//! Words for what other rooms enumerate.

use crate::config::choice;
use crate::config::read::{Defs, Reader, Value};
use crate::config::yaml::Node;
use haechi_authn::jose::algorithm::ED25519;
use haechi_authn::jose::{Algorithm, SigningAlgorithm};
use haechi_core::{AttributeType, Irregular, Outcome};
use haechi_proxy::{CacheControl, LogFormat, OnFailure, Protocol};
use serde_json::{Value as Json, json};

macro_rules! word_value {
    ($type:ty, $what:literal, $all:expr, $word:expr) => {
        impl Value for $type {
            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
                let word = reader.text($what, node)?;
                let found = $all.into_iter().find(|known| $word(known) == word);
                if found.is_none() {
                    let known = $all.each_ref().map($word);
                    choice::unknown(reader, node, $what, &word, &known, &[]);
                }
                found
            }

            fn schema(_: &mut Defs) -> Json {
                json!({ "enum": $all.each_ref().map($word) })
            }

            fn shown(&self) -> Json {
                $word(self).into()
            }
        }
    };
}

macro_rules! words {
    ($type:ty, $what:literal, { $($variant:ident = $word:literal),* $(,)? }) => {
        word_value!($type, $what, [$(Self::$variant),*], |known: &Self| match known {
            $( Self::$variant => $word, )*
        });
    };
}

word_value!(SigningAlgorithm, "a signing algorithm", Self::ALL, |known: &Self| known.name());
word_value!(Irregular, "a way to spell a path", Self::NAMES.map(|(_, flag)| flag), irregular);
words!(AttributeType, "an attribute type", { String = "string", Long = "long", Bool = "bool", Set = "set" });
word_value!(Outcome, "an answer of a decision point", Self::ALL, |known: &Self| known.name());
words!(LogFormat, "a log format", { Json = "json", Text = "text" });
words!(CacheControl, "what becomes of `Cache-Control`", { Private = "private", Unchanged = "unchanged" });
words!(OnFailure, "what happens while the nodes cannot count together", { Local = "local", Deny = "deny" });
words!(Protocol, "a protocol", { Http1 = "http1", Http2 = "http2", Auto = "auto" });

/// By its name, or by the one of RFC 9864 for the curve that `EdDSA` means here.
impl Value for Algorithm {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let word = reader.text("an algorithm", node)?;
        let found = Self::named(&word);
        if found.is_none() {
            choice::unknown(reader, node, "an algorithm", &word, &Self::ALL.map(Self::name), &[]);
        }
        found
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "enum": Self::ALL.iter().map(|known| known.name()).chain([ED25519]).collect::<Vec<_>>() })
    }

    fn shown(&self) -> Json {
        self.name().into()
    }
}

fn irregular(flag: &Irregular) -> &'static str {
    Irregular::NAMES.iter().find(|(_, known)| known == flag).map_or("", |(name, _)| name)
}
