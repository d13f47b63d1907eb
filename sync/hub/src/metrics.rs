//! What the hub counts, for Prometheus.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The hub's counters. One set for each hub of a process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) connections: Gauge,
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    pub(crate) refused: Counter,
    pub(crate) frames_received: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) frames_sent: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) exchanges: Counter,
    pub(crate) exchange_seconds: Histogram,
    pub(crate) loads: Counter,
    pub(crate) stores: Counter,
    pub(crate) stored_bytes: Counter,
    pub(crate) snapshots: Counter,
    pub(crate) quarantined: Counter,
    store_up: Gauge,
    store_failures: Gauge<u64, AtomicU64>,
    notices_up: Gauge,
}

/// What is not counted but looked up when somebody asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    pub(crate) store_up: bool,
    pub(crate) store_failures: u64,
    pub(crate) notices_up: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("skerry_hub");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let opened = counter("connections_opened", "WebSockets that were opened");
        let closed = counter("connections_closed", "WebSockets that the hub closed");
        let refused = counter("refused", "Requests without a token that allows them");
        let frames_received = counter("frames_received", "Frames from clients");
        let bytes_received = counter("received_bytes", "Bytes of frames and exchange bodies from clients");
        let frames_sent = counter("frames_sent", "Frames to clients");
        let bytes_sent = counter("sent_bytes", "Bytes of frames and exchange bodies to clients");
        let exchanges = counter("exchanges", "Rounds of the stateless exchange");
        let loads = counter("documents_loaded", "Documents read from the store");
        let stores = counter("chunks_stored", "Chunks written to the store");
        let stored_bytes = counter("stored_bytes", "Bytes of those chunks");
        let snapshots = counter("snapshots", "Times that a document's chunks were replaced by one");
        let quarantined = counter("chunks_quarantined", "Chunks that could not be read");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let connections = gauge("connections", "WebSockets that are open");
        let store_up = gauge("store_up", "1 while the central store does what it is asked");
        let notices_up = gauge("notices_up", "1 while notices between hubs get through, or none are needed");
        let store_failures = Gauge::default();
        registry.register(
            "store_failures",
            "Operations on the store that failed since the start",
            store_failures.clone(),
        );
        let exchange_seconds = Histogram::new(exponential_buckets(0.001, 2.0, 16));
        registry.register_with_unit("exchange", "Time to answer an exchange", Unit::Seconds, exchange_seconds.clone());
        Metrics {
            registry,
            connections,
            opened,
            closed,
            refused,
            frames_received,
            bytes_received,
            frames_sent,
            bytes_sent,
            exchanges,
            exchange_seconds,
            loads,
            stores,
            stored_bytes,
            snapshots,
            quarantined,
            store_up,
            store_failures,
            notices_up,
        }
    }
}

impl Metrics {
    /// All of them in the text format of OpenMetrics.
    pub(crate) fn show(&self, looks: Looks) -> Result<String, std::fmt::Error> {
        self.store_up.set(i64::from(looks.store_up));
        self.store_failures.set(looks.store_failures);
        self.notices_up.set(i64::from(looks.notices_up));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
