//! What a person typed and cannot be used.

/// Exit code of a command that was not understood, `EX_USAGE`.
pub const EXIT: u8 = 64;

/// What is missing, unknown or malformed. The command's example is shown below it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

impl Usage {
    /// Says what is wrong.
    pub fn new(say: impl Into<String>) -> Self {
        Self(say.into())
    }
}

/// An address with a scheme and a host, such as `http://host:8080/wechat/NAME`.
pub(super) fn address(flag: &str, given: &str, example: &str) -> Result<(), Usage> {
    let good = reqwest::Url::parse(given)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let say = || Usage::new(format!("{flag} {given:?} is no address: write it as {example}"));
    if good { Ok(()) } else { Err(say()) }
}
