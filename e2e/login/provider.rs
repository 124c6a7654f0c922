//! A login provider that can be broken on purpose. It shows no page: the test says who logs in, and gets the code that a browser would bring.

use super::browser::{decoded, find_parameter, parameter};
use aws_lc_rs::digest::{SHA256, digest};
use haechi_testkit::jose::{Key, base64url, now, with};
use haechi_testkit::{Answer, Backend, Recorded};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// What makes the answers of one call.
type Override = Arc<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// Makes another ID token of the one that is right.
type Rewrite = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// What the provider says otherwise than it should; nothing by default.
#[derive(Default)]
pub(super) struct Faults {
    /// Members of the discovery document.
    pub(super) discovery: Value,
    /// Members of the ID token's header and claims.
    pub(super) header: Value,
    pub(super) claims: Value,
    /// The whole ID token, made of the one that is right.
    pub(super) id_token: Option<Rewrite>,
    /// The key that signs, where it is not the published one.
    pub(super) key: Option<Key>,
    /// Members of the token endpoint's answer, and of `userinfo`.
    pub(super) token: Value,
    pub(super) userinfo: Value,
    /// Answers of whole calls, by path.
    pub(super) calls: BTreeMap<&'static str, Override>,
}

/// A login that somebody has finished at the provider.
struct Login {
    nonce: Option<String>,
    challenge: String,
    redirect_uri: String,
    subject: String,
}

struct State {
    key: Key,
    faults: Mutex<Faults>,
    codes: Mutex<BTreeMap<String, Login>>,
    pushed: Mutex<BTreeMap<String, String>>,
    refreshes: Mutex<BTreeMap<String, String>>,
    made: Mutex<u64>,
    /// How long access tokens last, in seconds.
    lasts: Mutex<u64>,
}

pub(super) struct Provider {
    address: SocketAddr,
    server: Option<Backend>,
    state: Arc<State>,
}

pub(super) const CLIENT: &str = "gate";
pub(super) const SECRET: &str = "s3cret/of:the gate";

impl Provider {
    pub(super) fn start() -> Self {
        let state = Arc::new(State {
            key: Key::p256("one"),
            faults: Mutex::default(),
            codes: Mutex::default(),
            pushed: Mutex::default(),
            refreshes: Mutex::default(),
            made: Mutex::default(),
            lasts: Mutex::new(3600),
        });
        let server = Backend::reading(behaviour(state.clone()));
        Self { address: server.address(), server: Some(server), state }
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn stop(&mut self) {
        self.server = None;
    }

    pub(super) fn restart(&mut self) {
        self.server = Some(Backend::reading_at(self.address, behaviour(self.state.clone())));
    }

    /// From now on something is wrong.
    pub(super) fn breaks(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state.faults.lock().unwrap());
    }

    /// Everything is right again.
    pub(super) fn mends(&self) {
        *self.state.faults.lock().unwrap() = Faults::default();
    }

    pub(super) fn access_tokens_last(&self, seconds: u64) {
        *self.state.lasts.lock().unwrap() = seconds;
    }

    /// How many calls came to this path.
    pub(super) fn asked(&self, path: &str) -> Vec<Recorded> {
        let all = self.server.as_ref().map(Backend::recorded).unwrap_or_default();
        all.into_iter().filter(|request| request.target().split('?').next() == Some(path)).collect()
    }

    /// `subject` logs in at the page that the gate sent a browser to; the address that it is sent back to.
    #[track_caller]
    pub(super) fn log_in(&self, page: &str, subject: &str) -> String {
        let (code, state, redirect_uri) = self.code(page, subject);
        format!("{redirect_uri}?code={code}&state={state}")
    }

    /// The code, the `state` and where they go.
    #[track_caller]
    pub(super) fn code(&self, page: &str, subject: &str) -> (String, String, String) {
        let page = match find_parameter(page, "request_uri") {
            Some(uri) => format!("{page}&{}", self.state.pushed.lock().unwrap()[&uri]),
            None => page.to_owned(),
        };
        assert_eq!(parameter(&page, "code_challenge_method"), "S256");
        assert_eq!(parameter(&page, "response_type"), "code");
        assert_eq!(parameter(&page, "client_id"), CLIENT);
        let code = self.state.next("code");
        let redirect_uri = parameter(&page, "redirect_uri");
        let login = Login {
            nonce: Some(parameter(&page, "nonce")),
            challenge: parameter(&page, "code_challenge"),
            redirect_uri: redirect_uri.clone(),
            subject: subject.to_owned(),
        };
        self.state.codes.lock().unwrap().insert(code.clone(), login);
        (code, parameter(&page, "state"), redirect_uri)
    }

    /// A logout token, with these claims changed.
    pub(super) fn logout_token(&self, claims: &Value) -> String {
        let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
        let usual = json!({
            "iss": self.issuer(), "aud": CLIENT, "iat": now(), "exp": now() + 120, "jti": self.state.next("jti"), "events": event,
        });
        let header = json!({ "alg": "ES256", "typ": "logout+jwt", "kid": "one" });
        self.state.key.sign(&header, &with(&usual, claims))
    }

    /// An ID token of another login, with these claims changed.
    pub(super) fn id_token(&self, claims: &Value) -> String {
        self.state.key.token(&with(&self.state.claims(&self.issuer(), "alice"), claims))
    }
}

impl State {
    fn next(&self, what: &str) -> String {
        let mut made = self.made.lock().unwrap();
        *made += 1;
        format!("{what}-{made}")
    }

    fn claims(&self, issuer: &str, subject: &str) -> Value {
        json!({
            "iss": issuer, "sub": subject, "aud": CLIENT, "iat": now(), "exp": now() + 300,
            "sid": format!("sid-of-{subject}"), "groups": ["staff"], "tenant": "acme",
        })
    }

    fn discovery(&self, issuer: &str) -> Value {
        let usual = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "end_session_endpoint": format!("{issuer}/end"),
            "jwks_uri": format!("{issuer}/keys"),
        });
        patched(&usual, &self.faults.lock().unwrap().discovery)
    }

    fn token(&self, issuer: &str, form: &BTreeMap<String, String>) -> Answer {
        let (subject, nonce, code) = match form["grant_type"].as_str() {
            "authorization_code" => {
                let Some(login) = self.codes.lock().unwrap().remove(&form["code"]) else { return refused() };
                let challenge = base64url(digest(&SHA256, form["code_verifier"].as_bytes()));
                if challenge != login.challenge || form["redirect_uri"] != login.redirect_uri {
                    return refused();
                }
                (login.subject, login.nonce, Some(form["code"].clone()))
            }
            _ => {
                // Each refresh token works once.
                let subject = self.refreshes.lock().unwrap().remove(&form["refresh_token"]);
                let Some(subject) = subject else { return refused() };
                (subject, None, None)
            }
        };
        let (access, refresh) = (self.next("access"), self.next("refresh"));
        self.refreshes.lock().unwrap().insert(refresh.clone(), subject.clone());
        let faults = self.faults.lock().unwrap();
        let half = |text: &str| base64url(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
        let mut claims = self.claims(issuer, &subject);
        claims["at_hash"] = json!(half(&access));
        if let Some(code) = &code {
            claims["c_hash"] = json!(half(code));
        }
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let key = faults.key.as_ref().unwrap_or(&self.key);
        let header =
            patched(&json!({ "alg": key.algorithm(), "typ": "JWT", "kid": key.kid }), &faults.header);
        let mut id_token = key.sign(&header, &patched(&claims, &faults.claims));
        if let Some(change) = &faults.id_token {
            id_token = change(&id_token);
        }
        let answer = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": *self.lasts.lock().unwrap(),
            "refresh_token": refresh, "id_token": id_token,
        });
        json_answer(200, &patched(&answer, &faults.token))
    }
}

fn patched(usual: &Value, members: &Value) -> Value {
    if members.is_null() { usual.clone() } else { with(usual, members) }
}

pub(super) fn json_answer(status: u16, body: &Value) -> Answer {
    Answer::new(status, &[("content-type", "application/json")], body.to_string())
}

fn refused() -> Answer {
    json_answer(400, &json!({ "error": "invalid_grant" }))
}

/// The parameters of a form.
pub(super) fn form(request: &Recorded) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn behaviour(state: Arc<State>) -> impl Fn(&Recorded) -> Answer + Send + Sync {
    move |request| {
        let issuer = format!("http://{}", request.field("host").unwrap_or(""));
        let path = request.target().split('?').next().unwrap_or_default();
        let overridden = state.faults.lock().unwrap().calls.get(path).cloned();
        if let Some(answer) = overridden {
            return answer(request);
        }
        match path {
            "/.well-known/openid-configuration" => json_answer(200, &state.discovery(&issuer)),
            "/keys" => json_answer(200, &json!({ "keys": [state.key.jwk()] })),
            "/token" => state.clone().with_body(request, &issuer),
            "/par" => state.clone().push(request),
            "/userinfo" => {
                let usual = json!({ "sub": "alice", "tenant": "of-userinfo", "groups": ["others"], "department": "sales" });
                json_answer(200, &patched(&usual, &state.faults.lock().unwrap().userinfo))
            }
            _ => Answer::new(404, &[], ""),
        }
    }
}

impl State {
    fn with_body(self: Arc<Self>, request: &Recorded, issuer: &str) -> Answer {
        self.token(issuer, &form(request))
    }

    fn push(self: Arc<Self>, request: &Recorded) -> Answer {
        let uri = self.next("urn:pushed");
        self.pushed.lock().unwrap().insert(uri.clone(), String::from_utf8_lossy(&request.body).into_owned());
        json_answer(201, &json!({ "request_uri": uri, "expires_in": 60 }))
    }
}
