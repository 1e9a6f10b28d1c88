//! What an account is, under which rules it lives, and how its pushes are protected.

use serde::{Deserialize, Serialize};

/// A word of the configuration that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}: write one of {known}")]
pub struct UnknownWord {
    /// What the word should have named.
    pub what: &'static str,
    /// The word as given.
    pub given: String,
    /// The words that are known, separated by commas.
    pub known: &'static str,
}

macro_rules! words {
    ($name:ident, $what:literal, $known:literal, { $($variant:ident = $word:literal),+ }) => {
        impl $name {
            /// The word for it in configuration, JSON and on the command line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(given: &str) -> Result<Self, UnknownWord> {
                match given {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { what: $what, given: given.to_owned(), known: $known }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// The kind of an account; it decides which messages can be shown and which rights are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// An Official Account (公众号, 服务号).
    Official,
    /// The customer conversation of a mini-program (小程序).
    MiniProgram,
}

words!(AccountKind, "account kind", "official, mini_program", {
    Official = "official", MiniProgram = "mini_program"
});

/// Which generation of WeChat's send rules holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum RuleSet {
    /// The rules in force since 2023-06-12 (`facts.md` §4.4).
    #[default]
    #[serde(rename = "today")]
    Today,
    /// The rules of WeChat 4.5, in which `ENTER` opens the window (`facts.md` §2.7).
    #[serde(rename = "wechat-4.5")]
    WeChat45,
}

words!(RuleSet, "rule set", "today, wechat-4.5", { Today = "today", WeChat45 = "wechat-4.5" });

/// How the pushes of an account are protected (`facts.md` §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Clear text (明文模式); the signature covers neither body nor sender.
    Plain,
    /// Clear fields and the encrypted document side by side (兼容模式).
    Compatible,
    /// The encrypted document alone (安全模式).
    Safe,
}

words!(Mode, "encryption mode", "plain, compatible, safe", {
    Plain = "plain", Compatible = "compatible", Safe = "safe"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_matches_serde() {
        for kind in [AccountKind::Official, AccountKind::MiniProgram] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for rules in [RuleSet::Today, RuleSet::WeChat45] {
            assert_eq!(rules.as_str().parse(), Ok(rules));
            assert_eq!(serde_json::to_value(rules).unwrap(), rules.as_str());
        }
        for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
            assert_eq!(mode.as_str().parse(), Ok(mode));
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
        }
    }

    #[test]
    fn an_unknown_word_is_told_with_the_known_ones() {
        let error = "sicher".parse::<Mode>().unwrap_err();
        assert_eq!(error.to_string(), "`sicher` is no encryption mode: write one of plain, compatible, safe");
    }
}
