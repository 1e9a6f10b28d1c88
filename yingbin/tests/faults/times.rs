//! How long replies took.

use std::{collections::HashMap, fmt};

use crate::{bounds::p99, load::Pushed, stand::Stand, trial::TAKEOVER};

/// Times from push to message, milliseconds, shortest first.
pub(crate) struct Times(Vec<i64>);

impl Times {
    /// What 99 in 100 did not exceed.
    pub(crate) fn p99(&self) -> i64 {
        p99(&self.0)
    }

    /// What none exceeded.
    pub(crate) fn slowest(&self) -> i64 {
        self.0.last().copied().expect("something was measured")
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "99 in 100 were answered within {} ms", self.p99())
    }
}

impl Stand {
    /// What 99 in 100 replies to so many pushes do not exceed, milliseconds.
    pub(crate) async fn p99_of(&mut self, pushes: usize) -> i64 {
        let load = self.load();
        load.goes_on(pushes).await;
        let pushed = load.end().await;
        self.handled(TAKEOVER).await;
        let times = self.reply_times(&pushed);
        self.pushed.extend(pushed);
        times.p99()
    }

    /// How long the replies to these pushes took, from the push to the message; most have to have one.
    pub(crate) fn reply_times(&self, pushed: &[Pushed]) -> Times {
        let arrived = self.pusher.simulator.arrivals(0, None);
        let text = |arrival: &simulator::Arrival| {
            arrival.message["text"]["content"].as_str().unwrap_or_default().to_owned()
        };
        let arrived: HashMap<String, i64> =
            arrived.iter().rev().map(|arrival| (text(arrival), arrival.received_at)).collect();
        let took = |push: &Pushed| Some(arrived.get(&push.text)? - push.begun_ms);
        let mut all: Vec<i64> = pushed.iter().filter_map(took).collect();
        assert!(2 * all.len() > pushed.len(), "{} of {} pushes were answered", all.len(), pushed.len());
        all.sort_unstable();
        Times(all)
    }
}
