//! Every type of problem that the gate answers with is in docs/answers.md with its status, and no other is.

use http::StatusCode;
use std::collections::BTreeSet;
use std::path::Path;

/// A status, and the last word of the problem's `type`.
type Problem = (u16, String);

fn text(file: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    std::fs::read_to_string(&file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()))
}

/// The arms `Type::One | Type::Two(_) => value` of a file of the product, as pairs of a variant and what `read` makes of the value.
fn arms<T>(file: &str, owner: &str, read: impl Fn(&str) -> Option<T>) -> Vec<(String, T)> {
    let text = text(file).replace("{ .. }", "").replace("(_)", "");
    let product = text.split("#[cfg(test)]").next().unwrap();
    let code: Vec<&str> = product.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let text = code.join("\n");
    let mut found = Vec::new();
    for (at, _) in text.match_indices("=>") {
        let (before, after) = (&text[..at], text[at + 2..].trim_start());
        // Back to the end of the arm before.
        let pattern = before.rsplit([',', '{', '}']).next().unwrap();
        let variants = pattern.split('|').map(|one| one.trim().strip_prefix(owner).map(str::to_owned));
        let Some(variants) = variants.collect::<Option<Vec<_>>>() else { continue };
        found.extend(variants.into_iter().filter_map(|variant| Some((variant, read(after)?))));
    }
    found
}

fn constant(value: &str) -> Option<u16> {
    status(value.trim_start_matches('(').strip_prefix("StatusCode::")?.split([',', ')', ' ']).next()?)
}

fn kind(value: &str) -> Option<String> {
    let value = value.strip_prefix('"')?.split('"').next()?;
    value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-').then(|| value.to_owned())
}

/// What the data plane answers: statuses in the one file, types in the other.
fn of_the_gate() -> BTreeSet<Problem> {
    let statuses = arms("crates/haechi-proxy/src/respond.rs", "Refusal::", constant);
    let types = arms("crates/haechi-proxy/src/refusal.rs", "Self::", kind);
    // Its status is chosen among several, of which the page says so.
    let chosen = ("OfService".to_owned(), StatusCode::FORBIDDEN.as_u16());
    let statuses: Vec<_> = statuses.into_iter().chain([chosen]).collect();
    let names: BTreeSet<&str> = statuses.iter().map(|(variant, _)| &**variant).collect();
    assert_eq!(names, types.iter().map(|(variant, _)| &**variant).collect(), "could not be read");
    let of = |variant: &String| types.iter().find(|(other, _)| other == variant).unwrap().1.clone();
    statuses.iter().map(|(variant, status)| (*status, of(variant))).collect()
}

/// What the admin listener answers: status and type stand side by side.
fn of_the_admin_listener() -> BTreeSet<Problem> {
    let beside = |value: &str| {
        let status = constant(value)?;
        Some((status, kind(value.split_once(',')?.1.trim_start())?))
    };
    arms("crates/haechi-admin/src/error.rs", "Self::", beside)
        .into_iter()
        .map(|(_, problem)| problem)
        .collect()
}

/// `NOT_FOUND` as a number.
fn status(name: &str) -> Option<u16> {
    (100..600).find(|code| {
        let reason = StatusCode::from_u16(*code).ok().and_then(|status| status.canonical_reason());
        reason.is_some_and(|reason| reason.to_uppercase().replace([' ', '-'], "_") == name)
    })
}

/// What the table `| status | types |` below a heading says.
fn documented(heading: &str) -> BTreeSet<Problem> {
    let text = text("docs/answers.md");
    let (_, section) = text.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let (_, table) = section.split_once("| status | types |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let status: u16 = cells.next().unwrap().parse().unwrap();
        let types = cells.next().unwrap().split(", ").map(|name| name.trim_matches('`').to_owned());
        types.map(move |name| (status, name)).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn every_type_of_problem_is_documented_with_its_status() {
    for (answered, heading, at_least) in
        [(of_the_gate(), "## Problem documents", 20), (of_the_admin_listener(), "## The admin listener", 12)]
    {
        let documented = documented(heading);
        assert!(answered.len() >= at_least, "could not be read: {answered:?}");
        let missing: Vec<_> = answered.difference(&documented).collect();
        let unknown: Vec<_> = documented.difference(&answered).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "docs/answers.md, `{heading}`: {missing:?} is missing, and {unknown:?} is no answer of ours"
        );
    }
}
