//! How deep a policy may be nested. Whoever reads one goes as deep as it does, on a stack that ends.

use super::{CompiledText, PolicyFault};

/// Brackets within brackets.
const BRACKETS: usize = 64;
/// Operators of one policy: each may hold all that stand before it.
const OPERATORS: usize = 400;

/// Refuses a text in which brackets or operators go too deep, before anybody reads it.
pub(super) fn check(text: &str, within: CompiledText) -> Result<(), PolicyFault> {
    let (mut depth, mut operators) = (0usize, 0usize);
    let mut rest = Tokens { text, offset: 0 };
    while let Some((offset, token)) = rest.next() {
        match token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => operators = 0,
            "if" | "has" | "in" | "is" | "like" => operators += 1,
            // `::` and `,` hold nothing.
            _ if token.starts_with(|c| "&|!<>=+-*.".contains(c)) => operators += 1,
            _ => {}
        }
        let (most, what) = if depth > BRACKETS {
            (BRACKETS, "brackets within brackets")
        } else if operators > OPERATORS {
            (OPERATORS, "operators in one policy")
        } else {
            continue;
        };
        return Err(PolicyFault {
            within,
            offset,
            length: token.len(),
            message: format!("more than {most} {what}"),
            help: Some(
                "split it into several policies, or compare with a set: `[\"a\", \"b\"].contains(…)`".into(),
            ),
        });
    }
    Ok(())
}

/// Does what goes as deep as policies do on a stack that is deep enough for the deepest that [`check`] lets through: reloads happen on threads
/// with small ones. `None` when there is no such thread.
pub(crate) fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    const STACK: usize = 64 * 1024 * 1024;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("policies".into()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work).ok()?;
        Some(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Words, and single characters of everything else; without strings, comments and blanks.
struct Tokens<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let rest = self.text.get(self.offset..)?;
            let first = rest.chars().next()?;
            let start = self.offset;
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if first == '"' {
                string(rest)
            } else if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            self.offset += length;
            if !first.is_whitespace() && first != '"' && !rest.starts_with("//") {
                return Some((start, rest.get(..length)?));
            }
        }
    }
}

/// How long the string is that `text` begins with, quotes and all.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (offset, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return offset + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::World;
    use crate::{CompiledText, Engine, PolicyFile, compile};
    use std::sync::Arc;

    fn policy(condition: &str) -> String {
        format!("permit(principal, action, resource) when {{ {condition} }};")
    }

    fn deep(count: usize) -> [String; 6] {
        [
            format!("{}true{}", "(".repeat(count), ")".repeat(count)),
            format!("true{}", " || true".repeat(count)),
            format!("{}true", "if true then true else ".repeat(count)),
            format!("{}1{} == []", "[".repeat(count), "]".repeat(count)),
            format!("{}true", "!".repeat(count)),
            format!("1{} == 1", " + 1".repeat(count)),
        ]
    }

    #[test]
    fn what_is_too_deep_is_refused_before_it_is_read() {
        for condition in deep(30_000) {
            let world = World::new(&policy(&condition));
            let faults = world.engine().unwrap_err();
            assert!(faults[0].message.starts_with("more than"), "{faults:?}");
        }
    }

    #[test]
    fn what_is_just_not_too_deep_is_read_on_a_small_stack() {
        let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let work = || {
            for condition in deep(60).into_iter().chain(deep(395).into_iter().skip(1)) {
                // Either is an answer; ending the process is none.
                let vocabulary = Arc::new(crate::testing::vocabulary());
                let file = PolicyFile { name: "p".into(), text: policy(&condition).into() };
                let _ = compile(vocabulary, &[file]).map(|compiled| Engine::new(Arc::new(compiled)).unwrap());
            }
        };
        small.spawn(work).unwrap().join().unwrap();
    }

    #[test]
    fn strings_comments_and_other_policies_do_not_count() {
        let many = "\"((((((((((\"".repeat(20);
        let text = format!("// {}\npermit(principal, action, resource) when {{ {many} }};", "(".repeat(500));
        assert_eq!(check(&text, CompiledText::File(0)), Ok(()));
        assert_eq!(check(&policy("true || true && true").repeat(1_000), CompiledText::File(0)), Ok(()));
        assert_eq!(check("\"a \\\" ((", CompiledText::File(0)), Ok(()));
    }
}
