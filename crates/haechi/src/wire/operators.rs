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
use haechi_admin::{Needs, NotAdmitted, OPERATIONS, Peer, Shown, Wish};
use haechi_authn::identity::OPERATORS;
use haechi_authn::keys::KeySource;
use haechi_authn::possession::ProofRules;
use haechi_authn::schemes::jwt::{
    Audiences, ClaimsMap, DEFAULT_LEEWAY, IssuerRule, JsonPointer, JwtAuthenticator, JwtConfig, JwtFault,
    TokenPlace,
};
use haechi_authn::{Attempt, Authenticator, Fault, Look, Scheme};
use haechi_authz::{Engine, Facts, Memo, RouteIndex};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::RequestId;
use haechi_core::ports::{AuditActor, AuditSubject, BoxFuture};
use haechi_core::{
    Caller, CallerKind, CanonicalPath, Clock, ConnectionFacts, Fields, Host, Irregular, RequestHead, Role,
    RoleTable, Timestamp, role,
};
use http::Method;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// So many calls wait to be judged; connections are fewer.
const WAITING: usize = 256;
/// The authenticator and the issuer of whoever came over the Unix socket.
const SOCKET: &str = "socket";
/// Tokens of operators that are remembered as verified.
const REMEMBERED: usize = 64;

/// Judges operators.
pub(crate) struct Operators {
    reloader: Arc<Reloader>,
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
        let followed = reloader.clone();
        let judge = move || {
            let judges = Judges { own, reloader: followed, built, clock, made: RefCell::default() };
            tokio::task::LocalSet::new().block_on(&runtime, judges.answer(asked));
        };
        std::thread::Builder::new().name("operators".to_owned()).spawn(judge)?;
        Ok(Self { reloader, questions })
    }
}

impl haechi_admin::Operators for Operators {
    fn admit(&self, shown: Shown, wish: Wish) -> BoxFuture<'_, Result<AuditActor, NotAdmitted>> {
        let narrowed = self.reloader.config().admin.as_ref().is_some_and(|admin| admin.policies.is_some());
        if let Peer::Process { uid, pid } = shown.peer
            && !narrowed
        {
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
        authenticator: SOCKET.to_owned(),
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
        possession: ProofRules::new("admin".into(), DEFAULT_LEEWAY, process.replays.clone()),
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
    judge: Rc<Judge>,
}

/// The ways in, and what narrows what those may do who come by them.
struct Judge {
    ways: Vec<Way>,
    narrowed: Narrowed,
    /// Whether the admin listener speaks TLS.
    secure: bool,
}

/// What policies leave of what roles permit.
enum Narrowed {
    /// All of it: there are none.
    No,
    /// What they say.
    By(Box<(Engine, Memo)>),
    /// Nothing: they could not be prepared.
    Unknown,
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
            let (made, now) = (self.made(), self.clock.now());
            drop(tokio::task::spawn_local(async move {
                let judged = made.judge(&shown, wish, now).await;
                // Who asked may have left.
                let _ = answer.send(judged);
            }));
        }
    }

    fn made(&self) -> Rc<Judge> {
        let of = (self.reloader.config(), self.built.load_full());
        let mut made = self.made.borrow_mut();
        match &*made {
            Some(made) if Arc::ptr_eq(&made.of.0, &of.0) && Arc::ptr_eq(&made.of.1, &of.1) => {
                made.judge.clone()
            }
            _ => {
                let judge = Rc::new(Judge::of(self.own.as_ref(), &of.0, &of.1));
                *made = Some(Made { of, judge: judge.clone() });
                judge
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

impl Judge {
    fn of(own: Option<&Arc<dyn Authenticator>>, config: &Config, built: &Built) -> Self {
        let admin = config.admin.as_ref();
        let narrowed = match admin.and_then(|admin| admin.policies.clone()) {
            None => Narrowed::No,
            Some(policies) => match Engine::new(policies) {
                Ok(engine) => Narrowed::By(Box::new((engine, Memo::default()))),
                Err(error) => {
                    tracing::error!(%error, "cannot prepare the policies of `admin`: nobody may call");
                    Narrowed::Unknown
                }
            },
        };
        let secure = admin.is_some_and(|admin| admin.tls.is_some());
        Self { ways: ways(own, config, built), narrowed, secure }
    }

    /// Asks each way in. Who is known and may not by one of them may still by another; what could not be found out outweighs every refusal.
    async fn judge(&self, shown: &Shown, wish: Wish, now: Timestamp) -> Result<AuditActor, NotAdmitted> {
        let head = self.head(shown, wish, now).ok_or(NotAdmitted::Unavailable)?;
        if let Peer::Process { uid, pid } = shown.peer {
            return self.narrow(&head, &caller_of(uid), wish, by_socket(uid, pid));
        }
        if self.ways.is_empty() {
            return Err(NotAdmitted::NoIdentity);
        }
        let (mut forbidden, mut rejected, mut unknown) = (None, false, false);
        for way in &self.ways {
            let attempt = match way.scheme.look(&head, head.received) {
                Look::Done(attempt) => attempt,
                Look::Wait(answer) => answer.await,
            };
            match attempt {
                Attempt::Verified(caller) if way.may(&caller, wish.needs) => {
                    return self.narrow(&head, &caller, wish, actor(&caller, shown));
                }
                Attempt::Verified(caller) => forbidden = Some(actor(&caller, shown)),
                Attempt::Rejected(rejection) if rejection.fault == Fault::InvalidRequest => {
                    return Err(NotAdmitted::Ambiguous);
                }
                Attempt::Rejected(_) => rejected = true,
                Attempt::Unavailable(_) => unknown = true,
                Attempt::Absent => {}
            }
        }
        Err(match forbidden {
            _ if unknown => NotAdmitted::Unavailable,
            Some(actor) => NotAdmitted::Forbidden(Box::new(actor)),
            None if rejected || shown.fields.contains_key("authorization") => {
                NotAdmitted::Invalid(self.other_ways())
            }
            None => NotAdmitted::Absent(self.other_ways()),
        })
    }

    /// What invites to each way in but the bearer token.
    fn other_ways(&self) -> Vec<String> {
        let told = self.ways.iter().filter_map(|way| way.scheme.challenge()).map(|known| known.told(None));
        told.filter(|told| !told.starts_with("Bearer ")).collect()
    }

    /// Whether policies leave this of what the caller's role permits. What cannot be evaluated denies.
    fn narrow(
        &self,
        head: &RequestHead,
        caller: &Caller,
        wish: Wish,
        actor: AuditActor,
    ) -> Result<AuditActor, NotAdmitted> {
        let (engine, memo) = match &self.narrowed {
            Narrowed::No => return Ok(actor),
            Narrowed::Unknown => return Err(NotAdmitted::Forbidden(Box::new(actor))),
            Narrowed::By(prepared) => (&prepared.0, &prepared.1),
        };
        let routes = &engine.compiled().vocabulary().routes;
        let call = routes.iter().position(|route| *route.name == *wish.operation);
        let facts = call.map(|call| Facts { head, route: RouteIndex::new(call), caller });
        // No call is at `/`: it stands for a path that could mean two things, of which policies can say nothing.
        let facts = facts.filter(|facts| facts.head.path.as_str() != "/");
        let verdict = facts.map(|facts| engine.decide(&facts, memo));
        match verdict {
            Some(verdict) if verdict.denied.is_none() => Ok(actor),
            denied => {
                let by = denied.iter().flat_map(|verdict| &verdict.decided_by);
                let by = by.map(ToString::to_string).collect::<Vec<_>>().join(", ");
                tracing::info!(
                    operation = wish.operation,
                    by,
                    "a policy of `admin` kept an operator from a call"
                );
                Err(NotAdmitted::Forbidden(Box::new(actor)))
            }
        }
    }

    /// The head that a route would have seen, as far as a credential may stand in it. Cookies are not among that: browsers send them, whichever page asks.
    fn head(&self, shown: &Shown, wish: Wish, now: Timestamp) -> Option<RequestHead> {
        let address = match shown.peer {
            Peer::Address(address) => address,
            Peer::Process { .. } => (Ipv4Addr::LOCALHOST, 0).into(),
        };
        let called = OPERATIONS.iter().find(|operation| operation.name == wish.operation)?;
        let method = Method::from_bytes(called.method.name().as_bytes()).ok()?;
        let plain = |path: &CanonicalPath| path.irregular().within(Irregular::NONE);
        let path = CanonicalPath::parse(shown.path.as_bytes()).ok().filter(plain);
        let path = path.or_else(|| CanonicalPath::parse(b"/").ok())?;
        let (host, id) = (Host::parse(b"localhost").ok()?, RequestId::from_bits(0));
        let head = RequestHead::new(id, now, ConnectionFacts::plain(address), method, host, path);
        let secure = self.secure && matches!(shown.peer, Peer::Address(_));
        Some(head.with_client(address.ip(), secure).with_fields(fields(&shown.fields)))
    }
}

/// Whoever may open the socket, as policies see them.
fn caller_of(uid: u32) -> Caller {
    let claimed = Claimed {
        subject: uid.to_string(),
        issuer: SOCKET.to_owned(),
        roles: vec![role::ADMIN.to_owned()],
        ..Claimed::default()
    };
    Caller::new(CallerKind::User, &SOCKET.into(), Vouched::BySelf, &RoleTable::default(), claimed)
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
