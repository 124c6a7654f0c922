//! From a request to a page.

use crate::fetch::{Failed, Reads};
use crate::page::{Reader, refused, whole};
use crate::reply::{As, page as reply, style, wrong_method};
use crate::shown::{Query, Shown};
use crate::state::Console;
use crate::style::STYLE_PATH;
use crate::visit::Visit;
use crate::words::Words;
use crate::{decisions, login, overview, people};
use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use haechi_admin::{Calls, Pages};
use haechi_core::Fields;
use haechi_core::ports::BoxFuture;

impl Console {
    async fn respond(&self, request: Request, at: Calls) -> Response {
        let (parts, body) = request.into_parts();
        let Some(visit) = Visit::of(&parts, &at) else {
            let words = Words::of(&Fields::default());
            return refused(words, None, As::Refused, (words.forbidden, words.needs_tls));
        };
        let words = Words::of(&visit.fields);
        let (path, reads) = (parts.uri.path(), matches!(parts.method, Method::GET | Method::HEAD));
        match path {
            "/console/login" if parts.method == Method::POST => self.log_in(words, &visit, &at, body).await,
            "/console/logout" if parts.method == Method::POST => self.log_out(words, &visit, body).await,
            _ if !reads => wrong_method(&parts.method),
            path if path == *STYLE_PATH => style(),
            _ => self.show(words, &visit, &at, &parts).await,
        }
    }

    async fn show(&self, words: &'static Words, visit: &Visit, at: &Calls, parts: &Parts) -> Response {
        let asked = parts.uri.path_and_query().map_or("", |asked| asked.as_str());
        let session = visit.session.as_ref().and_then(|value| self.sessions.find(value, self.clock.now()));
        let (Some(session), Some(tie)) = (session, visit.tie()) else {
            return login::form(words, (As::Page, None), ("", asked));
        };
        let reader = Reader { name: &session.name, tie };
        let reads = Reads { at, session: &session };
        let (kind, told) = match page(words, &reads, parts.uri.path(), &Query::of(parts)).await {
            Ok((title, here, body)) => {
                return reply(As::Page, whole(words, Some(&reader), (title, here), &body));
            }
            Err(Failed::LoggedOut) => return login::form(words, (As::Page, None), ("", asked)),
            Err(Failed::Forbidden) => (As::Refused, (words.forbidden, words.forbidden_text.to_owned())),
            Err(Failed::Missing) => (As::Missing, (words.missing, words.missing_text.to_owned())),
            Err(Failed::Other(why)) => (As::Unavailable, (words.failed, why)),
        };
        refused(words, Some(&reader), kind, (told.0, &told.1))
    }
}

async fn page(words: &'static Words, reads: &Reads<'_>, path: &str, query: &Query) -> Result<Shown, Failed> {
    match path {
        "/console" | "/console/" | "/console/login" => overview::show(words, reads).await,
        "/console/decisions" => decisions::list(words, reads, query).await,
        "/console/users" => people::users(words, reads, query).await,
        "/console/keys" => people::keys(words, reads, query).await,
        _ => match path.strip_prefix("/console/decisions/").filter(|id| !id.contains('/')) {
            Some(id) => decisions::one(words, reads, id).await,
            None => Err(Failed::Missing),
        },
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
