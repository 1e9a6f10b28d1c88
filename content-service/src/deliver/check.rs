//! Whether an account may send at all, asked when the service starts: a missing right is told before the first event meets it.

use std::{collections::BTreeSet, time::Duration};

use runtime::backoff::Backoff;
use wechat::api::Sent;

use super::{Deliverer, NoLeave, Verdict};
use crate::{accounts::Account, config};

/// Addressed to what can be nobody's OpenID. In which order the platform looks at right and user is not documented: 48001 is taken for
/// “may not send”, and whatever is said of the user, such as 40003, for “may” (`facts.md` §4.6). If that is wrong of an account, its
/// first event meets the 48001.
const TO_NOBODY: &str = r#"{"touser":"yingbin-capability-check","msgtype":"text","text":{"content":"."}}"#;
/// The first pause between two questions, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

impl Deliverer {
    /// Asks the platform, without a message to anybody, until it is known whether the account may send, and stops the account if the
    /// right is missing. An account that is stopped already is asked only when it may be tried. Cancel safe.
    pub async fn check_right(&self, account: &Account) {
        let (mut backoff, mut said) = (Backoff::new(PAUSES[0], PAUSES[1]), BTreeSet::new());
        while let Some(why) = self.not_known(account).await {
            let account = account.name.as_str();
            if said.insert(why.clone()) {
                tracing::warn!(account, why, "the right to send is not known yet: it is asked again");
            } else {
                tracing::debug!(account, why, "the right to send is not known yet");
            }
            backoff.wait().await;
        }
    }

    /// Asks once; why it is not known after that, if so.
    async fn not_known(&self, account: &Account) -> Option<String> {
        let asked = self.ask(account).await;
        match (asked, account.breaker.held()) {
            // The stop has been told, with what to do about it.
            (_, Some(stop)) if !stop.passes() => None,
            (Ok(Verdict::Taken | Verdict::Refused { closes: true, .. }), None) => {
                tracing::info!(account = account.name, "the account may send");
                None
            }
            (Ok(verdict), _) => Some(verdict.reason()),
            (Err(error), _) => Some(error.to_string()),
        }
    }

    async fn ask(&self, account: &Account) -> Result<Verdict, NoLeave> {
        let (mut slot, began_ms) = (self.slot(account).await?, self.clock.now_ms());
        let sent: Sent = account.client.send(TO_NOBODY, config::BEGIN_WITHIN).await;
        Ok(self.heed(account, "", Some(&mut slot), sent, began_ms))
    }
}
