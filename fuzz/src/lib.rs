//! What several targets need: fields made of fuzzed bytes, and a second opinion on JSON.

use haechi_core::Fields;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// The lines of `data` as fields, `name:value` each, as far as they could have passed the head parser.
pub fn fields(data: &[u8]) -> Fields {
    let mut fields = Fields::default();
    for line in data.split(|&b| b == b'\n').take(100) {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if is_token(name) && value.iter().all(|&b| b == b'\t' || (b >= 0x20 && b != 0x7f)) {
            fields.push(name, value);
        }
    }
    fields
}

/// RFC 9110 5.6.2.
pub fn is_token(name: &[u8]) -> bool {
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !name.is_empty() && name.iter().all(legal)
}

/// Whether serde_json reads `text` and no object in it has two members of one name: the reading that ours must agree with, made in another way.
pub fn is_json_with_distinct_names(text: &[u8]) -> bool {
    serde_json::from_slice::<Distinct>(text).is_ok_and(|read| read.0)
}

/// True while no name stood twice.
struct Distinct(bool);

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Distinct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Distinct, E> {
        Ok(Distinct(true))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Distinct, E> {
        Ok(Distinct(true))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Distinct, E> {
        Ok(Distinct(true))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Distinct, E> {
        Ok(Distinct(true))
    }

    fn visit_str<E>(self, _: &str) -> Result<Distinct, E> {
        Ok(Distinct(true))
    }

    fn visit_unit<E>(self) -> Result<Distinct, E> {
        Ok(Distinct(true))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Distinct, A::Error> {
        let mut distinct = true;
        while let Some(element) = elements.next_element::<Distinct>()? {
            distinct &= element.0;
        }
        Ok(Distinct(distinct))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Distinct, A::Error> {
        let (mut distinct, mut names) = (true, BTreeSet::new());
        while let Some((name, value)) = members.next_entry::<String, Distinct>()? {
            distinct &= names.insert(name) && value.0;
        }
        Ok(Distinct(distinct))
    }
}
