//! What answers mean. What cannot be understood is neither yes nor no.

use haechi_authn::jose::json::{Json, Object};

/// `{"result": true}` or `{"result": {"allow": true}}`. A document that is not defined has no `result`: nothing says yes.
pub(super) fn opa(told: &[u8]) -> Result<bool, String> {
    let told = parse(told)?;
    match told.member("result") {
        None => Ok(false),
        Some(Json::Object(result)) => boolean(result, "result.allow", "allow"),
        Some(_) => boolean(&told, "result", "result"),
    }
}

/// `{"decision": true}` (AuthZEN 1.0, section 6.2).
pub(super) fn authzen(told: &[u8]) -> Result<bool, String> {
    boolean(&parse(told)?, "decision", "decision")
}

fn parse(told: &[u8]) -> Result<Object<'_>, String> {
    Object::parse(told).map_err(|fault| format!("its answer is {fault}"))
}

fn boolean(object: &Object<'_>, called: &str, member: &str) -> Result<bool, String> {
    match object.member(member) {
        Some(Json::Bool(said)) => Ok(*said),
        Some(_) => Err(format!("`{called}` in its answer is neither true nor false")),
        None => Err(format!("its answer has no `{called}`")),
    }
}
