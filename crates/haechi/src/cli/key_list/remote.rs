//! `haechi key list` and `show` at a running gate.

use super::{KeyView, ListArgs, NAMESAKES, ambiguous, not_a_key, print, print_one, tell_rest};
use crate::cli::remote::Gate;
use crate::cli::{Common, Failure, Format};

/// Prints the keys, page by page from the gate.
pub(in crate::cli) async fn list(gate: &Gate, arguments: ListArgs, common: &Common) -> Result<(), Failure> {
    let limit = arguments.limit.map_or(usize::MAX, |limit| limit as usize);
    if let Some(id) = &arguments.after {
        not_a_key(id)?;
    }
    // One more than was asked for, to tell whether there are more.
    let mut keys: Vec<KeyView> = gate.list(&["keys"], &arguments.query(), limit.saturating_add(1)).await?;
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    print(common, &keys)?;
    tell_rest(&keys, has_more);
    Ok(())
}

/// Prints one key, with everything that it has.
pub(in crate::cli) async fn show(gate: &Gate, key: &str, format: Format) -> Result<(), Failure> {
    print_one(&known(gate, key).await?, format)
}

/// The key of this id, or the only one of this name.
pub(in crate::cli) async fn known(gate: &Gate, key: &str) -> Result<KeyView, Failure> {
    not_a_key(key)?;
    if !key.is_empty()
        && let Some(found) = gate.find(&["keys", key]).await?
    {
        return Ok(found);
    }
    let query = [("name", key.to_owned())];
    let mut named: Vec<KeyView> = gate.list(&["keys"], &query, NAMESAKES + 1).await?;
    match (named.pop(), named.is_empty()) {
        (None, _) => Err(Failure::fault(format!("there is no key with the id or the name `{key}`"))),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            named.push(last);
            Err(ambiguous(key, &named))
        }
    }
}
