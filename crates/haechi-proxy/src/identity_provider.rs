//! The embedded identity provider's calls over HTTP (docs/identity-provider.md). What they do is `haechi-authn`'s; here they are read and answered.

mod browser;
mod fields;
mod oauth;
mod own_factor;
mod own_pages;
mod own_password;
mod own_sessions;
mod pages;
mod passkey_script;
mod passkeys;
mod person;
mod told;
mod words;

pub use passkey_script::passkey_script;

use crate::forwarding::Forwarding;
use crate::io::Charge;
use crate::protected_resource;
use crate::rate_limit::{CountedLimit, LimitFields};
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::reply::ReplyContext;
use crate::request_body::RequestBody;
use crate::respond::{created, document, refuse, script};
use crate::response::Response;
use crate::settings::{IdentityCall, limit_policy};
use crate::whole_body;
use haechi_authn::identity::{
    CallLimited, Credentials, LoginRefused, LogoutRefused, Provider, RefreshRefused, TokenPair, is_form,
};
use haechi_authz::Permitted;
use haechi_core::{Caller, RequestHead, Secret};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;
use told::Told;

/// The most that a call's body may be, in bytes.
const MAX_BODY: usize = 16 * 1024;

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
    /// A code of the second factor, or a recovery code.
    totp: Option<String>,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

#[derive(Serialize)]
struct Tokens<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: &'a str,
}

/// What a call comes to.
enum Answer {
    Json(Vec<u8>),
    /// Something that is there from now on.
    Created(Vec<u8>),
    /// For documents that anyone may keep for a while.
    Cacheable(Vec<u8>),
    Nothing,
    Refused(Refused),
    /// One too many.
    Limited(CallLimited),
}

impl Answer {
    fn refused(refusal: Refusal, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(Refused::new(refusal, reason))
    }

    /// Says of a body that could not be read that it came as a form, where it did: `curl -d` sends one unless told otherwise.
    fn naming_form(self, head: &RequestHead) -> Self {
        match self {
            Self::Refused(Refused { refusal: Refusal::BadBody, reason, .. })
                if is_form(person::content_type(head)) =>
            {
                Self::refused(Refusal::FormBody, reason)
            }
            other => other,
        }
    }
}

/// Answers a call.
pub(crate) async fn answer(
    request: &Forwarding<'_>,
    call: IdentityCall,
    permitted: Permitted,
    mut body: RequestBody,
    record: Record,
) -> Response {
    if let Some(call) = browser::BrowserCall::of(call) {
        return browser::answer(request, call, permitted, body, record).await;
    }
    if let IdentityCall::ProtectedResource = call {
        return describe(request, permitted.head(), record);
    }
    if let IdentityCall::PasskeyScript = call {
        return script(passkey_script::SCRIPT, &request.to, record);
    }
    let Some(provider) = &request.plan.shared.identity else {
        let refused = Refused::new(Refusal::Internal, "the plan has no identity provider");
        return refuse(refused, request.to, record);
    };
    if let Some(call) = person::PersonCall::of(call, permitted.head()) {
        return person::answer(request, provider, call, permitted, body, record).await;
    }
    let charge = request.worker.buffers().charge(0);
    let read = read(&mut body, charge);
    let read = request.timer.limit_client(request.plan.shared.limits.body_stall, read).await;
    let (answer, told) = match read {
        Ok(Ok(body)) => {
            let takes_json = matches!(
                call,
                IdentityCall::Login
                    | IdentityCall::Refresh
                    | IdentityCall::Password
                    | IdentityCall::SecondFactor
                    | IdentityCall::Sessions
            );
            let (answer, told) = perform(call, provider, &permitted, body).await;
            (if takes_json { answer.naming_form(permitted.head()) } else { answer }, told)
        }
        Ok(Err(refused)) => (Answer::Refused(refused), None),
        Err(_) => (Answer::refused(Refusal::RequestTimeout, "the body stalled"), None),
    };
    // A login that cannot be recorded is none: nobody gets its tokens.
    let answer = match told {
        Some(told) => match told.tell(request, permitted.head()).await {
            Ok(()) => answer,
            Err(refused) => Answer::Refused(refused),
        },
        None => answer,
    };
    match answer {
        Answer::Refused(refused) => refuse(refused, request.to, record),
        Answer::Limited(limited) => refuse_limited(limited, request.to, record),
        Answer::Json(body) => document(body, b"no-store", &request.to, record),
        Answer::Created(body) => created(body, &request.to, record),
        Answer::Cacheable(body) => document(body, b"public, max-age=300", &request.to, record),
        Answer::Nothing => document(Vec::new(), b"no-store", &request.to, record),
    }
}

/// What the gate says of a resource.
fn describe(request: &Forwarding<'_>, head: &RequestHead, record: Record) -> Response {
    match protected_resource::at(&request.plan.shared.protected_resources, head.path.as_str()) {
        Some(resource) => document(resource.document(head), b"public, max-age=300", &request.to, record),
        None => {
            let refused = Refused::new(Refusal::Internal, "the plan has no such resource");
            refuse(refused, request.to, record)
        }
    }
}

async fn read(body: &mut RequestBody, charge: Charge) -> Result<Vec<u8>, Refused> {
    whole_body::read(body, charge, MAX_BODY).await
}

/// What a call comes to, and what the audit trail is told of it.
async fn perform(
    call: IdentityCall,
    provider: &Provider,
    permitted: &Permitted,
    body: Vec<u8>,
) -> (Answer, Option<Told>) {
    let answer = match call {
        IdentityCall::Login => return login(provider, &body, permitted.head().client).await,
        IdentityCall::Password => {
            return own_password::answer(provider, &body, permitted.head().client).await;
        }
        IdentityCall::SecondFactor => {
            return own_factor::answer(provider, &body, permitted.head().client).await;
        }
        IdentityCall::Refresh => return refresh(provider, &body, permitted.head().client).await,
        IdentityCall::Logout => return logout(provider, permitted.caller()).await,
        IdentityCall::Token => return oauth::token(provider, permitted.head(), &body).await,
        IdentityCall::Revoke => return oauth::revoke(provider, permitted.head(), &body).await,
        IdentityCall::Me => json(&**permitted.caller()),
        IdentityCall::Sessions => return own_sessions::answer(provider, permitted, &body).await,
        IdentityCall::Introspect => oauth::introspect(provider, permitted.head(), &body).await,
        IdentityCall::Userinfo => oauth::userinfo(provider, permitted.head()).await,
        IdentityCall::Register => return oauth::register(provider, permitted.head(), &body).await,
        IdentityCall::Jwks => match provider.keyring().jwks_json() {
            Some(keys) => Answer::Cacheable(keys.to_vec()),
            None => Answer::refused(Refusal::CANNOT_TELL, "the signing keys are not loaded yet"),
        },
        IdentityCall::Discovery => Answer::Cacheable(provider.discovery_document().to_string().into_bytes()),
        // They were answered before.
        IdentityCall::LoginChoice
        | IdentityCall::LoginStart
        | IdentityCall::LoginCallback
        | IdentityCall::BackchannelLogout
        | IdentityCall::BrowserLogout
        | IdentityCall::Authorize
        | IdentityCall::EndSession
        | IdentityCall::Account
        | IdentityCall::Passkeys
        | IdentityCall::PasskeyScript
        | IdentityCall::ProtectedResource => {
            Answer::refused(Refusal::Internal, "this is no call of the provider's")
        }
    };
    (answer, None)
}

async fn login(provider: &Provider, body: &[u8], client: IpAddr) -> (Answer, Option<Told>) {
    let Ok(Login { username, password, totp }) = serde_json::from_slice(body) else {
        return (Answer::refused(Refusal::BadBody, "the body is not a login"), None);
    };
    let shows = Credentials { name: username, password: Secret::new(password), code: totp.map(Secret::new) };
    match provider.login(shows, client).await {
        Ok(pair) => (json(&Tokens::of(&pair)), Some(of_pair("login", provider, &pair))),
        Err(refused) => refused_login("login", refused),
    }
}

/// What was shown does not do.
fn refused_login(action: &'static str, refused: LoginRefused) -> (Answer, Option<Told>) {
    match refused {
        LoginRefused::InvalidCredentials(_) => {
            (bad_login(&refused.to_string()), Some(Told::refused(action, refused)))
        }
        LoginRefused::CodeNeeded => {
            let answer = Answer::refused(Refusal::SecondFactorNeeded, refused.to_string());
            (answer, Some(Told::refused(action, refused)))
        }
        LoginRefused::ChangeNeeded => {
            let answer = Answer::refused(Refusal::PasswordChangeNeeded, refused.to_string());
            (answer, Some(Told::refused(action, refused)))
        }
        LoginRefused::Limited(limited) => (Answer::Limited(limited), None),
        LoginRefused::Busy | LoginRefused::Unavailable(_) => {
            (Answer::refused(Refusal::CANNOT_TELL, refused.to_string()), None)
        }
    }
}

fn of_pair(action: &'static str, provider: &Provider, pair: &TokenPair) -> Told {
    Told::done(action, provider.issuer(), &pair.subject).on_session(&pair.session)
}

/// Tells of the limit as a route's would be told of.
fn refuse_limited(limited: CallLimited, to: ReplyContext, record: Record) -> Response {
    let CallLimited { limit, rate, answer } = limited;
    let refusal = Refusal::RateLimited { retry_after: answer.retry_after };
    let mut response = refuse(Refused::new(refusal, limited.to_string()), to, record);
    let (name, requests) = (limit.name(), rate.requests.get());
    let policy = limit_policy(name, requests, rate.per).into();
    let mut told = LimitFields::default();
    told.add(&CountedLimit { name, by: limit.of(), requests, policy, answer });
    told.write(&mut response.fields);
    response
}

async fn refresh(provider: &Provider, body: &[u8], client: IpAddr) -> (Answer, Option<Told>) {
    let Ok(Refresh { refresh_token }) = serde_json::from_slice(body) else {
        return (Answer::refused(Refusal::BadBody, "the body is not a refresh"), None);
    };
    match provider.refresh(Secret::new(refresh_token), client).await {
        Ok(pair) => (json(&Tokens::of(&pair)), Some(of_pair("token.refresh", provider, &pair))),
        Err(RefreshRefused::Limited(limited)) => (Answer::Limited(limited), None),
        Err(refused @ RefreshRefused::Unavailable(_)) => {
            (Answer::refused(Refusal::CANNOT_TELL, refused.to_string()), None)
        }
        Err(refused) => (bad_login(&refused.to_string()), Some(Told::refused("token.refresh", refused))),
    }
}

async fn logout(provider: &Provider, caller: &Caller) -> (Answer, Option<Told>) {
    match provider.logout(caller).await {
        Ok(()) => (Answer::Nothing, Some(Told::by("logout", caller))),
        Err(refused @ LogoutRefused::NoSession) => {
            (Answer::refused(Refusal::BadBody, refused.to_string()), None)
        }
        Err(refused) => (Answer::refused(Refusal::CANNOT_TELL, refused.to_string()), None),
    }
}

fn bad_login(reason: &str) -> Answer {
    Answer::refused(Refusal::BadCredential { challenges: Vec::new() }, reason.to_owned())
}

impl<'a> Tokens<'a> {
    fn of(pair: &'a TokenPair) -> Self {
        Self {
            access_token: pair.access_token.expose(),
            token_type: "Bearer",
            expires_in: pair.expires_in.as_secs(),
            refresh_token: pair.refresh_token.expose(),
        }
    }
}

fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => Answer::Json(body),
        Err(error) => Answer::refused(Refusal::Internal, error.to_string()),
    }
}
