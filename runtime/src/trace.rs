//! W3C trace context: starts at the gateway, crosses Kafka and gRPC in a `traceparent` header.

use std::{fmt, str::FromStr};

/// Name of the header that carries it.
pub const HEADER: &str = "traceparent";

/// Which trace a piece of work belongs to, and which span caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

/// The text is no `traceparent` of version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct NotATraceParent;

impl TraceParent {
    /// Starts a new trace.
    #[must_use]
    pub fn new_root() -> Self {
        Self { trace_id: rand::random::<u128>().max(1), span_id: rand::random::<u64>().max(1), flags: 1 }
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: rand::random::<u64>().max(1), ..self }
    }

    /// The trace that a header continues, or a new one if it is missing or unreadable.
    #[must_use]
    pub fn continue_from(header: Option<&str>) -> Self {
        header.and_then(|text| text.parse().ok()).map_or_else(Self::new_root, Self::child)
    }

    /// The id of the trace, 32 hex digits.
    #[must_use]
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl FromStr for TraceParent {
    type Err = NotATraceParent;

    fn from_str(text: &str) -> Result<Self, NotATraceParent> {
        let hex = |part: Option<&str>, digits: usize| {
            let part = part.filter(|part| part.len() == digits).ok_or(NotATraceParent)?;
            u128::from_str_radix(part, 16).map_err(|_| NotATraceParent)
        };
        let mut parts = text.split('-');
        if parts.next() != Some("00") {
            return Err(NotATraceParent);
        }
        let (trace_id, span_id) = (hex(parts.next(), 32)?, hex(parts.next(), 16)?);
        let flags = hex(parts.next(), 2)?;
        if trace_id == 0 || span_id == 0 || parts.next().is_some() {
            return Err(NotATraceParent);
        }
        Ok(Self {
            trace_id,
            span_id: u64::try_from(span_id).map_err(|_| NotATraceParent)?,
            flags: u8::try_from(flags).map_err(|_| NotATraceParent)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_trace_survives_the_header() {
        let root = TraceParent::new_root();
        assert_eq!(root.to_string().parse(), Ok(root));
        let child = TraceParent::continue_from(Some(&root.to_string()));
        assert_eq!(child.trace_id(), root.trace_id());
        assert_ne!(child, root);
    }

    #[test]
    fn what_is_no_header_starts_a_new_trace() {
        for text in ["", "00-0-0-01", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] {
            assert_eq!(text.parse::<TraceParent>(), Err(NotATraceParent), "{text}");
        }
    }

    proptest! {
        #[test]
        fn strangers_cannot_break_it(text in "\\PC{0,80}") {
            let _any = TraceParent::continue_from(Some(&text));
        }
    }
}
