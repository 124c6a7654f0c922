//! A configuration in which routes name fewer roles: only the lists change, everything else stays as it was written.

use crate::config::source::Source;
use crate::config::yaml::{self, Kind, Node};
use std::collections::BTreeMap;
use std::path::Path;

/// The text with these roles in place of those that the routes name, and the routes that could not be found in it.
pub(super) fn without<'a>(text: &str, roles: &BTreeMap<&'a str, &Vec<&str>>) -> (String, Vec<&'a str>) {
    let source = Source::new(Path::new(""), text.to_owned());
    let mut left: Vec<&str> = Vec::new();
    let mut changes: Vec<(usize, usize, String)> = Vec::new();
    let tree = yaml::parse(text, &mut Vec::new());
    for (route, keep) in roles {
        match tree.as_ref().and_then(|tree| roles_of(tree, route)) {
            Some(list) => {
                let Some((begin, end)) = place(text, &source, list) else { continue };
                let names: Vec<String> =
                    keep.iter().map(|role| serde_json::Value::from(*role).to_string()).collect();
                changes.push((begin, end, format!("[{}]", names.join(", "))));
            }
            None => left.push(route),
        }
    }
    changes.sort();
    let mut out = text.to_owned();
    for (begin, end, list) in changes.into_iter().rev() {
        out.replace_range(begin..end, &list);
    }
    (out, left)
}

/// Where a list stands, from its bracket or its first dash to its last item or bracket.
fn place(text: &str, source: &Source, list: &Node) -> Option<(usize, usize)> {
    let begin = source.byte(list.span.start);
    if text.get(begin..)?.starts_with('[') {
        // The space behind the bracket is nobody's.
        let written = text.get(begin..source.byte(list.span.end))?;
        return Some((begin, begin + written.trim_end().len()));
    }
    let Kind::Sequence(items) = &list.kind else { return None };
    let first = source.byte(items.first()?.span.start);
    Some((text.get(..first)?.rfind('-')?, source.byte(items.last()?.span.end)))
}

fn roles_of<'n>(tree: &'n Node, route: &str) -> Option<&'n Node> {
    let Kind::Sequence(routes) = &of(tree, "routes")?.kind else { return None };
    let named = |node: &&Node| matches!(of(node, "name").map(|name| &name.kind), Some(Kind::Scalar { text, .. }) if text == route);
    let list = of(of(routes.iter().find(named)?, "authorize")?, "roles")?;
    matches!(list.kind, Kind::Sequence(_)).then_some(list)
}

fn of<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Kind::Mapping(entries) = &node.kind else { return None };
    entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn only_the_lists_change_however_they_are_written() {
        let text = "# who may\nroutes:\n  - { name: a, authorize: { roles: [X, \"Y\"] } } # flow\n  - name: b\n    authorize:\n      roles:\n        - X\n        - 관리자\n    service: s\n";
        let (keep_a, keep_b, none) = (vec!["Y"], vec!["관리자"], vec!["X"]);
        let roles = [("a", &keep_a), ("b", &keep_b), ("c", &none)].into();
        let (smaller, left) = without(text, &roles);
        assert_eq!(
            smaller,
            "# who may\nroutes:\n  - { name: a, authorize: { roles: [\"Y\"] } } # flow\n  - name: b\n    authorize:\n      roles:\n        [\"관리자\"]\n    service: s\n"
        );
        assert_eq!(left, ["c"]);
    }
}
