//! The matrix as one page that stands alone: no scripts, nothing from elsewhere, readable in print and without colours.

use crate::cli::page::escaped;
use crate::inspect::matrix::{Entry, Matrix, Outcome, Row};
use haechi_core::{Clock, SystemClock};
use std::fmt::Write;

const STYLE: &str = "
:root { color-scheme: light; --ink: #1c2530; --soft: #5b6775; --line: #dfe4ea; --head: #f5f7f9; }
* { box-sizing: border-box; }
body { margin: 2.5rem auto; max-width: 96rem; padding: 0 2rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; letter-spacing: -.01em; }
p { margin: .25rem 0; color: var(--soft); max-width: 60rem; }
code { font: .86em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.legend { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; margin: 1.25rem 0; padding: 0; list-style: none; color: var(--soft); }
.mark { display: inline-block; min-width: 4.6rem; padding: .05rem .55rem; border-radius: 999px; text-align: center;
  font-size: .82rem; font-weight: 600; border: 1px solid transparent; }
.allow .mark, .mark.allow { background: #e3f4e8; color: #14602f; border-color: #b5dfc2; }
.deny .mark, .mark.deny { background: #f6f1f0; color: #7d2f26; border-color: #e6d3d0; }
.depends .mark, .mark.depends { background: #fdf3d8; color: #6f4d00; border-color: #ecd593; }
table { border-collapse: separate; border-spacing: 0; width: 100%; border: 1px solid var(--line); border-radius: 8px; }
th, td { padding: .55rem .8rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { position: sticky; top: 0; z-index: 1; background: var(--head); font-size: .82rem; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 600; min-width: 9rem; }
tbody th span { display: block; font-weight: 400; color: var(--soft); font-size: .85rem; }
td.methods { font-size: .82rem; color: var(--soft); min-width: 6rem; }
td .note { display: block; margin-top: .3rem; color: var(--soft); font-size: .82rem; min-width: 8rem; max-width: 22rem; overflow-wrap: anywhere; }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 10px; } thead th { position: static; }
  tr { break-inside: avoid; } .mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
";

pub(super) fn page(matrix: &Matrix) -> String {
    let mut out = String::new();
    // Writing to a `String` does not fail.
    let _ = write_page(matrix, &mut out);
    out
}

fn write_page(matrix: &Matrix, out: &mut String) -> std::fmt::Result {
    let file = escaped(&matrix.file);
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<title>Who may do what: {file}</title>\n<style>{STYLE}</style>\n</head>\n<body>")?;
    writeln!(out, "<h1>Who may do what</h1>")?;
    let now = SystemClock.now().rfc3339();
    writeln!(out, "<p>Made by Haechi {} from <code>{file}</code> at {now}.</p>", env!("CARGO_PKG_VERSION"))?;
    writeln!(
        out,
        "<p>Each column is a caller who was given that role and no other, with the roles that it includes. Conditions are Cedar; \
         a fact that is missing makes a condition false. No policy is about a built-in route, which the embedded identity provider answers.</p>"
    )?;
    writeln!(out, "<ul class=\"legend\">")?;
    for (word, meaning) in [
        ("allow", "every such request is let through"),
        ("deny", "none is"),
        ("depends", "those for which the condition holds"),
    ] {
        writeln!(out, "<li><span class=\"mark {word}\">{word}</span> {meaning}</li>")?;
    }
    writeln!(out, "</ul>\n<table>\n<thead>\n<tr><th scope=\"col\">route</th><th scope=\"col\">methods</th>")?;
    for column in &matrix.columns {
        writeln!(out, "<th scope=\"col\">{}</th>", escaped(column))?;
    }
    writeln!(out, "</tr>\n</thead>\n<tbody>")?;
    matrix.rows.iter().try_for_each(|row| write_row(row, out))?;
    writeln!(out, "</tbody>\n</table>\n</body>\n</html>")
}

fn write_row(row: &Row, out: &mut String) -> std::fmt::Result {
    let (route, pattern) = (escaped(&row.route), escaped(&row.pattern));
    let hosts = row.hosts.iter().map(|host| format!("<span>on {}</span>", escaped(host))).collect::<String>();
    let ways = escaped(&row.authenticators.join(", "));
    let built_in = if row.built_in { "<span>built in</span>" } else { "" };
    writeln!(
        out,
        "<tr><th scope=\"row\">{route}<span><code>{pattern}</code></span>{built_in}{hosts}<span>{ways}</span></th>"
    )?;
    writeln!(out, "<td class=\"methods\">{}</td>", escaped(&row.methods.join(" ")))?;
    row.cells.iter().try_for_each(|entry| write_cell(entry, out))?;
    writeln!(out, "</tr>")
}

fn write_cell(entry: &Entry, out: &mut String) -> std::fmt::Result {
    let word = entry.outcome.word();
    write!(out, "<td class=\"{word}\"><span class=\"mark\">{word}</span>")?;
    if let Some(note) = &entry.note {
        let note = escaped(note);
        match entry.outcome {
            Outcome::Depends => write!(out, "<code class=\"note\">{note}</code>")?,
            _ => write!(out, "<span class=\"note\">{note}</span>")?,
        }
    }
    writeln!(out, "</td>")
}
