//! What all pages have.

use crate::fetch::Failed;
use crate::reply::{As, page as reply};
use crate::shown::Shown;
use crate::style::STYLE_PATH;
use crate::words::Words;
use crate::zone::Zone;
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

/// Whom a page is for.
pub(crate) struct Reader<'a> {
    pub(crate) name: &'a str,
    /// What its forms carry.
    pub(crate) tie: &'a str,
    /// The zone in which they are told times.
    pub(crate) zone: &'a Zone,
}

/// A page, as it is sent.
pub(crate) fn whole(words: &Words, reader: Option<&Reader<'_>>, shown: &Shown) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(words.tag) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (shown.title) " · Haechi" }
                link rel="stylesheet" href=(*STYLE_PATH);
            }
            body {
                @if let Some(reader) = reader { (header(words, reader, shown.here)) }
                main #content .narrow[reader.is_none()] {
                    h1 { (shown.title) }
                    (shown.body)
                }
                @if reader.is_none() { (language(words)) }
            }
        }
    }
}

fn header(words: &Words, reader: &Reader<'_>, here: &str) -> Markup {
    html! {
        a .skip href="#content" { (words.skip) }
        header {
            nav aria-label="Haechi" {
                @for (path, name) in parts(words) {
                    a href=(path) aria-current=[(path == here).then_some("page")] { (name) }
                }
            }
            (language(words))
            a href="/console/zone" { span .hidden { (words.time_zone) ": " } (reader.zone.name()) }
            form method="post" action="/console/logout" {
                input type="hidden" name="tie" value=(reader.tie);
                bdi { (reader.name) }
                button .second type="submit" { (words.log_out) }
            }
        }
    }
}

/// The switch to the other language, for those whose browser prefers one that they do not.
fn language(words: &Words) -> Markup {
    let (tag, name) = if words.tag == "ko" { ("en", "English") } else { ("ko", "한국어") };
    html! {
        form .language method="post" action="/console/language" {
            input type="hidden" name="language" value=(tag);
            button .link type="submit" lang=(tag) { (name) }
        }
    }
}

const fn parts(words: &Words) -> [(&'static str, &'static str); 16] {
    [
        ("/console", words.overview),
        ("/console/decisions", words.decisions),
        ("/console/who-can", words.who_can),
        ("/console/explain", words.explain),
        ("/console/matrix", words.matrix),
        ("/console/routes", words.routes),
        ("/console/services", words.services),
        ("/console/users", words.users),
        ("/console/sessions", words.sessions),
        ("/console/keys", words.keys),
        ("/console/clients", words.clients),
        ("/console/signing-keys", words.signing_keys),
        ("/console/policies", words.policies),
        ("/console/candidate", words.candidate),
        ("/console/audit", words.audit),
        ("/console/review", words.review),
    ]
}

/// Why something is not shown or done: as what it is answered, under which title, and in which words.
pub(crate) fn reason(words: &Words, failed: Failed) -> (As, &'static str, String) {
    match failed {
        Failed::LoggedOut => (As::Refused, words.forbidden, words.logged_out.to_owned()),
        Failed::Forbidden => (As::Refused, words.forbidden, words.forbidden_text.to_owned()),
        Failed::Missing => (As::Missing, words.missing, words.missing_text.to_owned()),
        Failed::Refused(why) | Failed::Faulty(_, why) => (As::Invalid, words.failed, why),
        Failed::Unavailable(why) => (As::Unavailable, words.failed, why),
    }
}

/// That something is not shown, and why.
pub(crate) fn refused(
    words: &Words,
    reader: Option<&Reader<'_>>,
    kind: As,
    (title, why): (&'static str, &str),
) -> Response {
    let body = html! { p .problem role="alert" { (why) } };
    reply(kind, whole(words, reader, &Shown::page(title, "", body)))
}
