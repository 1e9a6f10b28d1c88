//! The playbook of one account from its file.

use std::{
    io,
    path::{Path, PathBuf},
};

use wechat::account::AccountKind;

use super::{Playbook, Problems};

/// Why there is no playbook.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not there, or not for us.
    #[error("{} cannot be read: {error}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What it says is wrong.
    #[error(transparent)]
    Wrong(#[from] Problems),
}

impl Playbook {
    /// Reads the playbook of `account` from `file`. Blocks the thread.
    ///
    /// # Errors
    /// The file cannot be read, or as [`Playbook::of`].
    pub fn load(file: &Path, account: &str, kind: AccountKind) -> Result<Self, LoadError> {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| LoadError::Unreadable { file: file.to_owned(), error })?;
        Ok(Self::of(account, file, &text, kind)?)
    }

    /// [`Playbook::parse`] of the text of `file`, which must be written for `account`; a blank one is anybody.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn of(account: &str, file: &Path, text: &str, kind: AccountKind) -> Result<Self, Problems> {
        let file = file.display().to_string();
        let playbook = Self::parse(&file, text, kind)?;
        let written = playbook.account();
        if account.is_empty() || written == account {
            return Ok(playbook);
        }
        let message = format!("it is written for the account `{written}`, not for `{account}`");
        Err(Problems::whole(&file, &message))
    }
}
