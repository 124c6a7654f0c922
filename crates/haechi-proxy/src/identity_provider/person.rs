//! The provider's pages over HTTP: requests in, pages and redirects out. What comes of a visit is `haechi-authn`'s.

use super::passkey_script::passkey_script;
use super::told::Told;
use super::words::Language;
use super::{pages, read, refuse_limited};
use crate::forwarding::Forwarding;
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::request_body::RequestBody;
use crate::respond::{form_page, refuse, see_other};
use crate::response::Response;
use crate::settings::IdentityCall;
use haechi_authn::identity::{
    BrowserAnswer, BrowserOutcome, Form, Happened, OwnPage, Provider, Visit, is_form,
};
use haechi_authz::Permitted;
use haechi_core::{FieldName, RequestHead};

/// A page of the provider's.
#[derive(Clone, Copy)]
pub(super) enum PersonCall {
    Authorize,
    EndSession,
    Own(OwnPage),
}

impl PersonCall {
    /// A form or a page; what is JSON at the same address is a program's.
    pub(super) fn of(call: IdentityCall, head: &RequestHead) -> Option<Self> {
        let of_person = || head.method != http::Method::POST || is_form(content_type(head));
        Some(match call {
            IdentityCall::Authorize => Self::Authorize,
            IdentityCall::EndSession => Self::EndSession,
            IdentityCall::Account => Self::Own(OwnPage::Account),
            IdentityCall::Passkeys => Self::Own(OwnPage::Passkeys),
            IdentityCall::Password if of_person() => Self::Own(OwnPage::Password),
            IdentityCall::SecondFactor if of_person() => Self::Own(OwnPage::SecondFactor),
            _ => return None,
        })
    }
}

pub(super) fn content_type(head: &RequestHead) -> Option<&[u8]> {
    head.fields.sole(FieldName::ContentType).ok().flatten()
}

/// Answers a visit.
pub(super) async fn answer(
    request: &Forwarding<'_>,
    provider: &Provider,
    call: PersonCall,
    permitted: Permitted,
    mut body: RequestBody,
    record: Record,
) -> Response {
    let head = permitted.head();
    let charge = request.worker.buffers().charge(0);
    let read =
        request.timer.limit_client(request.plan.shared.limits.body_stall, read(&mut body, charge)).await;
    let outcome = match read {
        Ok(Ok(body)) => perform(provider, call, head, &body).await,
        Ok(Err(refused)) => Err(refused),
        Err(_) => Err(Refused::new(Refusal::RequestTimeout, "the body stalled")),
    };
    let BrowserOutcome { answer, happened } = match outcome {
        Ok(outcome) => outcome,
        Err(refused) => return refuse(refused, request.to, record),
    };
    // What cannot be recorded has not happened: nobody gets its cookie or its code.
    for event in happened {
        if let Err(refused) = told(event, provider).tell(request, head).await {
            return refuse(refused, request.to, record);
        }
    }
    respond(request, provider, head, answer, record)
}

fn told(happened: Happened, provider: &Provider) -> Told {
    let Happened { action, subject, session, refused } = happened;
    let told = match (subject, refused) {
        (_, Some(why)) => Told::refused(action, why),
        (Some(subject), None) => Told::done(action, provider.issuer(), &subject),
        (None, None) => Told::unnamed(action),
    };
    match session {
        Some(session) => told.on_session(&session),
        None => told,
    }
}

async fn perform(
    provider: &Provider,
    call: PersonCall,
    head: &RequestHead,
    body: &[u8],
) -> Result<BrowserOutcome, Refused> {
    let refuse = |told| Refused::new(Refusal::LoginRefused { told, again: None }, told);
    let visit = Visit::of(head).ok_or_else(|| refuse("a login needs https"))?;
    let posted = head.method == http::Method::POST;
    if posted && !is_form(content_type(head)) {
        return Err(refuse("what was sent is no form"));
    }
    let query = head.query.as_deref().unwrap_or_default();
    let text = if posted { body } else { query.as_bytes() };
    let form = Form::parse(text).map_err(|fault| {
        let told = "what was sent cannot be read, or says something twice";
        Refused::new(Refusal::LoginRefused { told, again: None }, fault.to_string())
    })?;
    if posted && form.one("ticket").is_some() {
        return Ok(provider.submit(visit, form).await);
    }
    Ok(match call {
        PersonCall::EndSession => provider.end_session(visit, form).await,
        PersonCall::Own(_) if posted => return Err(refuse("this form is not one of ours")),
        PersonCall::Own(page) => provider.own_page(visit, page).await,
        PersonCall::Authorize if posted => posted_request(head, body),
        PersonCall::Authorize => provider.authorize(visit, query.to_owned()).await,
    })
}

/// A request that another site has posted (OpenID Connect Core 1.0, 3.1.2.1) comes without our cookies; as an address it comes with them.
fn posted_request(head: &RequestHead, body: &[u8]) -> BrowserOutcome {
    let location =
        std::str::from_utf8(body).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    let answer = match location {
        Some(query) => BrowserAnswer::SeeOther {
            location: format!("{}?{query}", head.path.as_str()),
            cookies: Vec::new(),
        },
        None => {
            let told = "what was sent cannot be read, or says something twice";
            BrowserAnswer::Refused { told, reason: told.to_owned() }
        }
    };
    BrowserOutcome { answer, happened: Vec::new() }
}

fn respond(
    request: &Forwarding<'_>,
    provider: &Provider,
    head: &RequestHead,
    answer: BrowserAnswer,
    record: Record,
) -> Response {
    match answer {
        BrowserAnswer::SeeOther { location, cookies } => see_other(&location, &cookies, &request.to, record),
        BrowserAnswer::Page(page) => {
            let html = pages::render(&page, provider.path(), Language::of(&head.fields));
            let (site, base) = (provider.issuer(), provider.path());
            let script = page.passkey.as_ref().map(|_| format!("{site}{base}/{}", passkey_script()));
            let policy = pages::policy(page.leads_to.as_deref(), script.as_deref());
            form_page(html, &policy, page.problem.is_some(), &page.cookies, &request.to, record)
        }
        BrowserAnswer::Refused { told, reason } => {
            refuse(Refused::new(Refusal::LoginRefused { told, again: None }, reason), request.to, record)
        }
        BrowserAnswer::Limited(limited) => refuse_limited(limited, request.to, record),
        BrowserAnswer::Unavailable(why) => {
            refuse(Refused::new(Refusal::CANNOT_TELL, why), request.to, record)
        }
    }
}
