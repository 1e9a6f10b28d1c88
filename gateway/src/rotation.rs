//! Tokens and keys that stand in files are followed while the process runs: changing them at the platform takes no restart.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{accounts::Account, config::Secrets, service::Gateway};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What stands in the files of one account, or why that cannot be read.
type Found = Result<Secrets, String>;

/// What was found in the files of one account.
#[derive(Debug)]
struct Followed {
    /// At the last look.
    last: Found,
    /// What was last taken over or refused.
    settled: Found,
}

impl Followed {
    /// Something new, once two looks have found it: a file that is being written is found like that only once.
    fn settles(&mut self, found: Found) -> Option<&Found> {
        let twice = self.last == found;
        if twice && self.settled != found {
            self.settled = found;
            return Some(&self.settled);
        }
        self.last = found;
        None
    }
}

/// Follows the files of all accounts until `shutdown`.
pub(crate) async fn follow(gateway: Arc<Gateway>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let of = |account: &Account| Followed {
        last: Ok(account.secrets.clone()),
        settled: Ok(account.secrets.clone()),
    };
    let mut all: Vec<_> = gateway.accounts.followed().map(|account| (account, of(account))).collect();
    while shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        for (account, followed) in &mut all {
            let secrets = account.secrets.clone();
            let found = tokio::task::spawn_blocking(move || secrets.again()).await?;
            if let Some(found) = followed.settles(found) {
                take(account, found);
            }
        }
    }
    Ok(())
}

/// What cannot be used never replaces what can; it is told once.
fn take(account: &Account, found: &Found) {
    let taken = found.as_ref().map_err(Clone::clone).and_then(|secrets| account.rotate(secrets));
    match taken {
        Ok(()) => {
            account.rotated.inc();
            tracing::info!(account = account.name, "tokens and keys taken over from their files");
        }
        Err(problems) => {
            account.not_rotated.inc();
            tracing::error!(
                account = account.name,
                problems,
                "what stands in the files of its tokens and keys is not taken, those before hold: correct it"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_look_has_found_is_not_taken_and_nothing_is_told_twice() {
        let [good, half, bad] = ["good", "half", "bad"].map(|word| Err::<Secrets, _>(word.to_owned()));
        let mut followed = Followed { last: good.clone(), settled: good.clone() };
        for (found, taken) in [
            (&good, false),
            (&half, false),
            (&good, false),
            (&half, false),
            (&bad, false),
            (&bad, true),
            (&bad, false),
            (&good, false),
            (&good, true),
        ] {
            assert_eq!(followed.settles(found.clone()).is_some(), taken, "{found:?}");
        }
    }
}
