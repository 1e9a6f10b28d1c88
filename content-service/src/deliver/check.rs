//! Whether an account may send at all, asked when the service starts: a missing right is told before the first event meets it.

use std::{collections::BTreeSet, time::Duration};

use runtime::backoff::Backoff;

use super::{Deliverer, NoLeave, Verdict};
use crate::{accounts::Account, breaker::Stop, config};

/// Addressed to what can be nobody's OpenID. In which order the platform looks at right and user is not documented: 48001 is taken for
/// “may not send”, and whatever is said of the user, such as 40003, for “may” (`facts.md` §4.6). If that is wrong of an account, its
/// first event meets the 48001.
const TO_NOBODY: &str = r#"{"touser":"yingbin-capability-check","msgtype":"text","text":{"content":"."}}"#;
/// Between the first two questions.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// What the platform does not say by then only an event will show.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

impl Deliverer {
    /// Asks the platform, without a message to anybody, until it is known whether the account may send, be it from an event, and stops
    /// the account if the right is missing. An account that is stopped already is asked only when it may be tried. Cancel safe.
    pub async fn check_right(&self, account: &Account) {
        let (mut backoff, mut said) = (Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), BTreeSet::new());
        while let Some((errcode, why)) = self.not_known(account).await {
            let account = account.name.as_str();
            // By the code: the platform's text is another one each time.
            if said.insert(errcode) {
                tracing::warn!(account, why, "the right to send is not known yet: it is asked again");
            } else {
                tracing::debug!(account, why, "the right to send is not known yet");
            }
            backoff.wait().await;
        }
    }

    /// Asks once, if need be; the code and the reason for which it is not known after that, if so.
    async fn not_known(&self, account: &Account) -> Option<(Option<i32>, String)> {
        if account.breaker.was_open() {
            return None;
        }
        let asked = self.ask(account).await;
        // The stop has been told, with what to do about it.
        if account.breaker.held().is_some_and(|stop| !stop.passes()) {
            return None;
        }
        match asked {
            _ if account.breaker.was_open() => {
                tracing::info!(account = account.name, "the account may send");
                None
            }
            Ok(verdict) => Some((verdict.errcode(), verdict.reason())),
            Err(error) => Some((error.errcode(), error.to_string())),
        }
    }

    async fn ask(&self, account: &Account) -> Result<Verdict, NoLeave> {
        let passes = |stop: &Stop| stop.passes() && stop.lasts(self.clock.now_ms());
        // The one try that the fleet has before its end belongs to an event.
        if let Some(stop) = account.breaker.held().filter(passes) {
            return Err(NoLeave::Stopped(stop));
        }
        let (mut slot, began_ms) = (self.slot(account).await?, self.clock.now_ms());
        let sent = account.client.send(TO_NOBODY, config::BEGIN_WITHIN).await;
        let verdict = self.heed(account, None, Some(&mut slot), sent, began_ms);
        self.leave(account, slot);
        Ok(verdict)
    }
}
