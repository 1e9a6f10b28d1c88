//! Where one access token is kept: in this process, or where the replicas of a fleet share it. It is sealed before it gets there.

use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use aes_siv::{KeyInit as _, siv::Aes128Siv};
use sha2::{Digest as _, Sha256};

use super::record::Record;
use crate::secret::Secret;

/// An answer of a [`TokenStore`]; the error says in words why there is none.
pub type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// Keeps the few bytes by which replicas agree on one token. It sees sealed bytes only.
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// What is kept; empty: nothing.
    fn load(&self) -> Stored<'_, Vec<u8>>;

    /// Keeps `new` if what is kept is still `seen`, and says whether it was. A repeat after a lost answer says `false`.
    fn swap<'a>(&'a self, seen: &'a [u8], new: &'a [u8]) -> Stored<'a, bool>;

    /// Unix milliseconds by the clock that all of them go by.
    fn now_ms(&self) -> i64;
}

/// Keeps it in this process.
#[derive(Default)]
pub struct InMemory(Mutex<Vec<u8>>);

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InMemory")
    }
}

impl TokenStore for InMemory {
    fn load(&self) -> Stored<'_, Vec<u8>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(std::future::ready(Ok(kept)))
    }

    fn swap<'a>(&'a self, seen: &'a [u8], new: &'a [u8]) -> Stored<'a, bool> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = *kept == seen;
        if same {
            new.clone_into(&mut kept);
        }
        Box::pin(std::future::ready(Ok(same)))
    }

    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Seals records with a key that only who knows the `AppSecret` has.
pub(super) struct Seal([u8; 32]);

impl Seal {
    pub(super) fn new(app_id: &str, secret: &Secret) -> Self {
        let key =
            Sha256::new_with_prefix(b"yingbin access token v1\0").chain_update(app_id).chain_update("\0");
        Self(key.chain_update(secret.expose()).finalize().into())
    }

    pub(super) fn close(&self, record: &Record) -> Vec<u8> {
        let plain = serde_json::to_vec(record).expect("a record holds strings and numbers only");
        let sealed = Aes128Siv::new(&self.0.into()).encrypt([[0u8; 0]; 0], &plain);
        sealed.expect("AES-SIV refuses more than 126 headers only, and there are none")
    }

    /// What another secret has sealed, or nobody, counts as nothing.
    pub(super) fn open(&self, sealed: &[u8]) -> Record {
        let plain = Aes128Siv::new(&self.0.into()).decrypt([[0u8; 0]; 0], sealed);
        plain.ok().and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_shows_no_token_and_opens_with_the_same_secret_only() {
        let (seal, other) = (Seal::new("wx1", &"one".into()), Seal::new("wx1", &"two".into()));
        let record = Record::default().given("sesame".repeat(20), 7200, 1_800_000_000_000);
        let sealed = seal.close(&record);
        assert!(!String::from_utf8_lossy(&sealed).contains("sesame"));
        assert!(seal.open(&sealed) == record);
        for nothing in [other.open(&sealed), seal.open(b""), seal.open(&sealed[1..])] {
            assert!(nothing == Record::default());
        }
    }
}
