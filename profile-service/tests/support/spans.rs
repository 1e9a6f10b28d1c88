//! The spans of calls, as whoever collects traces sees them.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::set_global_default,
};

/// Trace id and path of each call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Arc<Mutex<Vec<(String, String)>>>);

impl Spans {
    /// Of this process from now on.
    pub(crate) fn collected() -> Self {
        let spans = Self::default();
        set_global_default(spans.clone()).unwrap();
        spans
    }

    pub(crate) fn rpcs(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name() == "rpc"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut rpc = Rpc::default();
        span.record(&mut rpc);
        let mut rpcs = self.0.lock().unwrap();
        rpcs.push((rpc.trace_id, rpc.path));
        Id::from_u64(rpcs.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Rpc {
    trace_id: String,
    path: String,
}

impl Visit for Rpc {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "trace_id" => value.clone_into(&mut self.trace_id),
            "path" => value.clone_into(&mut self.path),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
