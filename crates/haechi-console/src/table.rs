//! Tables of what calls answered.

use crate::shown::Ask;
use crate::words::Said;
use maud::{Markup, html};
use serde_json::Value;
use url::form_urlencoded::Serializer;

/// A column: its head, and what stands in it of a row.
pub(crate) type Column<'a> = (&'a str, &'a dyn Fn(&Value) -> Markup);

/// The rows, or what to do where there are none. Wide ones are scrolled, with the keyboard as well.
pub(crate) fn table(label: &str, columns: &[Column<'_>], rows: &[Value], empty: &str) -> Markup {
    html! {
        @if rows.is_empty() {
            p .dim { (empty) }
        } @else {
            div .scroll tabindex="0" role="region" aria-label=(label) {
                table {
                    thead { tr { @for (head, _) in columns { th scope="col" { (head) } } } }
                    tbody {
                        @for row in rows { tr { @for (_, cell) in columns { td { (cell(row)) } } } }
                    }
                }
            }
        }
    }
}

/// The items of a list.
pub(crate) fn items(list: &Value) -> &[Value] {
    list.get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text at this place, set apart from the direction of what stands around it.
pub(crate) fn text(row: &Value, pointer: &str) -> Markup {
    html! { bdi { (plain(row.pointer(pointer))) } }
}

/// The same, without markup.
pub(crate) fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) => all.iter().map(|one| plain(Some(one))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

/// An instant in the reader's zone, with UTC beside it where that is another; `otherwise` where there is none.
pub(crate) fn time(words: &Said, row: &Value, pointer: &str, otherwise: &str) -> Markup {
    let Some(at) = row.pointer(pointer).and_then(Value::as_str) else {
        return html! { span .dim { (otherwise) } };
    };
    match words.zone.told(at) {
        Some((here, utc)) => html! { time datetime=(at) { (here) " " span .dim { (utc) } } },
        None => html! { time datetime=(at) { (at.trim_end_matches('Z').replacen('T', " ", 1)) } },
    }
}

/// A path with its query, of what is not empty.
pub(crate) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut all = Serializer::new(String::new());
    query.iter().filter(|(_, value)| !value.is_empty()).for_each(|(name, value)| {
        all.append_pair(name, value);
    });
    let query = all.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// One segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let kept = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_~".contains(byte);
    text.bytes().map(|b| if kept(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// What stands below a table: where the list goes on, and the same for programs.
pub(crate) fn below(ask: &Ask<'_>, path: &str, asked: &[(&str, &str)], list: &Value) -> Markup {
    let words = ask.words;
    let next = list.get("next").and_then(Value::as_str);
    let is_further = asked.iter().any(|(name, value)| *name == "cursor" && !value.is_empty());
    let rest: Vec<_> = asked.iter().filter(|(name, _)| *name != "cursor").copied().collect();
    let form = |form: &str| address(path, &[asked, &[("as", form)]].concat());
    html! {
        p .more {
            @if is_further { a href=(address(path, &rest)) { (words.first) } }
            @if let Some(next) = next {
                a href=(address(path, &[&rest[..], &[("cursor", next)]].concat())) rel="next" { (words.next) }
            }
        }
        p .more { span .dim { (words.export) } a href=(form("csv")) { "CSV" } a href=(form("json")) { "JSON" } }
    }
}

/// A field of a filter.
pub(crate) fn filter(name: &str, label: &str, value: &str) -> Markup {
    html! { div { label for=(name) { (label) } input #(name) name=(name) value=(value) autocomplete="off"; } }
}

/// A field of a filter that is one of these, or any.
pub(crate) fn choice(name: &str, label: &str, (value, any): (&str, &str), all: &[(&str, &str)]) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            select #(name) name=(name) {
                @if !any.is_empty() { option value="" { (any) } }
                @for (one, said) in all { option value=(one) selected[*one == value] { (said) } }
            }
        }
    }
}

/// A field that is typed into, with a hint where it needs one.
pub(crate) fn field(ask: &Ask<'_>, name: &str, label: &str, hint: &str, required: bool) -> Markup {
    let hint_id = format!("{name}-hint");
    html! {
        label for=(name) { (label) }
        input #(name) name=(name) value=(ask.query.one(name)) required[required] autocomplete="off"
            aria-describedby=[(!hint.is_empty()).then_some(&hint_id)];
        @if !hint.is_empty() { p #(hint_id) .hint { (hint) } }
    }
}

/// A form that changes something.
pub(crate) fn form(ask: &Ask<'_>, to: &str, content: &Markup) -> Markup {
    html! {
        form .change method="post" action={ "/console/" (to) } {
            input type="hidden" name="tie" value=(ask.tie);
            (content)
        }
    }
}

/// A button that changes something, for those who may change things.
pub(crate) fn button(ask: &Ask<'_>, to: &str, label: &str, about: &str) -> Markup {
    html! {
        @if ask.reads.session.changes {
            form .act method="post" action={ "/console/" (to) } {
                input type="hidden" name="tie" value=(ask.tie);
                button .second type="submit" { (label) @if !about.is_empty() { span .hidden { " " (about) } } }
            }
        }
    }
}

/// A link to a form, for those who may change things.
pub(crate) fn to_form(ask: &Ask<'_>, to: &str, label: &str) -> Markup {
    html! { @if ask.reads.session.changes { p { a .button href={ "/console/" (to) } { (label) } } } }
}

/// The columns, of which the last is there for those who may change things.
pub(crate) fn with_changes<'a, 'c>(ask: &Ask<'_>, columns: &'a [Column<'c>]) -> &'a [Column<'c>] {
    let others = columns.split_last().map_or(columns, |(_, others)| others);
    if ask.reads.session.changes { columns } else { others }
}

#[cfg(test)]
mod tests {
    use super::{address, segment, table, text};
    use serde_json::json;

    #[test]
    fn hostile_text_stays_text() {
        for hostile in
            ["<img src=x onerror=alert(1)>", "</script><script>", "\u{202e}gpj.exe", &"x".repeat(10_000)]
        {
            let rows = [json!({ "name": hostile })];
            let shown = table(hostile, &[(hostile, &|row| text(row, "/name"))], &rows, "").into_string();
            assert!(
                !shown.contains("<img") && !shown.contains("<script") && !shown.contains("</script"),
                "{shown}"
            );
            assert!(shown.contains("<bdi>"));
        }
    }

    #[test]
    fn addresses_say_what_was_meant() {
        assert_eq!(address("/x", &[("a", ""), ("b", "c&d=é")]), "/x?b=c%26d%3D%C3%A9");
        assert_eq!(address("/x", &[("a", "")]), "/x");
        assert_eq!(segment("a/../b?é"), "a%2F%2E%2E%2Fb%3F%C3%A9");
    }
}
