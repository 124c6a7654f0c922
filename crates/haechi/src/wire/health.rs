//! How the parts of the gate are: for `/readyz` and for the metrics of the control side.

use super::authenticators::Built;
use super::reload::Record;
use arc_swap::ArcSwap;
use haechi_admin::{Component, Health};
use haechi_authn::{Authenticator, Readiness, RevocationWatch};
use haechi_core::Clock;
use haechi_core::ports::BoxFuture;
use haechi_store::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Everything that readiness and metrics are read from.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) store: Option<Store>,
    pub(crate) built: Arc<ArcSwap<Built>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) watch: Arc<RevocationWatch>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) dropped_lines: Arc<AtomicU64>,
    pub(crate) dropped_traces: Arc<AtomicU64>,
    pub(crate) reloads: Arc<Record>,
}

impl Parts {
    async fn store(&self) -> Option<Component> {
        let reason = self.store.as_ref()?.ping().await.err().map(|error| error.to_string());
        Some(Component { name: "store".into(), reason })
    }

    fn authenticators(&self) -> Vec<Component> {
        let component = |(name, authenticator): (&Arc<str>, &Arc<dyn Authenticator>)| {
            let reason = match authenticator.readiness() {
                Readiness::Ready => None,
                Readiness::NotReady(why) => Some(why),
            };
            Component { name: format!("authenticator {name}"), reason }
        };
        self.built.load().authenticators.iter().map(component).collect()
    }
}

impl Health for Parts {
    fn components(&self) -> BoxFuture<'_, Vec<Component>> {
        Box::pin(async {
            let draining =
                self.draining.load(Relaxed).then(|| "draining: the process is about to end".to_owned());
            let mut all = vec![Component { name: "listeners".into(), reason: draining }];
            all.extend(self.store().await);
            all.extend(self.authenticators());
            all
        })
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts")
    }
}

impl Collector for Parts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.built.load().stats(self.clock.now());
        let help = "Fetches of key sets by issuer and result";
        let mut fetches = encoder.encode_descriptor("haechi_jwks_fetch", help, None, MetricType::Counter)?;
        for source in &stats {
            for (result, count) in [("ok", source.fetched), ("failed", source.failed)] {
                let labels = [("issuer", &*source.issuer), ("result", result)];
                fetches.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
            }
        }
        let help = "Seconds since the keys in force were last confirmed";
        let mut ages = encoder.encode_descriptor("haechi_jwks_age_seconds", help, None, MetricType::Gauge)?;
        for source in &stats {
            if let Some(age) = source.age {
                ages.encode_family(&[("issuer", &*source.issuer)])?.encode_gauge(&age.as_secs_f64())?;
            }
        }
        let help = "Generation of the configuration in force";
        gauge(&mut encoder, "haechi_config_generation", help, self.reloads.generation.load(Relaxed) as f64)?;
        let help = "Whether the last attempt to load a configuration succeeded";
        let succeeded = if self.reloads.last_succeeded.load(Relaxed) { 1.0 } else { 0.0 };
        gauge(&mut encoder, "haechi_config_last_reload_success", help, succeeded)?;
        let help = "Attempts to load another configuration by result";
        let mut reloads =
            encoder.encode_descriptor("haechi_config_reloads", help, None, MetricType::Counter)?;
        for (result, count) in [("ok", &self.reloads.succeeded), ("refused", &self.reloads.failed)] {
            let count = count.load(Relaxed);
            reloads
                .encode_family(&[("result", result)])?
                .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
        if self.store.is_some() {
            let view = self.watch.view();
            let up = if view.is_fresh(self.clock.now()) { 1.0 } else { 0.0 };
            gauge(
                &mut encoder,
                "haechi_store_up",
                "Whether the store has answered in the last 5 seconds",
                up,
            )?;
            let help = "Revocation epoch that this node knows";
            gauge(&mut encoder, "haechi_store_revocation_epoch", help, view.epoch as f64)?;
        }
        let help = "Access-log lines dropped because the writer was behind";
        let name = "haechi_access_log_dropped";
        let dropped = ConstCounter::new(self.dropped_lines.load(Relaxed));
        dropped.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        let help = "Traces of requests dropped because the collector was behind or failed";
        let name = "haechi_traces_dropped";
        let dropped = ConstCounter::new(self.dropped_traces.load(Relaxed));
        dropped.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}
