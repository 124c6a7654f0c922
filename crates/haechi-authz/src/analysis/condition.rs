//! Conditions as people read them: Cedar without doubled negations, needless parentheses, and tests for what is read in the same breath.

use crate::expr::Expr;
use crate::slice::made;
use serde_json::{Value as Json, json};

/// The condition in Cedar. A missing fact makes it false.
pub(super) fn text(condition: &Expr) -> String {
    shown(&without_tests(&simplified(condition)), Around::Nothing)
}

const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

/// What an expression stands in, from what needs no parentheses to what needs them for the most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Around {
    Nothing,
    Or,
    And,
    Not,
}

/// The same, with each negation as far inside as it goes, and nothing said twice.
fn simplified(expr: &Expr) -> Expr {
    match expr {
        Expr::Unary(op, inner) if op == "!" => negated(inner),
        Expr::Binary(op, ..) if op == "&&" || op == "||" => {
            let mut said: Vec<Expr> = Vec::new();
            for part in operands(op, expr) {
                for part in operands(op, &simplified(part)) {
                    // What was true, or false, a moment ago is so again.
                    if !said.contains(part) {
                        said.push(part.clone());
                    }
                }
            }
            joined(op, said)
        }
        other => other.clone(),
    }
}

fn negated(expr: &Expr) -> Expr {
    match expr {
        Expr::Unary(op, inner) if op == "!" => simplified(inner),
        Expr::Binary(op, left, right) => {
            let both = |op: &str| Expr::Binary(op.to_owned(), left.clone(), right.clone());
            match op.as_str() {
                "==" => both("!="),
                "!=" => both("=="),
                "<" => both(">="),
                "<=" => both(">"),
                ">" => both("<="),
                ">=" => both("<"),
                // De Morgan, where it is the shorter of the two.
                "&&" | "||" if operands(op, expr).into_iter().any(is_negation) => {
                    let other = if op == "&&" { "||" } else { "&&" };
                    simplified(&joined(other, operands(op, expr).into_iter().map(negated).collect()))
                }
                _ => simplified(expr).not(),
            }
        }
        other => simplified(other).not(),
    }
}

fn is_negation(expr: &Expr) -> bool {
    matches!(expr, Expr::Unary(op, _) if op == "!")
}

/// What an operator that may stand between any number joins.
fn operands<'a>(op: &str, expr: &'a Expr) -> Vec<&'a Expr> {
    match expr {
        Expr::Binary(known, left, right) if known == op => {
            let mut all = operands(op, left);
            all.extend(operands(op, right));
            all
        }
        other => vec![other],
    }
}

/// There is at least one.
fn joined(op: &str, all: Vec<Expr>) -> Expr {
    let pair = |left, right| Expr::Binary(op.to_owned(), Box::new(left), Box::new(right));
    all.into_iter().reduce(pair).unwrap_or(Expr::bool(op == "&&"))
}

/// Without `x has a` beside something that reads `x.a`, for readers who know that a missing fact makes a condition false. Under a negation it
/// would make it true, so nothing is left out there.
fn without_tests(expr: &Expr) -> Expr {
    let op = match expr {
        Expr::Binary(op, ..) if op == "||" => {
            return joined(op, operands(op, expr).into_iter().map(without_tests).collect());
        }
        Expr::Binary(op, ..) if op == "&&" => op,
        other => return other.clone(),
    };
    let parts = operands(op, expr);
    let needed = |part: &&Expr| match part {
        Expr::Has(record, name) => {
            let read = Expr::Attr(record.clone(), name.clone());
            !parts.iter().any(|other| mentions(other, &read))
        }
        _ => true,
    };
    let kept: Vec<Expr> = parts.iter().copied().filter(needed).map(without_tests).collect();
    if kept.is_empty() { expr.clone() } else { joined(op, kept) }
}

fn mentions(expr: &Expr, wanted: &Expr) -> bool {
    expr == wanted || expr.children().into_iter().any(|child| mentions(child, wanted))
}

fn shown(expr: &Expr, around: Around) -> String {
    let (own, text) = match expr {
        Expr::Binary(op, ..) if op == "&&" || op == "||" => {
            let own = if op == "&&" { Around::And } else { Around::Or };
            let all: Vec<String> = operands(op, expr).into_iter().map(|part| shown(part, own)).collect();
            (own, all.join(&format!(" {op} ")))
        }
        Expr::Unary(op, inner) if op == "!" => return format!("!{}", shown(inner, Around::Not)),
        // Cedar writes `!=` and `>` as negations of others.
        Expr::Binary(op, left, right) if COMPARISONS.contains(&op.as_str()) => {
            (Around::And, format!("{} {op} {}", operand(left), operand(right)))
        }
        Expr::Attr(..) | Expr::Call(..) | Expr::Literal(_) | Expr::Var(_) => return cedar(expr),
        // Reaches as far as it can.
        Expr::If(..) => (Around::Nothing, cedar(expr)),
        other => (Around::And, cedar(other)),
    };
    if own < around { format!("({text})") } else { text }
}

/// One side of a comparison.
fn operand(expr: &Expr) -> String {
    let text = cedar(expr);
    match expr {
        Expr::Attr(..)
        | Expr::Call(..)
        | Expr::Literal(_)
        | Expr::Var(_)
        | Expr::Entity(_)
        | Expr::Set(_)
        | Expr::Record(_) => text,
        _ => format!("({text})"),
    }
}

/// The text of an expression.
fn cedar(expr: &Expr) -> String {
    let condition = json!({ "kind": "when", "body": expr.to_json() });
    let policy = made("m", "permit", &Json::Null, Some(condition)).ok().and_then(|policy| policy.to_cedar());
    let whole = policy.unwrap_or_default();
    let body = whole.split_once("when {").and_then(|(_, rest)| rest.rsplit_once('}'));
    let body = body.map_or(whole.as_str(), |(body, _)| body);
    body.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::expr::Expr;
    use cedar_policy::Policy;

    fn parsed(condition: &str) -> Expr {
        let policy = format!("permit(principal, action, resource) when {{ {condition} }};");
        let json = Policy::parse(None, policy).unwrap().to_json().unwrap();
        Expr::parse(&json["conditions"][0]["body"]).unwrap()
    }

    #[test]
    fn conditions_read_as_somebody_would_write_them() {
        for (written, read) in [
            ("!(!(context.headers has purpose))", "context.headers has purpose"),
            ("!(!(!(context.secure)))", "!context.secure"),
            ("!(context.path == \"/a\")", "context.path != \"/a\""),
            (
                "!(principal.level < 3) && !(principal.level != 9)",
                "principal.level >= 3 && principal.level == 9",
            ),
            (
                "principal has tenant && principal.tenant == \"a\" && (context.secure || (principal has tenant && context.path like \"/x*\"))",
                "principal.tenant == \"a\" && (context.secure || principal has tenant && context.path like \"/x*\")",
            ),
            (
                "!(principal has tenant && !(principal.tenant == \"a\"))",
                "!(principal has tenant) || principal.tenant == \"a\"",
            ),
            ("(context.secure && context.secure) && context.secure", "context.secure"),
            (
                "!(context.secure && principal.scopes.contains(\"a\"))",
                "!(context.secure && principal.scopes.contains(\"a\"))",
            ),
            (
                "(context.secure || context.path == \"/\") && context.secure",
                "(context.secure || context.path == \"/\") && context.secure",
            ),
            (
                "(if context.secure then context.path == \"/\" else false) || principal in Role::\"A\"",
                "(if context.secure then context.path == \"/\" else false) || principal in Role::\"A\"",
            ),
        ] {
            let told = text(&parsed(written));
            assert_eq!(told, read, "{written}");
            // What is shown is Cedar, and reads the same when it is read again.
            assert_eq!(text(&parsed(&told)), told);
        }
    }
}
