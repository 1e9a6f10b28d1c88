//! Tokens and keys of an account, the current ones and those before the last change: as they are set, and as they stand in their files
//! later on.

use runtime::config::{Secret, Settings};
use wechat::{Mode, envelope::AesKey, push::Credentials};

const SETTINGS: [(&str, &str); 4] = [
    ("token", "Token of the account's server settings."),
    ("previous_token", "Token before the last change, still accepted."),
    ("aes_key", "EncodingAESKey of the account's server settings."),
    ("previous_aes_key", "EncodingAESKey before the last change, still accepted."),
];

/// What is secret of an account's pushes, in the order of the settings. A blank one is none, so that the file of a previous one may be
/// there before it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets([Option<Secret>; 4]);

impl Secrets {
    pub(super) fn read(settings: &mut Settings, table: &str) -> Self {
        Self(SETTINGS.map(|(name, meaning)| settings.secret(&format!("{table}.{name}"), meaning)))
    }

    /// Whether any stands in a file, and so may change.
    pub(crate) fn may_change(&self) -> bool {
        self.0.iter().flatten().any(|secret| secret.file().is_some())
    }

    /// As they stand in their files now; what stands in none stays. Blocks the thread.
    ///
    /// # Errors
    /// A file cannot be read; its setting is named.
    pub(crate) fn again(&self) -> Result<Self, String> {
        let mut again = self.clone();
        for (secret, (name, _)) in again.0.iter_mut().zip(SETTINGS) {
            let Some(file) = secret.as_ref().and_then(Secret::file) else { continue };
            let read = Secret::read(file).map_err(|error| format!("{name}_file cannot be read: {error}"))?;
            *secret = Some(read);
        }
        Ok(again)
    }

    /// What is wrong with them in this mode: the setting, and what to do.
    pub(crate) fn problems(&self, mode: Mode) -> Vec<(&'static str, String)> {
        let [token, _, aes_key, previous_aes_key] = self.given();
        let mut problems = Vec::new();
        if token.is_none() {
            problems.push(("token", "is missing; copy it from the account's server settings".to_owned()));
        }
        if aes_key.is_none() && mode != Mode::Plain {
            problems
                .push(("aes_key", "is needed in compatible and safe mode: 43 letters and digits".to_owned()));
        }
        let keys = [("aes_key", aes_key), ("previous_aes_key", previous_aes_key)];
        let wrong = |(name, text): (_, Option<&str>)| Some((name, AesKey::parse(text?).err()?.to_string()));
        problems.extend(keys.into_iter().filter_map(wrong));
        problems
    }

    /// What pushes are checked with. Good only where there are no [`Secrets::problems`].
    pub(crate) fn credentials(&self, app_id: &str, mode: Mode) -> Credentials {
        let [token, previous_token, aes_key, previous_aes_key] = self.given();
        let parsed = |text: Option<&str>| text.and_then(|text| AesKey::parse(text).ok());
        Credentials {
            app_id: app_id.to_owned(),
            token: token.unwrap_or_default().into(),
            previous_token: previous_token.map(Into::into),
            aes_key: parsed(aes_key),
            previous_aes_key: parsed(previous_aes_key),
            mode,
        }
    }

    fn given(&self) -> [Option<&str>; 4] {
        self.0.each_ref().map(|secret| secret.as_ref().map(Secret::expose).filter(|text| !text.is_empty()))
    }
}
