//! The metrics by which an operator sees a fault (I8).

use std::collections::HashMap;

use super::Stand;

impl Stand {
    /// From now on these metrics are watched.
    pub(crate) async fn watch(&mut self, metrics: &'static [&'static str]) {
        self.watched = metrics;
        self.is_calm().await;
    }

    /// The system works: whatever has risen until now is no fault's doing.
    pub(crate) async fn is_calm(&self) {
        let mut calm = HashMap::new();
        for name in self.watched {
            for service in self.services() {
                calm.insert((service.process.pid(), *name), service.counts(&self.http, name).await);
            }
        }
        *self.calm.lock().unwrap() = calm;
    }

    /// By how much each watched metric has risen on the processes that run: who was started since begins with nothing.
    pub(crate) async fn raised(&self) -> Vec<(&'static str, f64)> {
        let calm = self.calm.lock().unwrap().clone();
        let mut raised = Vec::new();
        for name in self.watched {
            let mut sum = 0.0;
            for service in self.services() {
                let calm = calm.get(&(service.process.pid(), *name)).copied().unwrap_or(0.0);
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

    /// Tasks of each process that runs.
    pub(crate) async fn tasks(&self) -> Vec<f64> {
        let mut tasks = Vec::new();
        for service in self.services() {
            tasks.push(service.counts(&self.http, "process_tasks").await);
        }
        tasks
    }

    /// Sends that the content-services have under way: only these may still arrive when the ledger is gone.
    pub(crate) async fn sends_in_flight(&self) -> usize {
        let under_way = self.counted("content_sends_in_flight").await;
        (0..).take_while(|count| f64::from(*count) < under_way).count()
    }
}
