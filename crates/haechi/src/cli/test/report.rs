//! What came of the cases: for people, and as JUnit's XML for whatever shows test results.

use super::coverage::{Coverage, Part};
use super::{CaseResult, TestReport};
use crate::cli::explain::render;
use crate::cli::output::{counted, shown};
use crate::cli::verdict::Verdict;
use std::fmt::Write;

/// A line for each case; a failure with its explanation and place.
pub(super) fn text(told: &TestReport) -> String {
    let mut out = String::new();
    for tried in &told.cases {
        // Writing to a `String` does not fail.
        let _ = case(tried, &mut out);
    }
    let _ = writeln!(out, "\n{} passed, {} failed", told.passed, told.failed);
    if let Some(coverage) = &told.coverage {
        let _ = covered(coverage, &mut out);
    }
    out
}

fn case(tried: &CaseResult, out: &mut String) -> std::fmt::Result {
    if tried.passed {
        return writeln!(out, "{}    {}", Verdict::Good.out("ok"), shown(&tried.name));
    }
    writeln!(out, "{}  {}", Verdict::Bad.out("FAIL"), shown(&tried.name))?;
    writeln!(out, "  --> {}:{}:{}", shown(&tried.file), tried.line, tried.column)?;
    writeln!(out, "      expected {}, got {}", shown(&tried.expected), shown(&tried.got))?;
    for line in explained(tried).lines() {
        writeln!(out, "{}", format!("      | {line}").trim_end())?;
    }
    Ok(())
}

fn explained(tried: &CaseResult) -> String {
    tried.explanation.as_ref().map_or_else(String::new, |explanation| render(explanation, false))
}

fn covered(coverage: &Coverage, out: &mut String) -> std::fmt::Result {
    let Coverage { routes, clauses, policies, .. } = coverage;
    let all = [("route", routes), ("clause", clauses), ("policy", policies)];
    let parts: Vec<String> = all.iter().map(|(noun, part)| of(noun, part)).collect();
    writeln!(out, "exercised: {}", parts.join(", "))?;
    for missing in all.iter().flat_map(|(_, part)| &part.missing) {
        writeln!(out, "  never {:<11} {}", missing.never, shown(&missing.what))?;
    }
    Ok(())
}

fn of(noun: &str, part: &Part) -> String {
    let nouns = match noun {
        "policy" if part.of == 1 => "1 policy".to_owned(),
        "policy" => format!("{} policies", part.of),
        other => counted(part.of, other),
    };
    format!("{} of {nouns}", part.exercised)
}

/// One test suite for each file, one test case for each case.
pub(super) fn junit(told: &TestReport) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = suites(told, &mut out);
    out
}

fn suites(told: &TestReport, out: &mut String) -> std::fmt::Result {
    let all = told.cases.len();
    writeln!(
        out,
        "<testsuites name=\"haechi test\" tests=\"{all}\" failures=\"{}\" errors=\"0\">",
        told.failed
    )?;
    for cases in told.cases.chunk_by(|one, other| one.file == other.file) {
        let file = cases.first().map_or("", |case| &case.file);
        let failed = cases.iter().filter(|case| !case.passed).count();
        let (file, count) = (escaped(file), cases.len());
        writeln!(
            out,
            "  <testsuite name=\"{file}\" tests=\"{count}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\">"
        )?;
        for case in cases {
            test_case(case, &file, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn test_case(tried: &CaseResult, file: &str, out: &mut String) -> std::fmt::Result {
    let name = escaped(&tried.name);
    write!(
        out,
        "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{}\"",
        tried.line
    )?;
    if tried.passed {
        return writeln!(out, "/>");
    }
    let message = escaped(&format!("expected {}, got {}", tried.expected, tried.got));
    let text = escaped(&format!("{}:{}:{}\n{}", tried.file, tried.line, tried.column, explained(tried)));
    writeln!(out, ">\n      <failure type=\"access\" message=\"{message}\">{text}</failure>\n    </testcase>")
}

/// Text of XML. What XML 1.0 cannot say is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
