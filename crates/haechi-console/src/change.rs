//! A form that changes something: whether it is ours, whether its sender has just shown who they are, and what the call says.

use crate::acts::Act;
use crate::fetch::{Done, Failed};
use crate::login::sent;
use crate::page::{Reader, reason, refused, whole};
use crate::reply::{As, on_to, page as reply};
use crate::sessions::Session;
use crate::shown::{Ask, Query, Shown};
use crate::state::Console;
use crate::table::{plain, text};
use crate::visit::Visit;
use crate::words::{Said, Words};
use crate::{faults, pages};
use axum::body::Body;
use axum::response::Response;
use haechi_admin::Calls;
use haechi_authn::identity::{Credentials, Form, LoginRefused};
use haechi_core::Secret;
use maud::html;

/// What a form is answered with, and for whom.
struct Sender<'a> {
    words: &'static Words,
    visit: &'a Visit,
    tie: String,
}

/// The most that a form may be of somebody who is logged in, in bytes: a policy or a configuration is typed into one.
const LONGEST: usize = 1024 * 1024;

/// The form of the password that is asked for again has names of its own: the change may have such fields as well.
const AGAIN: [&str; 2] = ["again-password", "again-code"];
/// The field of a form that is a password itself.
const SECRET: &str = "password";

impl Console {
    /// Makes the change that the form at `path` asks for.
    pub(crate) async fn change(
        &self,
        words: &'static Words,
        visit: &Visit,
        at: &Calls,
        (path, body): (&str, Body),
    ) -> Response {
        let Some((act, stars)) = Act::at(path) else {
            return refused(words, None, As::Missing, (words.missing, words.missing_text));
        };
        let session = match self.session(words, visit, &act.page(&stars)).await {
            Ok(session) => session,
            Err(response) => return response,
        };
        let form = match sent(words, visit, body, LONGEST).await {
            Ok(form) => form,
            Err(refused) => return refused,
        };
        let Some(tie) = visit.tie().filter(|_| visit.has_tie(form.one("tie"))) else {
            return refused(words, None, As::Refused, (words.forbidden, words.not_ours));
        };
        let sender = Sender { words, visit, tie };
        let session = match self.confirmed(&sender, session, (act, path), &form).await {
            Ok(session) => session,
            Err(response) => return response,
        };
        let query = Query::of_form(&form, act.fields);
        let reads = crate::fetch::Reads { at, session: &session };
        let said = Said { words, zone: visit.zone() };
        let from = visit.came_from();
        let ask = Ask { words: &said, reads, query, tie: &sender.tie, history: &self.history, from };
        let done = match act.call(&stars, &ask.query) {
            Ok(change) => ask.reads.send(change).await,
            Err(unclear) => Err(Failed::Refused(unclear.to_owned())),
        };
        match done {
            Ok(done) if act.only_tells() => told(&ask, (act, &stars), &done).await,
            Ok(done) => answer(&ask, (act, &stars), &done),
            Err(failed) => again(&ask, (act, &stars), failed).await,
        }
    }

    /// Whoever changes what cannot be taken back, or is shown a secret, has just shown who they are.
    async fn confirmed(
        &self,
        sender: &Sender<'_>,
        session: Session,
        act: (&Act, &str),
        form: &Form,
    ) -> Result<Session, Response> {
        if !act.0.asks_again || session.is_fresh(self.clock.now()) {
            return Ok(session);
        }
        let words = sender.words;
        let Some(password) = form.one(AGAIN[0]) else {
            return Err(confirm(sender, &session, act, form, (As::Page, None)));
        };
        let Some(provider) = self.gate.provider() else {
            return Err(confirm(sender, &session, act, form, (As::Unavailable, Some(words.no_provider))));
        };
        let shows = Credentials {
            name: session.name.clone(),
            password: Secret::from(password),
            code: form.one(AGAIN[1]).map(Secret::from),
        };
        let problem = match provider.login(shows, sender.visit.from).await {
            Ok(pair) => match self.renew(sender.visit, &session, pair).await {
                Some(session) => return Ok(session),
                None => (As::Unavailable, Some(words.cannot_tell)),
            },
            Err(LoginRefused::Limited(_)) => (As::TooMany, Some(words.too_many)),
            Err(LoginRefused::Busy | LoginRefused::Unavailable(_)) => {
                (As::Unavailable, Some(words.cannot_tell))
            }
            Err(_) => (As::Refused, Some(words.wrong)),
        };
        Err(confirm(sender, &session, act, form, problem))
    }
}

/// The page that asks for the password again, with everything that was typed.
fn confirm(
    sender: &Sender<'_>,
    session: &Session,
    (act, path): (&Act, &str),
    form: &Form,
    (kind, problem): (As, Option<&str>),
) -> Response {
    let words = sender.words;
    let body = html! {
        @if let Some(problem) = problem { p #problem .problem role="alert" { (problem) } }
        p { (words.again) }
        form .change method="post" action=(path) {
            input type="hidden" name="tie" value=(sender.tie);
            @for name in act.fields.iter().filter(|name| **name != SECRET) {
                @if let Some(value) = form.one(name) { input type="hidden" name=(name) value=(value); }
            }
            // What nobody else is to know stands on no page: it is typed once more.
            @if act.fields.contains(&SECRET) {
                label for=(SECRET) { (words.new_password) }
                input #(SECRET) name=(SECRET) type="password" autocomplete="new-password" required;
            }
            label for=(AGAIN[0]) { (words.own_password) }
            input #(AGAIN[0]) name=(AGAIN[0]) type="password" autocomplete="current-password" required autofocus aria-describedby=[problem.map(|_| "problem")];
            label for=(AGAIN[1]) { (words.code) }
            input #(AGAIN[1]) name=(AGAIN[1]) autocomplete="one-time-code";
            button type="submit" { (words.go_on) }
        }
    };
    let zone = sender.visit.zone();
    let reader = Reader { name: &session.name, tie: &sender.tie, zone: &zone };
    reply(kind, whole(words, Some(&reader), &Shown::page(words.confirm, "", body)))
}

/// The page that follows: a secret, once, or the place where the change is seen.
fn answer(ask: &Ask<'_>, (act, stars): (&Act, &[&str]), done: &Done) -> Response {
    let words = ask.words;
    if done.waits {
        return on_to("/console/approvals?done=waits", None);
    }
    let secret = ["key", "client_secret"]
        .into_iter()
        .find(|name| done.answer.get(*name).is_some_and(|is| is.is_string()));
    let Some(secret) = secret else {
        return on_to(&format!("{}?done=done", act.then(stars)), None);
    };
    let id = done.answer.get("id").or_else(|| done.answer.get("client_id"));
    let body = html! {
        p .problem { (words.secret_once) }
        dl {
            dt { (words.id) } dd { code { (plain(id)) } }
            dt { (words.secret) } dd { code .secret { (text(&done.answer, &format!("/{secret}"))) } }
        }
        p { a href=(act.then(stars)) { (words.back) } }
    };
    send(ask, As::Page, &Shown::page(words.secret, "", body))
}

/// What a call answered that changes nothing, on the page of the form with what was typed.
async fn told(ask: &Ask<'_>, (act, stars): (&Act, &[&str]), done: &Done) -> Response {
    let words = ask.words;
    let body = match act.from {
        "candidate/validate" => pages::valid(ask, &done.answer),
        "candidate/rehearse" => pages::rehearsed(ask, &done.answer).await,
        _ => html! {
            p .good role="status" { (words.would_be_taken) }
            pre tabindex="0" role="region" aria-label=(words.answer) { (format!("{:#}", done.answer)) }
        },
    };
    let shown = match pages::page(ask, &act.page(stars)).await {
        Ok(shown) => Shown { body: html! { (body) (shown.body) }, ..shown },
        Err(_) => Shown::page(words.answer, "", body),
    };
    send(ask, As::Page, &shown)
}

/// The page of the form again, with what was typed and what was said against it.
async fn again(ask: &Ask<'_>, (act, stars): (&Act, &[&str]), failed: Failed) -> Response {
    let words = ask.words;
    let marked = match &failed {
        Failed::Faulty(faults, _) if !ask.query.one("text").is_empty() => {
            let name = pages::text_in(ask, act.form, stars).await;
            Some(faults::shown(words, (&name, ask.query.one("text")), faults))
        }
        _ => None,
    };
    let (kind, _, why) = reason(words, failed);
    let problem = marked.unwrap_or_else(|| html! { pre #problem .problem role="alert" { (why) } });
    let shown = match pages::page(ask, &act.page(stars)).await {
        Ok(shown) => Shown { body: html! { (problem) (shown.body) }, ..shown },
        Err(_) => Shown::page(words.failed, "", problem),
    };
    send(ask, kind, &shown)
}

fn send(ask: &Ask<'_>, kind: As, shown: &Shown) -> Response {
    let reader = Reader { name: &ask.reads.session.name, tie: ask.tie, zone: &ask.words.zone };
    reply(kind, whole(ask.words, Some(&reader), shown))
}
