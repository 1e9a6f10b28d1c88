//! Finds what belongs to the project from wherever the program was started.

use std::{
    env,
    path::{Path, PathBuf},
};

/// A relative path below the present folder and everything above it, then below the program's folder and everything above that; only
/// those that exist.
pub fn upwards(relative: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let starts = [env::current_dir().ok(), env::current_exe().ok()];
    let candidates: Vec<PathBuf> = starts
        .into_iter()
        .flatten()
        .flat_map(|start| start.ancestors().map(|folder| folder.join(relative)).collect::<Vec<_>>())
        .filter(|path| path.exists())
        .collect();
    candidates.into_iter()
}
