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
    pub(super) fn read(settings: &mut Settings, table: &str, mode: Mode) -> Self {
        let secrets =
            Self(SETTINGS.map(|(name, meaning)| settings.secret(&format!("{table}.{name}"), meaning)));
        let mut wrong = secrets.problems(mode);
        for (current, previous) in [(0, 1), (2, 3)] {
            let in_file = |n: usize| secrets.0[n].as_ref().map(|secret| secret.file().is_some());
            if (in_file(current), in_file(previous)) == (Some(true), Some(false)) {
                wrong.push((
                    SETTINGS[previous].0,
                    "has to stand in a file too: the current one may change there".to_owned(),
                ));
            }
        }
        for (name, wrong) in wrong {
            settings.problem(&format!("{table}.{name}"), &wrong);
        }
        secrets
    }

    /// Whether any stands in a file, and so may change.
    pub(crate) fn may_change(&self) -> bool {
        self.0.iter().flatten().any(|secret| secret.file().is_some())
    }

    /// As they stand in their files now; what stands in none stays. Blocks the thread.
    ///
    /// # Errors
    /// A file cannot be read, or they cannot be used in this mode: the setting, and what to do, without what stands there.
    pub(crate) fn again(&self, mode: Mode) -> Result<Self, String> {
        let mut again = self.clone();
        for (secret, (name, _)) in again.0.iter_mut().zip(SETTINGS) {
            let Some(file) = secret.as_ref().and_then(Secret::file) else { continue };
            let read = Secret::read(file).map_err(|error| format!("{name}_file cannot be read: {error}"))?;
            *secret = Some(read);
        }
        let problems = again.problems(mode);
        if problems.is_empty() {
            return Ok(again);
        }
        let told: Vec<_> = problems.iter().map(|(name, wrong)| format!("{name} {wrong}")).collect();
        Err(told.join("; "))
    }

    /// What is wrong with them in this mode: the setting, and what to do.
    pub(crate) fn problems(&self, mode: Mode) -> Vec<(&'static str, String)> {
        let [token, previous_token, aes_key, previous_aes_key] = self.given();
        let mut problems = Vec::new();
        let mut wrong = |name, told: &str| problems.push((name, told.to_owned()));
        if token.is_none() {
            wrong("token", "is missing; copy it from the account's server settings");
        }
        if aes_key.is_none() && mode != Mode::Plain {
            wrong("aes_key", "is needed in compatible and safe mode: 43 letters and digits");
        }
        for (name, text) in [("token", token), ("previous_token", previous_token)] {
            if text.is_some_and(|text| !text.bytes().all(|byte| byte.is_ascii_graphic())) {
                wrong(name, "may hold letters, digits and signs only, and no space");
            }
        }
        for (name, text) in [("aes_key", aes_key), ("previous_aes_key", previous_aes_key)] {
            if let Some(Err(error)) = text.map(AesKey::parse) {
                wrong(name, &error.to_string());
            }
        }
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
        self.0
            .each_ref()
            .map(|secret| secret.as_ref().map(Secret::expose).filter(|text| !text.trim().is_empty()))
    }
}
