//! Logging in and out. Passwords and codes are verified where every other login is, and counted there.

use crate::fetch::{Failed, Reads};
use crate::invitations::ENTER;
use crate::page::{refused, whole};
use crate::place::place;
use crate::reply::{As, on_to, page as reply};
use crate::sessions::Session;
use crate::shown::Shown;
use crate::state::Console;
use crate::visit::Visit;
use crate::words::Words;
use axum::body::{Body, to_bytes};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use haechi_admin::Calls;
use haechi_authn::identity::{Credentials, Form, LoginRefused, Provider, RefreshRefused, TokenPair};
use haechi_core::Secret;
use haechi_core::ports::{AuditActor, AuditEvent, AuditOutcome, AuditSubject};
use maud::html;
use serde_json::Map;

/// The most that a form may be of somebody who may not be logged in, in bytes.
pub(crate) const LONGEST: usize = 16 * 1024;
/// Whoever may not call this is no operator.
const ASKED_OF_OPERATORS: &str = "/api/v1/routes?limit=1";

/// The form, on whatever page was asked for.
pub(crate) fn form(
    words: &Words,
    (kind, problem): (As, Option<&str>),
    (name, next): (&str, &str),
) -> Response {
    let body = html! {
        @if let Some(problem) = problem { p #problem .problem role="alert" { (problem) } }
        form method="post" action="/console/login" {
            input type="hidden" name="next" value=(next);
            label for="username" { (words.username) }
            input #username name="username" value=(name) autocomplete="username" required autofocus aria-describedby=[problem.map(|_| "problem")];
            label for="password" { (words.password) }
            input #password name="password" type="password" autocomplete="current-password" required;
            label for="code" { (words.code) }
            input #code name="code" autocomplete="one-time-code";
            button type="submit" { (words.log_in) }
        }
    };
    reply(kind, whole(words, None, &Shown::page(words.log_in, "", body)))
}

/// Reads a form that a page of ours sent.
pub(crate) async fn sent(words: &Words, visit: &Visit, body: Body, longest: usize) -> Result<Form, Response> {
    let not_ours = || form(words, (As::Refused, Some(words.not_ours)), ("", ""));
    if !visit.is_ours {
        return Err(not_ours());
    }
    let body = to_bytes(body, longest).await.map_err(|_| not_ours())?;
    Form::parse(&body).map_err(|_| not_ours())
}

impl Console {
    /// Logs in whoever shows all that is asked for and is an operator.
    pub(crate) async fn log_in(&self, words: &Words, visit: &Visit, at: &Calls, body: Body) -> Response {
        let form_sent = match sent(words, visit, body, LONGEST).await {
            Ok(sent) => sent,
            Err(refused) => return refused,
        };
        let one = |name: &str| form_sent.one(name).unwrap_or_default();
        let (name, next) = (one("username"), place(one("next")));
        let Some(provider) = self.gate.provider() else {
            return form(words, (As::Unavailable, Some(words.no_provider)), (name, next));
        };
        let shows = Credentials {
            name: name.to_owned(),
            password: Secret::from(one("password")),
            code: form_sent.one("code").map(Secret::from),
        };
        match provider.login(shows, visit.from).await {
            Ok(pair) => self.begin(words, visit, at, (&provider, pair), (name, next)).await,
            Err(refused) => self.refuse(words, visit, &refused, (name, next)).await,
        }
    }

    /// Logs in whoever comes by a link that is good, from this machine.
    pub(crate) async fn enter(&self, words: &Words, visit: &Visit, at: &Calls, parts: &Parts) -> Response {
        let used_up = || form(words, (As::Refused, Some(words.link_is_used)), ("", ""));
        // What a browser fetches before anybody wants it uses up nothing.
        let ahead = ["sec-purpose", "purpose"].into_iter().any(|name| parts.headers.contains_key(name));
        if parts.method != Method::GET || ahead || !visit.from.to_canonical().is_loopback() {
            return used_up();
        }
        let value = parts.uri.path().strip_prefix(ENTER).unwrap_or_default();
        let Some(shows) = self.invitations.take(value, self.clock.now()) else { return used_up() };
        let Some(provider) = self.gate.provider() else { return used_up() };
        let name = shows.name.clone();
        match provider.login(shows, visit.from).await {
            Ok(pair) => self.begin(words, visit, at, (&provider, pair), (&name, "")).await,
            Err(refused) => self.refuse(words, visit, &refused, (&name, "")).await,
        }
    }

    /// A login that cannot be recorded is none.
    async fn begin(
        &self,
        words: &Words,
        visit: &Visit,
        at: &Calls,
        (provider, pair): (&Provider, TokenPair),
        (name, next): (&str, &str),
    ) -> Response {
        let who = AuditSubject { issuer: provider.issuer().to_string(), subject: pair.subject.clone() };
        let told = self.tell(visit, "login", (Some(who), Some(&pair.session)), None).await;
        let begun = match (told, Session::of(name.to_owned(), pair.clone(), self.clock.now())) {
            (true, Some(session)) => match (Reads { at, session: &session }).json(ASKED_OF_OPERATORS).await {
                Ok(_) => {
                    Ok(session.clone().of_somebody_who_changes(at.may_change(session.bearer.clone()).await))
                }
                Err(failed) => Err(failed),
            },
            _ => Err(Failed::Unavailable("it could not be recorded".to_owned())),
        };
        let cannot_tell = || form(words, (As::Unavailable, Some(words.cannot_tell)), (name, next));
        let refusal = match begun {
            Ok(session) => match self.sessions.begin(session, self.clock.now()) {
                Some(value) => {
                    // What the browser had before is nobody's any more.
                    self.forget(visit).await;
                    return on_to(
                        if next.is_empty() { "/console" } else { next },
                        Some(&visit.cookie(value.expose())),
                    );
                }
                None => cannot_tell(),
            },
            Err(Failed::Forbidden) => {
                refused(words, None, As::Refused, (words.forbidden, words.forbidden_text))
            }
            Err(_) => cannot_tell(),
        };
        self.end_login(provider, &pair).await;
        refusal
    }

    async fn refuse(
        &self,
        words: &Words,
        visit: &Visit,
        why: &LoginRefused,
        asked: (&str, &str),
    ) -> Response {
        let (kind, text, is_told) = match why {
            LoginRefused::InvalidCredentials(_) => (As::Refused, words.wrong, true),
            LoginRefused::CodeNeeded => (As::Refused, words.code_needed, true),
            LoginRefused::ChangeNeeded => (As::Refused, words.change_needed, true),
            LoginRefused::Limited(_) => (As::TooMany, words.too_many, false),
            LoginRefused::Busy | LoginRefused::Unavailable(_) => (As::Unavailable, words.cannot_tell, false),
        };
        if is_told && !self.tell(visit, "login", (None, None), Some(why.to_string())).await {
            return form(words, (As::Unavailable, Some(words.cannot_tell)), asked);
        }
        form(words, (kind, Some(text)), asked)
    }

    /// Ends the session of whoever sent the form on one of its pages.
    pub(crate) async fn log_out(&self, words: &Words, visit: &Visit, body: Body) -> Response {
        let form_sent = match sent(words, visit, body, LONGEST).await {
            Ok(sent) => sent,
            Err(refused) => return refused,
        };
        if !visit.has_tie(form_sent.one("tie")) {
            return form(words, (As::Refused, Some(words.not_ours)), ("", ""));
        }
        self.forget(visit).await;
        on_to("/console", Some(&visit.forgotten()))
    }

    async fn forget(&self, visit: &Visit) {
        let Some(session) = visit.session.as_ref().and_then(|value| self.sessions.end(value)) else { return };
        let Some(provider) = self.gate.provider() else { return };
        let who =
            AuditSubject { issuer: provider.issuer().to_string(), subject: session.login.subject.clone() };
        self.end_login(&provider, &session.login).await;
        self.tell(visit, "logout", (Some(who), Some(&session.login.session)), None).await;
    }

    async fn end_login(&self, provider: &Provider, login: &TokenPair) {
        if let Err(error) = provider.end_login(login).await {
            tracing::error!(%error, "cannot end a login of the console; its tokens are with nobody");
        }
    }

    /// The session with another login of its user, who has shown the password again. The login before is ended. `None` where that cannot be recorded.
    pub(crate) async fn renew(&self, visit: &Visit, session: &Session, pair: TokenPair) -> Option<Session> {
        let (value, provider) = (visit.session.as_ref()?, self.gate.provider()?);
        let who = AuditSubject { issuer: provider.issuer().to_string(), subject: pair.subject.clone() };
        let same = pair.subject == session.login.subject;
        let told = same && self.tell(visit, "login", (Some(who), Some(&pair.session)), None).await;
        let renewed = session.with(pair.clone(), self.clock.now()).filter(|_| told);
        let ended = if renewed.is_some() { &session.login } else { &pair };
        self.end_login(&provider, ended).await;
        let renewed = renewed?.confirmed(self.clock.now());
        self.sessions.replace(value, renewed.clone()).then_some(renewed)
    }

    /// The session with a token that is valid for longer. Where two of its pages ask at once, the second finds what the first got.
    pub(crate) async fn refreshed(&self, visit: &Visit, session: Session) -> Option<Session> {
        let _one = self.refreshing.lock().await;
        let (value, now) = (visit.session.as_ref()?, self.clock.now());
        let found = self.sessions.find(value, now)?;
        if !found.is_ending(now) {
            return Some(found);
        }
        let token = found.login.refresh_token.clone();
        match self.gate.provider()?.refresh(token, visit.from).await {
            Ok(pair) => {
                let renewed = found.with(pair, now)?;
                self.sessions.replace(value, renewed.clone()).then_some(renewed)
            }
            // It goes on until its own token ends.
            Err(RefreshRefused::Unavailable(_) | RefreshRefused::Limited(_)) => Some(session),
            Err(_) => {
                self.sessions.end(value);
                None
            }
        }
    }

    /// Whether the audit trail has it.
    async fn tell(
        &self,
        visit: &Visit,
        action: &'static str,
        (who, session): (Option<AuditSubject>, Option<&str>),
        reason: Option<String>,
    ) -> bool {
        let outcome = if reason.is_some() { AuditOutcome::Refused } else { AuditOutcome::Done };
        let event = AuditEvent {
            at: self.clock.now(),
            action,
            actor: Some(AuditActor {
                authenticator: "identity".to_owned(),
                who: who.clone(),
                credential_id: None,
                uid: None,
                pid: None,
                client: Some(visit.from),
            }),
            about: who,
            target: session.map(|session| format!("session {session}")),
            outcome,
            details: Map::from_iter(reason.map(|reason| ("reason".to_owned(), reason.into()))),
        };
        let done = self.trail.record(event).await;
        if let Err(error) = &done {
            tracing::error!(%error, action, "cannot write a login of the console to the audit trail");
        }
        done.is_ok()
    }
}
