//! `.yingbin/up.json`, by which commands find what runs in their folder: it belongs to the first that runs there.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Where it is, from the folder of the process.
pub(super) const PATH: &str = ".yingbin/up.json";

/// The file, locked as long as this process lives, however that ends.
#[derive(Debug)]
pub(super) struct UpFile {
    path: PathBuf,
    file: File,
}

impl UpFile {
    /// Writes `text` into the file at `path` and keeps it; `None`: it belongs to another process that lives, and stays as it is.
    pub(super) fn write(path: &Path, text: &str) -> io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let Some(mut claimed) = Self::claim(path)? else { return Ok(None) };
        claimed.file.set_len(0)?;
        claimed.file.write_all(text.as_bytes())?;
        Ok(Some(claimed))
    }

    /// Removes it: nothing runs here any more.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }

    fn claim(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Its owner may have removed it between opening and locking.
            let inode = file.metadata()?.ino();
            if fs::metadata(path).is_ok_and(|there| there.ino() == inode) {
                return Ok(Some(Self { path: path.to_owned(), file }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_belongs_to_the_first_until_that_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PATH);
        let read = || fs::read_to_string(&path).unwrap();
        let first = UpFile::write(&path, "a longer first").unwrap().expect("nobody was there");
        assert!(UpFile::write(&path, "second").unwrap().is_none());
        assert_eq!(read(), "a longer first");
        drop(first);
        let third = UpFile::write(&path, "third").unwrap().expect("the first has gone without a word");
        assert_eq!(read(), "third");
        third.remove().unwrap();
        assert!(!path.exists());
    }
}
