//! What a client asks for at the authorization endpoint (RFC 6749 4.1.1, RFC 7636 4.3, RFC 8707 2, OpenID Connect Core 1.0, 3.1.2.1), read and checked.

use super::form::Form;
use super::pkce::Challenge;
use super::redirect_uri::RedirectUri;
use super::tokens::{ACR_PASSWORD, ACR_SEVERAL};
use haechi_core::ports::{ClientRecord, Clients, StoreError};

/// Scopes that say something of the person, or of how long it lasts; every client may ask for them.
pub(super) const OPENID: &str = "openid";
pub(super) const PROFILE: &str = "profile";
pub(super) const OFFLINE_ACCESS: &str = "offline_access";
/// Scopes of OpenID Connect for which nothing is known of anybody: as good as left out (OpenID Connect Core 1.0, 3.1.2.1).
const NOTHING_KNOWN: [&str; 3] = ["email", "address", "phone"];
/// The longest request, in bytes: it travels in a form, sealed.
const LONGEST: usize = 6 * 1024;
/// The longest `state` and `nonce`.
const LONGEST_ECHO: usize = 1024;

/// A request that is sound in itself, of a client that may make it.
#[derive(Clone, Debug)]
pub(super) struct Authorization {
    /// As it came.
    pub(super) query: String,
    pub(super) client: ClientRecord,
    pub(super) redirect_uri: RedirectUri,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Challenge,
    pub(super) scopes: Vec<String>,
    pub(super) audiences: Vec<String>,
    pub(super) prompt: Prompt,
    /// In seconds.
    pub(super) max_age: Option<u64>,
    pub(super) login_hint: Option<String>,
    /// Which logins are wanted, most wanted first.
    pub(super) acr_values: Vec<String>,
}

/// What people are asked, whatever is known (OpenID Connect Core 1.0, 3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// Nobody is asked anything.
    pub(super) none: bool,
    /// They log in.
    pub(super) login: bool,
    /// They are asked what the client may have.
    pub(super) consent: bool,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum AuthorizationFault {
    /// Nobody knows where to send the browser: it stays, and is shown why (RFC 6749 4.1.2.1).
    Page { told: &'static str, reason: String },
    /// The client is told.
    Redirect { back: Box<Back>, error: &'static str, told: &'static str },
    /// Could not find out.
    Unavailable(String),
}

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(super) struct Back {
    pub(super) redirect_uri: RedirectUri,
    pub(super) state: Option<String>,
}

impl Back {
    /// The address of an answer: with `iss`, so that no client takes it for another provider's (RFC 9207).
    pub(super) fn with(&self, issuer: &str, parameters: &[(&str, &str)]) -> String {
        let mut all = parameters.to_vec();
        all.extend(self.state.as_deref().map(|state| ("state", state)));
        all.push(("iss", issuer));
        self.redirect_uri.with(&all)
    }
}

impl From<StoreError> for AuthorizationFault {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

fn page(told: &'static str) -> AuthorizationFault {
    AuthorizationFault::Page { told, reason: told.to_owned() }
}

/// Reads a request.
pub(super) async fn read(
    clients: &dyn Clients,
    issuer: &str,
    query: &str,
) -> Result<Authorization, AuthorizationFault> {
    if query.len() > LONGEST {
        return Err(page("the request of the application is too long"));
    }
    let form = Form::parse(query.as_bytes());
    let form = form.map_err(|fault| AuthorizationFault::Page {
        told: "the request of the application cannot be read, or says something twice",
        reason: fault.to_string(),
    })?;
    let client = client(clients, &form).await?;
    let redirect_uri = redirect_uri(&client, &form)?;
    let back = Back { redirect_uri, state: form.one("state").map(str::to_owned) };
    if back.state.as_ref().is_some_and(|state| state.len() > LONGEST_ECHO) {
        let back = Box::new(Back { state: None, ..back });
        return Err(AuthorizationFault::Redirect {
            back,
            error: "invalid_request",
            told: "`state` is too long",
        });
    }
    let checked = check(&client, issuer, &form);
    let refuse = |(error, told)| AuthorizationFault::Redirect { back: Box::new(back.clone()), error, told };
    let (challenge, scopes, audiences, prompt, max_age) = checked.map_err(refuse)?;
    Ok(Authorization {
        query: query.to_owned(),
        nonce: form.one("nonce").map(str::to_owned),
        acr_values: form.one("acr_values").unwrap_or_default().split(' ').map(str::to_owned).collect(),
        login_hint: form.one("login_hint").filter(|hint| hint.chars().count() <= 128).map(str::to_owned),
        client,
        redirect_uri: back.redirect_uri,
        state: back.state,
        challenge,
        scopes,
        audiences,
        prompt,
        max_age,
    })
}

impl Authorization {
    /// Whether a login of this `acr` is as strong as it is asked for. What nobody here knows is not asked of anybody (OpenID Connect Core 1.0, 3.1.2.1).
    pub(super) fn is_satisfied_by(&self, acr: &str) -> bool {
        let asks = |wanted: &str| self.acr_values.iter().any(|asked| asked == wanted);
        acr == ACR_SEVERAL || !asks(ACR_SEVERAL) || asks(ACR_PASSWORD)
    }

    pub(super) fn back(&self) -> Back {
        Back { redirect_uri: self.redirect_uri.clone(), state: self.state.clone() }
    }
}

async fn client(clients: &dyn Clients, form: &Form) -> Result<ClientRecord, AuthorizationFault> {
    let id = form.one("client_id").ok_or_else(|| page("the application does not say which it is"))?;
    let could_be = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let found = if could_be { clients.by_id(id).await? } else { None };
    found.ok_or_else(|| page("this application is not known here"))
}

fn redirect_uri(client: &ClientRecord, form: &Form) -> Result<RedirectUri, AuthorizationFault> {
    let told = "the application does not say where to send you back to, or not where it has registered";
    let fault = |reason: String| AuthorizationFault::Page { told, reason };
    let text = form.one("redirect_uri").ok_or_else(|| fault("`redirect_uri` is missing".to_owned()))?;
    let asked = RedirectUri::parse(text).map_err(|error| fault(error.to_string()))?;
    let admits = |known: &String| RedirectUri::parse(known).is_ok_and(|known| known.admits(&asked));
    if client.login.redirect_uris.iter().any(admits) {
        Ok(asked)
    } else {
        Err(fault(format!("client `{}` has not registered this redirect URI", client.id)))
    }
}

type Checked = (Challenge, Vec<String>, Vec<String>, Prompt, Option<u64>);
type Told = (&'static str, &'static str);

fn check(client: &ClientRecord, issuer: &str, form: &Form) -> Result<Checked, Told> {
    let invalid = |told| ("invalid_request", told);
    if form.one("request").is_some() {
        return Err(("request_not_supported", "`request` is not taken"));
    }
    if form.one("request_uri").is_some() {
        return Err(("request_uri_not_supported", "`request_uri` is not taken"));
    }
    match form.one("response_type") {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "the response type is `code`")),
        None => return Err(invalid("`response_type` is missing")),
    }
    if form.one("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("the response mode is `query`"));
    }
    let challenge = challenge(form)?;
    if form.one("nonce").is_some_and(|nonce| nonce.len() > LONGEST_ECHO) {
        return Err(invalid("`nonce` is too long"));
    }
    let prompt = prompt(form)?;
    let max_age =
        form.one("max_age").map(|text| text.parse::<u64>().map_err(|_| invalid("`max_age` is no number")));
    let scopes = scopes(client, form.one("scope"))?;
    Ok((challenge, scopes, audiences(client, issuer, form.all("resource"))?, prompt, max_age.transpose()?))
}

/// RFC 9700 2.1.1: for confidential clients as well.
fn challenge(form: &Form) -> Result<Challenge, Told> {
    let invalid = |told| ("invalid_request", told);
    match form.one("code_challenge_method") {
        Some("S256") => {}
        Some(_) => return Err(invalid("`code_challenge_method` is `S256`")),
        None => return Err(invalid("`code_challenge` and `code_challenge_method=S256` are needed (PKCE)")),
    }
    let text = form.one("code_challenge").ok_or_else(|| invalid("`code_challenge` is missing (PKCE)"))?;
    Challenge::parse(text).ok_or_else(|| invalid("`code_challenge` is no SHA-256 in base64url"))
}

fn prompt(form: &Form) -> Result<Prompt, Told> {
    let mut prompt = Prompt::default();
    for word in form.one("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            // The login is where another account is chosen.
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(("invalid_request", "`prompt` is `none`, `login` or `consent`")),
        }
    }
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(("invalid_request", "`prompt=none` stands alone"));
    }
    Ok(prompt)
}

/// What was asked for, or all that the client was granted where nothing was.
fn scopes(client: &ClientRecord, asked: Option<&str>) -> Result<Vec<String>, Told> {
    let Some(asked) = asked else { return Ok(client.scopes.clone()) };
    let mut scopes: Vec<String> = Vec::new();
    for scope in asked.split(' ').filter(|scope| !scope.is_empty() && !NOTHING_KNOWN.contains(scope)) {
        let known = [OPENID, PROFILE, OFFLINE_ACCESS].contains(&scope)
            || client.scopes.iter().any(|granted| granted == scope);
        // Nobody has granted anything to a client that registered itself: it is told what it gets (RFC 6749 3.3).
        if !known && client.login.registered {
            continue;
        }
        if !known {
            return Err(("invalid_scope", "the client was not granted all of these scopes"));
        }
        if !scopes.iter().any(|other| other == scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}

/// For whom the access token is: whom the client may ask for, or what is at the gate itself (RFC 8707 2); the gate where nobody is named.
fn audiences<'a>(
    client: &ClientRecord,
    issuer: &str,
    asked: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, Told> {
    let mut audiences: Vec<String> = Vec::new();
    let mut at_the_gate = false;
    for resource in asked {
        if resource.contains('#')
            || resource.len() > LONGEST_ECHO
            || !resource.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(("invalid_target", "`resource` is an absolute URI without a fragment"));
        }
        let here =
            resource == issuer || resource.strip_prefix(issuer).is_some_and(|rest| rest.starts_with('/'));
        if !here && !client.audiences.iter().any(|known| known == resource) {
            return Err(("invalid_target", "the client may not ask for tokens for this resource"));
        }
        at_the_gate |= here;
        if !audiences.iter().any(|known| known == resource) {
            audiences.push(resource.to_owned());
        }
    }
    // What is at the gate is verified by the gate.
    if (at_the_gate || audiences.is_empty()) && !audiences.iter().any(|known| known == issuer) {
        audiences.push(issuer.to_owned());
    }
    Ok(audiences)
}

/// Whether people are asked before the client gets anything: where it says so, and wherever nobody vouches for its name.
pub(super) const fn asks_for_consent(client: &ClientRecord) -> bool {
    client.login.consent || client.login.registered
}
