//! Whether an account may send at all, asked when the service starts: a missing right is told before the first event meets it.

use wechat::api::Sent;

use super::Deliverer;
use crate::{accounts::Account, config};

/// Addressed to what can be nobody's OpenID: who may send is answered 40003, who may not 48001 (`facts.md` §4.6).
const TO_NOBODY: &str = r#"{"touser":"yingbin-capability-check","msgtype":"text","text":{"content":"."}}"#;

impl Deliverer {
    /// Asks the platform, without a message to anybody, and stops the account if the right is missing. An account that is stopped
    /// already is asked only when it may be tried.
    pub async fn check_right(&self, account: &Account) {
        let account_name = account.name.as_str();
        let mut slot = match self.slot(account).await {
            Ok(slot) => slot,
            Err(error) => {
                tracing::warn!(account = account_name, %error, "the right to send is not known yet");
                return;
            }
        };
        let sent = account.client.send(TO_NOBODY, config::BEGIN_WITHIN).await;
        let answered = matches!(sent, Sent::Refused { .. });
        self.heed(account, "", Some(&mut slot), sent);
        match (answered, account.breaker.held()) {
            (true, None) => tracing::info!(account = account_name, "the account may send"),
            (false, None) => tracing::warn!(account = account_name, "the right to send is not known yet"),
            // The stop has been told, with what to do about it.
            (_, Some(_)) => {}
        }
    }
}
