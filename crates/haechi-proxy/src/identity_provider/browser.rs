//! Logins and logouts with a browser at providers from outside (docs/login.md). What they do is `haechi-authn`'s; here they are read and answered.

use super::read;
use super::told::Told;
use crate::forwarding::Forwarding;
use crate::language::Language;
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::request_body::RequestBody;
use crate::respond::{document, in_attribute, page, refuse, see_other};
use crate::response::Response;
use crate::settings::IdentityCall;
use haechi_authn::identity::{Form, is_form};
use haechi_authn::oidc::{LoginFault, OidcClient, Redirection, ResponseMode, ReturnTo, opens_a_page};
use haechi_authn::{LoginRedirect, SetCookie, StepUp};
use haechi_authz::Permitted;
use haechi_core::{FieldName, RequestHead};

/// A call that browsers make, or a provider for them.
#[derive(Clone, Copy)]
pub(super) enum BrowserCall {
    Choice,
    Start,
    Callback,
    Backchannel,
    Logout,
}

/// What a call comes to.
enum Answer {
    SeeOther(Redirection),
    /// Heading, what stands below it, cookies.
    Page(&'static str, String, Vec<SetCookie>),
    Done,
    Refused(Refused),
}

impl BrowserCall {
    pub(super) const fn of(call: IdentityCall) -> Option<Self> {
        Some(match call {
            IdentityCall::LoginChoice => Self::Choice,
            IdentityCall::LoginStart => Self::Start,
            IdentityCall::LoginCallback => Self::Callback,
            IdentityCall::BackchannelLogout => Self::Backchannel,
            IdentityCall::BrowserLogout => Self::Logout,
            _ => return None,
        })
    }
}

/// Answers a call.
pub(super) async fn answer(
    request: &Forwarding<'_>,
    call: BrowserCall,
    permitted: Permitted,
    mut body: RequestBody,
    record: Record,
) -> Response {
    let head = permitted.head();
    let charge = request.worker.buffers().charge(0);
    let read =
        request.timer.limit_client(request.plan.shared.limits.body_stall, read(&mut body, charge)).await;
    let (answer, told) = match read {
        Ok(Ok(body)) => perform(request, call, head, &body).await,
        Ok(Err(refused)) => (Answer::Refused(refused), Vec::new()),
        Err(_) => (Answer::Refused(Refused::new(Refusal::RequestTimeout, "the body stalled")), Vec::new()),
    };
    // A login that cannot be recorded is none: nobody gets its cookie.
    let mut answer = answer;
    for told in told {
        if let Err(refused) = told.tell(request, head).await {
            answer = Answer::Refused(refused);
        }
    }
    match answer {
        Answer::SeeOther(Redirection { location, cookies }) => {
            see_other(&location, &cookies, &request.to, record)
        }
        Answer::Page(heading, below, cookies) => {
            page((heading, &below), Language::of(&permitted.head().fields), &cookies, &request.to, record)
        }
        Answer::Done => document(b"{}".to_vec(), b"no-store", &request.to, record),
        Answer::Refused(refused) => refuse(refused, request.to, record),
    }
}

async fn perform(
    request: &Forwarding<'_>,
    call: BrowserCall,
    head: &RequestHead,
    body: &[u8],
) -> (Answer, Vec<Told>) {
    if let BrowserCall::Logout = call {
        return logout(request, head).await;
    }
    if let BrowserCall::Choice = call {
        return (choice(request, head), Vec::new());
    }
    // The second to last segment of `/auth/oidc/NAME/start`.
    let name = head.path.as_str().rsplit('/').nth(1).unwrap_or_default();
    let Some(client) = request.plan.shared.logins.get(name) else {
        let refused = Refused::new(Refusal::Internal, "the plan has no such authenticator");
        return (Answer::Refused(refused), Vec::new());
    };
    match call {
        BrowserCall::Start => (start(client, head).await, Vec::new()),
        BrowserCall::Callback => callback(client, head, body).await,
        BrowserCall::Backchannel => backchannel(client, head, body).await,
        BrowserCall::Choice | BrowserCall::Logout => (Answer::Done, Vec::new()),
    }
}

/// The parameters of the query.
fn query(head: &RequestHead) -> Result<Form, Refused> {
    let query = head.query.as_deref().unwrap_or_default();
    Form::parse(query.as_bytes()).map_err(|fault| {
        let told = "the address cannot be read, or says something twice";
        Refused::new(Refusal::LoginRefused { told, again: None }, fault.to_string())
    })
}

async fn start(client: &OidcClient, head: &RequestHead) -> Answer {
    let form = match query(head) {
        Ok(form) => form,
        Err(refused) => return Answer::Refused(refused),
    };
    let Some(asked) = StepUp::of_parameters(form.one("acr_values"), form.one("max_age")) else {
        let told = "`acr_values` or `max_age` cannot be read";
        return Answer::Refused(Refused::new(Refusal::LoginRefused { told, again: None }, told));
    };
    match client.start(head, form.one("return_to"), asked).await {
        Ok(redirection) => Answer::SeeOther(redirection),
        Err(fault) => Answer::Refused(refused(client, &fault)),
    }
}

async fn callback(client: &OidcClient, head: &RequestHead, body: &[u8]) -> (Answer, Vec<Told>) {
    let by_form = head.method == http::Method::POST;
    let form = match (client.config().response_mode, by_form) {
        (ResponseMode::Query, false) if head.method == http::Method::GET => query(head),
        (ResponseMode::FormPost, true)
            if is_form(head.fields.sole(FieldName::ContentType).ok().flatten()) =>
        {
            Form::parse(body).map_err(|fault| {
                let told = "the provider's answer cannot be read, or says something twice";
                Refused::new(Refusal::LoginRefused { told, again: again(client) }, fault.to_string())
            })
        }
        _ => {
            let told = "the provider answers in another way than it was asked to";
            Err(Refused::new(Refusal::LoginRefused { told, again: again(client) }, told))
        }
    };
    let form = match form {
        Ok(form) => form,
        Err(refused) => return (Answer::Refused(refused), Vec::new()),
    };
    match client.callback(head, form).await {
        Ok(answer) => {
            let told = answer.logged_in.map(|who| {
                Told::done("login", &who.issuer, &who.subject).on_session(&who.session).at(client.name())
            });
            (Answer::SeeOther(answer.redirection), told.into_iter().collect())
        }
        Err(fault) => {
            // Only what a login that was begun here came to: anybody can make up the rest, as often as they like.
            let told = match &fault {
                LoginFault::Denied(_) | LoginFault::Untrusted(_) | LoginFault::Insufficient(_) => {
                    Some(Told::refused("login", &fault).at(client.name()))
                }
                _ => None,
            };
            (Answer::Refused(refused(client, &fault)), told.into_iter().collect())
        }
    }
}

async fn backchannel(client: &OidcClient, head: &RequestHead, body: &[u8]) -> (Answer, Vec<Told>) {
    let bad = |why: String| {
        let told = "the logout token is not accepted";
        let refusal = Refusal::OAuthRequest { error: "invalid_request", told };
        Answer::Refused(Refused::new(refusal, why))
    };
    if !is_form(head.fields.sole(FieldName::ContentType).ok().flatten()) {
        return (bad("the body is no form".to_owned()), Vec::new());
    }
    let form = match Form::parse(body) {
        Ok(form) => form,
        Err(fault) => return (bad(fault.to_string()), Vec::new()),
    };
    let Some(token) = form.one("logout_token") else {
        return (bad("there is no `logout_token`".to_owned()), Vec::new());
    };
    match client.backchannel_logout(token.to_owned()).await {
        Ok(ended) => {
            let told = |id: &String| Told::unnamed("session.end").on_session(id).at(client.name());
            (Answer::Done, ended.iter().map(told).collect())
        }
        Err(LoginFault::Unavailable(why)) => {
            (Answer::Refused(Refused::new(Refusal::CANNOT_TELL, why)), Vec::new())
        }
        Err(fault) => (bad(fault.to_string()), Vec::new()),
    }
}

/// Ends the browser's sessions. A page of another site cannot do so by a link alone: people are asked.
async fn logout(request: &Forwarding<'_>, head: &RequestHead) -> (Answer, Vec<Told>) {
    let refuse = |told| Refused::new(Refusal::LoginRefused { told, again: None }, told);
    let form = match query(head) {
        Ok(form) => form,
        Err(refused) => return (Answer::Refused(refused), Vec::new()),
    };
    let Ok(return_to) = form.one("return_to").map(|text| ReturnTo::parse(text).ok_or(())).transpose() else {
        return (Answer::Refused(refuse("`return_to` is a path of this site")), Vec::new());
    };
    if !opens_a_page(head) {
        return (Answer::Refused(refuse("a logout begins with a page that somebody opens")), Vec::new());
    }
    let from_elsewhere =
        !matches!(head.fields.sole_named(b"sec-fetch-site"), Ok(None | Some(b"same-origin" | b"none")));
    let language = Language::of(&head.fields);
    if from_elsewhere {
        let query = return_to.map_or_else(String::new, |to| format!("?return_to={}", to.encoded()));
        let link = in_attribute(&format!("{}{query}", head.path.as_str()));
        let below = format!(
            "<p>{} <a href=\"{link}\">{}</a></p>",
            language.said("Another site has led you here."),
            language.said("Log out of this site")
        );
        return (Answer::Page("Log out?", below, Vec::new()), Vec::new());
    }
    let (mut cookies, mut told, mut page) = (Vec::new(), Vec::new(), None);
    for client in request.plan.shared.logins.all() {
        match client.logout(head).await {
            Ok(Some((at_provider, who))) => {
                page = page.or(at_provider);
                let event = Told::done("logout", &who.issuer, &who.subject);
                told.push(event.on_session(&who.session).at(client.name()));
            }
            Ok(None) => {}
            Err(fault) => {
                let refused = Refused::new(Refusal::CANNOT_TELL, fault.to_string());
                return (Answer::Refused(refused), told);
            }
        }
        for cookie in client.forget(head) {
            if !cookies.contains(&cookie) {
                cookies.push(cookie);
            }
        }
    }
    let location = page.or_else(|| return_to.map(|to| to.as_str().to_owned()));
    let answer = match location {
        Some(location) => Answer::SeeOther(Redirection { location, cookies }),
        None => {
            let told = language.said("You have logged out of this site.");
            Answer::Page("Logged out", format!("<p>{told}</p>"), cookies)
        }
    };
    (answer, told)
}

/// A page on which people choose where to log in.
fn choice(request: &Forwarding<'_>, head: &RequestHead) -> Answer {
    let logins = &request.plan.shared.logins;
    let query = head.query.as_deref().unwrap_or_default();
    let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
    let asked: Vec<&str> = pairs().filter(|(name, _)| *name == "with").map(|(_, value)| value).collect();
    let mut return_to = pairs().filter(|(name, _)| *name == "return_to").map(|(_, value)| value);
    let (first, more) = (return_to.next(), return_to.next());
    let first = first.map(|value| String::from_utf8(haechi_core::path::percent_decode(value).to_vec()).ok());
    let to = match (first, more) {
        (None, _) => Some(ReturnTo::home()),
        (Some(Some(text)), None) => ReturnTo::parse(&text),
        _ => None,
    };
    let Some(to) = to else {
        let told = "`return_to` is a path of this site";
        return Answer::Refused(Refused::new(Refusal::LoginRefused { told, again: None }, told));
    };
    // What the route asks for goes along, each at most once.
    let passed = |name: &str| {
        let mut values = pairs().filter(|(known, _)| *known == name).map(|(_, value)| value);
        let text = String::from_utf8(haechi_core::path::percent_decode(values.next()?).to_vec()).ok()?;
        values.next().is_none().then_some(text)
    };
    let (acr_values, max_age) = (passed("acr_values"), passed("max_age"));
    let step_up = StepUp::of_parameters(acr_values.as_deref(), max_age.as_deref()).unwrap_or_default();
    let wanted = |client: &&OidcClient| asked.is_empty() || asked.contains(&&**client.name());
    let links: String = logins
        .all()
        .filter(wanted)
        .map(|client| {
            let link = in_attribute(&format!(
                "{}?return_to={}{}",
                client.start_path(),
                to.encoded(),
                step_up.more_parameters()
            ));
            format!("<li><a href=\"{link}\">{}</a></li>", client.name())
        })
        .collect();
    Answer::Page("Log in", format!("<ul>{links}</ul>"), Vec::new())
}

fn again(client: &OidcClient) -> Option<LoginRedirect> {
    LoginRedirect::new(&client.start_path()).ok()
}

fn refused(client: &OidcClient, fault: &LoginFault) -> Refused {
    let login = |told| Refusal::LoginRefused { told, again: again(client) };
    let without = |told| Refusal::LoginRefused { told, again: None };
    let refusal = match fault {
        LoginFault::Insecure => without("a login needs https"),
        LoginFault::ReturnTo => without("`return_to` is a path of this site"),
        LoginFault::NotAPage => without("a login begins with a page that somebody opens"),
        LoginFault::Loop => without(
            "logging in does not help: this browser does not keep the cookie of its session; allow cookies for this site, then try again",
        ),
        LoginFault::Unknown => login(
            "this login is not known here: it took too long, began in another browser, or its cookie was not kept",
        ),
        LoginFault::Malformed(_) => login("the login provider's answer cannot be read"),
        LoginFault::Denied(_) => Refusal::LoginDenied { again: again(client) },
        LoginFault::Insufficient(_) => Refusal::LoginInsufficient,
        LoginFault::Untrusted(_) => Refusal::LoginUntrusted { again: again(client) },
        LoginFault::Unavailable(_) => Refusal::CANNOT_TELL,
    };
    Refused::new(refusal, fault.to_string()).by(Some(client.name().clone()))
}
