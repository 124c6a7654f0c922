//! Authentication and authorization on the admin API: whoever came over the Unix socket; callers with a token of the embedded identity provider and the
//! role `haechi-admin`, or `haechi-auditor`; and callers whom another authenticator vouches for, with a role that the configuration names.
//!
//! Authenticators are not made to be shared by threads. One thread has them, as a worker has its own.

use super::assembly::ProcessState;
use super::authenticators::Built;
use super::reload::Reloader;
use crate::config::Config;
use crate::config::meant::OperatorRole;
use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use haechi_admin::{Needs, NotAdmitted, Peer, Shown, Wish};
use haechi_authn::identity::OPERATORS;
use haechi_authn::keys::KeySource;
use haechi_authn::schemes::jwt::{
    Audiences, ClaimsMap, DEFAULT_LEEWAY, IssuerRule, JsonPointer, JwtAuthenticator, JwtConfig, JwtFault,
    TokenPlace,
};
use haechi_authn::{Attempt, Authenticator, Fault, Look, Scheme};
use haechi_core::caller::Vouched;
use haechi_core::id::RequestId;
use haechi_core::ports::{AuditActor, AuditSubject, BoxFuture};
use haechi_core::{
    Caller, CanonicalPath, Clock, ConnectionFacts, Fields, Host, RequestHead, Role, RoleTable, role,
};
use http::Method;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// So many calls wait to be judged; connections are fewer.
const WAITING: usize = 256;
/// Tokens of operators that are remembered as verified.
const REMEMBERED: usize = 64;

/// Judges operators.
pub(crate) struct Operators {
    questions: mpsc::Sender<Question>,
}

struct Question {
    shown: Shown,
    wish: Wish,
    answer: oneshot::Sender<Result<AuditActor, NotAdmitted>>,
}

/// Why nobody can judge them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorsFault {
    #[error(transparent)]
    Tokens(#[from] JwtFault),
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl Operators {
    /// Those that the configuration in force knows, on a thread of their own. The embedded issuer does not change while the process runs, and its
    /// tokens' roles need no table: nothing includes a built-in one.
    ///
    /// # Errors
    /// [`OperatorsFault`].
    pub(crate) fn start(
        process: &ProcessState,
        reloader: Arc<Reloader>,
        built: Arc<ArcSwap<Built>>,
    ) -> Result<Self, OperatorsFault> {
        let own =
            own_tokens(&reloader.config(), process)?.map(|tokens| Arc::new(tokens) as Arc<dyn Authenticator>);
        let (questions, asked) = mpsc::channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let clock = process.clock.clone();
        let judge = move || {
            let judges = Judges { own, reloader, built, clock, made: RefCell::default() };
            tokio::task::LocalSet::new().block_on(&runtime, judges.answer(asked));
        };
        std::thread::Builder::new().name("operators".to_owned()).spawn(judge)?;
        Ok(Self { questions })
    }
}

impl haechi_admin::Operators for Operators {
    fn admit(&self, shown: Shown, wish: Wish) -> BoxFuture<'_, Result<AuditActor, NotAdmitted>> {
        if let Peer::Process { uid, pid } = shown.peer {
            return Box::pin(std::future::ready(Ok(by_socket(uid, pid))));
        }
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let sent = self.questions.send(Question { shown, wish, answer }).await;
            sent.map_err(|_| NotAdmitted::Unavailable)?;
            answered.await.unwrap_or(Err(NotAdmitted::Unavailable))
        })
    }
}

/// Whoever may open the socket may do everything, and is known by the account.
fn by_socket(uid: u32, pid: Option<u32>) -> AuditActor {
    AuditActor {
        authenticator: "socket".to_owned(),
        who: None,
        credential_id: None,
        uid: Some(uid),
        pid,
        client: None,
    }
}

fn own_tokens(config: &Config, process: &ProcessState) -> Result<Option<JwtAuthenticator>, JwtFault> {
    let issuer = config.identity.as_ref().map(|identity| identity.issuer.clone());
    let Some((issuer, keyring)) = issuer.zip(process.keyring()) else { return Ok(None) };
    let tokens = JwtAuthenticator::new(JwtConfig {
        name: "admin".into(),
        issuer: IssuerRule::exactly(&issuer),
        audiences: Audiences::OneOf(vec![issuer.to_string(), OPERATORS.to_owned()]),
        audience_claim: None,
        from: vec![TokenPlace::Bearer],
        keys: Arc::new(KeySource::embedded(&issuer, keyring.verifying())),
        algorithms: JwtAuthenticator::default_algorithms(),
        leeway: DEFAULT_LEEWAY,
        token_types: vec!["at+jwt".to_owned()],
        claims: ClaimsMap { roles: vec![JsonPointer::of_name("roles")], ..ClaimsMap::default() },
        roles: Arc::new(RoleTable::default()),
        revocations: Some(process.watch.clone()),
        vouched: Vouched::BySelf,
        cache_entries: REMEMBERED,
        clock: process.clock.clone(),
    })?;
    Ok(Some(tokens))
}

/// Makes ways in of each configuration, and asks them.
struct Judges {
    own: Option<Arc<dyn Authenticator>>,
    reloader: Arc<Reloader>,
    built: Arc<ArcSwap<Built>>,
    clock: Arc<dyn Clock>,
    made: RefCell<Option<Made>>,
}

/// The ways in of one configuration.
struct Made {
    of: (Arc<Config>, Arc<Built>),
    ways: Rc<Vec<Way>>,
}

/// A way in, and which of its callers are operators.
struct Way {
    scheme: Rc<dyn Scheme>,
    administrators: Vec<Role>,
    auditors: Vec<Role>,
}

impl Judges {
    async fn answer(self, mut asked: mpsc::Receiver<Question>) {
        while let Some(Question { shown, wish, answer }) = asked.recv().await {
            let (ways, head) = (self.ways(), head(&shown, self.clock.as_ref()));
            drop(tokio::task::spawn_local(async move {
                let judged = match head {
                    Some(head) => judge(&ways, &head, &shown, wish).await,
                    None => Err(NotAdmitted::Unavailable),
                };
                // Who asked may have left.
                let _ = answer.send(judged);
            }));
        }
    }

    fn ways(&self) -> Rc<Vec<Way>> {
        let of = (self.reloader.config(), self.built.load_full());
        let mut made = self.made.borrow_mut();
        match &*made {
            Some(made) if Arc::ptr_eq(&made.of.0, &of.0) && Arc::ptr_eq(&made.of.1, &of.1) => {
                made.ways.clone()
            }
            _ => {
                let ways = Rc::new(ways(self.own.as_ref(), &of.0, &of.1));
                *made = Some(Made { of, ways: ways.clone() });
                ways
            }
        }
    }
}

/// The gate's own tokens first, then every authenticator that is named, once.
fn ways(own: Option<&Arc<dyn Authenticator>>, config: &Config, built: &Built) -> Vec<Way> {
    let mut all: Vec<Way> = Vec::new();
    all.extend(own.map(|own| Way {
        scheme: own.for_worker(),
        administrators: vec![role::ADMIN.into()],
        auditors: vec![role::AUDITOR.into()],
    }));
    let Some(admin) = &config.admin else { return all };
    let mut names: Vec<&Arc<str>> = admin.roles().map(|one| &one.authenticator).collect();
    names.sort();
    names.dedup();
    for name in names {
        // A reload is under way where it is not there; the next question finds it.
        let Some(authenticator) = built.authenticators.get(name) else { continue };
        let of = |listed: &[OperatorRole]| -> Vec<Role> {
            listed.iter().filter(|one| one.authenticator == *name).map(|one| one.role.clone()).collect()
        };
        all.push(Way {
            scheme: authenticator.for_worker(),
            administrators: of(&admin.administrators),
            auditors: of(&admin.auditors),
        });
    }
    all
}

impl Way {
    fn may(&self, caller: &Caller, needs: Needs) -> bool {
        let has = |roles: &[Role]| roles.iter().any(|role| caller.has_role(role));
        has(&self.administrators) || (needs == Needs::Read && has(&self.auditors))
    }
}

/// Asks each way in. Who is known and may not by one of them may still by another; what could not be found out outweighs every refusal.
async fn judge(
    ways: &[Way],
    head: &RequestHead,
    shown: &Shown,
    wish: Wish,
) -> Result<AuditActor, NotAdmitted> {
    if ways.is_empty() {
        return Err(NotAdmitted::NoIdentity);
    }
    let (mut forbidden, mut rejected, mut unknown) = (None, false, false);
    for way in ways {
        let attempt = match way.scheme.look(head, head.received) {
            Look::Done(attempt) => attempt,
            Look::Wait(answer) => answer.await,
        };
        match attempt {
            Attempt::Verified(caller) if way.may(&caller, wish.needs) => return Ok(actor(&caller, shown)),
            Attempt::Verified(caller) => forbidden = Some(actor(&caller, shown)),
            Attempt::Rejected(rejection) if rejection.fault == Fault::InvalidRequest => {
                return Err(NotAdmitted::Ambiguous);
            }
            Attempt::Rejected(_) => rejected = true,
            Attempt::Unavailable(_) => unknown = true,
            Attempt::Absent => {}
        }
    }
    let others = || ways.iter().filter_map(|way| way.scheme.challenge()).map(|known| known.told(None));
    let others = || others().filter(|told| !told.starts_with("Bearer ")).collect();
    Err(match forbidden {
        _ if unknown => NotAdmitted::Unavailable,
        Some(actor) => NotAdmitted::Forbidden(Box::new(actor)),
        None if rejected || shown.fields.contains_key("authorization") => NotAdmitted::Invalid(others()),
        None => NotAdmitted::Absent(others()),
    })
}

/// The head that a route would have seen, as far as a credential may stand in it. Cookies are not among that: browsers send them, whichever page asks.
fn head(shown: &Shown, clock: &dyn Clock) -> Option<RequestHead> {
    let Peer::Address(address) = shown.peer else { return None };
    let connection = ConnectionFacts::plain(address);
    let (host, path) = (Host::parse(b"localhost").ok()?, CanonicalPath::parse(b"/").ok()?);
    let (id, now) = (RequestId::from_bits(0), clock.now());
    Some(RequestHead::new(id, now, connection, Method::POST, host, path).with_fields(fields(&shown.fields)))
}

fn fields(shown: &HeaderMap) -> Fields {
    let mut fields = Fields::default();
    let kept = |name: &str| !["cookie", "sec-websocket-protocol"].contains(&name);
    for (name, value) in shown.iter().filter(|(name, _)| kept(name.as_str())) {
        fields.push(name.as_str().as_bytes(), value.as_bytes());
    }
    fields
}

fn actor(caller: &Caller, shown: &Shown) -> AuditActor {
    let who = AuditSubject { issuer: caller.issuer.to_string(), subject: caller.subject.to_string() };
    let client: Option<IpAddr> = match shown.peer {
        Peer::Address(address) => Some(address.ip()),
        Peer::Process { .. } => None,
    };
    AuditActor {
        authenticator: caller.authenticator.to_string(),
        who: Some(who),
        credential_id: caller.credential_id.as_ref().map(ToString::to_string),
        uid: None,
        pid: None,
        client,
    }
}
