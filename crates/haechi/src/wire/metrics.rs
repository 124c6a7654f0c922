//! The metrics of the control side: keys, configuration, store, and what was dropped.

use super::authenticators::Built;
use super::health::Parts;
use super::key_expiry;
use super::service_tokens::Exchanging;
use super::sinks::SinkCounts;
use crate::diagnostics;
use haechi_audit::Trail;
use haechi_authn::Authenticator;
use haechi_authn::guessing::GuessStats;
use haechi_authn::identity::IdentityLimit;
use haechi_authn::keys::KeyStats;
use haechi_authn::oidc::OidcClient;
use haechi_authn::supervisor::{self, TaskStats};
use haechi_core::metrics::{Page, Source};
use haechi_core::{Clock, SystemClock, Timestamp};
use haechi_shared::{SharedState, SharedStateStats};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the control side counts, at one moment.
#[derive(Default)]
struct Numbers {
    keys: Vec<KeyStats>,
    logins: Vec<OidcClient>,
    /// Those that ask somebody.
    asking: Vec<Arc<dyn Authenticator>>,
    exchanges: Vec<Arc<Exchanging>>,
    guesses: GuessStats,
    over_identity_limits: [u64; 4],
    tasks: Vec<TaskStats>,
    generation: u64,
    reload_succeeded: bool,
    reloads_succeeded: u64,
    reloads_refused: u64,
    store: Option<StoreNumbers>,
    shared_state: Option<SharedStateStats>,
    key_uses_dropped: u64,
    keys_expiring: Option<[u64; 3]>,
    dropped_lines: u64,
    dropped_traces: u64,
    sinks: Vec<Arc<SinkCounts>>,
    audit: Option<AuditNumbers>,
    dropped_events: [(&'static str, u64); 3],
    certificates: Vec<CertificateExpiry>,
}

/// What a certificate file is for, where it stands, and the seconds until the first of its certificates expires.
type CertificateExpiry = (&'static str, String, f64);

/// What became of records, by result, and the rest of the trail's counts in the order of [`AUDIT_TOTALS`].
struct AuditNumbers {
    up: bool,
    records: [(&'static str, u64); 3],
    totals: [u64; 6],
}

const AUDIT_TOTALS: [(&str, &str); 6] = [
    ("haechi_audit_bytes_total", "Bytes written to the audit trail"),
    ("haechi_audit_writes_total", "Writes of records to the audit trail"),
    ("haechi_audit_syncs_total", "Times that the audit trail was synced to the disk"),
    ("haechi_audit_checkpoints_total", "Signed checkpoints of the audit trail"),
    ("haechi_audit_rolled_total", "Files of the audit trail that were followed by another"),
    ("haechi_audit_checkpoints_unsent_total", "Checkpoints that could not be sent elsewhere"),
];

impl AuditNumbers {
    fn of(trail: &Trail, unsent: u64) -> Self {
        let counts = trail.counts();
        let load = |counts: [&AtomicU64; 5]| counts.map(|count| count.load(Relaxed));
        let [bytes, writes, syncs, checkpoints, rolled] =
            load([&counts.bytes, &counts.writes, &counts.syncs, &counts.checkpoints, &counts.rolled]);
        Self {
            up: trail.failing().is_none(),
            records: [
                ("written", counts.records.load(Relaxed)),
                ("dropped", counts.dropped.load(Relaxed)),
                ("refused", counts.refused.load(Relaxed)),
            ],
            totals: [bytes, writes, syncs, checkpoints, rolled, unsent],
        }
    }
}

/// The authenticators that ask an authorization server, or a service.
fn asking(built: &Built) -> Vec<Arc<dyn Authenticator>> {
    let asking = built
        .authenticators
        .values()
        .filter(|made| made.introspections().is_some() || made.service_questions().is_some());
    asking.cloned().collect()
}

struct StoreNumbers {
    up: bool,
    revocation_epoch: u64,
}

impl Source for Parts {
    fn show(&self, page: &mut Page) {
        let store = self.store.as_ref().map(|_| {
            let view = self.watch.view();
            let up = self.watch.is_fresh(&view) && self.store_watch.fault().is_none();
            StoreNumbers { up, revocation_epoch: view.epoch }
        });
        let numbers = Numbers {
            keys: self.built.load().stats(),
            logins: self.built.load().logins.values().cloned().collect(),
            asking: asking(&self.built.load()),
            exchanges: self.service_tokens.exchanges(),
            tasks: supervisor::stats(),
            guesses: self.pool.get().map(|pool| pool.guard().stats()).unwrap_or_default(),
            over_identity_limits: IdentityLimit::ALL.map(|limit| self.identity_limits.refused(limit)),
            generation: self.reloads.generation.load(Relaxed),
            reload_succeeded: self.reloads.last_succeeded.load(Relaxed),
            reloads_succeeded: self.reloads.succeeded.load(Relaxed),
            reloads_refused: self.reloads.failed.load(Relaxed),
            store,
            shared_state: self.shared_state.as_ref().map(SharedState::stats),
            key_uses_dropped: self.key_uses.dropped(),
            keys_expiring: self.key_expiry.counts(),
            dropped_lines: self.dropped_lines.load(Relaxed),
            dropped_traces: self.dropped_traces.load(Relaxed),
            sinks: self.sinks.clone(),
            audit: self.audit.as_ref().map(|(trail, unsent)| AuditNumbers::of(trail, unsent.load(Relaxed))),
            dropped_events: diagnostics::dropped(),
            certificates: self.certificates(),
        };
        numbers.show(page);
        self.rate_limiter.show(page);
    }
}

impl Parts {
    fn certificates(&self) -> Vec<CertificateExpiry> {
        let now = SystemClock.now();
        let left = |not_after: Timestamp| (not_after.as_seconds() - now.as_seconds()) as f64;
        let configured = self.reloads.certificates.load();
        let configured = configured.iter().map(|certificate| {
            let file = certificate.file.display().to_string();
            (certificate.used_for.name(), file, left(certificate.not_after))
        });
        let keys = self.built.load().stats();
        let keys = keys.into_iter().filter_map(|source| source.certificate);
        let keys = keys.map(|(file, not_after)| ("pem_file", file.display().to_string(), left(not_after)));
        configured.chain(keys).collect()
    }
}

impl Numbers {
    fn show(&self, page: &mut Page) {
        self.show_keys(page);
        self.show_guesses(page);
        self.show_logins(page);
        self.show_introspections(page);
        self.show_service_questions(page);
        self.show_exchanges(page);
        self.show_audit(page);
        self.show_tasks(page);
        self.show_configuration(page);
        self.show_store(page);
        self.show_shared_state(page);
        self.show_api_keys(page);
        self.show_certificates(page);
        let help = "Access log lines dropped because the writer was behind or could not write";
        page.counter("haechi_access_log_dropped_total", help, &[]).add(&[], self.dropped_lines);
        let help = "Requests whose traces were dropped because the collector was behind or failed";
        page.counter("haechi_traces_dropped_total", help, &[]).add(&[], self.dropped_traces);
        let help = "Log lines for syslog servers and OTLP collectors by sink and result";
        let mut lines = page.counter("haechi_log_sink_lines_total", help, &["sink", "result"]);
        for sink in &self.sinks {
            lines.add(&[&sink.name, "sent"], sink.sent.load(Relaxed));
            lines.add(&[&sink.name, "dropped"], sink.dropped.load(Relaxed));
        }
        let help = "Events of the process left out of standard error by reason";
        let mut events = page.counter("haechi_diagnostics_dropped_total", help, &["reason"]);
        for (reason, count) in self.dropped_events {
            events.add(&[reason], count);
        }
    }

    fn show_keys(&self, page: &mut Page) {
        let help = "Fetches of key sets by issuer and result";
        let mut fetches = page.counter("haechi_jwks_fetch_total", help, &["issuer", "result"]);
        for source in &self.keys {
            fetches.add(&[&source.issuer, "ok"], source.fetched);
            fetches.add(&[&source.issuer, "failed"], source.failed);
        }
        let help = "Keys of the key set in force that cannot be used; /readyz says which and why";
        let mut skipped = page.gauge("haechi_jwks_skipped_keys", help, &["issuer"]);
        for source in &self.keys {
            let of_issuer = self.keys.iter().filter(|other| other.issuer == source.issuer);
            skipped.set(&[&source.issuer], of_issuer.map(|other| other.skipped).sum::<usize>() as f64);
        }
        let help = "Time since the keys in force were last confirmed";
        let mut ages = page.gauge("haechi_jwks_age_seconds", help, &["issuer"]);
        for source in &self.keys {
            // An issuer whose keys come from several places is as old as the oldest of them.
            let of_issuer = self.keys.iter().filter(|other| other.issuer == source.issuer);
            let oldest = of_issuer.filter_map(|other| other.age).max();
            if let Some(age) = oldest {
                ages.set(&[&source.issuer], age.as_secs_f64());
            }
        }
    }

    fn show_logins(&self, page: &mut Page) {
        let help = "Logins with a browser by authenticator and result";
        let mut logins = page.counter("haechi_sessions_logins_total", help, &["authenticator", "result"]);
        for client in &self.logins {
            let (name, counts) = (&**client.name(), client.counts());
            logins.add(&[name, "ok"], counts.begun.load(Relaxed));
            logins.add(&[name, "refused"], counts.refused.load(Relaxed));
            logins.add(&[name, "unavailable"], counts.unavailable.load(Relaxed));
        }
        let help = "Browser sessions that ended before their time by authenticator and who ended them";
        let mut ended = page.counter("haechi_sessions_ended_total", help, &["authenticator", "by"]);
        for client in &self.logins {
            let (name, counts) = (&**client.name(), client.counts());
            ended.add(&[name, "logout"], counts.logged_out.load(Relaxed));
            ended.add(&[name, "provider"], counts.ended_by_provider.load(Relaxed));
        }
        let help = "Refreshes of login providers' tokens by authenticator and result";
        let mut refreshes =
            page.counter("haechi_sessions_refreshes_total", help, &["authenticator", "result"]);
        for client in &self.logins {
            let (name, counts) = (&**client.name(), client.counts());
            refreshes.add(&[name, "ok"], counts.refreshed.load(Relaxed));
            refreshes.add(&[name, "failed"], counts.refresh_failed.load(Relaxed));
        }
    }

    fn show_introspections(&self, page: &mut Page) {
        let help = "Questions to authorization servers about tokens by authenticator and result";
        let mut asked = page.counter("haechi_authn_introspections_total", help, &["authenticator", "result"]);
        for authenticator in &self.asking {
            let Some(counts) = authenticator.introspections() else { continue };
            let name = &**authenticator.name();
            asked.add(&[name, "active"], counts.active.load(Relaxed));
            asked.add(&[name, "refused"], counts.refused.load(Relaxed));
            asked.add(&[name, "unavailable"], counts.unavailable.load(Relaxed));
        }
    }

    fn show_service_questions(&self, page: &mut Page) {
        let help = "Questions to authorization services about requests by authenticator and result";
        let mut asked = page.counter("haechi_authn_external_total", help, &["authenticator", "result"]);
        for authenticator in &self.asking {
            let Some(counts) = authenticator.service_questions() else { continue };
            let name = &**authenticator.name();
            asked.add(&[name, "allowed"], counts.allowed.load(Relaxed));
            asked.add(&[name, "refused"], counts.refused.load(Relaxed));
            asked.add(&[name, "unavailable"], counts.unavailable.load(Relaxed));
            asked.add(&[name, "not_asked"], counts.not_asked.load(Relaxed));
        }
    }

    fn show_exchanges(&self, page: &mut Page) {
        let help = "Exchanges of callers' tokens for those of a service by service and result";
        let mut asked = page.counter("haechi_upstream_token_exchanges_total", help, &["service", "result"]);
        for exchange in &self.exchanges {
            let (service, counts) = exchange.counts();
            asked.add(&[service, "exchanged"], counts.exchanged.load(Relaxed));
            asked.add(&[service, "refused"], counts.refused.load(Relaxed));
            asked.add(&[service, "unavailable"], counts.unavailable.load(Relaxed));
            asked.add(&[service, "not_asked"], counts.not_asked.load(Relaxed));
        }
    }

    fn show_audit(&self, page: &mut Page) {
        let help = "1 while the audit trail can be written";
        let mut up = page.gauge("haechi_audit_up", help, &[]);
        if let Some(audit) = &self.audit {
            up.set(&[], f64::from(u8::from(audit.up)));
        }
        let help = "Records of the audit trail by what became of them; those refused were answered 503";
        let mut records = page.counter("haechi_audit_records_total", help, &["result"]);
        for (result, count) in self.audit.iter().flat_map(|audit| audit.records) {
            records.add(&[result], count);
        }
        for (index, (name, help)) in AUDIT_TOTALS.into_iter().enumerate() {
            let mut total = page.counter(name, help, &[]);
            if let Some(count) = self.audit.as_ref().and_then(|audit| audit.totals.get(index)) {
                total.add(&[], *count);
            }
        }
    }

    fn show_tasks(&self, page: &mut Page) {
        let help = "Background tasks that stopped unexpectedly and were started again by kind";
        let mut restarts = page.counter("haechi_background_task_restarts_total", help, &["task"]);
        for task in &self.tasks {
            restarts.add(&[task.kind], task.restarts);
        }
    }

    fn show_guesses(&self, page: &mut Page) {
        let GuessStats { locked_pairs, locked_addresses, locked_accounts, unhashed } = self.guesses;
        let help = "Locks after too many wrong passwords by what was locked";
        let mut locks = page.counter("haechi_authn_lockouts_total", help, &["of"]);
        locks.add(&["user_at_address"], locked_pairs);
        locks.add(&["address"], locked_addresses).add(&["user"], locked_accounts);
        let help = "Passwords refused without being hashed";
        page.counter("haechi_authn_passwords_unhashed_total", help, &[]).add(&[], unhashed);
        let help = "Logins refused because there were too many of one address or account";
        let mut refused = page.counter("haechi_rate_limit_logins_refused_total", help, &["by"]);
        let counts = IdentityLimit::ALL.into_iter().zip(self.over_identity_limits);
        let of = |what: &'static str| counts.clone().filter(move |(limit, _)| limit.of() == what);
        for (limit, count) in of("login") {
            refused.add(&[limit.by()], count);
        }
        let help = "Requests for tokens refused because there were too many of one address or client";
        let mut refused = page.counter("haechi_rate_limit_tokens_refused_total", help, &["by"]);
        for (limit, count) in of("token") {
            refused.add(&[limit.by()], count);
        }
    }

    fn show_configuration(&self, page: &mut Page) {
        let help = "Generation of the configuration in force";
        page.gauge("haechi_config_generation", help, &[]).set(&[], self.generation as f64);
        let help = "1 if the last reload of the configuration succeeded";
        let succeeded = f64::from(u8::from(self.reload_succeeded));
        page.gauge("haechi_config_last_reload_success", help, &[]).set(&[], succeeded);
        let help = "Reloads of the configuration by result";
        let mut reloads = page.counter("haechi_config_reloads_total", help, &["result"]);
        reloads.add(&["ok"], self.reloads_succeeded).add(&["refused"], self.reloads_refused);
    }

    fn show_shared_state(&self, page: &mut Page) {
        let shared = self.shared_state;
        let help = "1 while the shared state answers";
        let mut up = page.gauge("haechi_shared_state_up", help, &[]);
        if let Some(SharedStateStats { up: answers, .. }) = shared {
            up.set(&[], f64::from(u8::from(answers)));
        }
        let help = "Nodes that share the state, as last known";
        let mut nodes = page.gauge("haechi_shared_state_nodes", help, &[]);
        if let Some(SharedStateStats { nodes: known, .. }) = shared {
            nodes.set(&[], f64::from(known.get()));
        }
        let help = "Questions to the shared state by result";
        let mut questions = page.counter("haechi_shared_state_questions_total", help, &["result"]);
        if let Some(stats) = shared {
            questions.add(&["ok"], stats.answered).add(&["failed"], stats.failed);
            questions.add(&["late"], stats.late).add(&["not_asked"], stats.not_asked);
        }
        let help = "Connections made to the shared state";
        let mut connections = page.counter("haechi_shared_state_connections_total", help, &[]);
        if let Some(stats) = shared {
            connections.add(&[], stats.connections);
        }
        let help = "Readings of what was revoked or changed by where it was read";
        let mut changes = page.counter("haechi_shared_state_changes_read_total", help, &["from"]);
        if let Some(stats) = shared {
            changes.add(&["shared_state"], stats.changes_from_copy).add(&["store"], stats.changes_from_store);
        }
    }

    fn show_certificates(&self, page: &mut Page) {
        let help =
            "Seconds until the first certificate in a file expires, negative afterwards, by use and file";
        let mut expiry = page.gauge("haechi_certificate_expiry_seconds", help, &["use", "file"]);
        for (used_for, file, _) in &self.certificates {
            // A file may be named in several places, and be read again in between.
            let same = self.certificates.iter().filter(|other| (&other.0, &other.1) == (used_for, file));
            expiry.set(&[used_for, file], same.map(|other| other.2).fold(f64::INFINITY, f64::min));
        }
    }

    fn show_api_keys(&self, page: &mut Page) {
        let help = "API keys that work now and expire within this time";
        let mut expiring = page.gauge("haechi_api_keys_expiring", help, &["within"]);
        for (within, count) in key_expiry::WITHIN.iter().zip(self.keys_expiring.iter().flatten()) {
            expiring.set(&[within.0], *count as f64);
        }
        let help = "Uses of API keys that were not remembered as their last use because the store was behind";
        page.counter("haechi_api_key_uses_dropped_total", help, &[]).add(&[], self.key_uses_dropped);
    }

    fn show_store(&self, page: &mut Page) {
        let mut up = page.gauge("haechi_store_up", "1 while the store reads and writes", &[]);
        if let Some(store) = &self.store {
            up.set(&[], f64::from(u8::from(store.up)));
        }
        let help = "Revocation epoch that this node knows";
        let mut epoch = page.gauge("haechi_store_revocation_epoch", help, &[]);
        if let Some(store) = &self.store {
            epoch.set(&[], store.revocation_epoch as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyStats, Numbers};
    use haechi_core::metrics::{Kind, Metric, Page};
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::time::Duration;

    /// Every metric of the process.
    fn declared() -> Page {
        let mut page = Page::default();
        haechi_proxy::declare_metrics(&mut page);
        Numbers::default().show(&mut page);
        page
    }

    /// How a row of the table in the docs must begin.
    fn row(metric: &Metric) -> String {
        let quoted = |label: &&str| format!("`{label}`");
        let labels = metric.labels.iter().map(quoted).collect::<Vec<_>>().join(", ");
        format!("| `{}` | {} | {labels} |", metric.name, metric.kind.name()).replace("|  |", "| |")
    }

    #[test]
    fn the_docs_have_every_metric_and_no_other() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/observability.md");
        let docs = std::fs::read_to_string(docs).unwrap();
        let configured = docs.lines().filter(|line| line.starts_with("| `haechi_"));
        let beginning = |line: &str| line.splitn(5, '|').take(4).collect::<Vec<_>>().join("|") + "|";
        let configured: Vec<String> = configured.map(beginning).collect();
        let once: BTreeSet<&String> = configured.iter().collect();
        assert_eq!(once.len(), configured.len(), "a metric has two rows: {configured:#?}");
        let page = declared();
        let wanted: Vec<String> = page.metrics().map(row).collect();
        let missing: Vec<_> = wanted.iter().filter(|row| !once.contains(row)).collect();
        let outdated: Vec<_> = configured.iter().filter(|row| !wanted.contains(row)).collect();
        assert!(
            missing.is_empty() && outdated.is_empty(),
            "docs/observability.md lacks {missing:#?}\nand has {outdated:#?}, which nobody declares"
        );
    }

    /// The parts of a text that look like the name of a metric.
    fn named(text: &str) -> impl Iterator<Item = &str> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic());
        // A package is `haechi_0.1.0_amd64.deb`.
        text.split(move |c| !is_part(c)).filter(move |word| word.strip_prefix("haechi_").is_some_and(begins))
    }

    #[test]
    fn no_page_names_a_metric_that_nobody_declares() {
        let page = declared();
        let known = |name: &str| {
            page.metrics().any(|metric| {
                let rest = name.strip_prefix(metric.name);
                let series = matches!(metric.kind, Kind::Histogram(_));
                rest == Some("") || (series && matches!(rest, Some("_bucket" | "_sum" | "_count")))
            })
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let pages = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for path in pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let unknown: Vec<&str> = named(&text).filter(|name| !known(name)).collect();
            assert!(unknown.is_empty(), "{} names {unknown:?}", path.display());
        }
    }

    #[test]
    fn names_and_helps_keep_the_conventions() {
        for Metric { name, help, kind, labels } in declared().metrics() {
            assert!(name.starts_with("haechi_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name} is a {}", kind.name());
            if let Kind::Histogram(bounds) = kind {
                assert!(name.ends_with("_seconds") && bounds.is_sorted(), "{name}");
            }
            assert!(!help.is_empty() && !help.ends_with('.'), "{name}: {help}");
            let distinct: BTreeSet<_> = labels.iter().collect();
            assert_eq!(distinct.len(), labels.len(), "{name}");
        }
    }

    #[test]
    fn an_issuer_with_two_sources_is_one_series() {
        let keys = |fetched, age| KeyStats {
            issuer: "https://id".into(),
            fetched,
            failed: 0,
            age: Some(Duration::from_secs(age)),
            skipped: 1,
            certificate: None,
        };
        let mut page = Page::default();
        Numbers { keys: vec![keys(2, 30), keys(3, 10)], ..Numbers::default() }.show(&mut page);
        let text = page.to_string();
        assert!(text.contains("haechi_jwks_fetch_total{issuer=\"https://id\",result=\"ok\"} 5\n"), "{text}");
        assert!(text.contains("haechi_jwks_skipped_keys{issuer=\"https://id\"} 2\n"), "{text}");
        assert!(text.contains("haechi_jwks_age_seconds{issuer=\"https://id\"} 30\n"), "{text}");
    }
}
