//! Tokens and keys that stand in files are followed while the process runs: changing them at the platform takes no restart.

use std::{mem, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{accounts::Account, config::Secrets, service::Gateway};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What stands in the files of one account, or why that cannot be used.
type Found = Result<Secrets, String>;

/// The files of one account as they were found.
#[derive(Debug)]
struct Followed {
    /// At the last look.
    last: Found,
    /// When something was last made of it.
    settled: Found,
    in_force: Secrets,
}

impl Followed {
    fn new(at_start: &Secrets) -> Self {
        Self { last: Ok(at_start.clone()), settled: Ok(at_start.clone()), in_force: at_start.clone() }
    }

    /// Something new, once two looks have found it: a file that is being written is found like that only once.
    fn settles(&mut self, found: Found) -> Option<Found> {
        let twice = mem::replace(&mut self.last, found.clone()) == found;
        (twice && self.settled != found).then(|| {
            self.settled = found.clone();
            found
        })
    }

    /// What cannot be used never replaces what can.
    fn settle(&mut self, account: &Account, found: Found) {
        let name = &account.name;
        account.unusable.set(i64::from(found.is_err()));
        match found {
            Ok(secrets) if secrets == self.in_force => {
                tracing::info!(account = name, "the files of its tokens and keys hold what is in force");
            }
            Ok(secrets) => {
                account.rotate(&secrets);
                account.rotated.inc();
                tracing::info!(account = name, "tokens and keys taken over from their files");
                self.in_force = secrets;
            }
            Err(problems) => {
                account.not_rotated.inc();
                tracing::error!(
                    account = name,
                    problems,
                    "what stands in the files of its tokens and keys is not taken, those before hold: correct it"
                );
            }
        }
    }
}

/// Follows the files of all accounts until `shutdown`.
pub(crate) async fn follow(gateway: Arc<Gateway>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let following = async {
        let accounts = gateway.accounts.followed();
        let mut all: Vec<_> = accounts.map(|account| (account, Followed::new(&account.secrets))).collect();
        loop {
            tokio::time::sleep(LOOK).await;
            for (account, followed) in &mut all {
                let (secrets, mode) = (account.secrets.clone(), account.mode);
                let found = tokio::task::spawn_blocking(move || secrets.again(mode)).await?;
                if let Some(found) = followed.settles(found) {
                    followed.settle(account, found);
                }
            }
        }
    };
    shutdown.run_until_cancelled(following).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_look_has_found_is_not_taken_and_nothing_is_told_twice() {
        let [good, half, bad] = ["good", "half", "bad"].map(|word| Err::<Secrets, _>(word.to_owned()));
        let mut followed =
            Followed { last: good.clone(), settled: good.clone(), in_force: Secrets::default() };
        for (found, settles) in [
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
            assert_eq!(followed.settles(found.clone()).is_some(), settles, "{found:?}");
        }
    }
}
