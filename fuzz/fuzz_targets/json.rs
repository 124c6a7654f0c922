//! JSON from strangers: what is accepted is one object without a name that stands twice, and serde_json reads the same members in it.
#![no_main]

use haechi_authn::jose::json::{Json, Object};
use haechi_fuzz::is_json_with_distinct_names;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(read) = Object::parse(data) else { return };
    assert!(is_json_with_distinct_names(data));
    let other: Value = serde_json::from_slice(data).expect("serde_json refuses it");
    same_members(&read, &other);
});

fn same_members(read: &Object<'_>, other: &Value) {
    let other = other.as_object().expect("an object");
    assert_eq!(read.len(), other.len());
    for (name, value) in other {
        same(read.member(name).expect("a member is missing"), value);
    }
}

fn same(read: &Json<'_>, other: &Value) {
    match read {
        Json::Null => assert!(other.is_null()),
        Json::Bool(value) => assert_eq!(other.as_bool(), Some(*value)),
        Json::Integer(value) => assert_eq!(other.as_i64(), Some(*value)),
        Json::Float(value) => {
            assert!(value.is_finite());
            assert_eq!(other.as_f64(), Some(*value));
        }
        Json::String(text) => assert_eq!(other.as_str(), Some(&**text)),
        Json::Array(elements) => {
            let other = other.as_array().expect("an array");
            assert_eq!(elements.len(), other.len());
            elements.iter().zip(other).for_each(|(read, other)| same(read, other));
        }
        Json::Object(object) => same_members(object, other),
        Json::Ambiguous => panic!("only sets hold what is ambiguous"),
    }
}
