//! What all pages have.

use crate::reply::{As, page as reply};
use crate::style::STYLE_PATH;
use crate::words::Words;
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

/// Whom a page is for.
pub(crate) struct Reader<'a> {
    pub(crate) name: &'a str,
    /// What its forms carry.
    pub(crate) tie: String,
}

/// A page, as it is sent. `here` is the path of the part that it belongs to.
pub(crate) fn whole(
    words: &Words,
    reader: Option<&Reader<'_>>,
    (title, here): (&str, &str),
    body: &Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(words.tag) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · Haechi" }
                link rel="stylesheet" href=(*STYLE_PATH);
            }
            body {
                @if let Some(reader) = reader {
                    a .skip href="#content" { (words.skip) }
                    header {
                        nav aria-label="Haechi" {
                            @for (path, name) in parts(words) {
                                a href=(path) aria-current=[(path == here).then_some("page")] { (name) }
                            }
                        }
                        form method="post" action="/console/logout" {
                            input type="hidden" name="tie" value=(reader.tie);
                            bdi { (reader.name) }
                            button .second type="submit" { (words.log_out) }
                        }
                    }
                }
                main #content .narrow[reader.is_none()] {
                    h1 { (title) }
                    (body)
                }
            }
        }
    }
}

const fn parts(words: &Words) -> [(&'static str, &'static str); 4] {
    [
        ("/console", words.overview),
        ("/console/decisions", words.decisions),
        ("/console/users", words.users),
        ("/console/keys", words.keys),
    ]
}

/// That something is not shown, and why.
pub(crate) fn refused(
    words: &Words,
    reader: Option<&Reader<'_>>,
    kind: As,
    (title, why): (&str, &str),
) -> Response {
    reply(kind, whole(words, reader, (title, ""), &html! { p .problem role="alert" { (why) } }))
}
