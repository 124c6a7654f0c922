//! What can be known of the running configuration and of what it lets through, by the code of the commands. Off the workers, a few at a time.

use super::archive::{Archive, WITHIN, limited};
use super::assembly::Assembly;
use super::history::CameIntoForce;
use super::rehearsal::{self, failed};
use super::reload::Reloader;
use crate::config::meant::CertificateFile;
use crate::config::{self, parse_time};
use crate::inspect::analysis::Loaded;
use crate::inspect::cell::{self, WantedCell};
use crate::inspect::explain::{CallerArgument, ExplainContext, Inquiry, Supposed, judge};
use crate::inspect::matrix::{Outcome, made};
use crate::inspect::who_can::{May, WhoCan, who_can};
use crate::inspect::{InspectError, diff};
use haechi_admin::archive::{RecordsQuery, WantedRecords};
use haechi_admin::inspection::{
    ActorView, CallerQuestion, CasesToTry, CellQuery, CertificateView, ConfigView, HistoryQuery, HistoryView,
    Inspected, InspectionError, IssuerView, KeptView, MatrixView, PrincipalMay, Question, ReplayQuery,
    RoleMay, VerifyingKeyView, WhoCanQuery, WhoCanView,
};
use haechi_admin::{Archive as _, Inspection};
use haechi_audit::Bundle;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::identity::check_roles;
use haechi_authn::keys::KeyReport;
use haechi_core::ports::AuditActor;
use haechi_core::{Clock, SystemClock, Timestamp};
use haechi_proxy::DryRun;
use http::Method;
use serde_json::Value;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// So many analyses run at once.
const AT_ONCE: usize = 2;
/// The hosts of requests that name none.
const LOCALHOST: &str = "localhost";

/// Looks at the running gate.
pub(crate) struct GateInspection {
    reloader: Arc<Reloader>,
    archive: Option<Arc<Archive>>,
    room: Arc<Semaphore>,
}

impl GateInspection {
    pub(crate) fn new(reloader: Arc<Reloader>, archive: Option<Arc<Archive>>) -> Self {
        Self { reloader, archive, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Inspection for GateInspection {
    fn in_force(&self) -> ConfigView {
        let config = self.reloader.config();
        let newest = self.reloader.history().newest();
        let bundle = newest.as_ref().and_then(|newest| newest.bundle.clone());
        let Bundle { main, files, .. } = (*bundle.unwrap_or_else(|| config.bundle.clone())).clone();
        let known = newest.as_ref();
        ConfigView {
            generation: known.map_or(0, |known| known.generation),
            sha256: known.map(|known| known.sha256.clone()).unwrap_or_default(),
            since: known.map(|known| known.at.rfc3339_millis().to_string()).unwrap_or_default(),
            because: known.map_or("", |known| known.because).to_owned(),
            by: known.and_then(|known| known.by.as_ref()).map(actor_view),
            main,
            files,
            writable: config.admin.as_ref().is_some_and(|admin| admin.write_config),
        }
    }

    fn history(&self, page: HistoryQuery) -> Inspected<'_, (Vec<HistoryView>, Option<String>)> {
        Box::pin(async move {
            let known = self.reloader.history().newest_first();
            let Some(archive) = &self.archive else {
                let limit = page.limit.unwrap_or(known.len());
                return Ok((known.iter().take(limit).map(remembered).collect(), None));
            };
            let wanted = WantedRecords {
                limit: page.limit.unwrap_or(known.len()),
                filter: RecordsQuery::of_event("configuration", page.cursor),
            };
            let (records, next) = archive.search(wanted).await?;
            let process = archive.process();
            Ok((records.iter().filter_map(|record| recorded(record, process, &known)).collect(), next))
        })
    }

    fn kept(&self, sha256: String) -> Inspected<'_, KeptView> {
        Box::pin(async move {
            let missing = || InspectionError::Missing(format!("configuration `{sha256}`"));
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if sha256.len() != 64 || !sha256.bytes().all(hex) {
                return Err(missing());
            }
            let known = self.reloader.history().newest_first();
            let known = known.into_iter().find(|known| known.sha256 == sha256).and_then(|known| known.bundle);
            let bundle = match (known, &self.archive) {
                (Some(known), _) => known,
                (None, Some(archive)) => Arc::new(archive.bundle(&sha256)?.ok_or_else(missing)?),
                (None, None) => return Err(missing()),
            };
            let Bundle { main, files, .. } = (*bundle).clone();
            Ok(KeptView { sha256, main, files })
        })
    }

    fn replay(&self, yaml: String, asked: ReplayQuery) -> Inspected<'_, Value> {
        let Some(archive) = self.archive.clone() else {
            let why = "no `audit` is configured, so no decisions are on record; add `audit: { file: audit/haechi.jsonl }`";
            return Box::pin(std::future::ready(Err(InspectionError::Impossible(why.to_owned()))));
        };
        let reloader = self.reloader.clone();
        Box::pin(limited(&self.room, move || rehearsal::replay(&reloader, &archive, yaml, &asked)))
    }

    fn prove(&self, yaml: String) -> Inspected<'_, Value> {
        let reloader = self.reloader.clone();
        Box::pin(limited(&self.room, move || rehearsal::prove(&reloader, yaml)))
    }

    fn try_cases(&self, wanted: CasesToTry) -> Inspected<'_, Value> {
        let reloader = self.reloader.clone();
        Box::pin(limited(&self.room, move || rehearsal::try_cases(&reloader, wanted)))
    }

    fn diff(&self, yaml: String) -> Inspected<'_, Value> {
        let (reloader, file) = (self.reloader.clone(), self.reloader.file().to_owned());
        Box::pin(limited(&self.room, move || {
            let candidate = rehearsal::candidate(&reloader, yaml)?;
            let (old, new) =
                (Loaded::new(&file, reloader.config())?, Loaded::new(&file, Arc::new(candidate))?);
            let report = Handle::current().block_on(async {
                let mut solver = rehearsal::solver("differences are proved")?;
                let asked = tokio::time::timeout(WITHIN, diff::ask(&old, &new, &mut solver)).await;
                asked.map_err(|_| InspectionError::TooLong)
            })?;
            serde_json::to_value(report).map_err(failed)
        }))
    }

    fn explain(&self, question: Question) -> Inspected<'_, Value> {
        let reloader = self.reloader.clone();
        Box::pin(limited(&self.room, move || {
            let (assembly, config) = (reloader.assembly(), reloader.config());
            let inquiry = inquiry(&config, question)?;
            let dry = DryRun::new(assembly.plan.clone());
            Handle::current().block_on(async {
                let gate = context(&config, &dry, &assembly);
                let judged = tokio::time::timeout(WITHIN, judge(gate, &inquiry)).await;
                let explanation = judged.map_err(|_| InspectionError::TooLong)??;
                serde_json::to_value(explanation).map_err(failed)
            })
        }))
    }

    fn matrix(&self, routes: Vec<String>) -> Inspected<'_, MatrixView> {
        let reloader = self.reloader.clone();
        Box::pin(limited(&self.room, move || {
            let config = reloader.config();
            if let Some(name) = routes.iter().find(|name| !config.route_names().contains(&name.as_str())) {
                return Err(InspectionError::Missing(format!("route `{name}`")));
            }
            let matrix = made(&config, reloader.file().display().to_string(), &routes);
            serde_json::to_value(matrix).and_then(serde_json::from_value).map_err(failed)
        }))
    }

    fn cell(&self, wanted: CellQuery) -> Inspected<'_, Value> {
        let reloader = self.reloader.clone();
        Box::pin(limited(&self.room, move || {
            let CellQuery { route, method: name, caller } = wanted;
            let wanted = WantedCell { route, method: method(&name)?, caller };
            let loaded = Loaded::new(reloader.file(), reloader.config())?;
            let report = Handle::current().block_on(async {
                let found = cell::proved(&loaded, wanted, || rehearsal::solver("cells are proved"));
                tokio::time::timeout(WITHIN, found).await.map_err(|_| InspectionError::TooLong)?
            })?;
            serde_json::to_value(report).map_err(failed)
        }))
    }

    fn who_can(&self, request: WhoCanQuery) -> Inspected<'_, WhoCanView> {
        let reloader = self.reloader.clone();
        Box::pin(limited(&self.room, move || {
            let method = method(&request.method)?;
            let loaded = Loaded::new(reloader.file(), reloader.config())?;
            let host = request.host.as_deref().unwrap_or(LOCALHOST);
            let store = reloader.store();
            let found = who_can(&loaded, store, &method, (host, &request.path));
            let found = Handle::current().block_on(async { tokio::time::timeout(WITHIN, found).await });
            Ok(who_can_view(&method, found.map_err(|_| InspectionError::TooLong)??))
        }))
    }

    fn issuers(&self) -> Vec<IssuerView> {
        self.reloader.built().reports().map(|(name, report)| issuer_view(name, report)).collect()
    }

    fn certificates(&self) -> Vec<CertificateView> {
        let now = SystemClock.now();
        self.reloader.config().certificates.iter().flat_map(|file| certificate_views(file, now)).collect()
    }
}

const fn context<'a>(
    config: &'a config::Config,
    dry: &'a DryRun,
    assembly: &'a Assembly,
) -> ExplainContext<'a> {
    ExplainContext { config, dry, assembly: Some(assembly), answers: None }
}

impl From<InspectError> for InspectionError {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::Asked(what) => Self::Invalid(what),
            InspectError::Store(error) => Self::Store(error.to_string()),
        }
    }
}

fn method(name: &str) -> Result<Method, InspectionError> {
    Method::from_bytes(name.as_bytes())
        .map_err(|_| InspectionError::Invalid(format!("`{name}` is no method (RFC 9110 9.1)")))
}

fn inquiry(config: &config::Config, question: Question) -> Result<Inquiry, InspectionError> {
    let invalid = |what: String| InspectionError::Invalid(what);
    let plain = Inquiry::new(method(&question.method)?, question.path);
    let ip = question.ip.map(|ip| ip.parse().map_err(|_| invalid(format!("`{ip}` is no address"))));
    let time = question
        .time
        .map(|time| parse_time(&time).map_err(|why| invalid(format!("`time` is no time: {why}"))));
    let mut headers = Vec::new();
    for (name, value) in question.headers {
        let named = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !named || http::HeaderValue::from_str(&value).is_err() {
            return Err(invalid(format!("`{name}` is no header field that can be sent")));
        }
        headers.push((name, value));
    }
    Ok(Inquiry {
        host: question.host.unwrap_or_else(|| plain.host.clone()),
        client: ip.transpose()?.unwrap_or(plain.client),
        headers,
        secure: question.secure,
        time: time.transpose()?,
        who: question.caller.map_or(Ok(CallerArgument::Nobody), |caller| who(config, caller))?,
        ..plain
    })
}

fn who(config: &config::Config, caller: CallerQuestion) -> Result<CallerArgument, InspectionError> {
    let CallerQuestion { token, key, user, roles, scopes, attributes, authenticator, subject, issuer } =
        caller;
    let supposed = !(roles.is_empty() && scopes.is_empty() && attributes.is_empty())
        || authenticator.is_some()
        || subject.is_some()
        || issuer.is_some();
    let given = [token.is_some(), key.is_some(), user.is_some(), supposed];
    if given.into_iter().filter(|given| *given).count() > 1 {
        let message = "`caller` is a `token`, a `key`, a `user`, or what an authenticator says: one of them";
        return Err(InspectionError::Invalid(message.to_owned()));
    }
    Ok(match (token, key, user) {
        (Some(token), ..) => CallerArgument::Token(token.into_secret().expose().clone(), None),
        (_, Some(key), _) => CallerArgument::Key(key.into_secret().expose().clone()),
        (.., Some(user)) => CallerArgument::User(user),
        _ if !supposed => CallerArgument::Nobody,
        _ => {
            let invalid = |error: &dyn std::fmt::Display| InspectionError::Invalid(error.to_string());
            check_roles(&config.roles, &roles).map_err(|error| invalid(&error))?;
            let declared = DeclaredAttributes::new(config.caller_attributes.clone());
            declared.check(&attributes).map_err(|error| invalid(&error))?;
            let authenticator = authenticator.map(|name| {
                let known = config.authenticators.get_key_value(&*name).map(|(name, _)| name.clone());
                known.ok_or_else(|| InspectionError::Invalid(format!("there is no authenticator `{name}`")))
            });
            let authenticator = authenticator.transpose()?;
            let supposed =
                Supposed { roles, scopes, attributes, authenticator, subject, issuer, ..Supposed::default() };
            CallerArgument::Supposed(supposed)
        }
    })
}

fn actor_view(actor: &AuditActor) -> ActorView {
    ActorView {
        authenticator: actor.authenticator.clone(),
        issuer: actor.who.as_ref().map(|who| who.issuer.clone()),
        subject: actor.who.as_ref().map(|who| who.subject.clone()),
        uid: actor.uid,
        client: actor.client.map(|client| client.to_string()),
    }
}

fn remembered(known: &CameIntoForce) -> HistoryView {
    HistoryView {
        at: known.at.rfc3339_millis().to_string(),
        generation: known.generation,
        sha256: known.sha256.clone(),
        because: Some(known.because.to_owned()),
        by: known.by.as_ref().map(actor_view),
        process: None,
        current: false,
    }
}

/// A record of the trail, with what this process remembers of it.
fn recorded(record: &Value, process: &str, known: &[CameIntoForce]) -> Option<HistoryView> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let chain = text("chain")?;
    let of = chain.split_once('.').map_or(chain, |(process, _)| process);
    let generation = record.get("generation")?.as_u64()?;
    let mine = known.iter().find(|known| of == process && known.generation == generation);
    Some(HistoryView {
        at: text("at")?.to_owned(),
        generation,
        sha256: text("sha256")?.to_owned(),
        because: text("because").map(str::to_owned),
        by: mine.and_then(|known| known.by.as_ref()).map(actor_view),
        process: Some(of.to_owned()),
        current: mine
            .is_some_and(|mine| known.first().is_some_and(|first| first.generation == mine.generation)),
    })
}

fn who_can_view(method: &Method, found: WhoCan) -> WhoCanView {
    let role = |(role, outcome, condition): (String, Outcome, Option<String>)| RoleMay {
        role,
        outcome: outcome.word().to_owned(),
        condition,
    };
    let all = |may: Vec<May>| may.into_iter().map(principal_may).collect();
    WhoCanView {
        method: method.to_string(),
        host: found.host,
        path: found.path,
        route: found.route,
        reason: found.reason,
        roles: found.roles.into_iter().map(role).collect(),
        users: all(found.users),
        keys: all(found.keys),
        clients: all(found.clients),
        notes: found.notes,
        truncated: found.truncated,
    }
}

fn principal_may(may: May) -> PrincipalMay {
    let outcome = if may.depends_on.is_empty() { Outcome::Allow } else { Outcome::Depends };
    PrincipalMay {
        id: may.id,
        name: may.name,
        owner: may.owner,
        authenticator: may.authenticator,
        outcome: outcome.word().to_owned(),
        depends_on: may.depends_on,
    }
}

fn issuer_view(name: &Arc<str>, report: KeyReport) -> IssuerView {
    let (source, from) = report.from.map_or(("here", None), |(source, from)| (source, Some(from)));
    let key = |(kid, algorithm): (Option<String>, &'static str)| VerifyingKeyView {
        kid,
        algorithms: vec![algorithm.to_owned()],
    };
    IssuerView {
        authenticator: name.to_string(),
        issuer: report.stats.issuer.to_string(),
        source: source.to_owned(),
        from,
        ready: report.fault.is_none(),
        reason: report.fault,
        keys: report.keys.into_iter().map(key).collect(),
        skipped: report.stats.skipped,
        skipped_because: report.skipped,
        age_seconds: report.stats.age.map(|age| age.as_secs_f64()),
        last_fetch_seconds_ago: report.last_fetch.map(|ago| ago.as_secs_f64()),
        last_error: report.last_error.map(|error| error.to_string()),
        fetched: report.stats.fetched,
        failed: report.stats.failed,
    }
}

fn certificate_views(file: &CertificateFile, now: Timestamp) -> impl Iterator<Item = CertificateView> {
    let view = move |found: &config::meant::CertificateFacts| CertificateView {
        used_for: file.used_for.name().to_owned(),
        listeners: file.listener.iter().map(ToString::to_string).collect(),
        file: file.file.display().to_string(),
        subject: found.names.subject.clone(),
        names: found.names.names.clone(),
        issuer: found.names.issuer.clone(),
        not_before: found.not_before.rfc3339().to_string(),
        not_after: found.not_after.rfc3339().to_string(),
        days_left: (found.not_after.as_seconds() - now.as_seconds()).div_euclid(86_400),
    };
    file.found.iter().map(view)
}
