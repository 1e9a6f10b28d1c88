//! The metrics by which an operator sees a fault (I8).

use std::collections::HashMap;

use super::Stand;

impl Stand {
    /// From now on these metrics are watched.
    pub(crate) async fn watch(&mut self, metrics: &'static [&'static str]) {
        self.watched = metrics;
        let mut calm = HashMap::new();
        for name in metrics {
            for service in self.services() {
                calm.insert((service.process.pid(), *name), service.counts(&self.http, name).await);
            }
        }
        self.calm = calm;
    }

    /// By how much each watched metric has risen on the processes that run: who was started since begins with nothing.
    pub(crate) async fn raised(&self) -> Vec<(&'static str, f64)> {
        let mut raised = Vec::new();
        for name in self.watched {
            let mut sum = 0.0;
            for service in self.services() {
                let calm = self.calm.get(&(service.process.pid(), *name)).copied().unwrap_or(0.0);
                sum += service.counts(&self.http, name).await - calm;
            }
            raised.push((*name, sum));
        }
        raised
    }

    /// A metric, over all processes that run.
    pub(crate) async fn counted(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        for service in self.services() {
            sum += service.counts(&self.http, name).await;
        }
        sum
    }
}
