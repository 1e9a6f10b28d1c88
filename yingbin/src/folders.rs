//! Finds what belongs to the project from wherever the program was started, and the program itself.

use std::{
    env,
    ffi::OsStr,
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

/// How a person calls this program from the present folder, as short as it goes.
#[must_use]
pub fn program() -> String {
    let given = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let on_path = env::var_os("PATH").unwrap_or_default();
    let here = env::current_dir().unwrap_or_default();
    called(&given, env::current_exe().ok().as_deref(), &on_path, &here)
}

fn called(given: &Path, program: Option<&Path>, on_path: &OsStr, here: &Path) -> String {
    let name = given.file_name().map(PathBuf::from).unwrap_or_default();
    let same = |folder: PathBuf| {
        let found = folder.join(&name).canonicalize().ok();
        found.is_some() && found == program.and_then(|program| program.canonicalize().ok())
    };
    if given.components().count() == 1 || env::split_paths(on_path).any(same) {
        return name.display().to_string();
    }
    let short = given.strip_prefix(here).unwrap_or(given);
    let bare = short.components().count() == 1;
    if bare { format!("./{}", short.display()) } else { short.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_called_by_the_shortest_name_that_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("yingbin");
        std::fs::write(&program, "").unwrap();
        let call = |given: &str, on_path: &str| {
            called(Path::new(given), Some(&program), OsStr::new(on_path), Path::new("/project"))
        };
        let full = program.to_str().unwrap();
        assert_eq!(call("yingbin", "/usr/bin"), "yingbin", "found on the PATH when it was started");
        assert_eq!(call(full, &format!("/usr/bin:{}", folder.path().display())), "yingbin");
        assert_eq!(call(full, "/usr/bin"), full);
        assert_eq!(call("target/release/yingbin", "/usr/bin"), "target/release/yingbin");
        assert_eq!(call("/project/target/release/yingbin", "/usr/bin"), "target/release/yingbin");
        assert_eq!(call("/project/yingbin", "/usr/bin"), "./yingbin");
    }
}
