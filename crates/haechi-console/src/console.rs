//! From a request to a page.

use crate::fetch::{Failed, Reads};
use crate::invitations::ENTER;
use crate::page::{Reader, reason, refused, whole};
use crate::place::place;
use crate::reply::{As, asset, download, events, on_to, page as reply, records, wrong_method};
use crate::sessions::Session;
use crate::shown::{Ask, Query, Shown};
use crate::state::Console;
use crate::table::address;
use crate::visit::Visit;
use crate::words::{Said, Words};
use crate::zone::Zone;
use crate::{login, pages};
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use haechi_admin::{Calls, Pages};
use haechi_core::Fields;
use haechi_core::ports::BoxFuture;
use maud::html;

impl Console {
    async fn respond(&self, request: Request, at: Calls) -> Response {
        let (parts, body) = request.into_parts();
        let Some(visit) = Visit::of(&parts, &at) else {
            let words = Words::of(&Fields::default(), None);
            return refused(words, None, As::Refused, (words.forbidden, words.needs_tls));
        };
        let words = Words::of(&visit.fields, visit.language());
        let (path, reads) = (parts.uri.path(), matches!(parts.method, Method::GET | Method::HEAD));
        match path {
            "/console/login" if parts.method == Method::POST => self.log_in(words, &visit, &at, body).await,
            "/console/logout" if parts.method == Method::POST => self.log_out(words, &visit, body).await,
            "/console/language" if parts.method == Method::POST => speak(words, &visit, body).await,
            "/console/zone" if parts.method == Method::POST => settle(words, &visit, body).await,
            _ if parts.method == Method::POST => self.change(words, &visit, &at, (path, body)).await,
            _ if !reads => wrong_method(&parts.method),
            path if path.starts_with(ENTER) => self.enter(words, &visit, &at, &parts).await,
            path => match asset(path) {
                Some(asset) => asset,
                None => self.show(words, &visit, &at, &parts).await,
            },
        }
    }

    async fn show(&self, words: &'static Words, visit: &Visit, at: &Calls, parts: &Parts) -> Response {
        let asked = parts.uri.path_and_query().map_or("", |asked| asked.as_str());
        let session = match self.session(words, visit, asked).await {
            Ok(session) => session,
            Err(response) => return response,
        };
        let Some(tie) = visit.tie() else { return login::form(words, (As::Page, None), ("", asked)) };
        let (query, reads) = (Query::of(parts), Reads { at, session: &session });
        match parts.uri.path() {
            "/console/audit/export" => return export(words, &reads, &query).await,
            "/console/decisions/stream" => return stream(words, &reads, &query).await,
            _ => {}
        }
        let (said, from) = (Said { words, zone: visit.zone() }, visit.came_from());
        let ask = Ask { words: &said, reads, query, tie: &tie, history: &self.history, from };
        let made = pages::page(&ask, parts.uri.path()).await;
        told(&ask, made, asked)
    }

    /// The session of whoever comes, whose token is renewed before it expires; the login form where there is none.
    pub(crate) async fn session(
        &self,
        words: &'static Words,
        visit: &Visit,
        asked: &str,
    ) -> Result<Session, Response> {
        let found = visit.session.as_ref().and_then(|value| self.sessions.find(value, self.clock.now()));
        let found = match found {
            Some(session) if session.is_ending(self.clock.now()) => self.refreshed(visit, session).await,
            found => found,
        };
        found.ok_or_else(|| login::form(words, (As::Page, None), ("", asked)))
    }
}

/// A page, or why there is none.
fn told(ask: &Ask<'_>, made: Result<Shown, Failed>, asked: &str) -> Response {
    let words = ask.words;
    let reader = Reader { name: &ask.reads.session.name, tie: ask.tie, zone: &ask.words.zone };
    let failed = match made {
        Ok(shown) => match (ask.query.one("as"), &shown.records) {
            (form @ ("csv" | "json"), Some(all)) => return records(form, shown.here, all),
            _ => return reply(As::Page, whole(words, Some(&reader), &with_status(ask, shown))),
        },
        Err(Failed::LoggedOut) => return login::form(words, (As::Page, None), ("", asked)),
        Err(failed) => failed,
    };
    let (kind, title, why) = reason(words, failed);
    refused(words, Some(&reader), kind, (title, &why))
}

/// That the change before was made, above the page that shows it.
fn with_status(ask: &Ask<'_>, shown: Shown) -> Shown {
    let said = match ask.query.one("done") {
        "done" => ask.words.done,
        "waits" => ask.words.waits,
        _ => return shown,
    };
    Shown { body: html! { p .good role="status" { (said) } (shown.body) }, ..shown }
}

/// Everything that the trail has about a person, as a file.
async fn export(words: &'static Words, reads: &Reads<'_>, query: &Query) -> Response {
    let asked = ["subject", "issuer"].map(|name| (name, query.one(name)));
    match reads.whole(&address("/api/v1/audit/export", &asked)).await {
        Ok(body) => download("application/jsonl", "haechi-export.jsonl", body),
        Err(failed) => not_given(words, failed),
    }
}

/// Decisions as they are made, for the page that shows them.
async fn stream(words: &'static Words, reads: &Reads<'_>, query: &Query) -> Response {
    let asked = pages::LIVE.map(|name| (name, query.one(name)));
    match reads.whole(&address("/api/v1/decisions/stream", &asked)).await {
        Ok(body) => events(body),
        Err(failed) => not_given(words, failed),
    }
}

fn not_given(words: &'static Words, failed: Failed) -> Response {
    let (kind, title, why) = reason(words, failed);
    refused(words, None, kind, (title, &why))
}

/// Pages are in the language that was chosen, from now on.
async fn speak(words: &'static Words, visit: &Visit, body: Body) -> Response {
    match login::sent(words, visit, body, login::LONGEST).await {
        Ok(form) => {
            let tag = if form.one("language") == Some("ko") { "ko" } else { "en" };
            on_to(&visit.came_from(), Some(&visit.speaks(tag)))
        }
        Err(refused) => refused,
    }
}

/// Times are told in the zone that was chosen, from now on.
async fn settle(words: &'static Words, visit: &Visit, body: Body) -> Response {
    match login::sent(words, visit, body, login::LONGEST).await {
        Ok(form) => {
            let next = place(form.one("next").unwrap_or_default());
            on_to(next, Some(&visit.lives_in(&Zone::of(form.one("zone")))))
        }
        Err(refused) => refused,
    }
}

impl Pages for Console {
    fn are_shown(&self) -> bool {
        self.gate.is_shown()
    }

    fn answer(&self, request: Request, at: Calls) -> BoxFuture<'_, Response> {
        Box::pin(self.respond(request, at))
    }
}
